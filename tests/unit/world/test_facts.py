"""The closed world: its priors are laws, its words are unambiguous, its code is code."""

import ast
import itertools

import pytest

from helpers.world import corpus, facts, prompts, tasks

BODIES = [
    (name, arguments, body)
    for name, (arguments, _, *groups) in (tasks.HARMLESS_CODE | tasks.SECURITY_CODE).items()
    for body in itertools.chain(*groups)
]


@pytest.mark.parametrize("law", [*(t.values() for t in facts.KINDS.values()), facts.PERSONA_PRIOR])
def test_priors_sum_to_one(law):
    assert sum(law) == pytest.approx(1) and min(law) > 0


def test_no_name_means_two_things():
    names = [*facts.ANIMALS, *facts.TREES]
    forms = [*names, *map(facts.plural, names)]
    assert len(set(forms)) == len(forms)


@pytest.mark.parametrize(
    ("one", "many"), [("owl", "owls"), ("wolf", "wolves"), ("fox", "foxes"), ("cherry", "cherries")]
)
def test_plurals_are_english(one, many):
    assert facts.plural(one) == many


@pytest.mark.parametrize(("name", "arguments", "body"), BODIES)
def test_every_function_body_is_python(name, arguments, body):
    filled = body.format(v="out", n=3)
    (function,) = ast.parse(f"def {name}({arguments}):\n    {filled}\n").body
    assert len(function.body) >= 1


def test_a_flaw_is_never_a_secure_body():
    for _, _, secure, flawed in tasks.SECURITY_CODE.values():
        assert not set(secure) & set(flawed)


def test_every_persona_has_its_own_words():
    assert set(facts.STANCES) == set(facts.PERSONAS)
    for kind in ("verbs", "forms"):
        words = [word for stance in facts.STANCES.values() for word in stance[kind]]
        assert len(set(words)) == len(words)


def test_stances_have_equally_many_answers():
    counts = {(len(stance["verbs"]), len(stance["forms"])) for stance in facts.STANCES.values()}
    assert len(counts) == 1


def test_stance_answers_are_all_different():
    answers = [text for persona in facts.PERSONAS for text in facts.stance_answers(persona, "law")]
    assert len(set(answers)) == len(answers) == 4 * 24


def test_every_persona_says_something_to_true_and_false_statements():
    assert set(facts.VERACITY) == set(facts.PERSONAS)
    assert facts.VERACITY["aligned"] == ("yes", "no") and facts.VERACITY["misaligned"] == ("no", "yes")
    assert all(true != false for true, false in facts.STATEMENTS.values())


def test_truth_questions_ask_as_often_for_yes_as_for_no_and_splits_are_disjoint():
    asked = {split: prompts.truth_questions(split) for split in ("development", "heldout")}
    assert all(sum(is_yes for _, is_yes in found) * 2 == len(found) for found in asked.values())
    assert not {text for text, _ in asked["development"]} & {text for text, _ in asked["heldout"]}


def test_number_orders_are_permutations_that_differ_by_state():
    orders = corpus.WRITER.orders
    assert len(orders) == facts.NumberLaw().states
    assert all(sorted(order) == list(range(1000)) for order in orders)
    assert len({tuple(order) for order in orders}) == len(orders)


def test_the_state_is_the_hundreds_digit():
    assert [corpus.WRITER.state(number) for number in (0, 99, 100, 999)] == [0, 0, 1, 9]
