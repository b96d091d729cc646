// Loaded between require.js and embed-amd.js (nb_ipywidgets_js in _config.yml): every widget package comes from
// this folder, so that a page of the book asks no other host for anything.
(function () {
  const script = document.currentScript;
  const base = new URL(".", script.src).href;
  // Fallback place for widget packages that `paths` does not name: never a CDN.
  script.setAttribute("data-jupyter-widgets-cdn", base + "absent/");
  // The checker of widget states in embed-amd.js complains of its own rules, once a page, to nobody's use.
  const warn = console.warn;
  console.warn = (...said) => String(said[0]).startsWith("strict mode: use allowUnionTypes") || warn(...said);
  requirejs.config({ paths: {
    anywidget: base + "anywidget",
    // embed-amd.js defines both of these; it looks for its icon fonts beside their addresses
    "@jupyter-widgets/html-manager": base + "fonts/html-manager",
    "@jupyter-widgets/html-manager/dist": base + "fonts",
  } });
  document.addEventListener("DOMContentLoaded", function () {
    // ipywidgets 8 calls the MathJax 2 interface on every description; give it one that MathJax 3 understands.
    const mathjax = window.MathJax;
    if (mathjax && !mathjax.Hub) {
      mathjax.Hub = { Queue: (job) => mathjax.typesetPromise && mathjax.typesetPromise([job[2]]) };
    }
  });
})();
