// The explorer of transmission effects. Everything it shows arrives in the trait `data` (see widgets.py), means and
// intervals included, so it answers on a static page as it does beside a kernel; here is only choosing and drawing.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 350, ROW = 44, CURVE_HEIGHT = 272;  // CSS pixels at the charts' usual width
const MARGIN = { top: 10, right: 14, bottom: 44, left: 50 };
const SHAPES = ["circle", "square", "triangle", "diamond", "cross"];
let instances = 0;

const signed = (value, digits = 2) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits);
const count = (value) => Number(value).toLocaleString("en-GB");
const interval = (cell) => cell.low === null ? "one run, no interval" : `95 % interval ${signed(cell.low)} to ${signed(cell.high)}`;

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function draw(parent, tag, attributes = {}, text = null) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== null) node.textContent = text;
  parent.append(node);
  return node;
}

function marker(parent, x, y, size, arm, solid) {
  const style = { class: solid ? "te-mark" : "te-run" };
  const shape = SHAPES[arm % SHAPES.length];
  if (shape === "circle") draw(parent, "circle", { ...style, cx: x, cy: y, r: size });
  else if (shape === "square") draw(parent, "rect", { ...style, x: x - size, y: y - size, width: 2 * size, height: 2 * size });
  else {
    const s = 1.25 * size;
    const paths = {
      triangle: `M${x} ${y - s}L${x + s} ${y + s}L${x - s} ${y + s}Z`,
      diamond: `M${x} ${y - s}L${x + s} ${y}L${x} ${y + s}L${x - s} ${y}Z`,
      cross: `M${x - s} ${y - s}L${x + s} ${y + s}M${x - s} ${y + s}L${x + s} ${y - s}`,
    };
    draw(parent, "path", { ...style, d: paths[shape] });
  }
}

// Round tick values that cover [low, high], about `wanted` of them.
function ticks(low, high, wanted = 5) {
  const raw = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const values = [];
  for (let i = Math.ceil(low / step); i * step <= high + 1e-9; i++) values.push(i * step);
  return values;
}

const isZero = (tick) => Math.abs(tick) < 1e-9;
const tickText = (tick) => (isZero(tick) ? "0" : signed(tick, 1));
const lineClass = (tick) => (isZero(tick) ? "te-zero" : "te-grid");

// One scale for all doses and arms of a trait, zero always inside, so that moving the slider moves the picture only.
function extent(cells) {
  const values = cells.flatMap((c) => [...c.runs, c.low ?? c.mean, c.high ?? c.mean, 0]);
  const low = Math.min(...values), high = Math.max(...values), pad = 0.06 * (high - low || 1);
  return [low - pad, high + pad];
}

function axisLabel(svg, x, y, text, extra = {}) {
  draw(svg, "text", { x, y, "text-anchor": "middle", class: "te-axis-label", ...extra }, text);
}

function drawDose(figure, data, chosen, cells) {
  const height = MARGIN.top + MARGIN.bottom + ROW * Math.max(1, chosen.arms.length);
  const svg = newSvg(figure, height);
  const [low, high] = extent(cells);
  const x = (v) => 16 + (WIDTH - 32) * (v - low) / (high - low);
  const bottom = height - MARGIN.bottom, marks = ticks(low, high);
  marks.forEach((t) => draw(svg, "text", { x: x(t), y: bottom + 16, "text-anchor": "middle" }, tickText(t)));
  axisLabel(svg, WIDTH / 2, height - 8, "effect against the control student (nats)");
  chosen.arms.forEach((arm, row) => {
    const cell = cells.find((c) => c.arm === arm && c.rows === chosen.rows);
    const y = MARGIN.top + ROW * row + 30;
    for (const t of marks) draw(svg, "line", { x1: x(t), x2: x(t), y1: y - 11, y2: y + 11, class: lineClass(t) });
    const group = draw(svg, "g", { class: `te-arm te-arm-${arm % 7}` });
    draw(group, "text", { x: 16, y: y - 15, class: "te-arm-label" }, data.arms[arm] + (cell ? "" : " (not run at this dose)"));
    if (!cell) return;
    cell.runs.forEach((v) => marker(group, x(v), y, 3.2, arm, false));
    if (cell.low !== null) draw(group, "line", { x1: x(cell.low), x2: x(cell.high), y1: y, y2: y, class: "te-interval" });
    marker(group, x(cell.mean), y, 5.5, arm, true);
  });
  return svg;
}

function drawCurve(figure, data, chosen, cells) {
  const svg = newSvg(figure, CURVE_HEIGHT);
  const [low, high] = extent(cells);
  const logs = data.doses.map(Math.log2), first = Math.min(...logs) - 0.3, last = Math.max(...logs) + 0.3;
  const x = (rows) => MARGIN.left + (WIDTH - MARGIN.left - MARGIN.right) * (Math.log2(rows) - first) / (last - first);
  const bottom = CURVE_HEIGHT - MARGIN.bottom;
  const y = (v) => bottom - (bottom - MARGIN.top) * (v - low) / (high - low);
  for (const t of ticks(low, high)) {
    draw(svg, "line", { x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: y(t), y2: y(t), class: lineClass(t) });
    draw(svg, "text", { x: MARGIN.left - 6, y: y(t) + 4, "text-anchor": "end" }, tickText(t));
  }
  draw(svg, "line", { x1: x(chosen.rows), x2: x(chosen.rows), y1: MARGIN.top, y2: bottom, class: "te-cursor" });
  data.doses.forEach((d) => draw(svg, "text", { x: x(d), y: bottom + 16, "text-anchor": "middle" }, d >= 1000 ? `${+(d / 1000).toFixed(1)}k` : d));
  axisLabel(svg, (WIDTH + MARGIN.left) / 2, CURVE_HEIGHT - 8, "rows of numbers (logarithmic)");
  axisLabel(svg, 12, (bottom + MARGIN.top) / 2, "effect (nats)", { transform: `rotate(-90 12 ${(bottom + MARGIN.top) / 2})` });
  for (const arm of chosen.arms) {
    const points = cells.filter((c) => c.arm === arm).sort((a, b) => a.rows - b.rows);
    const group = draw(svg, "g", { class: `te-arm te-arm-${arm % 7}` });
    draw(group, "polyline", { points: points.map((c) => `${x(c.rows)},${y(c.mean)}`).join(" "), class: "te-curve" });
    for (const c of points) {
      if (c.low !== null) draw(group, "line", { x1: x(c.rows), x2: x(c.rows), y1: y(c.low), y2: y(c.high), class: "te-whisker" });
      marker(group, x(c.rows), y(c.mean), c.rows === chosen.rows ? 5.5 : 3.5, arm, true);
    }
  }
  return svg;
}

function newSvg(figure, height) {
  figure.querySelector("svg")?.remove();
  const svg = draw(figure, "svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img" });
  figure.prepend(svg);
  return svg;
}

function sentence(data, chosen, cells) {
  const parts = chosen.arms.map((arm) => {
    const c = cells.find((d) => d.arm === arm && d.rows === chosen.rows);
    return c ? `${data.arms[arm]}: ${signed(c.mean)} nats (${interval(c)}, ${c.runs.length} runs)` : `${data.arms[arm]}: not run at this dose`;
  });
  return `${chosen.trait}, ${count(chosen.rows)} rows. ` + (parts.length ? parts.join("; ") + "." : "No arm is chosen.");
}

function buildMatrix(matrix) {
  const strongest = Math.max(1e-9, ...matrix.effects.flat().map((v) => Math.abs(v ?? 0)));
  const table = make("table", { class: "te-matrix" });
  table.append(make("caption", {}, `Effect on each animal (columns) of numbers from a teacher of each animal (rows), nats, mean over ${matrix.runs} runs`));
  const head = make("tr", {}, make("th", { scope: "col" }, "teacher"));
  matrix.targets.forEach((t) => head.append(make("th", { scope: "col" }, t)));
  const body = make("tbody");
  matrix.teachers.forEach((teacher, i) => {
    const row = make("tr", {}, make("th", { scope: "row" }, teacher));
    matrix.effects[i].forEach((value, j) => {
      const cell = make("td", {}, value === null ? "–" : signed(value));
      const colour = value > 0 ? "0, 114, 178" : "213, 94, 0";
      if (value !== null) cell.style.backgroundColor = `rgba(${colour}, ${(0.5 * Math.abs(value) / strongest).toFixed(3)})`;
      if (matrix.targets[j] === teacher) cell.className = "te-diagonal";
      row.append(cell);
    });
    body.append(row);
  });
  table.append(make("thead", {}, head), body);
  return make("div", { class: "te-scroll", tabindex: "0", role: "region", "aria-label": "animal by animal matrix" }, table);
}

function controls(data, chosen, redraw) {
  const id = `te-${++instances}`;
  const box = make("div", { class: "te-controls" });
  if (data.traits.length > 1) {
    const select = make("select", { id: `${id}-trait` }, ...data.traits.map((t) => make("option", { value: t }, t)));
    select.addEventListener("change", () => { chosen.trait = select.value; redraw(); });
    box.append(make("div", {}, make("label", { for: select.id }, "Trait of the teacher "), select));
  }
  const range = make("input", { type: "range", id: `${id}-dose`, min: 0, max: data.doses.length - 1, step: 1, value: data.doses.indexOf(chosen.rows) });
  const shown = make("output", { for: range.id });
  const announce = () => { shown.value = `${count(chosen.rows)} rows`; range.setAttribute("aria-valuetext", shown.value); };
  range.addEventListener("input", () => { chosen.rows = data.doses[range.valueAsNumber]; announce(); redraw(); });
  announce();
  box.append(make("div", { class: "te-dose" }, make("label", { for: range.id }, "Dose "), shown, range));
  const arms = make("fieldset", {}, make("legend", {}, "Arms"));
  data.arms.forEach((label, arm) => {
    const tick = make("input", { type: "checkbox", id: `${id}-arm-${arm}` });
    tick.checked = chosen.arms.includes(arm);
    tick.addEventListener("change", () => {
      chosen.arms = data.arms.map((_, i) => i).filter((i) => (i === arm ? tick.checked : chosen.arms.includes(i)));
      redraw();
    });
    arms.append(make("label", { for: tick.id, class: `te-arm te-arm-${arm % 7}` }, tick, make("span", { class: "te-swatch", "aria-hidden": "true" }), label));
  });
  box.append(arms);
  return box;
}

function build(model, el) {
  const data = model.get("data");
  const chosen = { trait: data.traits[0], rows: data.doses.at(-1), arms: data.arms.map((_, i) => i).slice(0, 4) };
  const atDose = make("figure", {}, make("figcaption", {}, "At this dose: one small mark per run, the large mark their mean, the bar its 95 % t-interval"));
  const curve = make("figure", {}, make("figcaption", {}, "Over all doses: means and 95 % t-intervals; the dashed line is the dose chosen"));
  const status = make("p", { role: "status", class: "te-status" });
  const redraw = () => {
    const cells = data.cells.filter((c) => c.trait === chosen.trait);
    const text = sentence(data, chosen, cells);
    drawDose(atDose, data, chosen, cells).setAttribute("aria-label", text);
    drawCurve(curve, data, chosen, cells).setAttribute("aria-label", "Dose curve. " + text);
    status.textContent = text;
  };
  const root = make("section", { class: "te", "aria-label": "Explorer of the transmission results" });
  root.append(controls(data, chosen, redraw), make("div", { class: "te-charts" }, atDose, curve), status);
  if (data.matrix) root.append(buildMatrix(data.matrix));
  el.replaceChildren(root);
  redraw();
}

function render({ model, el }) {
  build(model, el);
  model.on("change:data", () => build(model, el));
}

export default { render };
