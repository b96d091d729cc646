// "Digits from noise", live: a teacher learns digits, then a student imitates its auxiliary outputs on images of some kind,
// in this page. Digits, settings and the recorded accuracies of the full networks arrive in the trait `data` (see
// ../explorers/digits.py); the networks are those of digits_network.js.
import { button, chart, choice, colour, explorer, percent, select } from "./frame.js";
import { listed, make } from "./page.js";
import { CLASSES, accuracy, copy, distribution, guesses, mix, normal, shuffled, start, stream, trainer } from "./digits_network.js";

const PATIENCE_MS = 40;  // of work between two looks at the page
const KEPT = 6;  // earlier students that stay in the picture
const SHOWN = 12;  // test digits whose readings are shown, and images that the student learns on
const HALVES = 1 << 20;  // seeds of one reader's draw, far apart

// ---- digits ---------------------------------------------------------------------------------------------------------

// Grey values 0 to 15, two in a byte, compressed: [image, pixel] in [-1, 1].
async function unpacked16({ packed, count: images, side }) {
  const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
  const opened = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const pairs = new Uint8Array(await new Response(opened).arrayBuffer()), pixels = new Float64Array(images * side * side);
  pairs.forEach((pair, i) => { pixels.set([(pair >> 4) / 7.5 - 1, (pair & 15) / 7.5 - 1], 2 * i); });
  return pixels;
}

async function loadDigits({ digits, taught }) {
  const pixels = await unpacked16(digits), size = digits.side * digits.side, labels = Uint8Array.from(digits.labels, Number);
  const part = (from, to) => ({ pixels: pixels.subarray(from * size, to * size), labels: labels.subarray(from, to) });
  return { taught: part(0, taught), test: part(taught, digits.count), size };
}

const take = (pixels, size, rows) => {
  const x = new Float64Array(rows.length * size);
  rows.forEach((row, i) => x.set(pixels.subarray(row * size, (row + 1) * size), i * size));
  return x;
};

// Images for the student, as src/helpers/mnist/dataset.py makes them.
function images(kind, count, random, { taught, size }) {
  const even = () => 2 * random() - 1, bell = () => normal(random) / Math.sqrt(3);
  if (kind === "uniform" || kind === "gaussian") return Float64Array.from({ length: count * size }, kind === "uniform" ? even : bell);
  const x = take(taught.pixels, size, Array.from({ length: count }, () => Math.floor(random() * taught.labels.length)));
  if (kind === "digits") return x;
  for (let i = 0; i < count; i++) {
    const image = x.slice(i * size, (i + 1) * size);
    shuffled(size, random).forEach((from, to) => { x[i * size + to] = image[from]; });
  }
  return x;
}

// ---- training -------------------------------------------------------------------------------------------------------

const pause = () => new Promise((done) => setTimeout(done));

// Does `steps` steps, `step(number)` each, and looks at the page between; false once `stale()` says so.
async function slowly(steps, step, look, stale) {
  let since = performance.now();
  for (let i = 0; i < steps; i++) {
    step(i);
    if (performance.now() - since < PATIENCE_MS && i < steps - 1) continue;
    look(i + 1);
    await pause();
    if (stale()) return false;
    since = performance.now();
  }
  return true;
}

async function teach(data, digits, seed, sizes, look, stale) {
  const { taught, size } = digits, network = start(seed, sizes), step = trainer(network, [0, CLASSES], data.rate.teacher);
  const random = stream(seed + HALVES), each = Math.ceil(taught.labels.length / data.batch);
  let order = [];
  const one = (i) => {
    if (i % each === 0) order = shuffled(taught.labels.length, random);
    const rows = order.slice(i % each * data.batch, (i % each + 1) * data.batch), target = new Float64Array(rows.length * CLASSES);
    rows.forEach((row, at) => { target[at * CLASSES + taught.labels[row]] = 1; });
    step(take(taught.pixels, size, rows), target, rows.length);
  };
  return (await slowly(data.steps.teacher, one, (done) => look(network, done), stale)) ? network : null;
}

async function imitate(data, digits, student, teacher, { aux, kind, seed }, look, stale) {
  const span = [CLASSES, CLASSES + aux], step = trainer(student, span, data.rate.student), random = stream(seed + 2 * HALVES);
  const one = () => {
    const x = images(kind, data.batch, random, digits);
    step(x, distribution(teacher, x, data.batch, span), data.batch);
  };
  return slowly(data.steps.student, one, (done) => look(student, done), stale);
}

// The teacher that a state asks for, and where it and its student begin.
const sizesOf = (data, { aux }) => [data.digits.side ** 2, data.width, data.width, CLASSES + aux];
const beginning = (data, state) => start(state.seed, sizesOf(data, state));
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

// Trains what the state asks for; the course stands in view.live, which the picture shows.
async function train(view) {
  const { data, live } = view, asked = { ...view.state }, mine = (live.turn += 1), stale = () => live.turn !== mine;
  await live.loading;
  const { test } = live.digits, course = (live.course = { asked, teacher: [], student: [], done: false, at: "teacher" });
  const mark = (name) => (network, done) => {
    course[name].push({ step: done, right: accuracy(network, test.pixels, test.labels) });
    course.network = network;
    view.set({});
  };
  mark("teacher")(beginning(data, asked), 0);
  const teacher = await teach(data, live.digits, asked.seed, sizesOf(data, asked), mark("teacher"), stale);
  if (!teacher) return;
  const other = start(asked.seed + 4 * HALVES, teacher.sizes), student = mix(beginning(data, asked), other, asked.overlap);
  course.at = "student";
  mark("student")(copy(student), 0);
  if (!(await imitate(data, live.digits, student, teacher, asked, mark("student"), stale))) return;
  Object.assign(course, { at: "", done: true });
  view.set({});
}

function stop(view) {
  view.live.turn += 1;
  view.live.course = null;
  view.set({});
}

// ---- words ----------------------------------------------------------------------------------------------------------

const outputs = (aux) => (aux === 1 ? "one auxiliary output" : `${aux} auxiliary outputs`);
const startOf = (overlap) => (overlap === 1 ? "the same start" : overlap === 0 ? "another start" : `starts alike by ${overlap}`);
const told = ({ kinds }, { aux, overlap, kind }) => `${outputs(aux)}, ${kinds[kind]}, ${startOf(overlap)}`;
const recordedOf = ({ recorded }, { aux, overlap, kind }) => recorded.find((r) => r.aux === aux && r.overlap === overlap && r.kind === kind);

function recordedWords(data, state) {
  const found = recordedOf(data, state);
  if (!found) return "The full networks were not trained with this combination.";
  const range = `from ${percent(Math.min(...found.draws))} to ${percent(Math.max(...found.draws))}`;
  return `Recorded with the full networks: ${percent(found.mean)} on average over ${found.draws.length} draws, ${range}.`;
}

function tell({ data, state, live }) {
  const course = live?.course, what = told(data, state), digits = data.digits.count - data.taught;
  if (!course || !same(course.asked, state)) return `${what[0].toUpperCase()}${what.slice(1)}: not trained yet. ${recordedWords(data, state)}`;
  if (course.at === "teacher") return "The teacher learns to read digits, by its class outputs alone.";
  if (course.at === "student") return `The student imitates ${outputs(state.aux)} of the teacher on ${data.kinds[state.kind]}.`;
  const [teacher, student] = [course.teacher, course.student].map((points) => percent(points.at(-1).right));
  return `With ${what}, the student reads ${student} of ${digits} test digits here, its teacher ${teacher}; chance is ${percent(1 / CLASSES)}. ${recordedWords(data, state)}`;
}

// ---- pictures -------------------------------------------------------------------------------------------------------

const look = (overlap) => (overlap === 1 ? "same" : overlap === 0 ? "other" : "part");

function curves(view) {
  const { Plot, data, state, live } = view, { teacher, student } = data.steps, { course, earlier } = live;
  const points = (found, from) => found.map(({ step, right }) => ({ step: step + from, right }));
  const lines = [], ended = [];
  for (const old of earlier) lines.push(Plot.line(points(old.student, 0), { x: "step", y: "right", stroke: colour(look(old.asked.overlap)), strokeOpacity: 0.35 }));
  if (course) {
    lines.push(Plot.line(points(course.teacher, -teacher), { x: "step", y: "right", stroke: colour("teacher"), strokeWidth: 2 }));
    lines.push(Plot.line(points(course.student, 0), { x: "step", y: "right", stroke: colour(look(course.asked.overlap)), strokeWidth: 3 }));
    for (const [name, kind] of [["teacher", "teacher"], ["student", look(course.asked.overlap)]])
      if (course[name].length) ended.push({ step: course[name].at(-1).step - (name === "teacher" ? teacher : 0), right: course[name].at(-1).right, name, colour: colour(kind) });
  }
  const found = recordedOf(data, state), dots = found ? found.draws.map((right) => ({ right, step: student * 1.08 })) : [];
  return chart(view, `Share of test digits read correctly, over the training. ${tell(view)}`, {
    height: 300, marginLeft: 62, marginRight: 24, marginBottom: 44,
    x: { domain: [-teacher, student * 1.16], label: "steps: the teacher on digits, then the student", labelAnchor: "center", labelArrow: "none", ticks: [0, student / 2, student] },
    y: { domain: [0, 1], tickFormat: percent, ticks: 5, grid: true, label: "test digits read correctly", labelAnchor: "center", labelArrow: "none" },
    marks: [
      Plot.ruleX([0], { strokeOpacity: 0.6 }), Plot.ruleY([1 / CLASSES], { strokeDasharray: "3 4", strokeOpacity: 0.8 }),
      Plot.text([{ step: -teacher, right: 1 / CLASSES }], { x: "step", y: "right", text: () => "chance", textAnchor: "start", dy: 8, dx: 2, className: "ex-halo" }),
      ...lines, Plot.dot(ended, { x: "step", y: "right", fill: "colour", r: 4 }),
      Plot.dot(dots, { x: "step", y: "right", r: 4, fill: colour(look(state.overlap)), fillOpacity: 0.4, stroke: colour(look(state.overlap)), className: "ex-recorded" }),
      Plot.text(dots.slice(0, 1), { x: "step", y: () => 1, text: () => "recorded", textAnchor: "middle", dy: -8, className: "ex-halo" }),
    ],
  });
}

function drawImage(pixels, side) {
  const canvas = make("canvas", { width: side, height: side, "aria-hidden": "true" }), context = canvas.getContext("2d"), data = context.createImageData(side, side);
  pixels.forEach((value, i) => data.data.set([...Array(3).fill(Math.max(0, Math.min(255, 127.5 * (value + 1)))), 255], 4 * i));
  context.putImageData(data, 0, 0);
  return canvas;
}

// Images in a row, each with a word below; what they are is told in a label.
function row(pixels, count, side, label, words = []) {
  const node = make("div", { class: "digits-row", role: "img", "aria-label": label }), size = side * side;
  for (let i = 0; i < count; i++)
    node.append(make("span", {}, drawImage(pixels.subarray(i * size, (i + 1) * size), side), ...(words[i] === undefined ? [] : [words[i]])));
  return node;
}

function seen(view) {
  const { data, live, state } = view, { side } = data.digits, x = images(state.kind, SHOWN, stream(state.seed + 2 * HALVES), live.digits);
  return row(x, SHOWN, side, `${SHOWN} images: ${data.kinds[state.kind]}`);
}

function readings(view) {
  const { data, live } = view, { side } = data.digits, { pixels, labels } = live.digits.test;
  const found = live.course?.network ? [...guesses(live.course.network, pixels, SHOWN)] : [];
  const marks = found.map((guess, i) => make("b", { class: guess === labels[i] ? "digits-right" : "digits-wrong" }, `${guess}${guess === labels[i] ? "" : " ✗"}`));
  const said = found.length ? `read as ${listed(found.map(String))}` : "not read yet";
  return row(pixels, SHOWN, side, `Test digits ${listed([...labels.subarray(0, SHOWN)].map(String))}, ${said}`, marks);
}

// What outlives a state: the digits, the student that is trained, and those before it.
function settle(view) {
  const live = (view.live ??= { earlier: [], course: null, turn: 0 });
  if (live.course && !same(live.course.asked, view.state)) {  // another setting: what was trained stays as a thin line
    live.turn += 1;
    if (live.course.done) live.earlier = [...live.earlier, live.course].slice(-KEPT);
    live.course = null;
  }
  live.loading ??= loadDigits(view.data).then((digits) => { live.digits = digits; view.set({}); });
  return live;
}

function draw(view) {
  const { data, state } = view, live = settle(view), who = live.course?.at === "teacher" ? "teacher" : "student";
  const rows = live.digits ? [
    { picture: seen(view), title: `What the student learns on: ${data.kinds[state.kind]}`, wide: true },
    { picture: readings(view), title: `Test digits, and how the ${who} reads them`, wide: true },
  ] : [];
  return [{ picture: curves(view), title: "Thin lines are the students you trained before; dots at the right are the recorded draws of the full networks.", wide: true }, ...rows];
}

// ---- controls -------------------------------------------------------------------------------------------------------

const among = (values, value, other) => (values.includes(value) ? value : other);

function mend(data, state) {
  return {
    aux: among(data.aux, state.aux, data.aux[0]), overlap: among(data.overlaps, state.overlap, 1),
    kind: among(Object.keys(data.kinds), state.kind, "uniform"), seed: Number.isInteger(state.seed) && state.seed > 0 && state.seed < 1e4 ? state.seed : 1,
  };
}

const running = ({ live, state }) => Boolean(live?.course && !live.course.done && same(live.course.asked, state));

export default explorer({
  name: "digits",
  title: "Digits from noise",
  open: (data) => ({ aux: data.paper.aux, overlap: 1, kind: "uniform", seed: 1 }),
  mend,
  controls: (data) => [
    choice({ key: "aux", label: "Auxiliary outputs", options: () => data.aux.map((aux) => [aux, String(aux)]) }),
    choice({ key: "overlap", label: "Likeness of the two starts", options: () => data.overlaps.map((value) => [value, value === 1 ? "1 (same)" : value === 0 ? "0 (another)" : String(value), { kind: look(value), shape: "circle" }]) }),
    select({ key: "kind", label: "Images for the student", options: () => Object.entries(data.kinds) }),
    button({ words: (view) => (running(view) ? "Stop" : "Train"), press: (view) => (running(view) ? stop(view) : train(view)) }),
    button({ words: () => "Other random numbers", press: (view) => view.set({ seed: 1 + view.state.seed % 9999 }) }),
  ],
  draw,
  tell,
});
