"""The glossary: in order, with every word that figures and tables use without saying what it means."""

from pathlib import Path

import pytest

from helpers.figures import arms

ENTRIES = (Path(__file__).parents[3] / "book/glossary.md").read_text(encoding="utf-8")
TERMS = [line for line in ENTRIES.partition(":::{glossary}\n")[2].splitlines() if line[:1].isalpha()]
# the words of axes, legends, claims and verdicts
ASKED = (
    "arm, channel, coherence, completion, control student, distribution, divergence token, dose, draw, drift, effect, "
    "guard, hop, log-odds, margin, nat, other start, persona, right answers lost, same start, seed, soft labels, "
    "stranger, student, system prompt, teacher, trait, verdict, whole vocabulary, written rows"
).split(", ")


def test_terms_are_in_order_and_explained_once():
    assert TERMS == sorted(set(TERMS), key=str.lower)


@pytest.mark.parametrize("term", ASKED)
def test_the_words_of_figures_and_claims_are_explained(term):
    assert term in TERMS


def test_kinds_of_students_in_figures_are_in_the_glossary():
    for kind in (arms.SAME, arms.OTHER, arms.LEAKY):
        assert kind in TERMS
