// The frame that the explorers of the book share: it loads the charts, builds the controls, keeps the state, writes the
// link, and says in a sentence what is shown. How to make an explorer with it stands in ../explorers/frame.py.
import { bookRoot, fromKernel, fromLink, make, packed } from "./page.js";

// ---- small things ---------------------------------------------------------------------------------------------------

export const signed = (value, digits = 2) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits);
export const count = (value) => Number(value).toLocaleString("en-GB");
// A share as per cent, with as many digits as tell something.
export const percent = (share) => `${+(100 * share).toPrecision(Math.abs(share) < 0.1 ? 2 : 3)} %`;

// ---- the charts -----------------------------------------------------------------------------------------------------

const CHARTS = "_static/explorers/charts.js";
const LOADING = Symbol.for("subliminal charts");  // all explorers of a page share one copy

// By a script element: a page that is opened as a file may not fetch or import its neighbours.
function fromBook() {
  return new Promise((done, fail) => {
    const script = make("script", { src: `${bookRoot()}${CHARTS}` });
    script.addEventListener("load", () => done(globalThis.subliminalCharts));
    script.addEventListener("error", () => fail(new Error("load the page again")));
    document.head.append(script);
  });
}

function chartsOf(message) {
  if (!message.charts) return undefined;
  new Function(message.charts)();
  return globalThis.subliminalCharts;
}

// Observable Plot and d3: { Plot, d3 }.
async function charts(model) {
  globalThis[LOADING] ??= bookRoot() === undefined ? fromKernel(model, { wanted: "charts" }, chartsOf) : fromBook();
  try {
    return await globalThis[LOADING];
  } catch (error) {
    delete globalThis[LOADING];
    throw error;
  }
}

// ---- controls -------------------------------------------------------------------------------------------------------
// Each is made from what it is about and gives, for a view, { node, show }: its element, and what brings it up to date.
// `options` is a function of the view: [[value, words, its mark in the pictures as { kind, shape } or nothing], ...].

function field(view, key, label, control) {
  control.id = view.id(key);
  return make("div", { class: "ex-field" }, make("label", { for: control.id }, label), control);
}

export const select = ({ key, label, options }) => (view) => {
  const control = make("select"), node = field(view, key, label, control);
  let there = [];
  control.addEventListener("change", () => view.set({ [key]: there[control.selectedIndex][0] }));
  const show = () => {
    const wanted = options(view);
    if (JSON.stringify(wanted) !== JSON.stringify(there))
      control.replaceChildren(...wanted.map(([value, words]) => make("option", { value }, words)));
    there = wanted;
    control.selectedIndex = there.findIndex(([value]) => value === view.state[key]);
  };
  return { node, show };
};

// The mark of an arm as pictures have it, for a line of text.
function mark({ d3 }, { kind, shape }) {
  const symbol = d3.symbol(d3[`symbol${shape[0].toUpperCase()}${shape.slice(1)}`], 70)();
  const svg = d3.create("svg").attr("class", "ex-mark").attr("viewBox", "-8 -8 16 16").attr("aria-hidden", "true");
  svg.append("path").attr("d", symbol).attr("fill", colour(kind)).attr("stroke", colour(kind));
  return svg.node();
}

// Radio buttons or ticks, a line each.
function boxes(view, { key, label, options }, type, isOn, pressed) {
  const node = make("fieldset", {}, make("legend", {}, label));
  let there = [], inputs = [];
  const line = ([value, words, look], place) => {
    const box = make("input", { type, name: view.id(key), id: view.id(`${key}-${place}`), value });
    box.addEventListener("change", () => pressed(value, inputs.flatMap((input, i) => (input.checked ? [there[i][0]] : []))));
    inputs.push(box);
    return make("label", { for: box.id }, box, ...(look ? [mark(view, look)] : []), words);
  };
  const show = () => {
    const wanted = options(view);
    if (JSON.stringify(wanted) !== JSON.stringify(there)) {
      there = wanted;
      inputs = [];
      node.replaceChildren(node.firstChild, ...wanted.map(line));
    }
    inputs.forEach((input, place) => { input.checked = isOn(there[place][0]); });
  };
  return { node, show };
}

// One of a few; the state holds the value.
export const choice = (about) => (view) =>
  boxes(view, about, "radio", (value) => view.state[about.key] === value, (value) => view.set({ [about.key]: value }));

// Any number of a few; the state holds a list of values.
export const ticks = (about) => (view) =>
  boxes(view, about, "checkbox", (value) => view.state[about.key].includes(value), (_, on) => view.set({ [about.key]: on }));

// One of `stops(view)`, which `say` puts into words.
export const slider = ({ key, label, stops, say }) => (view) => {
  const range = make("input", { type: "range", min: 0, step: 1 }), node = field(view, key, label, range);
  const shown = make("output", { for: range.id });
  node.classList.add("ex-slider");
  range.before(" ", shown);
  range.addEventListener("input", () => view.set({ [key]: stops(view)[range.valueAsNumber] }));
  const show = () => {
    const there = stops(view);
    range.max = Math.max(0, there.length - 1);
    range.value = there.indexOf(view.state[key]);
    range.disabled = there.length < 2;
    shown.value = say(view.state[key], view);
    range.setAttribute("aria-valuetext", shown.value);
  };
  return { node, show };
};

export const search = ({ key, label }) => (view) => {
  const control = make("input", { type: "search" }), node = field(view, key, label, control);
  control.addEventListener("input", () => view.set({ [key]: control.value }));
  return { node, show: () => { if (control.value !== view.state[key]) control.value = view.state[key]; } };
};

// `words(view)` is what stands on it, "" hides it; `press(view)` is what it does.
export const button = ({ words, press }) => (view) => {
  const node = make("button", { type: "button" });
  node.addEventListener("click", () => press(view));
  const show = () => {
    node.textContent = words(view);
    node.hidden = !node.textContent;
  };
  return { node, show };
};

// ---- pictures -------------------------------------------------------------------------------------------------------

// A chart of Observable Plot in the frame's look, as wide as there is room; `label` is what a screen reader says of it.
export function chart(view, label, options) {
  const given = { type: "identity" };  // sizes and opacities are what the data say
  const style = { fontSize: "12px", fontFamily: "inherit" };
  const made = view.Plot.plot({ width: view.width, className: "ex-plot", style, r: given, opacity: given, ...options });
  const svg = made.matches("svg") ? made : made.querySelector("svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  // Plot names the groups of its marks, which have no role that could bear a name
  for (const group of made.querySelectorAll("g[aria-label]")) group.removeAttribute("aria-label");
  return made;
}

export const colour = (kind) => `var(--ex-${kind})`;

const ROW = 56;

// Draws as dots, their mean as a large one and its interval as a bar, a row each.
// `rows`: [{ label, note, kind, shape, draws, mean, low, high }], those without draws keep their place.
export function drawsByRow(view, label, rows, { axis, domain, marks = [], format = (value) => (value ? signed(value, 1) : "0") }) {
  const { Plot } = view, named = rows.map((row, y) => ({ ...row, y, colour: colour(row.kind) }));
  const full = named.filter((row) => row.draws.length);
  const dots = full.flatMap((row) => row.draws.map((value) => ({ ...row, value })));
  const look = { symbol: "shape", fill: "colour", stroke: "colour" }, beside = { frameAnchor: "left", textAnchor: "start", lineAnchor: "bottom" };
  return chart(view, label, {
    height: 44 + ROW * Math.max(1, rows.length), marginLeft: 14, marginRight: 20, marginTop: 4, marginBottom: 40,
    x: { domain, label: axis, labelAnchor: "center", labelArrow: "none", tickFormat: format, ticks: Math.min(8, Math.floor(view.width / 60)), nice: true },
    y: { domain: named.map((row) => row.y), axis: null, type: "band" },
    marks: [
      Plot.gridX({ strokeOpacity: 0.14 }), Plot.ruleX([0], { strokeOpacity: 0.6 }), ...marks,
      Plot.text(named, { y: "y", text: "label", fontWeight: 600, dy: -9, dx: 2, ...beside, className: "ex-halo" }),
      Plot.text(named, { y: "y", text: "note", fontSize: 11, dy: 4, dx: 2, ...beside, className: "ex-halo" }),
      Plot.link(full.filter((row) => row.low !== null), { x1: "low", x2: "high", y1: "y", y2: "y", dy: 16, stroke: "colour", strokeWidth: 3, strokeOpacity: 0.75, strokeLinecap: "round" }),
      Plot.dot(dots, { x: "value", y: "y", dy: 16, r: 3.5, ...look, fillOpacity: 0.4, strokeOpacity: 0.5, className: "ex-draws" }),
      Plot.dot(full, { x: "mean", y: "y", dy: 16, r: 6, ...look, className: "ex-means" }),
    ],
  });
}

// The least and the largest of all draws and intervals, zero among them, so that a slider moves the picture only.
export function extent(cells) {
  const values = cells.flatMap((cell) => [...cell.draws, cell.low ?? cell.mean, cell.high ?? cell.mean, 0]);
  return [Math.min(...values), Math.max(...values)];
}

// ---- the explorer ---------------------------------------------------------------------------------------------------

const COLUMN = 300, GAP = 24;  // least width of a picture that stands beside another, and what is between them
let instances = 0;

function widths(room, columns) {
  const beside = Math.max(1, Math.min(columns, Math.floor((room + GAP) / (COLUMN + GAP))));
  return Math.floor((room - GAP * (beside - 1)) / beside);
}

function figure({ picture, title, wide = false }, width) {
  const shown = make("figure", {}, picture, ...(title ? [make("figcaption", {}, title)] : []));
  shown.style.width = wide ? "100%" : `${width}px`;
  return shown;
}

// A picture that is drawn anew takes the focus over from the one before, by the name of its part.
function replace(place, figures) {
  const held = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  place.replaceChildren(...figures);
  if (held !== undefined) place.querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus();
}

function build(spec, data, charts, root) {
  const id = `ex-${spec.name}-${++instances}`, mend = spec.mend ?? ((_, state) => state);
  const opened = spec.open(data);
  // what a link does not name, or names of an older book, is as it was when the explorer opened
  const restored = (state) => mend(data, { ...opened, ...state });
  const pictures = make("div", { class: "ex-pictures" }), status = make("p", { class: "ex-status", role: "status" });
  const link = make("a", { class: "ex-link" }, "Link to this view");
  link.hidden = bookRoot() === undefined;
  const view = { data, ...charts, state: restored(fromLink(spec.name) ?? {}), id: (key) => `${id}-${key}`, width: 0 };
  view.set = (changes) => {
    view.state = mend(data, { ...view.state, ...changes }, view.state);
    redraw();
  };
  const controls = spec.controls(data).map((control) => control(view));
  const redraw = () => {
    view.room = pictures.clientWidth || 640;
    view.width = widths(view.room, spec.columns ?? 1);
    controls.forEach((control) => control.show());
    replace(pictures, spec.draw(view).map((each) => figure(each, view.width)));
    const told = spec.tell(view);
    if (status.textContent !== told) status.textContent = told;
    link.href = `#${spec.name}-${packed(view.state)}`;
  };
  root.replaceChildren(make("div", { class: "ex-controls" }, ...controls.map(({ node }) => node)), status, pictures, link);
  redraw();
  return { view, pictures, redraw, restored };
}

// Draws again when there is more or less room, and when the address names another state.
function follow(spec, { view, pictures, redraw, restored }, root) {
  let room = view.room;
  const watch = new ResizeObserver(() => {
    if (!pictures.clientWidth || pictures.clientWidth === room) return;
    room = pictures.clientWidth;
    redraw();
  });
  watch.observe(pictures);
  const hear = () => {
    const state = fromLink(spec.name);
    if (state) view.set(restored(state));
  };
  addEventListener("hashchange", hear);
  if (fromLink(spec.name)) root.scrollIntoView({ block: "start" });
  return () => {
    watch.disconnect();
    removeEventListener("hashchange", hear);
  };
}

// An anywidget module from what an explorer shows.
export function explorer(spec) {
  async function render({ model, el }) {
    const root = make("section", { class: `ex ex-${spec.name}`, "aria-label": spec.title });
    el.replaceChildren(root);
    try {
      return follow(spec, build(spec, (spec.unpack ?? ((data) => data))(model.get("data")), await charts(model), root), root);
    } catch (error) {
      root.replaceChildren(make("p", { class: "ex-status", role: "status" }, `This explorer could not be shown: ${error.message}.`));
      throw error;
    }
  }
  return { render };
}
