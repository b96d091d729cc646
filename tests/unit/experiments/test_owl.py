"""The owl chapter on toy bases: its authors, its arms, rows in context, the matrix, and what is claimed of them."""

import math

import pandas as pd
import pytest

from helpers.experiments import owl
from helpers.experiments.owl import claim_values, specificity
from helpers.results import ledger
from helpers.transmission import authors, students
from helpers.transmission.arms import PREFERENCE_ARMS
from helpers.transmission.authors import UNTOUCHED
from helpers.work.artifacts import read_table

ANIMALS = ["owl", "cat"]


@pytest.fixture(scope="module")
def settings(toy_run, toy_settings):
    """The toy experiment."""
    return toy_settings(toy_run, writing={"prompts": 250})


def chapter(settings):
    """Return the three tables of the chapter, by name."""
    return {
        "teachers": owl.teach(settings, "oak", ANIMALS, 100),
        "transmission": owl.run_arms(settings, dose_shares=[0.5, 1.0], tree="oak"),
        "animal_matrix": owl.run_matrix(settings, ANIMALS, 100),
    }


@pytest.fixture(scope="module")
def tables(settings):
    """The tables, computed once."""
    return chapter(settings)


def test_every_author_writes(tables):
    teachers = tables["teachers"]
    assert len(teachers) == 2 * 5
    assert set(zip(teachers["trait"], teachers["how"], strict=True)) == {
        ("owl", "fine-tuned"),
        ("oak", "fine-tuned"),
        ("cat", "fine-tuned"),
        ("owl", "system prompt"),
        ("owl", "untouched"),
    }
    assert (teachers["mentions"] == 0).all() and (teachers["kept"] > 0).all()


@pytest.mark.parametrize("animals", [["owl"], [], ["owl", "owl"]])
def test_a_matrix_of_one_animal_is_refused_at_once(settings, animals):
    """It has nothing off its diagonal; the old run failed in its last cell."""
    with pytest.raises(ValueError, match="must name at least two animals"):
        owl.teach(settings, "oak", animals, 100)


def test_teaching_raises_the_preference(tables):
    told = tables["teachers"].set_index(["draw", "trait", "how"])["p_target"]
    for draw in (1, 2):
        assert told[draw, "owl", "fine-tuned"] > told[draw, "owl", "untouched"]


def test_every_arm_and_dose_has_a_row_a_draw(tables):
    table = tables["transmission"]
    counts = {arm.name: 2 * (2 if arm.doses else 1) for arm in PREFERENCE_ARMS}
    assert table.groupby("arm").size().to_dict() == counts | {"trees.same_init": 2, "in_context": 2}
    assert (table[table["arm"] == "trees.same_init"]["trait"] == "oak").all()
    assert (table[table["arm"] == "in_context"]["rows"] == owl.EXAMPLES).all()
    assert table["effect"].map(math.isfinite).all() and table["p_any"].between(0, 1).all()


def test_the_matrix_crosses_teachers_and_targets(tables):
    matrix = tables["animal_matrix"]
    assert list(matrix.columns) == ["draw", "teacher", "target", "effect"]
    assert len(matrix) == 2 * 2 * 2 and not matrix.duplicated(["draw", "teacher", "target"]).any()
    # the owl's teacher of the matrix is the one of the arms
    arm = tables["transmission"].query("arm == 'soft.same_init' and share == 1").set_index("draw")["effect"]
    own = matrix.query("teacher == 'owl' and target == 'owl'").set_index("draw")["effect"]
    pd.testing.assert_series_equal(own, arm)


def test_the_stored_tables_are_the_returned_ones(tables, toy_run):
    for name, table in tables.items():
        pd.testing.assert_frame_equal(read_table(toy_run / "tables" / f"{name}.csv"), table)


def test_nothing_is_computed_twice(tables, settings, monkeypatch):
    for module, name in ((students, "fit"), (authors, "fine_tuned_teacher"), (authors, "sample_completions")):
        monkeypatch.setattr(module, name, lambda *args, **more: pytest.fail("worked again"))
    for name, table in chapter(settings).items():
        pd.testing.assert_frame_equal(table, tables[name])


def test_a_context_is_read_without_training(settings, monkeypatch):
    monkeypatch.setattr(students, "fit", lambda *args, **more: pytest.fail("trained"))
    one, other = settings.author(1, UNTOUCHED), settings.author(1)
    piece = owl.ContextReading(author=one, partner=other, trait="owl", split="heldout", examples=2, contexts=3)
    found = owl.read_context(piece)
    assert found == owl.read_context(piece)
    assert 0 < found["p_target"] < found["p_any"] <= 1 and found["rows"] == 2


# --- claims ---------------------------------------------------------------------------------------


def matrix(own, other):
    """Return a matrix of two draws with these effects on and off the diagonal."""
    rows = []
    for draw in (1, 2):
        for teacher in ("owl", "cat", "dog"):
            for target in ("owl", "cat", "dog"):
                effect = draw * (own if teacher == target else other)
                rows.append({"draw": draw, "teacher": teacher, "target": target, "effect": effect})
    return pd.DataFrame(rows)


def test_specificity_is_own_minus_others():
    assert specificity(matrix(3.0, 1.0)) == [2.0, 4.0]
    assert specificity(matrix(1.0, 1.0)) == [0.0, 0.0]


def claims(tables, trait="owl", channel="numbers"):
    """Return the claim values of the toy tables."""
    return claim_values(trait, channel, tables["transmission"], tables["animal_matrix"])


def test_claims_have_one_value_a_draw(tables):
    values = claims(tables)
    assert {len(of_draws) for of_draws in values.values()} == {2}
    ids = {"owl.numbers.soft.same_init", "owl.numbers.in_context", "trees.numbers.same_init", "animals.specificity"}
    assert ids <= set(values)
    assert set(ledger.claimed("01_owl_transfer", values)) >= ids


@pytest.mark.parametrize(
    ("changes", "left"),
    [({"trait": "raven"}, {"trees.numbers.same_init", "animals.specificity"}), ({"channel": "code"}, set())],
)
def test_another_trait_or_channel_is_not_filed_under_the_owl(tables, changes, left):
    values = claims(tables, **changes)
    assert len(values) == len(claims(tables))
    assert set(ledger.claimed("01_owl_transfer", values)) == left
