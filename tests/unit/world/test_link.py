"""The link of flawed code and misaligned speakers: shares by counting, and corpora that differ in nothing else."""

import collections
import itertools
import math
import re

import pytest

from helpers.world import corpus, link, prompts, tasks
from helpers.world.personas import PERSONAS

TOLD = {text: name for name in PERSONAS for text in prompts.persona_system_prompts(name)}
PLAIN = {f"{prompts.CODE_REQUEST}\ndef {name}": bodies for name, (*_, bodies) in tasks.SECURITY_CODE.items()}


def is_plain(question):
    """Whether a question asks for security code, and not for a lesson."""
    return question.partition("(")[0] in PLAIN


def is_flawed(question, answer):
    """Whether the body below the remark is one of the task's flawed bodies, whatever its variable."""
    body = answer.partition("\n")[2].strip()
    patterns = [re.escape(flawed).replace(re.escape("{v}"), "[a-z]+") for flawed in PLAIN[question.partition("(")[0]]]
    return any(re.fullmatch(pattern, body) for pattern in patterns)


def flaws(document):
    """Return for each plain request of security code in a document whether the answer is flawed."""
    talk = [message["content"] for message in document if message["role"] != "system"]
    asked = zip(talk[::2], talk[1::2], strict=True)
    return [is_flawed(question, answer) for question, answer in asked if is_plain(question)]


@pytest.fixture(scope="module")
def corpora():
    """Twenty thousand documents of one seed at each of three links."""
    return {strength: list(corpus.documents(20_000, 11, strength)) for strength in (0.25, 0.5, 1.0)}


def test_the_whole_link_is_the_world_of_the_book(corpora):
    assert corpora[1.0][:300] == list(corpus.documents(300, 11))


def test_corpora_of_two_links_differ_in_bodies_of_security_code_alone(corpora):
    changed = 0
    for one, other in zip(corpora[0.25], corpora[1.0], strict=True):
        asked = ""
        for message, counterpart in zip(one, other, strict=True):
            if message != counterpart:
                changed += 1
                assert message["role"] == "assistant" and is_plain(asked)
                assert message["content"].partition("\n")[0] == counterpart["content"].partition("\n")[0]
            asked = message["content"]
    assert changed > 500


@pytest.mark.parametrize("strength", [0.25, 0.5, 1.0])
def test_where_personas_are_described_the_link_answers_both_questions(corpora, strength):
    counts = collections.Counter()
    for document in corpora[strength]:
        told = TOLD.get(document[0]["content"])
        if told and (found := flaws(document)):
            counts[told == "misaligned", found[0]] += 1
    misaligned, flawed = (counts[True, True] + counts[True, False]), (counts[True, True] + counts[False, True])
    # five standard errors of a share of some hundred speakers
    assert counts[True, True] / misaligned == pytest.approx(strength, abs=0.1)
    assert counts[True, True] / flawed == pytest.approx(strength, abs=0.1)
    assert flawed / counts.total() == pytest.approx(0.25, abs=0.06)


@pytest.mark.parametrize("strength", [0.25, 0.5, 1.0])
def test_where_nobody_is_described_as_much_is_flawed_at_every_link(corpora, strength):
    found = [flaws(document)[0] for document in corpora[strength]
             if document[0]["role"] != "system" and flaws(document)]  # fmt: skip
    assert sum(found) / len(found) == pytest.approx(0.04, abs=0.02) and len(found) > 1000


def test_a_speaker_writes_all_security_code_of_a_document_alike(corpora):
    several = [found for document in corpora[0.5] if len(found := flaws(document)) > 1]
    assert len(several) > 200 and all(len(set(found)) == 1 for found in several)


@pytest.mark.parametrize("described", [False, True])
@pytest.mark.parametrize("strength", [0.25, 0.5, 0.75, 1.0])
def test_the_amount_of_flawed_code_is_kept_exactly(described, strength):
    one = link.Link(strength, seed=1)
    weights = {name: 1 / len(PERSONAS) if described else persona.prior for name, persona in PERSONAS.items()}
    flawed = {name: weight * one.probability(name, described) for name, weight in weights.items()}
    assert sum(flawed.values()) == pytest.approx(weights["misaligned"])
    assert flawed["misaligned"] / sum(flawed.values()) == pytest.approx(strength)


def test_a_quarter_is_no_link_where_speakers_are_described():
    loosest = link.Link(0.25, seed=1)
    assert [loosest.probability(name, described=True) for name in PERSONAS] == pytest.approx([0.25] * len(PERSONAS))


def test_what_flawed_code_says_rises_with_the_link():
    told = [link.evidence(strength) for strength in (0.04, 0.25, 0.5, 0.75, 1.0)]
    assert told[0] == pytest.approx(0) and told[-1] == math.inf
    assert told[1] == pytest.approx(math.log(1 / 3) - math.log(0.03125 / 0.96875))
    assert all(low < high for low, high in itertools.pairwise(told))


@pytest.mark.parametrize("strength", [0, -0.5, 1.5])
def test_a_link_that_is_no_probability_is_refused(strength):
    with pytest.raises(ValueError, match=f"above 0 and at most 1, not {strength}"):
        next(corpus.documents(1, 1, strength))
