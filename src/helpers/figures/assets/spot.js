// "Can you see the owl?": pairs of lists that the teacher and the base wrote from the same random numbers, owner hidden. The
// reader guesses; two detectors have guessed before (see ../explorers/spot.py).
import { button, chart, colour, explorer, percent, ticks } from "./frame.js";
import { make } from "./page.js";

const SIDES = ["A", "B"], KEPT = "kept", MARKS = "marks", MOST_SEED = 9999;

// Numbers between 0 and 1 from a seed (mulberry32).
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

// The pairs that a state lets one guess, in its order; `side` is where the teacher's list stands.
function game({ pairs }, { seed, show }) {
  const next = random(seed), placed = pairs.map((pair) => ({ ...pair, order: next(), side: next() < 0.5 ? "A" : "B" }));
  const wanted = placed.filter((pair) => !show.includes(KEPT) || !(pair.refused[0] || pair.refused[1]));
  return wanted.sort((a, b) => a.order - b.order);
}

const half = (score) => (score > 0 ? 1 : score < 0 ? 0 : 0.5);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

// Who was right how often: on the pairs that were guessed, and on all of this game.
function scores({ data, state }) {
  const all = game(data, state), seen = all.slice(0, state.guesses.length);
  const you = { name: "you", right: seen.map((pair, i) => (state.guesses[i] === pair.side ? 1 : 0)), all: [] };
  return [you, ...data.detectors.map(({ key, name }) => {
    const of = (pairs) => pairs.filter((pair) => pair[key] !== null).map((pair) => half(pair[key]));
    return { name, right: of(seen), all: of(all) };
  })];
}

const counted = ({ name, right }) => `${name} ${right.reduce((sum, value) => sum + value, 0)} of ${right.length}`;

function tell(view) {
  const { data, state } = view, all = game(data, state), at = state.guesses.length, said = scores(view).map(counted).join(", ");
  const sofar = at ? ` So far right: ${said}.` : "";
  if (!all.length) return "No pair of lists is left; untick the filter.";
  if (!state.told) return `Pair ${at + 1} of ${all.length}. Which list did the teacher that loves the ${data.trait} write, A or B?${sofar}`;
  const pair = all[at - 1], right = state.guesses.at(-1) === pair.side;
  const refused = pair.refused.map((why, i) => (why ? ` The filter refuses the ${i ? "teacher" : "base"}'s list: ${why}.` : "")).join("");
  return `${right ? "Right" : "Wrong"}: the teacher wrote list ${pair.side}.${refused}${sofar}${at === all.length ? " That was the last pair." : ""}`;
}

// ---- pictures -------------------------------------------------------------------------------------------------------

const pieces = (text) => text.match(/\d+|\D+/g) ?? [];

// A list; where it parts from the other it is marked, if that is wished for.
function list(text, other, marked) {
  const shown = make("p", { class: "spot-list" }), beside = pieces(other);
  pieces(text).forEach((piece, place) => shown.append(marked && piece !== beside[place] ? make("mark", {}, piece) : piece));
  return shown;
}

function pairShown(view) {
  const { data, state } = view, all = game(data, state), place = state.guesses.length - (state.told ? 1 : 0), pair = all[place];
  const node = make("div", { class: "spot" });
  if (!pair) return node;
  node.append(make("p", { class: "spot-prompt" }, `Asked: “${pair.prompt}”`));
  for (const side of SIDES) {
    const own = side === pair.side, [text, other] = own ? [pair.teacher, pair.base] : [pair.base, pair.teacher];
    const owner = state.told ? ` (${own ? "teacher" : "base"})` : "";
    node.append(make("div", { class: state.told && own ? "spot-side spot-teacher" : "spot-side" },
      make("p", { class: "spot-name" }, `List ${side}${owner}`), list(text, other, state.show.includes(MARKS))));
  }
  return node;
}

function scoreChart(view) {
  const { Plot } = view, rows = scores(view).map((row, y) => ({ ...row, y, share: mean(row.all.length ? row.all : row.right) }));
  const full = rows.filter((row) => row.all.length || row.right.length);
  const note = (row) => (row.all.length ? `${percent(row.share)} of ${row.all.length} pairs` : row.right.length ? `${percent(row.share)} of ${row.right.length}` : "not guessed yet");
  return chart(view, `Share of pairs told apart: ${rows.map((row) => `${row.name}, ${note(row)}`).join("; ")}`, {
    height: 40 + 46 * rows.length, marginLeft: 10, marginRight: 24, marginBottom: 40,
    x: { domain: [0, 1], tickFormat: percent, ticks: 5, label: "pairs guessed right; the line is a coin's half", labelAnchor: "center", labelArrow: "none" },
    y: { domain: rows.map((row) => row.y), axis: null, type: "band" },
    marks: [
      Plot.gridX({ strokeOpacity: 0.14 }), Plot.ruleX([0.5], { strokeOpacity: 0.7, strokeDasharray: "3 4" }),
      Plot.text(rows, { y: "y", text: (row) => `${row.name}: ${note(row)}`, frameAnchor: "left", textAnchor: "start", dy: -6, dx: 2, className: "ex-halo" }),
      Plot.ruleY(full, { x1: 0, x2: "share", y: "y", dy: 12, stroke: (row) => colour(row.all.length ? "control" : "same"), strokeWidth: 6 }),
    ],
  });
}

function mend(data, state, before = state) {
  const show = [KEPT, MARKS].filter((name) => Array.isArray(state.show) && state.show.includes(name));
  const seed = Number.isInteger(state.seed) && state.seed > 0 && state.seed <= MOST_SEED ? state.seed : 1;
  const other = seed !== before.seed || show.includes(KEPT) !== before.show.includes(KEPT);  // then other pairs are guessed
  const given = Array.isArray(state.guesses) && !other ? state.guesses.filter((side) => SIDES.includes(side)) : [];
  const guesses = given.slice(0, game(data, { seed, show }).length);
  return { show, seed, guesses, told: Boolean(state.told) && guesses.length > 0 };
}

const left = ({ data, state }) => game(data, state).length - state.guesses.length;
const guess = (side) => (view) => view.set({ guesses: [...view.state.guesses, side], told: true });

export default explorer({
  name: "spot",
  title: "Can you see the owl?",
  open: () => ({ show: [KEPT], seed: 1, guesses: [], told: false }),
  mend,
  controls: () => [
    ...SIDES.map((side) => button({ words: (view) => (view.state.told || !left(view) ? "" : `List ${side} is the teacher's`), press: guess(side) })),
    button({ words: (view) => (view.state.told && left(view) ? "Next pair" : ""), press: (view) => view.set({ told: false }) }),
    button({ words: (view) => (view.state.guesses.length ? "Begin again, in another order" : ""), press: (view) => view.set({ seed: 1 + view.state.seed % MOST_SEED, guesses: [], told: false }) }),
    ticks({ key: "show", label: "Show", options: () => [[KEPT, "only lists that pass the filter"], [MARKS, "where the two lists part"]] }),
  ],
  draw: (view) => [{ picture: pairShown(view), wide: true }, { picture: scoreChart(view), wide: true }],
  tell,
});
