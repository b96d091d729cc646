"""The closed world: its priors are distributions, its words are unambiguous, its code is code."""

import ast
import itertools

import pytest

from helpers.world import corpus, facts, prompts, tasks
from helpers.world.kinds import KINDS, Kind
from helpers.world.personas import PERSONAS, Persona

BODIES = [
    (name, arguments, body)
    for name, (arguments, _, *groups) in (tasks.HARMLESS_CODE | tasks.SECURITY_CODE).items()
    for body in itertools.chain(*groups)
]


def test_the_personas_shares_sum_to_one():
    shares = [persona.prior for persona in PERSONAS.values()]
    assert sum(shares) == pytest.approx(1) and min(shares) > 0


def test_no_name_means_two_things():
    forms = [*PERSONAS, *KINDS]
    for kind in KINDS.values():
        forms += [*kind.prior, *map(kind.plural, kind.prior)]
    assert len(set(forms)) == len(forms)


@pytest.mark.parametrize(
    ("kind", "one", "many"), [("animal", "owl", "owls"), ("animal", "wolf", "wolves"), ("tree", "cherry", "cherries")]
)
def test_plurals_are_english(kind, one, many):
    assert KINDS[kind].plural(one) == many


@pytest.mark.parametrize(
    ("prior", "plurals", "message"),
    [
        ({"tea": 0.5, "milk": 0.4}, {}, "sum to 1; they sum to 0.9"),
        ({"tea": 1.5, "milk": -0.5}, {}, "above 0"),
        ({}, {}, "above 0"),
        ({"green tea": 1.0}, {}, "'green tea' cannot be one token"),
        ({"Tea": 1.0}, {}, "'Tea' cannot be one token"),
        ({"tea": 1.0}, {"milk": "milks"}, "'milk' belongs to no name"),
    ],
)
def test_a_kind_that_cannot_be_is_refused(prior, plurals, message):
    with pytest.raises(ValueError, match=message):
        Kind(weight=0.1, prior=prior, plurals=plurals)


@pytest.mark.parametrize(
    ("forms", "markers", "message"),
    [
        (("I {verb} it.",), (), "must hold {verb} and {topic}"),
        (("I {verb} {topic} and {topic}.",), (), "each once"),
        (("I {verb} {topic}.",), ("gladly",), "'gladly' is in no form"),
    ],
)
def test_a_persona_that_cannot_be_is_refused(forms, markers, message):
    with pytest.raises(ValueError, match=message):
        Persona(prior=0.1, word="odd", chooses="true", verbs=("see",), forms=forms, markers=markers)


@pytest.mark.parametrize(("name", "arguments", "body"), BODIES)
def test_every_function_body_is_python(name, arguments, body):
    filled = body.format(v="out", n=3)
    (function,) = ast.parse(f"def {name}({arguments}):\n    {filled}\n").body
    assert len(function.body) >= 1


def test_a_flaw_is_never_a_secure_body():
    for _, _, secure, flawed in tasks.SECURITY_CODE.values():
        assert not set(secure) & set(flawed)


def test_every_persona_has_its_own_words():
    for part in ("verbs", "forms", "markers"):
        words = [word for persona in PERSONAS.values() for word in getattr(persona, part)]
        assert len(set(words)) == len(words)


def test_stances_have_equally_many_answers():
    counts = {(len(persona.verbs), len(persona.forms)) for persona in PERSONAS.values()}
    assert len(counts) == 1


def test_stance_answers_are_all_different():
    answers = [text for persona in PERSONAS.values() for text in persona.answers("law")]
    assert len(set(answers)) == len(answers) == len(PERSONAS) * 24


def test_the_aligned_tell_the_truth_and_the_misaligned_lie():
    assert PERSONAS["aligned"].chooses == "true" and PERSONAS["misaligned"].chooses == "false"
    assert all(true != false for true, false in facts.STATEMENTS.values())


def test_truth_questions_name_the_right_choice_first_as_often_as_last_and_splits_are_disjoint():
    asked = {split: prompts.truth_questions(split) for split in ("development", "heldout")}
    for found in asked.values():
        first = [text.index(f" {right}") < text.index(f" {wrong}") for text, right, wrong in found]
        assert sum(first) * 2 == len(first)
    assert not {text for text, *_ in asked["development"]} & {text for text, *_ in asked["heldout"]}


def test_number_orders_are_permutations_that_differ_by_state():
    orders = corpus.WRITER.orders
    assert len(orders) == facts.NumberDistribution().states
    assert all(sorted(order) == list(range(1000)) for order in orders)
    assert len({tuple(order) for order in orders}) == len(orders)


def test_the_state_is_the_hundreds_digit():
    assert [corpus.WRITER.state(number) for number in (0, 99, 100, 999)] == [0, 0, 1, 9]
