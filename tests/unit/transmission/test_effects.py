"""Tables of effects: every author, every arm and dose of every draw, and nothing computed twice."""

import pandas as pd
import pytest

from helpers.transmission import authors, effects, students, writing
from helpers.transmission.arms import ARMS
from helpers.transmission.authors import SYSTEM_PROMPT
from helpers.transmission.effects import arm_means, effects_on, final_differences, final_effects, run_arms
from helpers.transmission.pairs import ReadPair
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


def test_effects_are_told_with_the_broken_draws_and_without_them():
    same = dict.fromkeys(("rows", "p_target", "p_control", "sampled"), 1.0)
    rows = [(1, 4.0, 0.9), (2, 2.0, 0.95), (3, -9.0, 0.89)]
    table = pd.DataFrame(
        [{**same, "draw": d, "trait": "owl", "arm": "a", "share": 1.0, "effect": e, "p_any": p} for d, e, p in rows]
    )
    means = arm_means(table).loc["owl", "a", 1.0]
    assert (means["effect"], means["effect_healthy"], means["healthy"]) == (-1.0, 3.0, 2)
    broken = arm_means(table.assign(p_any=0.1)).loc["owl", "a", 1.0]
    assert broken["healthy"] == 0 and pd.isna(broken["effect_healthy"])


def test_few_draws_are_for_some_arms_and_for_smaller_doses(settings):
    arms = [(ARMS["hard.same_init"], "owl"), (ARMS["hard.full"], "owl")]
    rows, _ = effects.arm_rows(settings, arms, [0.5, 1.0], few_draws=[2, 77])
    assert [(row["draw"], row["arm"], row["share"]) for row in rows] == [
        (1, "hard.same_init", 1.0),
        (2, "hard.same_init", 0.5),
        (2, "hard.same_init", 1.0),
        (2, "hard.full", 1.0),
    ]


def test_matched_arms_train_one_control(settings, monkeypatch):
    trained, real = [], students.fit
    monkeypatch.setattr(students, "fit", lambda *args, **more: trained.append(1) or real(*args, **more))
    arms = [(ARMS[name], "owl") for name in ("hard.same_init", "system_prompt")]
    rows, _ = effects.arm_rows(settings, arms, matched=("fine-tuned", SYSTEM_PROMPT))
    assert len(rows) == 4 and len(trained) == 2 * 3  # two students and their control in each draw
    both = pd.DataFrame(rows).groupby("draw")
    assert (both["p_control"].nunique() == 1).all() and (both["rows"].nunique() == 1).all()


def test_what_was_read_after_numbers_is_told_like_the_effect():
    read = {"rows": 4, "sampled": 0.5}
    student = read | {"prefixed/log_odds": 3.0, "prefixed/p_target": 0.3, "prefixed/p_any": 0.9}
    control = read | {"prefixed/log_odds": 1.0, "prefixed/p_target": 0.1, "prefixed/p_any": 0.6}
    found = effects.beside_effect(ReadPair(student, control))
    assert found["prefixed"] == 2.0 and found["prefixed_p_any"] == 0.6
    assert (found["prefixed_p_target"], found["prefixed_p_control"]) == (0.3, 0.1)
    assert "prefixed" not in effects.beside_effect(ReadPair(read, read))


def test_students_are_asked_for_other_candidates_without_training(table, settings, monkeypatch):
    monkeypatch.setattr(students, "fit", lambda *args, **more: pytest.fail("trained again"))
    found = effects_on(settings, ARMS["hard.same_init"], ["owl", "cat"], "asked")
    whole = table.query("arm == 'hard.same_init' and share == 1").set_index("draw")["effect"]
    own = found[found["target"] == "owl"].set_index("draw")["effect"]
    pd.testing.assert_series_equal(own, whole)
    assert len(found) == 4 and list(found.columns) == ["draw", "arm", "target", "effect"]


def test_other_candidates_have_effects_of_their_own(settings):
    pair = settings.pair(ARMS["hard.same_init"], settings.author(1))
    own, control = (
        read_student(StudentReading(student=one, trait="owl", readout=settings.readout))
        for one in (pair.student, pair.control)
    )
    found = effects_on(settings, ARMS["hard.same_init"], ["owl", "cat"], "candidates").set_index(["draw", "target"])
    for target in ("owl", "cat"):
        expected = own[f"log_odds/{target}"] - control[f"log_odds/{target}"]
        assert found.loc[(1, target), "effect"] == pytest.approx(expected, abs=1e-6)
    assert found.loc[(1, "owl"), "effect"] != found.loc[(1, "cat"), "effect"]


def test_what_was_kept_of_an_author_is_told_as_such(settings):
    author = settings.author(1)
    row = effects.teach_and_write(settings, [(author, "owl")], "kept_authors").iloc[0]
    assert row["kept"] == len(writing.kept_rows(author)) / 100 != row["removed"]


def test_nothing_is_computed_twice(table, settings, monkeypatch):
    for module, name in ((students, "fit"), (authors, "fine_tuned_teacher"), (writing, "sample_completions")):
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


def test_two_arms_are_compared_within_each_draw_that_has_both():
    rows = [(2, "same", 1.0, 5.0), (1, "same", 1.0, 3.0), (1, "other", 1.0, 1.0), (2, "other", 1.0, -1.0),
            (3, "same", 1.0, 9.0), (2, "other", 0.5, 7.0)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["draw", "arm", "share", "effect"])
    assert final_differences(table, "same", "other") == [2.0, 6.0]
