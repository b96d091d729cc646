// The ledger browser: claims to filter, each with its mean and interval; one at a time opens. What the ledger holds arrives in
// the trait `data` (see ../explorers/claims.py).
import { chart, colour, explorer, extent, percent, search, select, signed } from "./frame.js";
import { listed, make } from "./page.js";

const ANY = "";
const STRIP = 28, AXIS = 38;  // heights, CSS pixels
const ONE_COLUMN = 620;  // below it, a strip stands under its claim

const COLOURS = { holds: "holds", leans: "holds", fails: "fails", open: "open" };
const open = (data) => ({ kind: data.kinds.some(([name]) => name === "primary") ? "primary" : ANY, chapter: -1, channel: ANY, verdict: ANY, find: "", opened: "" });
const title = (notebook) => notebook.replace(/_/g, " ");

// A value as the book prints it.
function number(value, unit) {
  if (unit === "fraction") return `${(100 * value).toFixed(1).replace("-", "−")} %`;
  if (unit === "nats") return signed(value);
  return String(+value.toPrecision(3)).replace("-", "−");
}

const unitOf = ({ unit }) => (unit === "fraction" ? "" : ` ${unit}`);
const measured = (record) => `${number(record.value, record.unit)} [${number(record.low, record.unit)}, ${number(record.high, record.unit)}]${unitOf(record)}, ${record.draws} draws`;

function filtered({ data, state }) {
  const wanted = state.find.trim().toLowerCase().split(/\s+/);
  const has = (key) => (record) => state[key] === ANY || record[key] === state[key];
  return data.records.filter((record) => has("kind")(record) && has("channel")(record) && has("verdict")(record)
    && (state.chapter < 0 || record.chapter === state.chapter)
    && wanted.every((word) => `${record.claim} ${record.id}`.toLowerCase().includes(word)));
}

// How many of each verdict, such as "replicates (6) and partly (1)".
function tally(data, records) {
  return listed(data.verdicts.map((verdict) => [verdict, records.filter((record) => record.verdict === verdict).length])
    .filter(([, times]) => times).map(([verdict, times]) => `${verdict} (${times})`));
}

function tell(view) {
  const records = filtered(view), { opened } = view.state, shown = records.find(({ id }) => id === opened);
  const many = `${records.length} of ${view.data.records.length} claims`;
  const found = records.length ? `${many}: ${tally(view.data, records)}.` : `${many}; choose less, or other words.`;
  return shown ? `${found} Open: ${shown.claim} ${measured(shown)}: ${shown.verdict}.` : found;
}

// ---- pictures -------------------------------------------------------------------------------------------------------

const bounds = (records) => extent(records.map((record) => ({ ...record, draws: [record.value] })));
const x = (domain, unit, ticks) => ({ domain, nice: true, ticks, label: null, tickFormat: (value) => (unit === "fraction" ? percent(value) : value ? number(value, unit).replace(/0+$/, "").replace(/\.$/, "") : "0") });

// One mean with its interval, on the scale of its group.
function strip(view, record, domain, width) {
  const { Plot } = view, tint = colour(COLOURS[record.look]), filled = record.look === "holds" ? tint : "var(--ex-paper)";
  return chart(view, `${measured(record)}: ${record.verdict}`, {
    width, height: STRIP, margin: 0, marginLeft: 20, marginRight: 20, x: { ...x(domain, record.unit, 5), axis: null }, y: { axis: null, domain: [-1, 1] },
    marks: [
      Plot.gridX({ ticks: 5, strokeOpacity: 0.14 }), Plot.ruleX([0], { strokeOpacity: 0.6 }),
      Plot.ruleY([record], { y: 0, x1: "low", x2: "high", stroke: tint, strokeWidth: 2.5 }),
      Plot.dot([record], { x: "value", y: 0, r: 5.5, fill: filled, stroke: tint, strokeWidth: 1.8 }),
    ],
  });
}

function axis(view, records, domain, width) {
  const { unit } = records[0];
  const scale = chart(view, `scale in ${unit}`, { width, height: AXIS, margin: 0, marginLeft: 20, marginRight: 20, marginBottom: 4, marginTop: AXIS - 6, x: { ...x(domain, unit, 5), axis: "top" }, marks: [view.Plot.ruleX(domain, { strokeOpacity: 0 })] });
  return make("div", { class: "ex-group" }, named(unit === "fraction" ? "shares" : unit, view), scale);
}

const wide = (view) => view.room >= ONE_COLUMN;
const textWidth = (view) => (wide(view) ? Math.floor((view.room - 24) * 0.55) : view.room);
const stripWidth = (view) => (wide(view) ? view.room - 24 - textWidth(view) : view.room);

function named(words, view) {
  const node = make("span", {}, words);
  node.style.width = `${textWidth(view)}px`;
  return node;
}

// What each reference run found of a claim, the newest first.
function runs(view, record) {
  const rows = record.runs.map(([name, value, low, high, draws]) => ({ name: `${name} run, ${draws} draws`, value, low, high }));
  const width = Math.min(view.room - 24, 560), tint = colour(COLOURS[record.look]), { Plot } = view;
  const said = rows.map((row) => `${row.name}: ${number(row.value, record.unit)} [${number(row.low, record.unit)}, ${number(row.high, record.unit)}]`).join("; ");
  return chart(view, `What the reference runs found. ${said}.`, {
    width, height: 34 + 20 * rows.length, marginLeft: 150, marginRight: 20, marginTop: 4, marginBottom: 30,
    x: x(bounds(rows), record.unit, 5), y: { domain: rows.map((row) => row.name), label: null, tickSize: 0 },
    marks: [
      Plot.gridX({ ticks: 5, strokeOpacity: 0.14 }), Plot.ruleX([0], { strokeOpacity: 0.6 }),
      Plot.ruleY(rows, { y: "name", x1: "low", x2: "high", stroke: tint, strokeWidth: 2.5 }),
      Plot.dot(rows, { y: "name", x: "value", r: 4.5, fill: tint }),
    ],
  });
}

function details(view, record) {
  const facts = [
    ["Found", measured(record)], ["Predicted", record.predicted || "nothing"], ["Against", record.control],
    ["In the paper", record.paper ? `${number(record.paper[0], record.unit)}. ${record.paper[1]}` : "no number in the same terms"],
    ["Draws", record.seeds], ["Kind", (view.data.kinds.find(([name]) => name === record.kind) ?? ["", record.kind])[1]], ["Id", record.id],
  ];
  const list = make("dl", {}, ...facts.flatMap(([term, text]) => [make("dt", {}, term), make("dd", {}, text)]));
  const chapter = view.data.chapters[record.chapter];
  const link = make("a", { href: `../notebooks/${chapter}.html`, "data-key": `chapter ${record.id}` }, `Chapter ${title(chapter)}`);
  return make("div", { class: "ex-details" }, list, ...(record.runs.length > 1 ? [runs(view, record)] : []), link);
}

function line(view, record, domain) {
  const isOpen = view.state.opened === record.id;
  const name = make("button", { type: "button", "aria-expanded": isOpen, "data-key": record.id });
  name.append(make("span", {}, `${record.claim} `, make("span", { class: `ex-verdict ex-${record.look}` }, record.verdict)));
  name.style.width = `${textWidth(view)}px`;
  name.addEventListener("click", () => view.set({ opened: isOpen ? "" : record.id }));
  return make("li", { class: "ex-claim" }, name, strip(view, record, domain, stripWidth(view)), ...(isOpen ? [details(view, record)] : []));
}

// Claims of one unit share a scale.
function draw(view) {
  const records = filtered(view), units = [...new Set(records.map(({ unit }) => unit))];
  const groups = units.flatMap((unit) => {
    const own = records.filter((record) => record.unit === unit), domain = bounds(own);
    return [axis(view, own, domain, stripWidth(view)), make("ul", { class: "ex-claims-list" }, ...own.map((record) => line(view, record, domain)))];
  });
  return [{ picture: make("div", {}, ...groups), title: "Mean and 95 % interval over draws; press a claim to open it", wide: true }];
}

function controls(data) {
  const any = (words, options) => () => [[ANY, words], ...options];
  return [
    select({ key: "kind", label: "Which claims", options: any("all", data.kinds) }),
    select({ key: "chapter", label: "Chapter", options: () => [[-1, "any"], ...data.chapters.map((name, place) => [place, title(name)])] }),
    select({ key: "channel", label: "What the student reads", options: any("anything", data.channels) }),
    select({ key: "verdict", label: "Verdict", options: any("any", data.verdicts.map((name) => [name, name])) }),
    search({ key: "find", label: "Words in the claim" }),
  ];
}

// Records arrive as their fields' names and a row of values each: the names three hundred times would be a third of the page.
// Of fields that are `shared` a row holds the place of its text among all texts.
const unpack = ({ fields, shared, texts, rows, ...rest }) => {
  const value = (name, given) => (shared.includes(name) ? texts[given] : given);
  const record = (row) => Object.fromEntries(fields.map((name, place) => [name, value(name, row[place])]));
  return { ...rest, records: rows.map(record) };
};

export default explorer({ name: "claims", title: "Ledger browser", unpack, open, controls, draw, tell });
