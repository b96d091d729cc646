// Formulas that are wider than their place are set smaller, so that a phone shows them whole without moving them sideways.
const LEAST = 0.45;  // of their size

function room(formula) {
  const place = formula.closest("div, p, li, td, dd"), style = getComputedStyle(place);
  const number = place.querySelector(":scope > .eqno, :scope > p > .eqno")?.offsetWidth ?? 0;
  const inside = place.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - number;
  return (formula.hasAttribute("display") ? Math.min(inside, formula.clientWidth) : inside) - 2;
}

function fit() {
  for (const formula of document.querySelectorAll("article mjx-container")) {
    formula.style.fontSize = "";
    const share = room(formula) / formula.firstElementChild.getBoundingClientRect().width;
    if (share < 1) formula.style.fontSize = `${Math.floor(100 * Math.max(LEAST, share))}%`;
  }
}

addEventListener("load", async () => {
  if (!globalThis.MathJax?.startup) return;  // a page without formulas
  await MathJax.startup.promise;
  fit();
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    fit();
  });
});
