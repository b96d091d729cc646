"""What figures show, in words: the sentences that readers hear who cannot see them, computed from the same tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from helpers.figures.common import signed
from helpers.results.stats import t_interval

_MOST = 12  # entries that a sentence lists


def in_order(values: Mapping[str, str]) -> str:
    """Return names with their values as one sentence; of long lists the first twelve."""
    told = [f"{name} {value}" for name, value in list(values.items())[:_MOST]]
    more = len(values) - len(told)
    return "; ".join(told) + (f"; and {more} more." if more > 0 else ".")


def mean_and_interval(values: Iterable[float], digits: int = 2) -> str:
    """Return the mean of draws with its 95 % t-interval; one draw has none."""
    draws = pd.Series(list(values), dtype=float).dropna()
    if draws.empty:
        return "not measured"
    mean = signed(draws.mean(), digits)
    if len(draws) < 2:
        return mean
    interval = t_interval(draws)
    return f"{mean} ({signed(interval.low, digits)} to {signed(interval.high, digits)})"


def counted(draws: int) -> str:
    """Return how many draws a mean is over, in words."""
    return "one draw" if draws == 1 else f"mean over {draws} draws with its 95 % interval"


def of_map(means: pd.DataFrame, own: str, other: str) -> str:
    """Return what a map of mean effects (nats) shows: those where row and column have one name, and the others.

    `own` and `other` say what these cells are.
    """
    cells = means.stack()
    same = cells.index.get_level_values(0) == cells.index.get_level_values(1)
    told = [_range(own, cells[same]), _range(other, cells[~same])]
    return " ".join(sentence for sentence in told if sentence)


def _range(name: str, values: pd.Series) -> str:
    if values.empty:
        return ""
    if len(values) == 1:
        return f"{name}: {signed(values.iloc[0])}."
    low, high = signed(values.min()), signed(values.max())
    return f"{name}: {signed(values.mean())} on average, from {low} to {high}."


def along(values: pd.DataFrame, places: Sequence[object]) -> str:
    """Return the means over draws (rows) at the first and the last of the `places` (columns), as "+0.10 to +1.20"."""
    means = values.mean()
    first, last = signed(means[places[0]]), signed(means[places[-1]])
    return last if len(places) == 1 else f"from {first} to {last}"
