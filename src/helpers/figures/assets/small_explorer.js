// The explorer "which small model takes it over?": what students of each way take over from rows, and what is left in teachers
// that are made small. Everything it shows arrives in the trait `data` (see ../explorers/small.py), means and intervals included.
import { choice, drawsByRow, explorer, extent, percent, select, signed, ticks } from "./frame.js";

const HEALTHY = 0.9;  // below it a model has lost more than a trait, and the reader is told
const minus = (text) => text.replace("-", "−");
const nats = (value) => `${signed(value)} nats`;
const part = (value) => minus(percent(Math.round(1000 * value) / 1000));
const MEASURES = {
  effect: { words: () => "effect against the control (nats)", say: nats, end: signed, axis: () => "effect against the control (nats)" },
  share: {
    words: ({ kept }) => `share of what ${kept ? "the whole teacher has" : "passes to the larger base"}`, say: part, end: part,
    axis: ({ kept }) => `share of the effect ${kept ? "in the teacher itself" : "on the larger base itself"}`, tick: (value) => minus(percent(value)),
  },
};

const armOf = ({ data, state }) => data.arms.find(({ id }) => id === state.arm);
const ofArm = (data, { arm }) => data.cells.filter((cell) => data.arms[cell.arm].id === arm);
const measures = (data, state) => Object.keys(MEASURES).filter((name) => ofArm(data, state).some((cell) => cell[name]));
const waysOf = (data, state) => [...new Set(ofArm(data, state).map(({ way }) => way))].sort((a, b) => a - b).map((way) => data.ways[way].id);

// All ways of the arm that are chosen, in the order of the data, each with what was measured of it.
function chosen({ data, state }) {
  const cells = ofArm(data, state).filter((cell) => state.ways.includes(data.ways[cell.way].id)).sort((a, b) => a.way - b.way);
  return cells.map((cell) => ({ ...data.ways[cell.way], ...cell, found: cell[state.measure] })).filter(({ found }) => found);
}

const open = (data) => ({ arm: data.arms[0].id, measure: "effect", ways: data.ways.map(({ id }) => id) });

// Ways that another arm has stay chosen while this one is shown, which has no boxes for them.
function mend(data, state, before = state) {
  const arm = data.arms.some(({ id }) => id === state.arm) ? state.arm : open(data).arm, here = waysOf(data, { arm });
  const ways = data.ways.map(({ id }) => id).filter((id) => state.ways.includes(id) || (before.ways.includes(id) && !here.includes(id)));
  return { arm, ways, measure: measures(data, { arm }).includes(state.measure) ? state.measure : "effect" };
}

function interval({ measure }, { low, high }) {
  const { end } = MEASURES[measure];
  return low === null ? "one draw, no interval" : `${end(low)} to ${end(high)}`;
}

const health = ({ answers }) => (answers === null || answers >= HEALTHY ? "" : `; all answers together have ${percent(answers)} in its lowest draw`);

function tell(view) {
  const { state } = view, rows = chosen(view), { words } = armOf(view), { say } = MEASURES[state.measure];
  if (!rows.length) return `${words}. No model is chosen.`;
  const above = rows.filter(({ effect }) => effect.low > 0).length;
  const draws = [...new Set(rows.map(({ found }) => found.draws.length))];
  const over = draws.length === 1 ? `${draws[0]} ${draws[0] === 1 ? "draw" : "draws"}` : `${Math.min(...draws)} to ${Math.max(...draws)} draws`;
  const each = rows.map((row) => `${row.label}: ${say(row.found.mean)} (${interval(state, row.found)}${health(row)})`);
  return `${words}: for ${above} of ${rows.length} ${rows.length === 1 ? "model" : "models"} the whole interval lies above zero. Means over ${over}, and 95 % intervals: ${each.join("; ")}.`;
}

function draw(view) {
  const { data, state } = view, arm = armOf(view), { say, axis, tick } = MEASURES[state.measure];
  const rows = chosen(view).map(({ found, ...row }) => ({ ...row, ...found, note: `${say(found.mean)}, ${interval(state, found)}${health(row)}` }));
  const domain = extent(ofArm(data, state).map((cell) => cell[state.measure]).filter(Boolean));
  const picture = drawsByRow(view, tell(view), rows, { axis: axis(arm), domain, ...(tick ? { format: tick } : {}) });
  const dots = state.measure === "share" ? "One small mark a draw (its jackknifed part in the share)" : "One small mark a draw";
  return [{ picture, title: `${dots}, the large mark their mean, the bar its 95 % t-interval` }];
}

function controls(data) {
  return [
    select({ key: "arm", label: "What passes", options: () => data.arms.map(({ id, words }) => [id, words]) }),
    choice({ key: "measure", label: "Shown as", options: (view) => measures(data, view.state).map((name) => [name, MEASURES[name].words(armOf(view))]) }),
    ticks({ key: "ways", label: "Small models", options: ({ state }) => data.ways.filter(({ id }) => waysOf(data, state).includes(id)).map((way) => [way.id, way.label, way]) }),
  ];
}

export default explorer({ name: "small", title: "Which small model takes it over?", open, mend, controls, draw, tell });
