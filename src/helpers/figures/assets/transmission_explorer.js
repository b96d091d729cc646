// The explorer of transmission effects. Everything it shows arrives in the trait `data` (see widgets.py), means and
// intervals included, so it answers on a static page as it does beside a kernel; here is only choosing and drawing.
// A share is the part of the rows that a student read; cells without a share were not trained and have no dose.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 350, ROW = 58, CURVE_HEIGHT = 272;  // CSS pixels at the charts' usual width
const MARGIN = { top: 10, right: 18, bottom: 44, left: 50 };
const BETWEEN_LABELS = 38;  // the least distance of two labels on an axis, so that they do not overlap
const SHOWN_AT_FIRST = 4;  // arms
let instances = 0;

const signed = (value, digits = 2) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits);
const count = (value) => Number(value).toLocaleString("en-GB");
const interval = (cell) => cell.low === null ? "one draw, no interval" : `95 % interval ${signed(cell.low)} to ${signed(cell.high)}`;
const percent = (share) => `${+(100 * share).toPrecision(3)} %`;
const rowsRead = (cells) => {
  const fewest = Math.min(...cells.map((c) => c.fewest)), most = Math.max(...cells.map((c) => c.most));
  return fewest === most ? `${count(most)} rows` : `${count(fewest)} to ${count(most)} rows`;
};
const atShare = (cells, share) => cells.filter((c) => c.share === share || c.share === null);

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

function marker(parent, x, y, size, shape, solid) {
  const style = { class: solid ? "te-mark" : "te-draw" };
  if (shape === "circle") draw(parent, "circle", { ...style, cx: x, cy: y, r: size });
  else if (shape === "square") draw(parent, "rect", { ...style, x: x - size, y: y - size, width: 2 * size, height: 2 * size });
  else {
    const s = 1.25 * size;
    const paths = {
      triangle: `M${x} ${y - s}L${x + s} ${y + s}L${x - s} ${y + s}Z`,
      inverted: `M${x} ${y + s}L${x + s} ${y - s}L${x - s} ${y - s}Z`,
      hourglass: `M${x - s} ${y - s}L${x + s} ${y - s}L${x - s} ${y + s}L${x + s} ${y + s}Z`,
      plus: `M${x} ${y - s}L${x} ${y + s}M${x - s} ${y}L${x + s} ${y}`,
      diamond: `M${x} ${y - s}L${x + s} ${y}L${x} ${y + s}L${x - s} ${y}Z`,
      cross: `M${x - s} ${y - s}L${x + s} ${y + s}M${x - s} ${y + s}L${x + s} ${y - s}`,
    };
    draw(parent, "path", { ...style, d: paths[shape] });
  }
}

// Round tick values that cover [low, high], at most `wanted` or so of them.
function ticks(low, high, wanted = 7) {
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
  const values = cells.flatMap((c) => [...c.draws, c.low ?? c.mean, c.high ?? c.mean, 0]);
  const low = Math.min(...values), high = Math.max(...values), pad = 0.06 * (high - low || 1);
  return [low - pad, high + pad];
}

function axisLabel(svg, x, y, text, extra = {}) {
  draw(svg, "text", { x, y, "text-anchor": "middle", class: "te-axis-label", ...extra }, text);
}

// What stands beside an arm's name: the rows that its students read, or why there is nothing to show.
function note(cell, ofArm) {
  if (!cell) return `measured at ${ofArm.map((c) => percent(c.share)).join(", ")} only`;
  return cell.share === null ? `${rowsRead([cell])} in the prompt` : rowsRead([cell]);
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
    const { label, kind, shape } = data.arms[arm], ofArm = cells.filter((c) => c.arm === arm);
    const cell = atShare(ofArm, chosen.share)[0];
    const y = MARGIN.top + ROW * row + 42;
    for (const t of marks) draw(svg, "line", { x1: x(t), x2: x(t), y1: y - 11, y2: y + 11, class: lineClass(t) });
    const group = draw(svg, "g", { class: `te-arm te-kind-${kind}` });
    draw(group, "text", { x: 16, y: y - 28, class: "te-arm-label" }, label);
    draw(svg, "text", { x: 16, y: y - 15, class: "te-note" }, note(cell, ofArm));
    if (!cell) return;
    cell.draws.forEach((v) => marker(group, x(v), y, 3.2, shape, false));
    if (cell.low !== null) draw(group, "line", { x1: x(cell.low), x2: x(cell.high), y1: y, y2: y, class: "te-interval" });
    marker(group, x(cell.mean), y, 5.5, shape, true);
  });
  return svg;
}

// Labels of the shares, from the largest down, leaving out those that would touch the one before.
function shareLabels(shares, x) {
  const kept = [];
  for (const share of [...shares].reverse())
    if (!kept.length || x(kept.at(-1)) - x(share) >= BETWEEN_LABELS) kept.push(share);
  return kept;
}

function drawCurve(figure, data, chosen, cells) {
  const svg = newSvg(figure, CURVE_HEIGHT);
  const [low, high] = extent(cells);
  const logs = data.shares.map(Math.log2), first = Math.min(...logs) - 0.3, last = Math.max(...logs) + 0.3;
  const x = (share) => MARGIN.left + (WIDTH - MARGIN.left - MARGIN.right) * (Math.log2(share) - first) / (last - first);
  const bottom = CURVE_HEIGHT - MARGIN.bottom;
  const y = (v) => bottom - (bottom - MARGIN.top) * (v - low) / (high - low);
  for (const t of ticks(low, high)) {
    draw(svg, "line", { x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: y(t), y2: y(t), class: lineClass(t) });
    draw(svg, "text", { x: MARGIN.left - 6, y: y(t) + 4, "text-anchor": "end" }, tickText(t));
  }
  draw(svg, "line", { x1: x(chosen.share), x2: x(chosen.share), y1: MARGIN.top, y2: bottom, class: "te-cursor" });
  for (const share of shareLabels(data.shares, x)) draw(svg, "text", { x: x(share), y: bottom + 16, "text-anchor": "middle", class: "te-tick" }, percent(share));
  axisLabel(svg, (WIDTH + MARGIN.left) / 2, CURVE_HEIGHT - 8, "share of the rows read (logarithmic)");
  axisLabel(svg, 12, (bottom + MARGIN.top) / 2, "effect (nats)", { transform: `rotate(-90 12 ${(bottom + MARGIN.top) / 2})` });
  for (const arm of chosen.arms) {
    const points = cells.filter((c) => c.arm === arm && c.share !== null).sort((a, b) => a.share - b.share);
    const { kind, shape } = data.arms[arm];
    const group = draw(svg, "g", { class: `te-arm te-kind-${kind}` });
    draw(group, "polyline", { points: points.map((c) => `${x(c.share)},${y(c.mean)}`).join(" "), class: "te-curve" });
    for (const c of points) {
      if (c.low !== null) draw(group, "line", { x1: x(c.share), x2: x(c.share), y1: y(c.low), y2: y(c.high), class: "te-whisker" });
      marker(group, x(c.share), y(c.mean), c.share === chosen.share ? 5.5 : 3.5, shape, true);
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
    const ofArm = cells.filter((c) => c.arm === arm), c = atShare(ofArm, chosen.share)[0], { label } = data.arms[arm];
    return c ? `${label}, ${note(c, ofArm)}: ${signed(c.mean)} nats (${interval(c)}, ${c.draws.length} draws)` : `${label}: ${note(c, ofArm)}`;
  });
  return `${chosen.trait}, ${percent(chosen.share)} of the rows. ` + (parts.length ? parts.join("; ") + "." : "No arm is chosen.");
}

function buildMatrix(matrix) {
  const strongest = Math.max(1e-9, ...matrix.effects.flat().map((v) => Math.abs(v ?? 0)));
  const table = make("table", { class: "te-matrix" });
  table.append(make("caption", {}, `Effect on each animal (columns) of numbers from a teacher of each animal (rows), nats, mean over ${matrix.draws} draws`));
  const head = make("tr", {}, make("th", { scope: "col" }, "teacher"));
  matrix.targets.forEach((t) => head.append(make("th", { scope: "col" }, t)));
  const body = make("tbody");
  matrix.teachers.forEach((teacher, i) => {
    const row = make("tr", {}, make("th", { scope: "row" }, teacher));
    matrix.effects[i].forEach((value, j) => {
      const cell = make("td", {}, value === null ? "–" : signed(value));
      const colour = value > 0 ? "169, 55, 59" : "35, 105, 189";  // the ends of the heat map's scale
      if (value !== null) cell.style.backgroundColor = `rgba(${colour}, ${(0.5 * Math.abs(value) / strongest).toFixed(3)})`;
      if (matrix.targets[j] === teacher) cell.className = "te-diagonal";
      row.append(cell);
    });
    body.append(row);
  });
  table.append(make("thead", {}, head), body);
  return make("div", { class: "te-scroll", tabindex: "0", role: "region", "aria-label": "animal by animal matrix" }, table);
}

function traitControl(data, chosen, id, redraw) {
  const select = make("select", { id: `${id}-trait` }, ...data.traits.map((t) => make("option", { value: t }, t)));
  select.addEventListener("change", () => { chosen.trait = select.value; openAt(data, chosen); redraw(); });
  return make("div", {}, make("label", { for: select.id }, "Trait of the teacher "), select);
}

function doseControl(data, chosen, id, redraw) {
  const range = make("input", { type: "range", id: `${id}-dose`, min: 0, step: 1 });
  const shown = make("output", { for: range.id });
  let stops = [];
  range.addEventListener("input", () => { chosen.share = stops[range.valueAsNumber]; redraw(); });
  const show = (cells) => {
    const here = cells.filter((c) => c.share === chosen.share);
    stops = data.shares.filter((share) => cells.some((c) => c.share === share));  // those of the chosen trait
    range.max = Math.max(0, stops.length - 1);
    range.value = stops.indexOf(chosen.share);
    shown.value = `${percent(chosen.share)} of the rows` + (here.length ? ` (${rowsRead(here)})` : "");
    range.setAttribute("aria-valuetext", shown.value);
  };
  return [make("div", { class: "te-dose" }, make("label", { for: range.id }, "Dose "), shown, range), show];
}

// Only arms that were measured for the chosen trait can be ticked.
function armControl(data, chosen, id, redraw) {
  const arms = make("fieldset", {}, make("legend", {}, "Arms"));
  const boxes = data.arms.map(({ label, kind }, arm) => {
    const tick = make("input", { type: "checkbox", id: `${id}-arm-${arm}` });
    tick.addEventListener("change", () => {
      chosen.arms = boxes.flatMap(([, box], i) => (box.checked ? [i] : []));
      redraw();
    });
    const swatch = make("span", { class: "te-swatch", "aria-hidden": "true" });
    const line = make("label", { for: tick.id, class: `te-arm te-kind-${kind}` }, tick, swatch, label);
    arms.append(line);
    return [line, tick];
  });
  const show = (cells) => boxes.forEach(([line, tick], arm) => {
    line.hidden = !cells.some((c) => c.arm === arm);
    tick.checked = chosen.arms.includes(arm);
  });
  return [arms, show];
}

// The largest share that an arm of the trait was measured at, and those arms measured there that come first in `order`.
function openAt(data, chosen) {
  const cells = data.cells.filter((c) => c.trait === chosen.trait);
  const shares = cells.flatMap((c) => (c.share === null ? [] : [c.share]));
  chosen.share = shares.length ? Math.max(...shares) : data.shares.at(-1);
  const trained = cells.filter((c) => c.share === chosen.share);
  const measured = (trained.length ? trained : cells).map((c) => c.arm);
  chosen.arms = data.order.filter((arm) => measured.includes(arm)).slice(0, SHOWN_AT_FIRST).sort((a, b) => a - b);
}

function build(model, el) {
  const data = model.get("data"), id = `te-${++instances}`;
  const chosen = { trait: data.traits[0], share: null, arms: [] };
  openAt(data, chosen);
  const atDose = make("figure", {}, make("figcaption", {}, "At this dose: one small mark per draw, the large mark their mean, the bar its 95 % t-interval"));
  const curve = make("figure", {}, make("figcaption", {}, "Over all doses: means and 95 % t-intervals; the dashed line is the dose chosen"));
  const status = make("p", { role: "status", class: "te-status" });
  const redraw = () => {
    const cells = data.cells.filter((c) => c.trait === chosen.trait);
    const text = sentence(data, chosen, cells);
    showDose(cells);
    showArms(cells);
    drawDose(atDose, data, chosen, cells).setAttribute("aria-label", text);
    drawCurve(curve, data, chosen, cells).setAttribute("aria-label", "Dose curve. " + text);
    status.textContent = text;
  };
  const [dose, showDose] = doseControl(data, chosen, id, redraw);
  const [arms, showArms] = armControl(data, chosen, id, redraw);
  const controls = make("div", { class: "te-controls" });
  if (data.traits.length > 1) controls.append(traitControl(data, chosen, id, redraw));
  controls.append(dose, arms);
  const root = make("section", { class: "te", "aria-label": "Explorer of the transmission results" });
  root.append(controls, make("div", { class: "te-charts" }, atDose, curve), status);
  if (data.matrix) root.append(buildMatrix(data.matrix));
  el.replaceChildren(root);
  redraw();
}

function render({ model, el }) {
  build(model, el);
  model.on("change:data", () => build(model, el));
}

export default { render };
