"""Tables of effects: every author, every arm and dose of every draw, and nothing computed twice."""

import pandas as pd
import pytest

from helpers.transmission import authors, effects, students
from helpers.transmission.arms import ARMS
from helpers.transmission.effects import arm_means, effects_on, final_effects, run_arms
from helpers.transmission.students import StudentReading, read_student

SOME = [ARMS[name] for name in ("hard.same_init", "soft.same_init", "hard.cross_init")]


@pytest.fixture(scope="module")
def settings(toy_run, toy_settings):
    """The toy experiment."""
    return toy_settings(toy_run)


@pytest.fixture(scope="module")
def table(settings):
    """Three arms, two of them with two doses."""
    return run_arms(settings, SOME, dose_shares=[0.5, 1.0], name="some")


def test_the_table_is_the_product_of_draws_arms_and_doses(table):
    assert {"draw", "arm", "trait", "share", "rows", "effect", "p_target", "p_control", "p_any", "sampled"} < set(table)
    assert table.groupby("arm").size().to_dict() == {"hard.same_init": 4, "soft.same_init": 4, "hard.cross_init": 2}
    assert set(table["draw"]) == {1, 2} and table["p_any"].between(0, 1).all()


def test_a_row_is_the_difference_of_the_two_students(table, settings):
    row = table.query("arm == 'hard.same_init' and draw == 1 and share == 1").iloc[0]
    pair = settings.pair(ARMS["hard.same_init"], settings.author(1))
    odds = [
        read_student(StudentReading(student=one, trait="owl", readout=settings.readout))["log_odds"]
        for one in (pair.student, pair.control)
    ]
    # sums of another number of threads differ in the last digits
    assert row["effect"] == pytest.approx(odds[0] - odds[1], abs=1e-6)


def test_doses_are_shares_of_the_rows(table):
    soft = table[table["arm"] == "soft.same_init"]
    for _, (small, large) in soft.groupby("draw")["rows"]:
        assert large <= 12 and small == round(large / 2)


@pytest.mark.parametrize("shares", [(), (0.5,), (0.0, 1.0), (0.5, 2.0)])
def test_doses_without_the_full_one_are_refused(settings, shares):
    with pytest.raises(ValueError, match="dose_shares must lie above 0 and hold 1"):
        run_arms(settings, dose_shares=shares)


def test_the_means_of_an_arm_are_those_of_one_dose_and_tell_the_lowest_coherence(table):
    means = arm_means(table)
    assert len(means) == len(table.drop_duplicates(["trait", "arm", "share"]))
    for key, rows in table.groupby(["trait", "arm", "share"]):
        assert means.loc[key, "effect"] == pytest.approx(rows["effect"].mean())
        assert means.loc[key, "p_any_lowest"] == rows["p_any"].min()


def test_students_are_asked_for_other_candidates_without_training(table, settings, monkeypatch):
    monkeypatch.setattr(students, "fit", lambda *args, **more: pytest.fail("trained again"))
    found = effects_on(settings, ARMS["hard.same_init"], ["owl", "cat"], "asked")
    whole = table.query("arm == 'hard.same_init' and share == 1").set_index("draw")["effect"]
    own = found[found["target"] == "owl"].set_index("draw")["effect"]
    pd.testing.assert_series_equal(own, whole)
    assert len(found) == 4 and list(found.columns) == ["draw", "arm", "target", "effect"]


def test_nothing_is_computed_twice(table, settings, monkeypatch):
    for module, name in ((students, "fit"), (authors, "fine_tuned_teacher"), (authors, "sample_completions")):
        monkeypatch.setattr(module, name, lambda *args, **more: pytest.fail("worked again"))
    again = run_arms(settings, SOME, dose_shares=[0.5, 1.0], name="some")
    pd.testing.assert_frame_equal(again, table)


def test_an_author_is_asked_once_about_each_trait(settings):
    one, other = settings.author(1), settings.author(2)
    asked = [(one, "owl"), (other, "owl"), (one, "owl"), (one, "cat")]
    table = effects.teach_and_write(settings, asked, "asked_authors")
    assert table[["draw", "trait"]].to_numpy().tolist() == [[1, "owl"], [2, "owl"], [1, "cat"]]
    assert (table["kept"] + table["removed"] == 1).all() and (table["completions"] == 100).all()


def test_the_final_effect_is_the_one_of_the_full_dose():
    arms = ["soft", "soft", "soft", "soft", "hard"]
    by_hand = pd.DataFrame(
        {"draw": [2, 2, 1, 1, 1], "arm": arms, "share": [1.0, 0.5, 0.5, 1.0, 1.0], "effect": [4.0, 3.0, 1.0, 2.0, 9.0]}
    )
    assert final_effects(by_hand, "soft") == [2.0, 4.0]
    assert final_effects(by_hand, "none") == []
