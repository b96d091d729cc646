"""Solutions of exercises say what the tables hold, and hold their tongue where there are too few draws."""

import math

import pandas as pd
import pytest
from scipy.stats import t

from helpers.results import exercises

VALUES = pd.Series([0.9, 1.1, 1.0, 3.0], index=[801, 802, 803, 804])


def test_one_value_a_draw_is_the_mean_of_its_rows():
    rows = pd.DataFrame({"draw": [2, 1, 1], "effect": [5.0, 1.0, 2.0], "lost": [0.0, 4.0, 6.0]})
    assert exercises.by_draw(rows).to_dict() == {1: 1.5, 2: 5.0}
    assert exercises.by_draw(rows, "lost").to_dict() == {1: 5.0, 2: 0.0}


def test_odds_grow_by_what_the_percentages_say_and_by_what_the_effect_says():
    rows = pd.DataFrame({"effect": [1.0, 1.0, 1.0], "p_target": [0.5] * 3, "p_control": [0.2] * 3})
    said = exercises.odds(rows).data
    assert "a factor of 4.0." in said and f"is a factor of {math.e:.1f}." in said


def test_the_draw_that_moves_most_is_named():
    said = exercises.left_out(VALUES).data
    assert said.startswith("Draw 804 moves the mean most. With it: +1.50") and "Without it: +1.00" in said
    assert "Zero lies inside the interval with it, and outside the one without it." in said


def test_half_the_width_takes_as_many_draws_as_said():
    said = exercises.draws_for_half(VALUES).data
    (many,) = [int(word) for word in said.split("takes about ")[1].split()[:1]]

    def reach(count):
        return t.ppf(0.975, count - 1) * VALUES.std() / math.sqrt(count)

    assert reach(many) <= reach(4) / 2 < reach(many - 1)


@pytest.mark.parametrize(("second", "judged"), [(VALUES * 2 + 1, "farther"), (VALUES[::-1].to_numpy(), "not as far")])
def test_a_correlation_is_set_beside_chance(second, judged):
    second = pd.Series(second, index=VALUES.index)
    said = exercises.together(VALUES, second).data
    assert said.startswith("Over 4 draws the correlation is ") and f"This one is {judged}" in said


def test_a_share_is_of_the_draws_that_have_both():
    said = exercises.share_of(VALUES / 2, VALUES.drop(804)).data
    assert said.startswith("The share is 0.50\N{NO-BREAK SPACE}[0.50,") and "over 3 draws" in said


def test_the_first_setting_above_a_bound_is_found_in_ascending_order():
    values = pd.Series({50.0: 0.9, 3.0: 0.4, 10.0: 0.8})
    assert exercises.first_above(values, 0.5).data == "At 10, where it is 0.80."
    assert exercises.first_above(values, 0.95).data.endswith("the largest value is 0.90.")


@pytest.mark.parametrize("told", [exercises.left_out, exercises.draws_for_half])
def test_two_draws_are_too_few_for_an_answer(told):
    assert "too few draws" in told(VALUES[:2]).data
    assert "too few draws" in exercises.share_of(VALUES, VALUES[:2]).data
