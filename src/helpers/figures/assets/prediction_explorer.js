// The explorer "told before training?": effects over what the first step foretold, with a line that is fitted to all draws or to all
// but one. The pairs arrive in the trait `data` (see ../explorers/prediction.py); the statistics are those of foretelling.js.
import { auroc, heldOutR2, line, observedMean, rankCorrelation } from "./foretelling.js";
import { chart, choice, colour, explorer, select, signed, ticks } from "./frame.js";

const NONE = 0;  // no draw is held out
const STARTS = { same: { words: "same start", kind: "same", shape: "circle" }, other: { words: "other start", kind: "other", shape: "diamond" } };
const PARTS = ["family", "channel", "labels"];  // of a kind, the first decides which of the next there are
const minus = (text) => text.replace("-", "−");

const fits = (kind, state, parts) => parts.every((part) => kind[part][0] === state[part]);
// The values of a part that go with those before it, each with its words.
function options(data, state, part) {
  const kinds = data.kinds.filter((kind) => fits(kind, state, PARTS.slice(0, PARTS.indexOf(part))));
  return [...new Map(kinds.map((kind) => kind[part]))];
}

const kindOf = (data, state) => data.kinds.find((kind) => fits(kind, state, PARTS));
const wordsOf = (data, predictor) => data.predictors.find(([name]) => name === predictor)[1];

// Pairs of a kind whose forecast is known.
function pairsOf(data, state) {
  const column = 4 + data.predictors.findIndex(([name]) => name === state.predictor);
  const named = kindOf(data, state).pairs.map((pair) => ({ draw: pair[0], trait: pair[1], start: pair[2] ? "same" : "other", y: pair[3], x: pair[column] }));
  return named.filter(({ x }) => x !== null);
}

const ofStart = (pairs, start) => pairs.filter((pair) => pair.start === start);
const drawsOf = (pairs) => [...new Set(pairs.map(({ draw }) => draw))];
// The starts that students of the kind have.
const startsOf = (data, state) => Object.keys(STARTS).filter((start) => ofStart(pairsOf(data, state), start).length);
const own = (data, state) => ofStart(pairsOf(data, state), "same");
const enough = (data, pairs) => drawsOf(pairs).length >= data.fewest && new Set(pairs.map(({ x }) => x)).size > 2;
// Draws that can be held out: there must be a line without them.
const heldOut = (data, state) => (enough(data, own(data, state)) ? drawsOf(own(data, state)) : []);

const open = (data) => ({ ...Object.fromEntries(PARTS.map((part) => [part, data.kinds[0][part][0]])), predictor: data.predictors[0][0], held: NONE, starts: Object.keys(STARTS) });

// Starts that another kind has stay chosen while this one is shown, which has no boxes for them.
function mend(data, state, before = state) {
  const mended = { ...state };
  for (const part of PARTS) {
    const there = options(data, mended, part).map(([name]) => name);
    if (!there.includes(mended[part])) mended[part] = there[0];
  }
  if (!data.predictors.some(([name]) => name === mended.predictor)) mended.predictor = open(data).predictor;
  if (!heldOut(data, mended).includes(mended.held)) mended.held = NONE;
  const here = startsOf(data, mended);
  mended.starts = Object.keys(STARTS).filter((start) => state.starts.includes(start) || (before.starts.includes(start) && !here.includes(start)));
  return mended;
}

// ---- the sentence ---------------------------------------------------------------------------------------------------

function quality(data, pairs) {
  const same = ofStart(pairs, "same"), others = ofStart(pairs, "other"), r2 = heldOutR2(same);
  const harm = r2 < 0 ? ", worse than the mean of the others" : "";
  const told = `Each draw foretold by a line through the others: R² held out ${minus(r2.toFixed(2))}${harm}. Rank correlation ${signed(rankCorrelation(same))} over ${drawsOf(same).length} draws.`;
  return others.length ? `${told} AUROC, same start against other: ${auroc(same, others).toFixed(2)}.` : `${told} There are no students of another start here.`;
}

function foretold({ held }, pairs) {
  const others = pairs.filter(({ draw }) => draw !== held), mine = pairs.filter(({ draw }) => draw === held);
  const by = line(others), usual = observedMean(others);
  if (mine.length === 1) return `Draw ${held} held out: the line foretells ${signed(by(mine[0].x))} nats, the mean of the others ${signed(usual)}; observed: ${signed(mine[0].y)}.`;
  const miss = (guess) => (mine.reduce((sum, pair) => sum + Math.abs(pair.y - guess(pair.x)), 0) / mine.length).toFixed(2);
  return `Draw ${held} held out: the line misses its ${mine.length} students by ${miss(by)} nats on average, the mean of the others by ${miss(() => usual)}.`;
}

function tell({ data, state }) {
  const kind = kindOf(data, state), pairs = pairsOf(data, state), same = ofStart(pairs, "same");
  const shown = startsOf(data, state).filter((start) => state.starts.includes(start)).map((start) => STARTS[start].words).join(" and ");
  const what = `${kind.family[1]}, ${kind.channel[1]}, ${kind.labels[1]}, over the ${wordsOf(data, state.predictor)}. Shown: ${shown || "no students"}.`;
  if (!enough(data, same)) return `${what} Of fewer than ${data.fewest} draws, or equal forecasts, nothing is said.`;
  return [what, ...(state.held === NONE ? [] : [foretold(state, same)]), quality(data, pairs)].join(" ");
}

// ---- the picture ----------------------------------------------------------------------------------------------------

const ends = (values) => [Math.min(...values), Math.max(...values)];

// Of the kind, whichever draw is held out and whoever is shown, so that these move marks only.
function domains(data, pairs) {
  const same = ofStart(pairs, "same"), observed = pairs.map(({ y }) => y);
  const foretold = !enough(data, same) ? [] : same.map(({ draw, x }) => line(same.filter((pair) => pair.draw !== draw))(x));
  return { x: ends([0, ...pairs.map(({ x }) => x)]), y: ends([0, ...observed, ...foretold]) };
}

// The line through all pairs but those of a draw, from the least forecast to the largest.
function lineThrough(pairs, held) {
  const foretell = line(pairs.filter(({ draw }) => draw !== held));
  return ends(pairs.map(({ x }) => x)).map((x) => ({ x, y: foretell(x) }));
}

function lines({ Plot, data, state }, same) {
  if (!enough(data, same) || !state.starts.includes("same")) return [];
  const place = { x: "x", y: "y", stroke: "currentColor", clip: true }, all = lineThrough(same, NONE);
  if (state.held === NONE) return [Plot.line(all, { ...place, strokeWidth: 1.8, className: "ex-line" })];
  const foretell = line(same.filter(({ draw }) => draw !== state.held)), mine = same.filter(({ draw }) => draw === state.held);
  const misses = mine.map((pair) => ({ ...pair, foretold: foretell(pair.x) }));
  return [
    Plot.line(all, { ...place, strokeDasharray: "3 4", strokeOpacity: 0.6 }),
    Plot.line(lineThrough(same, state.held), { ...place, strokeWidth: 1.8, className: "ex-line" }),
    Plot.link(misses, { x1: "x", x2: "x", y1: "foretold", y2: "y", stroke: "currentColor", strokeWidth: 1.4 }),
    Plot.dot(misses, { x: "x", y: "foretold", r: 5.5, fill: "var(--ex-paper)", stroke: "currentColor", strokeWidth: 1.8, className: "ex-foretold" }),
  ];
}

function draw(view) {
  const { Plot, data, state } = view, pairs = pairsOf(data, state), { x, y } = domains(data, pairs), named = { labelAnchor: "center", labelArrow: "none", nice: true, grid: true };
  const shown = pairs.filter(({ start }) => state.starts.includes(start));
  const dots = shown.map((pair) => ({ ...pair, ...STARTS[pair.start], colour: colour(STARTS[pair.start].kind), strong: [NONE, pair.draw].includes(state.held) ? 0.75 : 0.35 }));
  const picture = chart(view, tell(view), {
    height: Math.min(420, Math.max(300, 0.6 * view.width)), marginLeft: 58, marginBottom: 44, marginRight: 20, inset: 10,
    x: { ...named, domain: x, label: wordsOf(data, state.predictor), ticks: Math.floor(view.width / 80) },
    y: { ...named, domain: y, label: "observed effect (nats)", tickFormat: (value) => (value ? signed(value, 1) : "0") },
    marks: [
      Plot.ruleY([0], { strokeOpacity: 0.6 }), Plot.ruleX([0], { strokeOpacity: 0.6 }), ...lines(view, ofStart(pairs, "same")),
      Plot.dot(dots, { x: "x", y: "y", symbol: "shape", fill: "colour", stroke: "colour", r: 4.5, fillOpacity: "strong", strokeOpacity: "strong", className: "ex-draws" }),
    ],
  });
  const title = state.held === NONE ? "One mark a student; the line is fitted to those of the same start" : `The line is fitted without draw ${state.held} (dashed: with it); hollow: what it foretells for that draw`;
  return [{ picture, title }];
}

function ticked(start) {
  const { words, ...look } = STARTS[start];
  return [start, words, look];
}

function controls(data) {
  const named = (part) => ({ key: part, options: ({ state }) => options(data, state, part) });
  return [
    select({ ...named("family"), label: "Trait" }),
    select({ ...named("channel"), label: "The student reads" }),
    choice({ ...named("labels"), label: "Labels" }),
    select({ key: "predictor", label: "Foretold from", options: () => data.predictors }),
    select({ key: "held", label: "Base held out", options: ({ state }) => [[NONE, "none"], ...heldOut(data, state).map((draw) => [draw, `of draw ${draw}`])] }),
    ticks({ key: "starts", label: "Students shown", options: ({ state }) => startsOf(data, state).map(ticked) }),
  ];
}

export default explorer({ name: "prediction", title: "Told before training?", open, mend, controls, draw, tell });
