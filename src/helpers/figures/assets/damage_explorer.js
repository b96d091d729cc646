// The explorer "trait or damage?": what students gained in misaligned answers against what they lost in sums. Everything it
// shows arrives in the trait `data` (see ../explorers/damage.py).
import { chart, choice, colour, explorer, extent, percent, select, signed, slider, ticks } from "./frame.js";

const MEASURES = {
  effect: { words: "log-odds of misaligned answers (nats)", unit: "nats", axis: "effect against the control student (nats)", digits: 2 },
  sampled: { words: "misaligned replies among those it wrote (points)", unit: "points", axis: "misaligned replies above the control's (percentage points)", digits: 1 },
};
const ALL = 0;  // of the draws

const ofChannel = (data, { channel }) => data.cells.filter((cell) => cell.channel === channel);
const shares = (data, state) => [...new Set(ofChannel(data, state).map(({ share }) => share))].sort((a, b) => a - b);
const armsOf = (data, state) => data.arms.flatMap((_, arm) => (ofChannel(data, state).some((cell) => cell.arm === arm) ? [arm] : []));
const drawsOf = (data, state) => [...new Set(ofChannel(data, state).flatMap(({ draws }) => draws))].sort((a, b) => a - b);
const cellAt = ({ data, state }, arm) => ofChannel(data, state).find((cell) => cell.arm === arm && cell.share === state.share);

function open(data, channel = data.channels[0].name) {
  const share = shares(data, { channel }).at(-1), there = armsOf(data, { channel });
  const first = data.first.filter((arm) => there.includes(arm));
  return { channel, measure: "effect", share, draw: ALL, arms: first.length ? first : there.slice(0, 3) };
}

// Another channel may have other arms, doses and draws.
function mend(data, state) {
  if (!data.channels.some(({ name }) => name === state.channel)) return open(data);
  const usual = open(data, state.channel), arms = armsOf(data, state).filter((arm) => state.arms.includes(arm));
  return {
    ...state, arms, measure: state.measure in MEASURES ? state.measure : usual.measure,
    share: shares(data, state).includes(state.share) ? state.share : usual.share,
    draw: drawsOf(data, state).includes(state.draw) ? state.draw : ALL,
  };
}

// Of an arm: what it gained and lost, over all draws or in the one that is chosen; null where that was not measured.
function point(view, arm) {
  const cell = cellAt(view, arm), { draw, measure } = view.state;
  if (!cell) return null;
  if (draw === ALL) return { gained: cell[measure].mean, low: cell[measure].low, high: cell[measure].high, lost: cell.lost.mean, draws: cell.draws.length };
  const place = cell.draws.indexOf(draw);
  return place < 0 ? null : { gained: cell[measure].draws[place], low: null, high: null, lost: cell.lost.draws[place], draws: 1 };
}

function told(view, arm) {
  const { measure } = view.state, { unit, digits } = MEASURES[measure], found = point(view, arm), { label } = view.data.arms[arm];
  if (!found) return `${label}: not measured here`;
  const interval = found.low === null ? "" : ` (95 % interval ${signed(found.low, digits)} to ${signed(found.high, digits)}, ${found.draws} draws)`;
  return `${label}: ${signed(found.gained, digits)} ${unit}${interval}, ${Math.abs(found.lost).toFixed(1)} points of sums ${found.lost < 0 ? "gained" : "lost"}`;
}

function tell(view) {
  const { data, state } = view, { words } = data.channels.find(({ name }) => name === state.channel);
  const draw = state.draw === ALL ? "mean over draws" : `draw ${state.draw}`;
  const arms = state.arms.map((arm) => told(view, arm));
  return `Through ${words}, ${percent(state.share)} of the rows, ${draw}. ${arms.length ? arms.join("; ") : "No arm is chosen"}.`;
}

// Scales are those of the channel, whatever its dose, so that a slider moves the picture only.
function draw(view) {
  const { Plot, data, state } = view, { measure } = state, { axis, digits } = MEASURES[measure];
  const look = (arm) => ({ colour: colour(data.arms[arm].kind), shape: data.arms[arm].shape });
  const cells = state.arms.flatMap((arm) => cellAt(view, arm) ?? []);
  const dots = cells.flatMap((cell) => cell.draws.map((draw, i) => (
    { draw, gained: cell[measure].draws[i], lost: cell.lost.draws[i], strong: [ALL, draw].includes(state.draw) ? 0.6 : 0.15, ...look(cell.arm) })));
  const means = state.arms.flatMap((arm) => { const found = point(view, arm); return found ? [{ ...found, ...look(arm) }] : []; });
  const place = { x: "lost", y: "gained", symbol: "shape", fill: "colour", stroke: "colour" };
  const picture = chart(view, tell(view), {
    height: Math.min(420, Math.max(300, 0.6 * view.width)), marginLeft: 58, marginBottom: 44, marginRight: 20, inset: 10,
    x: { domain: extent(ofChannel(data, state).map(({ lost }) => lost)), nice: true, grid: true, label: "right sums lost against the control (percentage points)", labelAnchor: "center", labelArrow: "none", ticks: Math.floor(view.width / 70) },
    y: { domain: extent(ofChannel(data, state).map((cell) => cell[measure])), nice: true, grid: true, label: axis, labelAnchor: "center", labelArrow: "none", tickFormat: (value) => (value ? signed(value, digits - 1) : "0") },
    marks: [
      Plot.ruleY([0], { strokeOpacity: 0.6 }), Plot.ruleX([0], { strokeOpacity: 0.6 }),
      Plot.dot(dots, { ...place, r: 3.5, fillOpacity: "strong", strokeOpacity: "strong", className: "ex-draws" }),
      Plot.ruleX(means.filter(({ low }) => low !== null), { x: "lost", y1: "low", y2: "high", stroke: "colour", strokeWidth: 2.5, strokeOpacity: 0.75 }),
      Plot.dot(means, { ...place, r: 6.5, className: "ex-means" }),
    ],
  });
  const title = state.draw === ALL ? "One small mark a draw, the large mark their mean, the bar its 95 % t-interval" : `Large: draw ${state.draw}; small: all draws`;
  return [{ picture, title: `${title}. Up: more misaligned than the control; right: worse at sums` }];
}

function controls(data) {
  const named = ({ name, words }) => [name, words];
  return [
    choice({ key: "channel", label: "The student reads", options: () => data.channels.map(named) }),
    choice({ key: "measure", label: "Up", options: () => Object.entries(MEASURES).map(([name, { words }]) => [name, words]) }),
    slider({ key: "share", label: "Dose", stops: ({ state }) => shares(data, state), say: (share) => `${percent(share)} of the rows` }),
    select({ key: "draw", label: "Draw", options: ({ state }) => [[ALL, "all, and their mean"], ...drawsOf(data, state).map((draw) => [draw, String(draw)])] }),
    ticks({ key: "arms", label: "Arms", options: ({ state }) => armsOf(data, state).map((arm) => [arm, data.arms[arm].label, data.arms[arm]]) }),
  ];
}

export default explorer({ name: "damage", title: "Trait or damage?", open, mend, controls, draw, tell });
