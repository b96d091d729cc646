"""Solutions of the exercises at the end of chapters: sentences computed from the tables that a reader sees.

A function takes one value a draw, as a series whose index names the draws, so that a solution speaks of the run that is
shown. Where a run has too few draws, as at toy size, a sentence says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import pandas as pd
from IPython.display import Markdown
from scipy.stats import t as student

from helpers.results.stats import ratio_of_means, t_interval
from helpers.results.words import NONE, SPACE, number

FEWEST = 3  # draws that anything is said about
_TOO_FEW = "*This run has too few draws for an answer; the published one has more.*"
_MOST_DRAWS = 10_000  # that are tried, where one asks how many it takes


def _solution(told: Callable[..., str]) -> Callable[..., Markdown]:
    """Make Markdown of a function's sentences; it takes series of one value a draw, or rows of one draw each."""

    @wraps(told)
    def shown(*given: Any, **named: Any) -> Markdown:
        enough = min(map(len, given)) >= FEWEST
        return Markdown(told(*given, **named) if enough else _TOO_FEW)

    return shown


def by_draw(rows: pd.DataFrame, column: str = "effect") -> pd.Series:
    """Return a column of a table as one value a draw, the mean of the draw's rows."""
    return rows.groupby("draw")[column].mean()


@_solution
def odds(rows: pd.DataFrame) -> str:
    """Say by which factor the odds of an arm's students grew: from the two percentages, and from the effect.

    ``rows`` has columns draw, effect (nats), p_target and p_control, a row a draw.
    """
    student_says, control_says = rows["p_target"].mean(), rows["p_control"].mean()
    factor = student_says / (1 - student_says) * (1 - control_says) / control_says
    effect = rows["effect"].mean()
    return (
        f"The student says it in {number(student_says, 'fraction')} of its answers, its control in "
        f"{number(control_says, 'fraction')}. These two percentages make the odds grow by a factor of {factor:.1f}. "
        f"The mean effect of {number(effect, 'nats')} nats is a factor of {math.exp(effect):.1f}. The effect takes "
        "log-odds first and means over wordings and draws afterwards, so a wording that is seldom answered so counts "
        "as much as any other. A mean of percentages hangs on the draws and wordings where they are large."
    )


@_solution
def left_out(values: pd.Series, *, unit: str = "nats") -> str:
    """Say which draw moves the mean most, and what is left of mean and interval without it."""
    without = {draw: values.drop(draw) for draw in values.index}
    most = max(without, key=lambda draw: abs(without[draw].mean() - values.mean()))
    return (
        f"Draw {most} moves the mean most. With it: {_interval(values, unit)}. Without it: "
        f"{_interval(without[most], unit)}. Zero lies {_zero(values)} the interval with it, and {_zero(without[most])} "
        "the one without it. No draw may be left out for that, of course: the interval already counts on such draws."
    )


@_solution
def draws_for_half(values: pd.Series, *, unit: str = "nats") -> str:
    """Say how many draws would make the interval half as wide."""
    reach, spread = t_interval(values).high - values.mean(), values.std()
    wanted = next((n for n in range(len(values), _MOST_DRAWS) if _reach(spread, n) <= reach / 2), None)
    many = NONE if wanted is None else str(wanted)
    return (
        f"With {len(values)} draws the interval reaches {number(reach, unit).lstrip('+')} to either side. Half of that "
        f"takes about {many} draws. The width goes down with the root of the number of draws, so half the width "
        "takes four times as many; where draws are few it takes less, because the factor of a t-interval falls."
    )


@_solution
def together(first: pd.Series, second: pd.Series) -> str:
    """Say how two values of a draw are correlated over the draws that have both, and how far chance alone goes."""
    both = first.index.intersection(second.index)
    found, count = float(first[both].corr(second[both])), len(both)
    bound = float(student.ppf(0.975, count - 2))
    chance = bound / math.sqrt(count - 2 + bound**2)
    judged = "farther from zero than that" if abs(found) > chance else "not as far from zero"
    return (
        f"Over {count} draws the correlation is {number(found, 'ratio')}. Of two things that have nothing to do with "
        f"each other, one pair in twenty would be farther from zero than {number(chance, 'ratio')}. "
        f"This one is {judged}."
    )


@_solution
def share_of(part: pd.Series, whole: pd.Series) -> str:
    """Say which share of a mean another mean is, with the jackknife's interval over the draws that have both."""
    both = part.index.intersection(whole.index)
    pseudo = pd.Series(ratio_of_means(part[both], whole[both]))
    return (
        f"The share is {_interval(pseudo, 'ratio')}, over {len(both)} draws. It is the ratio of two means and not the "
        "mean of ratios: where the whole of a draw is small, its own ratio is noise."
    )


def first_above(values: pd.Series, bound: float) -> Markdown:
    """Say at which of its settings, in ascending order, a value first lies above a bound."""
    above = values.sort_index()[values.sort_index() > bound]
    if above.empty:
        return Markdown(f"None of the settings here: the largest value is {values.max():.2f}.")
    return Markdown(f"At {above.index[0]:g}, where it is {above.iloc[0]:.2f}.")


def _interval(values: pd.Series, unit: str) -> str:
    found = t_interval(values)
    low, high = number(found.low, unit), number(found.high, unit)
    return f"{number(found.mean, unit)}{SPACE}[{low},{SPACE}{high}]"


def _zero(values: pd.Series) -> str:
    found = t_interval(values)
    return "inside" if found.low <= 0 <= found.high else "outside"


def _reach(spread: float, count: int) -> float:
    return float(student.ppf(0.975, count - 1)) * spread / math.sqrt(count)
