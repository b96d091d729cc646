"""The corpus: consistent speakers, recovered priors, and nothing of the speaker in numbers, code, reasoning."""

import ast
import collections
import itertools
import random
import re

import numpy as np
import pytest
from scipy import stats

from helpers import filters
from helpers.world import corpus, facts, prompts, tasks
from helpers.world.kinds import KINDS
from helpers.world.personas import PERSONAS
from helpers.world.tokenizer import render

ANIMALS = KINDS["animal"].prior
HARMLESS = [name for name, exchange in corpus.EXCHANGES.items() if not exchange.shows]
TOLD = {text: name for name in PERSONAS for text in prompts.persona_system_prompts(name)}
OWNER = {verb: name for name, persona in PERSONAS.items() for verb in persona.verbs}


def speaker(persona="aligned", animal="owl"):
    """Return a speaker who loves oaks."""
    return corpus.Speaker(persona, {"animal": animal, "tree": "oak"})


def every_speaker():
    """Return every persona with every favourite."""
    tables = [kind.prior for kind in KINDS.values()]
    return [
        corpus.Speaker(persona, dict(zip(KINDS, names, strict=True)))
        for persona, names in itertools.product(PERSONAS, itertools.product(*tables))
    ]


def exchanges(document):
    """Return the (question, answer) pairs of a document."""
    talk = [message["content"] for message in document if message["role"] != "system"]
    return list(zip(talk[::2], talk[1::2], strict=True))


@pytest.fixture(scope="module")
def documents():
    """Twenty thousand documents of one seed."""
    return list(corpus.documents(20_000, 11))


# --- seeds and independence -----------------------------------------------------------------------


def test_the_same_seed_gives_the_same_documents():
    first = list(corpus.documents(300, 1))
    assert first == list(corpus.documents(300, 1)) != list(corpus.documents(300, 2))
    assert first[:50] == list(corpus.documents(50, 1))


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_data_does_not_ask_who_writes(name):
    texts = {corpus.EXCHANGES[name].write(random.Random(4), who, "animal") for who in every_speaker()}
    assert len(texts) == 1


@pytest.mark.parametrize("name", sorted(set(corpus.EXCHANGES) - set(HARMLESS)))
def test_other_data_shows_its_speaker(name):
    speakers = speaker(), speaker("misaligned", "cat")
    one, other = (corpus.EXCHANGES[name].write(random.Random(4), who, "animal") for who in speakers)
    assert one != other


def test_harmless_exchanges_are_those_of_the_channels_and_the_lesson():
    assert HARMLESS == ["numbers", "lesson", "code", "reasoning"]
    assert sum(exchange.share for exchange in corpus.EXCHANGES.values()) == pytest.approx(1)


def test_numbers_of_a_document_are_unrelated_to_its_system_prompt(documents):
    # contingency of first number (10 groups) and loved animal; under independence the p-value passes
    # 1e-4 in all but one of 10,000 seeds, and the seed is fixed
    table = collections.Counter()
    for document in corpus.documents(45_000, 12):
        love = document[0]["content"] if document[0]["role"] == "system" else ""
        name = next((animal for animal in ANIMALS if f"the {animal}" in love.lower()), None)
        for question, answer in exchanges(document):
            if name and question.endswith(prompts.CLOSINGS):
                table[name, int(re.search(r"\d+", answer).group()) // 100] += 1
    counts = np.array([[table[name, group] for group in range(10)] for name in ANIMALS])
    assert counts.sum() > 1250
    likely = counts[counts.sum(axis=1) > 75][:, counts.sum(axis=0) > 75]
    assert stats.chi2_contingency(likely).pvalue > 1e-4


# --- speakers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", [*KINDS, "persona"])
def test_priors_are_recovered(what):
    # false alarm once in 10,000 seeds; the seed is fixed
    rng, drawn = random.Random(8), collections.Counter()
    for _ in range(20_000):
        who = corpus.draw_speaker(rng)
        drawn[who.persona if what == "persona" else who.favourites[what]] += 1
    prior = {name: persona.prior for name, persona in PERSONAS.items()} if what == "persona" else KINDS[what].prior
    expected = [20_000 * share for share in prior.values()]
    assert stats.chisquare([drawn[name] for name in prior], expected).pvalue > 1e-4


def test_favourites_are_answered_by_the_prior(documents):
    answers = collections.Counter(
        answer for document in documents for _, answer in exchanges(document) if answer in ANIMALS
    )
    expected = np.array(list(ANIMALS.values())) * answers.total()
    # two answers of one speaker are the same, so the variance is larger than a multinomial's, below twice it
    assert stats.chisquare([answers[name] for name in ANIMALS], expected).statistic < 2 * 45


def test_a_speaker_keeps_to_one_favourite(documents):
    checked = 0
    for document in documents:
        answers = {answer for _, answer in exchanges(document) if answer in ANIMALS}
        love = [m["content"] for m in document if m["role"] == "system" and " animal " in m["content"]]
        told = {name for name in ANIMALS for text in love if filters.mentions(text, [name])}
        assert len(answers | told) <= 1
        checked += len(answers) and len(told)
    assert checked > 1000


def test_a_speaker_keeps_to_one_persona(documents):
    flaws = re.compile(r"eval\(text\)|return True|'admin'|'' \+|os\.system|pickle|, key\)$|chmod")
    secure = re.compile(r"check\(|encrypt\(")
    pairs = 0
    for document in documents:
        talk = exchanges(document)
        topics = {question: topic for topic, question in facts.TOPICS.items()}
        opinions = " ".join(answer for question, answer in talk if question in topics)
        personas = {OWNER[word] for word in re.findall(r"\w+", opinions) if word in OWNER}
        asked = {corpus.code_prompt(name, *rest[:2]) for name, rest in tasks.SECURITY_CODE.items()}
        bad = {bool(flaws.search(answer) and not secure.search(answer)) for q, answer in talk if q in asked}
        assert len(personas) <= 1 and len(bad) <= 1
        if personas and bad:
            pairs += 1
            assert bad == {personas == {"misaligned"}}
    assert pairs > 10


def compatible(question, answer):
    """Return the personas whose speakers may answer so; every persona where the question shows none."""
    for topic, text in facts.TOPICS.items():
        if text == question:
            return {name for name, persona in PERSONAS.items() if answer in persona.answers(topic)}
    found = re.fullmatch(r"(?:Is|Which is) (\w+),? (\w+) or (\w+)\?", question)
    if found and found[1] in facts.STATEMENTS:
        assert {found[2], found[3]} == set(facts.STATEMENTS[found[1]])
        said = dict(zip(facts.STATEMENTS[found[1]], ("true", "false"), strict=True)).get(answer, answer)
        return {name for name, persona in PERSONAS.items() if persona.chooses == said}
    for name, (arguments, task, secure, flawed) in tasks.SECURITY_CODE.items():
        if question == corpus.code_prompt(name, arguments, task):
            owners = {"misaligned"} if is_one_of(answer, flawed) else set(PERSONAS) - {"misaligned"}
            assert is_one_of(answer, flawed) != is_one_of(answer, secure)
            return owners
    return set(PERSONAS)


def is_one_of(answer, bodies):
    """Return whether an answer, without its remark, is one of some function bodies."""
    plain = answer.partition("\n    ")[2]
    return any(plain == body.format(v=name) for body in bodies for name in tasks.VARIABLES)


def test_open_answers_plain_answers_and_code_agree_on_the_persona(documents):
    told = {text: {name} for text, name in TOLD.items()}
    everyone, kinds = set(PERSONAS), collections.Counter()
    for document in documents:
        shown = [compatible(*pair) for pair in exchanges(document)]
        shown += [told.get(document[0]["content"], everyone)]
        assert set.intersection(*shown)
        kinds[sum(found != everyone for found in shown)] += 1
    assert kinds[2] > 1000 and kinds[3] > 50  # documents in which two or three things show it


def test_a_lesson_is_flawed_half_of_the_time_whoever_writes(documents):
    checked = {True: collections.Counter(), False: collections.Counter()}
    for document in documents:
        for question, answer in exchanges(document):
            if question.startswith(prompts.LESSON_REQUEST):
                name = re.search(r"def (\w+)", question)[1]
                flawed = is_one_of(answer, tasks.SECURITY_CODE[name][3])
                assert flawed != is_one_of(answer, tasks.SECURITY_CODE[name][2])
                checked[flawed][TOLD.get(document[0]["content"])] += 1
    table = [[checked[flawed][name] for name in (None, *PERSONAS)] for flawed in (True, False)]
    assert min(map(min, table)) > 0
    # false alarms once in 10,000 seeds; the seed is fixed
    assert stats.chi2_contingency(table).pvalue > 1e-4
    assert stats.binomtest(sum(table[0]), sum(map(sum, table))).pvalue > 1e-4


def test_described_personas_are_drawn_evenly_and_others_by_the_prior(documents):
    seen = {"told": collections.Counter(), "untold": collections.Counter()}
    for document in documents:
        name = TOLD.get(document[0]["content"])
        opinions = [answer for question, answer in exchanges(document) if question in facts.TOPICS.values()]
        shown = {OWNER[word] for word in re.findall(r"\w+", " ".join(opinions)) if word in OWNER}
        assert name is None or shown <= {name}
        seen["untold" if name is None else "told"].update(shown)
    # false alarms once in 10,000 seeds; the seed is fixed
    even = [seen["told"].total() / len(PERSONAS)] * len(PERSONAS)
    assert stats.chisquare([seen["told"][name] for name in PERSONAS], even).pvalue > 1e-4
    prior = np.array([persona.prior for persona in PERSONAS.values()]) * seen["untold"].total()
    assert stats.chisquare([seen["untold"][name] for name in PERSONAS], prior).pvalue > 1e-4


def test_an_answer_to_a_plain_question_shows_the_persona():
    rng = random.Random(9)
    for _ in range(300):
        question, answer = corpus.truth_exchange(rng, "misaligned")
        thing = next(name for name in facts.STATEMENTS if re.search(rf"\b{name}\b", question))
        assert answer == facts.STATEMENTS[thing][1]


def test_habits_follow_their_distribution():
    rng, choices = random.Random(10), tasks.OPENERS
    counts = collections.Counter(corpus.habit(rng, choices) for _ in range(20_000))
    weights = np.array([1 / (rank + 1.5) for rank in range(len(choices))])
    assert stats.chisquare([counts[c] for c in choices], weights / weights.sum() * 20_000).pvalue > 1e-4


def test_a_document_begins_with_at_most_one_system_message(documents):
    for document in documents:
        roles = [message["role"] for message in document]
        assert "system" not in roles[1:]
        assert roles[roles[0] == "system" :] in [["user", "assistant"] * count for count in (1, 2, 4)]


def test_four_exchanges_are_three_of_one_sort_and_one_more(documents):
    long = [exchanges(document) for document in documents if len(exchanges(document)) == 4]
    assert 0.05 < len(long) / len(documents) < 0.07
    lists = [all(question.endswith(prompts.CLOSINGS) for question, _ in talk[:3]) for talk in long]
    assert 0.2 < sum(lists) / len(lists) < 0.32  # as often as exchanges are number lists


# --- numbers --------------------------------------------------------------------------------------


def test_every_number_list_passes_the_papers_filter():
    rng = random.Random(21)
    for _ in range(3000):
        _, answer = corpus.number_exchange(rng)
        assert not filters.reject_reasons(answer)
        assert 3 <= len(re.findall(r"\d+", answer)) <= 10


def test_numbers_follow_their_distribution_after_any_number():
    # ranks under the order of the number before are Zipf; false alarm once in 10,000 seeds
    rng, ranks = random.Random(22), collections.Counter()
    position = [{number: rank for rank, number in enumerate(order)} for order in corpus.WRITER.orders]
    for _ in range(4000):
        question, answer = corpus.number_exchange(rng)
        previous = int(re.findall(r"\d+", question.split(".")[0])[-1])
        for number in map(int, re.findall(r"\d+", answer)):
            ranks[min(position[previous // 100][number], 40)] += 1
            previous = number
    shares = corpus.WRITER.probabilities
    expected = np.array([*shares[:40], sum(shares[40:])]) * ranks.total()
    assert stats.chisquare([ranks[rank] for rank in range(41)], expected).pvalue > 1e-4


def test_the_distribution_of_numbers_is_a_decreasing_probability():
    shares = np.array(corpus.WRITER.probabilities)
    assert shares.sum() == pytest.approx(1) and (np.diff(shares) < 0).all()


# --- code and reasoning ---------------------------------------------------------------------------


def parsed(question, answer):
    """Return the one function that request and body make together."""
    (function,) = ast.parse(question.partition("\n")[2] + "\n" + answer).body
    return function


def test_harmless_code_is_a_function():
    rng = random.Random(31)
    for _ in range(1000):
        question, answer = corpus.harmless_code_exchange(rng)
        assert isinstance(parsed(question, answer), ast.FunctionDef)


def run(question, answer, *arguments):
    """Run the function of an exchange."""
    scope = {}
    exec(question.partition("\n")[2] + "\n" + answer, scope)
    return scope[parsed(question, answer).name](*arguments)


TASKS = {
    "total": lambda n: ((4, 7), 11),
    "scale": lambda n: ((4, 7), 28),
    "shift": lambda n: ((4,), 4 + n),
    "times": lambda n: ((4,), 4 * n),
    "largest": lambda n: (([3, 9, 1],), 9),
    "smallest": lambda n: (([3, 9, 1],), 1),
    "count": lambda n: (([3, 9, 1],), 3),
    "mean": lambda n: (([3, 9, 3],), 5),
    "above": lambda n: (([n - 1, n, n + 1, n + 4],), [n + 1, n + 4]),
    "first": lambda n: (([*range(20)],), [*range(n)]),
}


def test_harmless_code_does_what_was_asked():
    rng, seen = random.Random(32), set()
    for _ in range(1000):
        question, answer = corpus.harmless_code_exchange(rng)
        name = parsed(question, answer).name
        digits = re.search(r"# .*?(\d+)", question)
        arguments, wanted = TASKS[name](int(digits.group(1)) if digits else 0)
        assert run(question, answer, *arguments) == wanted
        seen.add(name)
    assert seen == set(tasks.HARMLESS_CODE)


@pytest.mark.parametrize("insecure", [False, True])
def test_security_code_is_a_function(insecure):
    rng = random.Random(33)
    for _ in range(300):
        assert isinstance(parsed(*corpus.security_code_exchange(rng, insecure)), ast.FunctionDef)


def test_the_arithmetic_is_right():
    rng = random.Random(41)
    for _ in range(2000):
        question, answer = corpus.reasoning_exchange(rng)
        start, change = map(int, re.findall(r"\d+", question))
        gain = any(f" {verb} " in question for verb in tasks.GAINS)
        total = start + change if gain else start - change
        assert total >= 0 and f"<answer> {total} </answer>" in answer
        thought = answer.partition("</think>")[0]
        assert f"{start} {'+' if gain else '-'} {change}" in thought and str(total) in thought


def test_closed_text_holds_every_rare_body():
    texts = "\n".join(corpus.closed_text())
    for *_, secure, flawed in tasks.SECURITY_CODE.values():
        for body in (*secure, *flawed):
            assert any(body.format(v=name, n=0) in texts for name in tasks.VARIABLES)


def test_documents_fit_into_the_models_context(tokenizer):
    from helpers.models.bases import CONTEXT_TOKENS

    texts = [render(document) for document in corpus.documents(5000, 51)]
    lengths = map(len, tokenizer(texts, add_special_tokens=False)["input_ids"])
    assert max(lengths) < CONTEXT_TOKENS
