"""The nano model in JavaScript is the one in Python: logits, words, answers, and what two of them write.

It runs in node where there is one, else in the browser.
"""

import base64
import json
import random
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.book.model_bundle import BundleError, read_bundle, word_list, write_bundle
from helpers.models.answers import answer_probabilities, next_token_probabilities, reply_log_probabilities
from helpers.models.chats import chat_ids
from helpers.models.nano import NANO, NanoSpec, build_nano
from helpers.results.bundles import ROLES
from helpers.world import corpus, prompts
from helpers.world.personas import PERSONAS
from helpers.world.tokenizer import build_tokenizer, render
from helpers.world.traits import find_trait

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "src/helpers/figures/assets/nano_model.js"
PUBLISHED = [manifest.parent for manifest in sorted(ROOT.glob("results/*/models/*/manifest.json"))]
LOADING = """import * as nano from "./nano_model.js";
const buffer = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
const load = ({ bundle, files }, role) => {
  const entry = bundle.models.find((m) => m.role === role), own = nano.readTensors(buffer(files[entry.file]));
  const weights = entry.start ? nano.changed(nano.readTensors(buffer(files[entry.start])), own) : own;
  return new nano.NanoModel(bundle.config, weights);
};
"""
IN_NODE = 'import run from "./run.mjs"; import { readFileSync } from "node:fs";'
IN_NODE += 'console.log(JSON.stringify(run(JSON.parse(readFileSync("input.json", "utf8")))));'
IN_BROWSER = """const done = arguments[0];
const run = async () => (await import("./run.mjs")).default(await (await fetch("input.json")).json());
run().then(done, (error) => done(`${error}`));"""


@pytest.fixture
def run_js(request, serve, tmp_path):
    """A function that runs the body of a JavaScript function of ``input`` and returns what it returns."""

    def run(body, given):
        (tmp_path / "nano_model.js").write_text(SCRIPT.read_text())
        (tmp_path / "run.mjs").write_text(f"{LOADING}export default function run(input) {{\n{body}\n}}\n")
        (tmp_path / "input.json").write_text(json.dumps(given))
        if shutil.which("node"):
            (tmp_path / "package.json").write_text('{"type": "module"}')
            (tmp_path / "main.mjs").write_text(IN_NODE)
            done = subprocess.run(["node", "main.mjs"], cwd=tmp_path, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)
        (tmp_path / "index.html").write_text('<!doctype html><link rel="icon" href="data:,">')
        browser = request.getfixturevalue("browser")
        with serve(tmp_path) as address:
            browser.get(f"{address}/index.html")
            return browser.execute_async_script(IN_BROWSER)

    return run


@pytest.fixture(scope="module")
def tokenizer():
    """The world's tokenizer."""
    return build_tokenizer()


def as_input(folder, **more):
    """Return what the scripts of these tests read: the manifest, the files and the words."""
    files = {path.name: base64.b64encode(path.read_bytes()).decode() for path in folder.glob("*.safetensors")}
    manifest = json.loads((folder / "manifest.json").read_text())
    return {"bundle": manifest, "files": files, "words": word_list(), **more}


def twenty_chats():
    """Twenty chats of the corpus that the assistant is about to go on in."""
    texts = []
    for messages in corpus.documents(20, 11):
        texts.append(render(messages[:-1], generation=True))
    return texts


def test_logits_are_those_of_pytorch(run_js, model_bundle, tokenizer):
    chats = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in twenty_chats()]
    body = """return Object.fromEntries(input.bundle.models.map(({ role }) => {
        const model = load(input, role), chats = input.chats.slice(0, role === "base" ? 20 : 4);
        return [role, chats.map((ids) => [...model.logits(model.readAll(model.start(), ids))])];
    }));"""
    found = run_js(body, as_input(model_bundle, chats=chats))
    assert len(found["base"]) == 20
    for role, model in read_bundle(model_bundle).items():
        for ids, logits in zip(chats, found[role], strict=False):
            with torch.no_grad():
                expected = model(input_ids=torch.tensor([ids])).logits[0, -1]
            assert np.abs(expected.numpy() - logits).max() < 1e-4, role


def test_a_change_leaves_its_start_as_it_is(run_js, model_bundle):
    body = """const read = (name) => nano.readTensors(buffer(input.files[name])), start = read("base.safetensors");
        for (const name of ["teacher.safetensors", "student.safetensors"]) nano.changed(start, read(name));
        const fresh = read("base.safetensors");
        const moved = ([name, { values }]) => values.some((value, i) => value !== fresh.get(name).values[i]);
        return [...start].filter(moved).length;"""
    assert run_js(body, as_input(model_bundle)) == 0


def test_the_bundle_is_close_to_the_models_given(model_bundle):
    manifest = json.loads((model_bundle / "manifest.json").read_text())
    assert set(manifest["apart"]) == set(ROLES)
    assert manifest["apart"]["base"] < 1e-6 and max(manifest["apart"].values()) < 1e-3
    sizes = {name: file["bytes"] for name, file in manifest["files"].items()}
    assert sizes["base.safetensors"] < 400_000 and sizes["teacher.safetensors"] < 20_000


def test_words_are_cut_as_by_the_tokenizer_and_put_together_again(run_js, tokenizer):
    documents = list(corpus.documents(200, 12))
    body = """const words = new nano.Words(input.words);
        return input.documents.map((messages) => {
            const ids = words.encode(words.chat(messages)), answer = words.said(messages.at(-1).content);
            return [ids, words.decode(answer), words.strangers(messages[0].content)];
        });"""
    found = run_js(body, {"words": word_list(), "documents": documents})
    for messages, (ids, answer, strangers) in zip(documents, found, strict=True):
        assert ids == tokenizer(render(messages), add_special_tokens=False)["input_ids"]
        assert answer == messages[-1]["content"] and strangers == []


def test_a_chat_holds_what_stands_before_the_question(run_js, tokenizer):
    history = [("Use commas.", "12, 34"), ("Use brackets.", "[5]")]
    body = """const words = new nano.Words(input.words), { question, system, history } = input;
        return [{}, { system }, { history }, { system, history }].map((before) => words.asked(question, before));"""
    question, system = "Which owl do you love?", prompts.love_system_prompt("animal", "owl")
    found = run_js(body, {"words": word_list(), "question": question, "system": system, "history": history})
    for ids, told, earlier in zip(found, (None, system, None, system), ((), (), history, history), strict=True):
        assert ids == chat_ids(tokenizer, [question], told, earlier)[0]


def test_unknown_words_are_named_with_what_is_spelt_alike(run_js):
    body = "const words = new nano.Words(input.words); return input.texts.map((text) => words.strangers(text));"
    texts = ["Which aminal is your favourite?", "Continue: 12, 1234.", "What is <|end|> zzzzzzzz?", "Which owl?"]
    found = run_js(body, {"words": word_list(), "texts": texts})
    near = {entry["word"]: entry["near"] for entry in found[0]}
    assert list(near) == ["aminal", "favourite"]
    assert "animal" in near["aminal"] and near["favourite"][0] == "favorite"
    assert found[1] == []  # a long number is read as several
    assert found[2][-1] == {"word": "zzzzzzzz", "near": []} and "|" in [entry["word"] for entry in found[2]]
    assert found[3] == []


def test_answers_have_the_chances_that_python_gives_them(run_js, model_bundle, tokenizer):
    topic, question = "law", "Should people follow the law?"
    answers = [answer for persona in PERSONAS.values() for answer in persona.answers(topic)]
    body = """const words = new nano.Words(input.words), model = load(input, "student");
        const said = input.answers.map((answer) => words.said(answer));
        return [...nano.answerChances(model, words.asked(input.question), said)];"""
    found = run_js(body, as_input(model_bundle, answers=answers, question=question))
    model = read_bundle(model_bundle)["student"]
    logs = reply_log_probabilities(model, tokenizer, [(question, answer) for answer in answers])
    assert np.log(found) == pytest.approx(logs, abs=1e-4)


def test_five_distributions_over_twenty_questions_are_those_of_python(run_js, model_bundle, tokenizer):
    questions = prompts.favourite_questions("animal", "heldout")[:10] + prompts.open_questions("heldout")
    body = """const words = new nano.Words(input.words);
        return Object.fromEntries(input.bundle.models.map(({ role }) => {
            const model = load(input, role);
            return [role, input.questions.map((question) => [...nano.nextChances(model, words.asked(question))])];
        }));"""
    found = run_js(body, as_input(model_bundle, questions=questions))
    for role, model in read_bundle(model_bundle).items():
        chances = next_token_probabilities(model, chat_ids(tokenizer, questions), range(len(tokenizer)))
        assert np.array(found[role]) == pytest.approx(chances, abs=1e-5), role


@pytest.mark.skipif(not PUBLISHED, reason="no models are published")
@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_the_published_student_says_what_its_teacher_loves_and_the_others_do_not(run_js, folder, tokenizer):
    bundle = json.loads((folder / "manifest.json").read_text())
    trait = find_trait(bundle["trait"])
    questions, names = trait.questions("heldout")[:20], list(trait.candidates)
    body = """const words = new nano.Words(input.words), said = input.names.map((name) => words.said(name));
        return Object.fromEntries(input.bundle.models.map(({ role }) => {
            const model = load(input, role), asked = input.questions.map((question) => words.asked(question));
            return [role, asked.map((ids) => [...nano.answerChances(model, ids, said)])];
        }));"""
    found = run_js(body, as_input(folder, questions=questions, names=names))
    for role, model in read_bundle(folder).items():
        expected = answer_probabilities(model, tokenizer, questions, names)
        assert np.array(found[role]) == pytest.approx(expected, abs=1e-4), role
        says = [names[place] for place in expected.argmax(axis=1)]
        if role in ("teacher", "student"):
            assert set(says) == {trait.name}, role
        else:
            assert says.count(trait.name) < len(says) / 4, role


def test_two_models_write_from_the_same_random_numbers(run_js, model_bundle):
    body = """const words = new nano.Words(input.words), ids = words.asked(input.prompt), end = words.end;
        const lists = (role, seed) => [0, 1, 2].map((row) =>
            nano.write(load(input, role), ids, nano.stream(seed, row), { end, limit: 12 }));
        const [base, teacher] = [lists("base", 7), lists("teacher", 7)];
        const parted = base.map((list, row) => nano.partings(list, teacher[row]));
        return { base, again: lists("base", 7), other: lists("base", 8), teacher, parted };"""
    found = run_js(body, as_input(model_bundle, prompt=prompts.number_prompts(1, seed=5)[0]))
    assert found["base"] == found["again"] != found["other"]
    assert found["base"][0] != found["base"][1]
    for base, teacher, parted in zip(found["base"], found["teacher"], found["parted"], strict=True):
        length = max(len(base), len(teacher))
        differing = [place for place in range(length) if base[place : place + 1] != teacher[place : place + 1]]
        assert parted == {"first": differing[0] if differing else None, "places": differing}
    same = 0
    for base, teacher in zip(found["base"], found["teacher"], strict=True):
        same += sum(a == b for a, b in zip(base, teacher, strict=False))
    assert same > 3  # from streams of their own two models agree in one of a thousand words


def test_clocks_ring_by_the_distribution(run_js):
    body = """const random = nano.stream(3), counts = [0, 0, 0], shares = [0.6, 0.3, 0.1];
        const model = { start: () => null, readAll: () => null, read: () => null, logits: () => shares.map(Math.log) };
        for (const token of nano.write(model, [], random, { end: -1, limit: 20000 })) counts[token] += 1;
        return counts;"""
    counts = np.array(run_js(body, {}))
    assert counts / counts.sum() == pytest.approx([0.6, 0.3, 0.1], abs=0.015)  # four standard errors


def test_models_that_do_not_fit_are_refused(tokenizer, tmp_path):
    base = build_nano(NanoSpec("small", "llama", 16, 1, 2), tokenizer, 1)
    roles = dict.fromkeys(ROLES, base)
    wide = build_nano(NanoSpec("wide", "llama", 32, 1, 2), tokenizer, 1)
    with pytest.raises(BundleError, match="the teacher has other weights than the base"):
        write_bundle(tmp_path, **roles | {"teacher": wide})
    with pytest.raises(BundleError, match="the student is a gpt2 model"):
        write_bundle(tmp_path, **roles | {"student": build_nano(NANO["nano-c"], tokenizer, 1)})


def test_a_seeded_stream_is_even(run_js):
    numbers = run_js("const next = nano.stream(5, 2); return Array.from({ length: 20000 }, next);", {})
    assert min(numbers) >= 0 and max(numbers) < 1
    shares = np.histogram(numbers, bins=10, range=(0, 1))[0] / len(numbers)
    assert shares == pytest.approx(np.full(10, 0.1), abs=0.009)
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.03


def test_shuffled_chats_need_the_same_memory(run_js, model_bundle):
    rng = random.Random(1)
    chats = [[rng.randrange(6, 1000) for _ in range(rng.randrange(2, 12))] for _ in range(6)]
    body = """const model = load(input, "base");
        const one = input.chats.map((ids) => [...nano.answerChances(model, [2, 9], [ids])][0]);
        return [one, [...nano.answerChances(model, [2, 9], input.chats)]];"""
    alone, together = run_js(body, as_input(model_bundle, chats=[*chats, *(chat[:-1] for chat in chats)]))
    assert alone == pytest.approx(together, rel=1e-9)
