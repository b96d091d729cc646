// The explorer of transmission effects: arms at a dose, over doses, and animal by animal. Everything it shows arrives in the
// trait `data` (see ../explorers/transmission.py), means and intervals included; here is only choosing and drawing.
// A share is the part of the rows that a student read; cells without a share were not trained and have no dose.
import { chart, colour, count, drawsByRow, explorer, extent, percent, select, signed, slider, ticks } from "./frame.js";
import { make } from "./page.js";

const SHOWN_AT_FIRST = 4;  // arms
const AXIS = "effect against the control student (nats)";

const interval = (c) => (c.low === null ? "one draw, no interval" : `95 % interval ${signed(c.low)} to ${signed(c.high)}`);
const rowsRead = (cells) => {
  const fewest = Math.min(...cells.map((c) => c.fewest)), most = Math.max(...cells.map((c) => c.most));
  return fewest === most ? `${count(most)} rows` : `${count(fewest)} to ${count(most)} rows`;
};
const ofTrait = (data, { trait }) => data.cells.filter((c) => c.trait === trait);
const measured = (data, state) => data.arms.flatMap((_, arm) => (ofTrait(data, state).some((c) => c.arm === arm) ? [arm] : []));
const stops = (data, state) => data.shares.filter((share) => ofTrait(data, state).some((c) => c.share === share));
const cellAt = (data, state, arm) => ofTrait(data, state).find((c) => c.arm === arm && (c.share === state.share || c.share === null));

// The largest share that an arm of the trait was measured at, and those arms measured there that come first in `order`.
function open(data, trait = data.traits[0]) {
  const cells = ofTrait(data, { trait }), share = stops(data, { trait }).at(-1) ?? null;
  const here = cells.filter((c) => c.share === share).map((c) => c.arm);
  return { trait, share, arms: data.order.filter((arm) => here.includes(arm)).slice(0, SHOWN_AT_FIRST).sort((a, b) => a - b) };
}

// Another trait was measured with other arms and doses.
function mend(data, state, before = state) {
  if (!data.traits.includes(state.trait)) return open(data);
  if (state.trait !== before.trait || !stops(data, state).includes(state.share)) return open(data, state.trait);
  return { ...state, arms: measured(data, state).filter((arm) => state.arms.includes(arm)) };
}

// What stands beside an arm's name: the rows that its students read, or why there is nothing to show.
function note({ data, state }, arm) {
  const cell = cellAt(data, state, arm);
  const shares = ofTrait(data, state).filter((c) => c.arm === arm).map((c) => percent(c.share));
  if (!cell) return `measured at ${shares.join(", ")} only`;
  return cell.share === null ? `${rowsRead([cell])} in the prompt` : rowsRead([cell]);
}

function tell(view) {
  const { data, state } = view;
  const parts = state.arms.map((arm) => {
    const c = cellAt(data, state, arm), { label } = data.arms[arm];
    return c ? `${label}, ${note(view, arm)}: ${signed(c.mean)} nats (${interval(c)}, ${c.draws.length} draws)` : `${label}: ${note(view, arm)}`;
  });
  const dose = state.share === null ? "" : `, ${percent(state.share)} of the rows`;
  return `${state.trait}${dose}. ${parts.length ? parts.join("; ") : "No arm is chosen"}.`;
}

function atDose(view) {
  const { data, state } = view;
  const rows = state.arms.map((arm) => ({ ...data.arms[arm], draws: [], ...cellAt(data, state, arm), note: note(view, arm) }));
  return drawsByRow(view, tell(view), rows, { axis: AXIS, domain: extent(ofTrait(data, state)) });
}

function overDoses(view) {
  const { Plot, data, state } = view, cells = ofTrait(data, state);
  const points = cells.filter((c) => c.share !== null && state.arms.includes(c.arm))
    .sort((a, b) => a.share - b.share)
    .map((c) => ({ ...c, colour: colour(data.arms[c.arm].kind), shape: data.arms[c.arm].shape, size: c.share === state.share ? 6 : 4 }));
  const place = { x: "share", stroke: "colour" };
  return chart(view, `Dose curve. ${tell(view)}`, {
    height: 300, marginLeft: 58, marginBottom: 44, inset: 12,
    x: { type: "log", base: 2, domain: [data.shares[0], data.shares.at(-1)], ticks: data.shares, tickFormat: percent, label: "share of the rows read (logarithmic)", labelAnchor: "center", labelArrow: "none" },
    y: { domain: extent(cells), nice: true, grid: true, label: "effect (nats)", labelAnchor: "center", labelArrow: "none", tickFormat: (value) => (value ? signed(value, 1) : "0") },
    marks: [
      Plot.ruleY([0], { strokeOpacity: 0.6 }), Plot.ruleX([state.share], { strokeOpacity: 0.6, strokeDasharray: "4 4" }),
      Plot.line(points, { ...place, y: "mean", z: "arm", strokeWidth: 1.6 }),
      Plot.ruleX(points.filter((c) => c.low !== null), { ...place, y1: "low", y2: "high", strokeWidth: 1.6 }),
      Plot.dot(points, { ...place, y: "mean", fill: "colour", symbol: "shape", r: "size", className: "ex-means" }),
    ],
  });
}

function buildMatrix({ teachers, targets, effects, draws }) {
  const strongest = Math.max(1e-9, ...effects.flat().map((value) => Math.abs(value ?? 0)));
  const head = make("tr", {}, make("th", { scope: "col" }, "teacher"), ...targets.map((name) => make("th", { scope: "col" }, name)));
  const cell = (teacher, value, column) => {
    const shown = make("td", targets[column] === teacher ? { class: "ex-diagonal" } : {}, value === null ? "–" : signed(value));
    const hue = value > 0 ? "var(--ex-up)" : "var(--ex-down)";  // the ends of the heat map's scale
    if (value !== null) shown.style.backgroundColor = `rgba(${hue}, ${(0.5 * Math.abs(value) / strongest).toFixed(3)})`;
    return shown;
  };
  const rows = teachers.map((teacher, i) =>
    make("tr", {}, make("th", { scope: "row" }, teacher), ...effects[i].map((value, column) => cell(teacher, value, column))));
  const caption = `Effect on each animal (columns) of numbers from a teacher of each animal (rows), nats, mean over ${draws} draws`;
  const table = make("table", { class: "ex-matrix" }, make("caption", {}, caption), make("thead", {}, head), make("tbody", {}, ...rows));
  return make("div", { class: "ex-scroll", tabindex: "0", role: "region", "aria-label": "animal by animal matrix" }, table);
}

function draw(view) {
  const pictures = [
    { picture: atDose(view), title: "At this dose: one small mark a draw, the large mark their mean, the bar its 95 % t-interval" },
    { picture: overDoses(view), title: "Over all doses: means and 95 % t-intervals; the dashed line is the dose chosen" },
  ];
  return view.data.matrix ? [...pictures, { picture: buildMatrix(view.data.matrix), wide: true }] : pictures;
}

function controls(data) {
  const shown = [
    slider({ key: "share", label: "Dose", stops: (view) => stops(data, view.state), say: (share, { state }) => {
      const here = ofTrait(data, state).filter((c) => c.share === share);
      return share === null ? "none" : `${percent(share)} of the rows (${rowsRead(here)})`;
    } }),
    ticks({ key: "arms", label: "Arms", options: (view) => measured(data, view.state).map((arm) => [arm, data.arms[arm].label, data.arms[arm]]) }),
  ];
  const trait = select({ key: "trait", label: "Trait of the teacher", options: () => data.traits.map((name) => [name, name]) });
  return data.traits.length > 1 ? [trait, ...shown] : shown;
}

export default explorer({ name: "transmission", title: "Explorer of the transmission results", columns: 2, open, mend, controls, draw, tell });
