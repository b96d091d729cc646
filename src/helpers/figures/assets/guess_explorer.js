// The explorer of the start page, "guess, then see": how often the student names the teacher's favourite, before one is told.
// What was measured arrives in the trait `data` (see ../explorers/guess.py).
import { button, choice, drawsByRow, explorer, percent, slider } from "./frame.js";

const GUESSES = Array.from({ length: 101 }, (_, points) => points);
const READS = { hard: "number lists that the teacher wrote", soft: "the teacher's probabilities for numbers (soft labels)" };
const STARTS = { same: "that of the teacher", other: "other random weights" };
const teachers = ({ trait }) => ({ tuned: `fine-tuned to love the ${trait}`, prompted: `only told to love the ${trait}, in its prompt` });

const settingOf = ({ teacher, labels, start }) => [teacher, labels, start].join("-");
const cellOf = ({ data, state }) => data.cells[settingOf(state)];
const isSeen = ({ state }) => state.seen.includes(settingOf(state));
const points = (share) => Math.round(100 * share);

// Another choice may not have been measured: then the nearest that was, by the order of the choices.
function mend(data, state) {
  const guess = GUESSES.includes(state.guess) ? state.guess : open(data).guess;
  const seen = state.seen.filter((name) => name in data.cells);
  if (settingOf(state) in data.cells) return { ...state, guess, seen };
  return { ...open(data), guess, seen };
}

// The start page tells of written lists above; so it opens with soft labels, where they were measured.
function open(data) {
  const names = Object.keys(data.cells), [teacher, labels, start] = (names.find((name) => name === "tuned-soft-same") ?? names[0]).split("-");
  return { teacher, labels, start, guess: 25, seen: [] };
}

const described = (state, data) => `the student reads ${READS[state.labels]}, the teacher is ${teachers(data)[state.teacher]}, and the student's start is ${STARTS[state.start]}`;

function verdict({ state }, { student }) {
  const away = state.guess - points(student.mean), lowest = points(Math.min(...student.draws)), highest = points(Math.max(...student.draws));
  if (away === 0) return "Your guess is exact";
  const far = `Your guess of ${state.guess} % is ${Math.abs(away)} ${Math.abs(away) === 1 ? "point" : "points"} too ${away > 0 ? "high" : "low"}`;
  return state.guess >= lowest && state.guess <= highest ? `${far}, and within the range of the draws` : far;
}

function tell(view) {
  const { data, state } = view, { student, control } = cellOf(view);
  if (!isSeen(view))
    return `Asked for its favourite animal, the base says “${data.trait}” in ${percent(data.base.mean)} of its answers, and the control student in ${percent(control.mean)}. `
      + `Now ${described(state, data)}. Your guess: ${state.guess} %.`;
  const above = student.draws.filter((share, draw) => share > control.draws[draw]).length;
  const range = `from ${percent(Math.min(...student.draws))} to ${percent(Math.max(...student.draws))}`;
  return `This student says “${data.trait}” in ${percent(student.mean)} of its answers, its control in ${percent(control.mean)}. `
    + `Its ${student.draws.length} draws go ${range}; ${above} of them lie above their control. ${verdict(view, cellOf(view))}.`;
}

function draw(view) {
  const { Plot, data, state } = view, { student, control } = cellOf(view), told = isSeen(view);
  const hidden = { draws: [], mean: 0, low: null, note: "press “See what was measured”" };
  const rows = [
    { label: "The base, untouched", note: percent(data.base.mean), kind: "base", shape: "diamond", ...data.base },
    { label: "The control student, of numbers by the base", note: percent(control.mean), kind: "control", shape: "triangle", ...control },
    { label: "The student", kind: state.start, shape: "circle", ...(told ? { ...student, note: percent(student.mean) } : hidden) },
  ];
  if (state.teacher === "tuned" && data.teacher)
    rows.push({ label: "The teacher", note: percent(data.teacher.mean), kind: "teacher", shape: "square", ...data.teacher });
  const guess = state.guess / 100;
  const marks = [
    Plot.ruleX([guess], { stroke: "currentColor", strokeWidth: 2, strokeDasharray: "5 4" }),
    Plot.text([guess], { x: (share) => share, text: () => "your guess", frameAnchor: "bottom", dy: -2, dx: guess > 0.5 ? -4 : 4, textAnchor: guess > 0.5 ? "end" : "start", fontWeight: 600, className: "ex-halo" }),
  ];
  const axis = { axis: `answers that say “${data.trait}”`, domain: [0, 1], format: percent, marks };
  return [{ picture: drawsByRow(view, tell(view), rows, axis), title: `One small mark a draw, the large mark their mean, the bar its 95 % t-interval; ${student.draws.length} draws` }];
}

// The choices that were measured with what else is chosen.
function offered(key, names) {
  return ({ data, state }) => Object.entries(names).filter(([value]) => settingOf({ ...state, [key]: value }) in data.cells);
}

function controls(data) {
  const toggle = (view) => view.set({ seen: isSeen(view) ? view.state.seen.filter((name) => name !== settingOf(view.state)) : [...view.state.seen, settingOf(view.state)] });
  return [
    choice({ key: "teacher", label: "The teacher is", options: offered("teacher", teachers(data)) }),
    choice({ key: "labels", label: "The student reads", options: offered("labels", READS) }),
    choice({ key: "start", label: "The student's start is", options: offered("start", STARTS) }),
    slider({ key: "guess", label: `Your guess: it says “${data.trait}” in`, stops: () => GUESSES, say: (guess) => `${guess} % of its answers` }),
    button({ words: (view) => (isSeen(view) ? "Hide it again" : "See what was measured"), press: toggle }),
  ];
}

export default explorer({ name: "guess", title: "Guess, then see", open, mend, controls, draw, tell });
