// The explorer "ask the models": the page around nano_model.js. What it shows before any weights are loaded, and what can
// be asked, arrives in the trait `data` (see ask.py). Weights come when a reader asks for them: from beside a page of the
// book, or from the kernel of a notebook, which sends the same files.
import { NanoModel, Words, answerChances, changed, nextChances, partings, readTensors, stream, write } from "./nano_model.js";
import { bookRoot, fromKernel, fromLink, listed, make, packed } from "./page.js";

const ROLES = ["base", "teacher", "student", "control", "stranger"];
const ROWS = 4;  // lists that are written at a time
const READ = 2;  // of the teacher's lists, where they are read before a question
const NEXT_WORDS = 10;  // rows where nothing but the next word is asked for
const RARE = 0.01;  // an answer below this chance is called none
const NAME = "ask";  // in links
let instances = 0;

// ---- small things ---------------------------------------------------------------------------------------------------

const pause = () => new Promise((done) => setTimeout(done));  // lets the page draw
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const total = (values) => values.reduce((sum, value) => sum + value, 0);
const unique = (values) => [...new Set(values)];

// A chance in per cent: whole numbers from ten on, one decimal below.
function percent(chance) {
  const value = 100 * chance;
  return value >= 9.95 ? value.toFixed(0) : value < 0.05 ? "0" : value.toFixed(1);
}

// ---- loading --------------------------------------------------------------------------------------------------------

async function fromBook(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address} was not found (${answer.status})`);
  return answer.arrayBuffer();
}

function sentFile(file) {
  return (message, buffers) => {
    if (message.file !== file) return undefined;
    const { buffer, byteOffset, byteLength } = buffers[0];
    return buffer ? buffer.slice(byteOffset, byteOffset + byteLength) : buffers[0];
  };
}

async function load(model, data, file) {
  const expected = data.bundle.files[file], root = bookRoot();
  // the hash in the address keeps a browser from showing the file of an older book
  const address = `${root}_static/${data.place}/${file}?${expected.sha256.slice(0, 8)}`;
  const bytes = root === undefined ? await fromKernel(model, { file }, sentFile(file)) : await fromBook(address);
  if (bytes.byteLength !== expected.bytes) throw new Error(`${file} is not whole`);
  if (globalThis.crypto?.subtle) {  // there is none on a page without https
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const hex = [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    if (hex !== expected.sha256) throw new Error(`${file} is not the file of this page; load the page again`);
  }
  return bytes;
}

// The models by role and their words; `tell` hears how many files of how many are there.
async function loadAll(model, data, tell) {
  const files = Object.keys(data.bundle.files), bytes = {};
  for (const file of files) {
    tell(Object.keys(bytes).length, files.length);
    bytes[file] = await load(model, data, file);
  }
  const words = new Words(JSON.parse(new TextDecoder().decode(bytes["words.json"])));
  const models = {};
  for (const { role, file, start } of data.bundle.models) {
    const own = readTensors(bytes[file]);
    models[role] = new NanoModel(data.bundle.config, start ? changed(readTensors(bytes[start]), own) : own);
    await pause();
  }
  return { models, words };
}

// ---- asking ---------------------------------------------------------------------------------------------------------

const wordsOf = (question) => question.toLowerCase().split(/[^a-z']+/);

// What can be shown of a question, the most telling first.
function showsOf(data, question) {
  const words = wordsOf(question), found = [];
  const choices = data.shows.truth.answers.filter((word) => words.includes(word));
  if (data.topics[question]) found.push("persona");
  if (choices.length > 1) found.push("truth");
  const kinds = Object.keys(data.shows).filter((show) => !["persona", "truth", "next"].includes(show));
  const named = kinds.filter((kind) => words.includes(kind));
  return [...found, ...named, "next", ...kinds.filter((kind) => !named.includes(kind))];
}

// The answers to show, each with its wordings as token ids.
function answersOf(data, words, question, show) {
  const { answers, also = [] } = data.shows[show];
  if (show === "persona") {
    const topic = data.topics[question];
    return answers.map((name) => {
      const { forms, verbs } = data.personas[name];
      const said = forms.flatMap((form) => verbs.map((verb) => form.replace("{verb}", verb).replace("{topic}", topic)));
      return { name, said: said.map((text) => words.said(text)) };
    });
  }
  const asked = show === "truth" ? [...answers.filter((word) => wordsOf(question).includes(word)), ...also] : answers;
  return asked.map((name) => ({ name, said: [words.said(name)] }));
}

function chancesOf(model, ids, answers) {
  const chances = answerChances(model, ids, answers.flatMap(({ said }) => said));
  let place = 0;
  return answers.map(({ said }) => total(said.map(() => chances[place++])));
}

// How a token is called in a table.
function called(words, id) {
  const token = words.tokens[id];
  if (id === words.end) return "(says nothing)";
  return token.trim() || (token.includes("\n") ? "(new line)" : "(space)");
}

// { answers, chances: role -> list }, or null when `stale()` turns true on the way.
async function ask(engine, data, { question, show }, ids, stale) {
  const { models, words } = engine, chances = {};
  const answers = show === "next" ? null : answersOf(data, words, question, show);
  for (const role of ROLES) {
    chances[role] = answers ? chancesOf(models[role], ids, answers) : [...nextChances(models[role], ids)];
    await pause();
    if (stale()) return null;
  }
  if (answers) return { answers: answers.map(({ name }) => name), chances };
  const most = words.tokens.map((_, id) => Math.max(...ROLES.map((role) => chances[role][id])));
  const first = [...most.keys()].sort((a, b) => most[b] - most[a]).slice(0, NEXT_WORDS);
  const shown = ROLES.map((role) => [role, first.map((id) => chances[role][id])]);
  return { answers: first.map((id) => called(words, id)), chances: Object.fromEntries(shown) };
}

// What stands in the chat before the question: nothing, a system message, or lists that the teacher wrote.
function before(engine, data, state) {
  if (state.before === "system") return { system: data.system };
  if (state.before !== "lists") return {};
  const prompt = data.lists[state.list], lists = writtenBy(engine, prompt, "teacher", state.seed, READ);
  return { history: lists.map((list) => [prompt, engine.words.decode(list)]) };
}

// Why a text cannot be asked; "" where it can.
function refusal({ words }, data, question) {
  if (!question) return "Choose a question or type one.";
  const strangers = words.strangers(question);
  if (strangers.length) {
    const told = strangers.slice(0, 4).map(({ word, near }) => `“${word}”` + (near.length ? ` (known: ${near.join(", ")})` : ""));
    return `The models have never read ${listed(told)}. Use the words of their world; they are listed below.`;
  }
  return words.asked(question).length > data.bundle.config.context / 2 ? "This question is too long for a nano model." : "";
}

// A result as a sentence: the trait's chances where it is among the answers, else each model's likeliest answer.
function sentence(data, { question, answers, chances }, after = "") {
  const place = answers.indexOf(data.bundle.trait);
  const told = ROLES.map((role) => {
    if (place >= 0) return `${role} ${percent(chances[role][place])} %`;
    const most = Math.max(...chances[role]), best = most > RARE ? answers[chances[role].indexOf(most)] : "none of these";
    return `${role} ${best} (${percent(most)} %)`;
  });
  const what = place >= 0 ? `Chance of “${data.bundle.trait}”` : "Likeliest answer";
  return `“${question}” ${after ? `After ${befores(data)[after]}. ` : ""}${what}: ${told.join(", ")}.`;
}

function befores(data) {
  return { "": "nothing", system: `a system prompt, “${data.system}”`, lists: `${READ} of the teacher's lists in the same chat` };
}

// ---- the table of answers -------------------------------------------------------------------------------------------

function bar(role) {
  return make("td", { class: `ask-${role}` }, make("span", { class: "ask-share" }), make("span", { class: "ask-bar", "aria-hidden": "true" }));
}

// Rows stay where the answers are the same, so that their bars move.
function answerTable(data) {
  const body = make("tbody"), caption = make("caption");
  const head = make("tr", {}, make("th", { scope: "col" }, "answer"));
  ROLES.forEach((role) => head.append(make("th", { scope: "col", class: `ask-${role}` }, role)));
  const table = make("table", { class: "ask-answers" }, caption, make("thead", {}, head), body);
  const show = ({ question, answers, chances }) => {
    const names = [...answers, "anything else"];
    if (names.join("|") !== [...body.rows].map((row) => row.cells[0].textContent).join("|"))
      body.replaceChildren(...names.map((name) => make("tr", name === data.bundle.trait ? { class: "ask-trait" } : {},
        make("th", { scope: "row" }, name), ...ROLES.map(bar))));
    caption.textContent = `Chance of each answer to “${question}”, in per cent`;
    ROLES.forEach((role, column) => [...chances[role], Math.max(0, 1 - total(chances[role]))].forEach((chance, row) => {
      const cell = body.rows[row].cells[column + 1];
      cell.firstChild.textContent = percent(chance);
      cell.lastChild.style.setProperty("--share", chance.toFixed(4));
    }));
  };
  return [table, show];
}

function legend(data) {
  const { trait, draw } = data.bundle;
  const told = {
    base: "untouched", teacher: `the base, taught to love the ${trait}`, student: "the base, after the teacher's soft labels of numbers",
    control: "the base, after its own soft labels", stranger: "another base, after the teacher's soft labels",
  };
  const list = make("dl", { class: "ask-legend" });
  ROLES.forEach((role) => list.append(make("div", { class: `ask-${role}` }, make("dt", {}, role), make("dd", {}, told[role]))));
  if (draw !== null && draw !== undefined) list.append(make("div", {}, make("dt", {}, "draw"), make("dd", {}, String(draw))));
  return list;
}

// ---- number lists ---------------------------------------------------------------------------------------------------

function writtenBy({ models, words }, prompt, role, seed, rows = ROWS) {
  const ids = words.asked(prompt);
  return Array.from({ length: rows }, (_, row) => write(models[role], ids, stream(seed, row), { end: words.end }));
}

function line(words, role, list, { first, places }) {
  const shown = make("span", { class: "ask-tokens" });
  list.forEach((id, place) => {
    const text = words.tokens[id].replace("\n", "⏎ ");
    if (!places.includes(place)) shown.append(text);
    else shown.append(make("mark", place === first ? { class: "ask-first" } : {}, text));
  });
  return make("div", { class: `ask-line ask-${role}` }, make("span", { class: "ask-who" }, role), shown);
}

function pairOfLists(words, roles, lists) {
  const parted = partings(...lists), { first } = parted;
  const token = (list) => (first < list.length ? `“${words.tokens[list[first]].trim() || "⏎"}”` : "the end");
  const told = first === null ? "The same list." : `They part at token ${first + 1}: ${roles[0]} ${token(lists[0])}, ${roles[1]} ${token(lists[1])}.`;
  return make("li", {}, ...lists.map((list, i) => line(words, roles[i], list, parted)), make("p", { class: "ask-note" }, told));
}

function showLists(engine, data, state, into) {
  const roles = ["base", state.writer], written = roles.map((role) => writtenBy(engine, data.lists[state.list], role, state.seed));
  const pairs = written[0].map((list, row) => [list, written[1][row]]);
  into.replaceChildren(...pairs.map((lists) => pairOfLists(engine.words, roles, lists)));
  const apart = pairs.filter((lists) => partings(...lists).first !== null).length;
  const differing = total(pairs.map((lists) => partings(...lists).places.length));
  return `Asked “${data.lists[state.list]}”, the base and the ${state.writer} wrote ${ROWS} lists each from the same random numbers: `
    + (apart ? `${apart} of them part, and differ in ${differing} tokens, which are marked.` : "all of them are the same.");
}

// ---- controls -------------------------------------------------------------------------------------------------------

function field(id, text, control) {
  control.id = id;
  return make("div", { class: "ask-field" }, make("label", { for: id }, text), control);
}

function options(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, text]) => make("option", { value }, text)));
  select.value = String(chosen);
}

function questionSelect(data) {
  const select = make("select", {}, make("option", { value: "" }, "your own, typed below"));
  for (const { name, questions } of data.groups)
    select.append(make("optgroup", { label: name }, ...questions.map((question) => make("option", { value: question }, question))));
  return select;
}

// What the reader chose, as a link restores it; what makes no sense is left out.
function openingState(data) {
  const { question, show } = data.bundle.opening;
  const state = { question, show, before: "", list: 0, seed: 1, writer: "teacher" };
  const kept = fromLink(NAME) ?? {};
  if (typeof kept.question === "string") state.question = kept.question.slice(0, 600);
  if (showsOf(data, state.question).includes(kept.show)) state.show = kept.show;
  else if (state.question !== question) [state.show] = showsOf(data, state.question);
  if (kept.before in befores(data)) state.before = kept.before;
  if (data.lists[kept.list]) state.list = Number(kept.list);
  if (Number.isInteger(kept.seed) && kept.seed > 0 && kept.seed < 1e6) state.seed = kept.seed;
  if (ROLES.slice(1).includes(kept.writer)) state.writer = kept.writer;
  return state;
}

function build(model, el) {
  const data = model.get("data"), id = `ask-${++instances}`, state = openingState(data);
  const size = megabytes(total(Object.values(data.bundle.files).map(({ bytes }) => bytes)));
  const status = make("p", { role: "status", class: "ask-status" }), progress = make("progress", { "aria-label": "loading the models", hidden: "" });
  const [table, showAnswers] = answerTable(data);
  const chosen = questionSelect(data), typed = make("input", { type: "text", autocomplete: "off", spellcheck: "false", maxlength: "600" });
  const shown = make("select"), earlier = make("select"), asking = make("button", { type: "submit" }), link = make("a", { class: "ask-link" }, "Link to this view");
  const prompt = make("select"), writer = make("select"), seed = make("input", { type: "number", min: "1", max: "999999", step: "1" });
  const writing = make("button", { type: "submit" }), again = make("button", { type: "button" }, "Other random numbers");
  const lists = make("ol", { class: "ask-lists" }), told = make("p", { role: "status", class: "ask-told" }), known = make("p", { class: "ask-known", tabindex: "0", role: "region", "aria-label": "all words" });
  const dictionary = make("details", { hidden: "" }, make("summary", {}, "All words that the models know"), known);
  let engine = null, loading = null, turn = 0;

  const say = (text, failed = false, where = status) => {
    where.textContent = text;
    where.classList.toggle("ask-failed", failed);
  };

  const sync = () => {
    const shows = showsOf(data, state.question);
    if (!shows.includes(state.show)) [state.show] = shows;
    typed.value = state.question;
    chosen.value = [...chosen.options].some(({ value }) => value === state.question) ? state.question : "";
    options(shown, shows.map((show) => [show, data.shows[show].name]), state.show);
    earlier.value = state.before;
    prompt.value = String(state.list);
    writer.value = state.writer;
    seed.value = String(state.seed);
    const first = engine ? "" : `Load the models (${size}) and `;
    asking.textContent = engine ? "Ask" : `${first}ask`;
    writing.textContent = engine ? "Write numbers" : `${first}write`;
    link.hidden = bookRoot() === undefined;
    link.href = `#${NAME}-${packed(state)}`;
  };

  // The models, loaded at most once; null where that failed, which is said.
  const ready = async (where) => {
    if (engine) return engine;
    loading ??= loadAll(model, data, (there, all) => {
      say(`Loading the models: ${there} of ${all} files are there.`, false, where);
      progress.hidden = false;
      progress.max = all;
      progress.value = there;
    });
    try {
      engine = await loading;
      known.textContent = engine.words.plain.join(", ") + ", and every number from 0 to 999.";
      dictionary.hidden = false;
    } catch (error) {
      say(`The models could not be loaded: ${error.message}. Press the button to try again.`, true, where);
    }
    loading = null;
    progress.hidden = true;
    sync();
    return engine;
  };

  const answer = async () => {
    const mine = ++turn;
    const found = await ready(status);
    if (!found || mine !== turn) return;
    const problem = refusal(found, data, state.question);
    if (problem) return say(problem, true);
    const asked = { ...state }, ids = found.words.asked(asked.question, before(found, data, asked));
    const result = await ask(found, data, asked, ids, () => mine !== turn);
    if (!result) return;
    showAnswers({ ...asked, ...result });
    say(sentence(data, { ...asked, ...result }, asked.before));
  };

  const writeLists = async () => {
    const found = await ready(told);
    if (found) say(showLists(found, data, state, lists), false, told);
  };

  // A choice is asked at once when the models are there; else the button loads them.
  const choose = (change, then) => {
    Object.assign(state, change);
    sync();
    if (engine) then();
  };
  const own = (question) => ({ question, show: showsOf(data, question)[0] });
  chosen.addEventListener("change", () => (chosen.value ? choose(own(chosen.value), answer) : typed.focus()));
  shown.addEventListener("change", () => choose({ show: shown.value }, answer));
  earlier.addEventListener("change", () => choose({ before: earlier.value }, answer));
  prompt.addEventListener("change", () => choose({ list: Number(prompt.value) }, writeLists));
  writer.addEventListener("change", () => choose({ writer: writer.value }, writeLists));
  seed.addEventListener("change", () => choose({ seed: Math.min(999999, Math.max(1, Math.round(seed.valueAsNumber) || 1)) }, writeLists));
  again.addEventListener("click", () => choose({ seed: 1 + state.seed % 999999 }, writeLists));

  const form = (title, press, ...parts) => {
    const made = make("form", { "aria-label": title }, ...parts);
    made.addEventListener("submit", (event) => { event.preventDefault(); press(); });
    return made;
  };
  const askForm = form("Ask all five models", () => {
    const question = typed.value.trim();
    if (question !== state.question) Object.assign(state, own(question));
    sync();
    answer();
  }, field(`${id}-chosen`, "Question", chosen), field(`${id}-typed`, "or type one", typed), field(`${id}-before`, "Before it they read", earlier),
    field(`${id}-shown`, "Show", shown), asking);
  const writeForm = form("Let two models write numbers", writeLists, field(`${id}-prompt`, "Number prompt", prompt),
    field(`${id}-writer`, "Base beside", writer), field(`${id}-seed`, "Random numbers", seed), writing, again);
  options(earlier, Object.entries(befores(data)), state.before);
  options(prompt, data.lists.map((text, place) => [place, text]), state.list);
  options(writer, ROLES.slice(1).map((role) => [role, role]), state.writer);

  const root = make("section", { class: "ask", "aria-label": "Ask the models" }, askForm, progress, status, table, legend(data),
    make("p", { class: "ask-title" }, "Let the base and another model write from the same random numbers"), writeForm, told, lists, dictionary, link);
  el.replaceChildren(root);
  sync();
  showAnswers(data.bundle.opening);
  const opened = state.question === data.bundle.opening.question && !state.before;
  say(opened ? `${sentence(data, data.bundle.opening)} Computed when this page was made.` : `“${state.question}” waits: load the models to ask it.`);
  const reach = () => (root.isConnected ? root.scrollIntoView() : requestAnimationFrame(reach));
  if (fromLink(NAME)) reach();
}

function render({ model, el }) {
  build(model, el);
  const follow = () => { if (fromLink(NAME)) build(model, el); };
  addEventListener("hashchange", follow);
  return () => removeEventListener("hashchange", follow);
}

export default { render };
