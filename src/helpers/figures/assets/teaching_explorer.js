// The explorer "who can teach whom": a map of teachers and students at a moment of the training, and one pair along it.
// Everything it shows arrives in the trait `data` (see ../explorers/teaching.py).
import { chart, colour, explorer, extent, percent, select, signed, slider } from "./frame.js";

const pairOf = ({ data, state }, { teacher, student } = state) => data.pairs.find((pair) => pair.teacher === teacher && pair.student === student);
const students = (data) => [...new Set(data.pairs.map(({ student }) => student))];
const teachers = (data) => [...new Set(data.pairs.map(({ teacher }) => teacher))];
// What a base is called; a relative by what it shares.
const label = ({ data }, base) => data.bases[base].label;
const dashes = (value) => (value ? signed(value, 1) : "0");
const interval = (at) => (at.low === null ? "one draw, no interval" : `95 % interval ${signed(at.low)} to ${signed(at.high)}, ${at.draws.length} draws`);

const open = (data) => ({ teacher: data.pairs[0].teacher, student: data.pairs[0].student, mark: data.marks.at(-1) });

// A relative of the first base was taught by that base's teacher alone: the control that moved decides, the other follows.
function mend(data, state, before = state) {
  const known = teachers(data).includes(state.teacher) && students(data).includes(state.student) ? state : open(data);
  const mark = data.marks.includes(state.mark) ? state.mark : data.marks.at(-1);
  if (pairOf({ data, state: known })) return { ...known, mark };
  const student = known.teacher === before.teacher ? known.student : known.teacher;
  return { ...data.pairs.find((pair) => pair.student === student && (student === known.student || pair.teacher === known.teacher)), mark };
}

function tell(view) {
  const { data, state } = view, pair = pairOf(view), at = pair.curve[data.marks.indexOf(state.mark)];
  const found = at ? `${signed(at.mean)} nats (${interval(at)})` : "not read out";
  const more = label(view, state.student).includes(pair.words) ? "" : ` (${pair.words})`;
  const who = `Teacher: ${label(view, state.teacher)}; student: ${label(view, state.student)}${more}`;
  return `${who}. After ${percent(state.mark)} of the training: ${found}. ${likeness(view)}`;
}

// How alike the weights and the distributions of the two are; measured from the first base alone.
function likeness(view) {
  const { data, state } = view;
  if (state.teacher === state.student) return "Both are copies of one model: their weights have a cosine of 1 at the start.";
  const other = state.teacher === 0 ? state.student : state.student === 0 ? state.teacher : null, found = other === null ? null : data.distances[other];
  if (!found) return "How alike these two are was not measured.";
  const weights = found.cosine === null ? "Their architectures differ, so their weights have no cosine" : `The cosine of their weights is ${found.cosine.toFixed(2)}`;
  return `${weights}; their distributions differ by ${found.divergence.toFixed(2)} nats a token.`;
}

// ---- pictures -------------------------------------------------------------------------------------------------------

function map(view) {
  const { Plot, data, state } = view, place = data.marks.indexOf(state.mark);
  const cells = data.pairs.filter(({ student }) => student < data.matrix).map((pair) => ({ ...pair, at: pair.curve[place] }));
  const strongest = Math.max(1e-9, ...cells.flatMap(({ curve }) => curve.map((at) => Math.abs(at?.mean ?? 0))));
  const tint = ({ at }) => (at ? `rgba(var(--ex-${at.mean > 0 ? "up" : "down"}), ${(0.55 * Math.abs(at.mean) / strongest).toFixed(3)})` : "transparent");
  const named = { label: null, tickFormat: (base) => label(view, base).replace(/ /g, "\n"), tickSize: 0, fontSize: 10 };
  const chosen = cells.filter((cell) => cell.teacher === state.teacher && cell.student === state.student);
  const at = { x: "student", y: "teacher" };
  const made = chart(view, `Mean effect of each teacher (rows) on each student (columns) after ${percent(state.mark)} of the training. ${tell(view)}`, {
    height: 66 + 52 * teachers(data).length, marginLeft: 76, marginTop: 50, marginBottom: 8, marginRight: 4,
    x: { domain: students(data).filter((base) => base < data.matrix), padding: 0.04 }, y: { domain: teachers(data), padding: 0.04 },
    marks: [
      Plot.axisX({ ...named, anchor: "top" }), Plot.axisY(named),
      Plot.cell(cells, { ...at, fill: tint, stroke: "var(--ex-line)", strokeOpacity: 0.4, className: "ex-cells" }),
      Plot.cell(chosen, { ...at, fill: "none", stroke: "currentColor", strokeWidth: 2.5, pointerEvents: "none" }),
      Plot.text(cells, { ...at, text: ({ at: found }) => (found ? signed(found.mean) : "–"), pointerEvents: "none", fontWeight: ({ teacher, student }) => (teacher === student ? 700 : 400) }),
    ],
  });
  // the selects above do the same by keyboard
  made.querySelectorAll(".ex-cells rect").forEach((rect, i) => rect.addEventListener("click", () => view.set({ teacher: cells[i].teacher, student: cells[i].student })));
  return made;
}

function curve(view) {
  const { Plot, data, state } = view, pair = pairOf(view), tint = colour(pair.kind);
  const points = data.marks.flatMap((mark, i) => (pair.curve[i] ? [{ mark, ...pair.curve[i] }] : []));
  const dots = points.flatMap(({ mark, draws }) => draws.map((value) => ({ mark, value })));
  const all = data.pairs.flatMap((each) => each.curve.filter(Boolean));
  return chart(view, `Effect along the training. ${tell(view)}`, {
    height: 60 + 52 * Math.max(4, teachers(data).length), marginLeft: 58, marginBottom: 44, marginRight: 20,
    x: { domain: [0, 1], ticks: [0, ...data.marks], tickFormat: percent, label: "share of the student's training", labelAnchor: "center", labelArrow: "none" },
    y: { domain: extent(all), nice: true, grid: true, label: "effect (nats)", labelAnchor: "center", labelArrow: "none", tickFormat: dashes },
    marks: [
      Plot.ruleY([0], { strokeOpacity: 0.6 }), Plot.ruleX([state.mark], { strokeOpacity: 0.6, strokeDasharray: "4 4" }),
      Plot.line([{ mark: 0, mean: 0 }, ...points], { x: "mark", y: "mean", stroke: tint, strokeWidth: 1.8 }),
      Plot.ruleX(points.filter(({ low }) => low !== null), { x: "mark", y1: "low", y2: "high", stroke: tint, strokeWidth: 2.5, strokeOpacity: 0.75 }),
      Plot.dot(dots, { x: "mark", y: "value", r: 3.2, fill: tint, fillOpacity: 0.4, className: "ex-draws" }),
      Plot.dot(points, { x: "mark", y: "mean", r: ({ mark }) => (mark === state.mark ? 6.5 : 4.5), fill: tint, className: "ex-means" }),
    ],
  });
}

function draw(view) {
  const { teacher, student, mark } = view.state;
  return [
    { picture: map(view), title: `Teachers by row, students by column, after ${percent(mark)} of the training, mean effect in nats; press a cell to choose it` },
    { picture: curve(view), title: `From ${label(view, teacher)} to ${label(view, student)}: one small mark a draw, the large marks their mean, the bars its 95 % t-interval` },
  ];
}

function controls(data) {
  const named = (bases) => (view) => bases.map((base) => [base, label(view, base)]);
  return [
    select({ key: "teacher", label: "Base of the teacher", options: named(teachers(data)) }),
    select({ key: "student", label: "Base of the student", options: named(students(data)) }),
    slider({ key: "mark", label: "Trained so far", stops: () => data.marks, say: (mark) => `${percent(mark)} of the steps` }),
  ];
}

export default explorer({ name: "teaching", title: "Who can teach whom", columns: 2, open, mend, controls, draw, tell });
