"""AUROC: how often a row of one author scores above a row of the other, with intervals for rows that share prompts.

Rows of one prompt are not independent of each other, so every interval is over prompts: for single rows by DeLong's
variance in the form of Obuchowski (1997) for clusters, for bags of rows by drawing prompts anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy.stats import norm, rankdata

from helpers.work.errors import CurableError

LEVEL = 0.95
RESAMPLES = 200  # drawings of prompts for an interval of bags
BAGS = 4000  # bags of each author behind a value
RESAMPLED_BAGS = 1000  # and behind each drawing


class AurocError(CurableError, ValueError):
    """Scores that carry no AUROC; the message says what would."""


@dataclass(frozen=True)
class Scored:
    """Scores of two authors' rows, and the prompt of each, as numbers; rows of one prompt share one, across authors."""

    first: NDArray[np.float64]
    second: NDArray[np.float64]
    first_prompts: NDArray[np.int64]
    second_prompts: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not self.first.size or not self.second.size:
            raise AurocError("an AUROC needs rows of both authors; give more rows")
        if not (np.isfinite(self.first).all() and np.isfinite(self.second).all()):
            raise AurocError("a score is not a finite number; find the row, do not drop it")


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


def auroc(first: ArrayLike, second: ArrayLike) -> float:
    """Return how often a score of `first` lies above one of `second`, ties counted half."""
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    ranks = rankdata(np.concatenate([first, second]))[: first.size]
    return float((ranks.mean() - (first.size + 1) / 2) / second.size)


def row_auroc(scored: Scored) -> Estimate:
    """Return the AUROC of single rows with its interval over prompts.

    Raises:
        AurocError: an author has fewer than two prompts.
    """
    above, below = _placements(scored.first, scored.second)
    value = float(above.mean())
    _, prompts = np.unique(np.concatenate([scored.first_prompts, scored.second_prompts]), return_inverse=True)
    count, size = prompts.max() + 1, above.size
    mine = _excess(prompts[:size], above - value, count)
    others = _excess(prompts[size:], below - value, count)
    fewest = min(np.unique(prompts[:size]).size, np.unique(prompts[size:]).size)
    if fewest < 2:
        raise AurocError("an interval needs rows of two prompts at least from each author; give more prompts")
    variance = np.square(mine / size + others / below.size).sum() * fewest / (fewest - 1)
    return _interval(value, float(variance), fewest)


def _placements(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Return for each score of `first` the share of `second` below it, and for each of `second` that above it."""
    both = rankdata(np.concatenate([first, second]))
    above = (both[: first.size] - rankdata(first)) / second.size
    below = 1 - (both[first.size :] - rankdata(second)) / first.size
    return above, below


def _excess(prompts: NDArray[np.int64], excess: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    return np.bincount(prompts, excess, minlength=count)


def _interval(value: float, variance: float, prompts: int) -> Estimate:
    """Return the interval on the scale of log-odds, where it cannot leave [0, 1]."""
    edge = _edge(prompts)
    if value in (0.0, 1.0):
        return Estimate(value, edge if value else 0.0, 1.0 if value else 1 - edge)
    half = norm.ppf((1 + LEVEL) / 2) * np.sqrt(variance) / (value * (1 - value))
    low, high = special.expit(special.logit(value) + np.array([-half, half]))
    return Estimate(value, float(low), float(high))


def _edge(prompts: int) -> float:
    """Return the lower end where nothing in so many independent pairs was out of order."""
    return float(((1 - LEVEL) / 2) ** (1 / prompts))


def bag_auroc(scored: Scored, rows: int, stream: np.random.Generator) -> Estimate:
    """Return the AUROC of bags of `rows` rows, scored by their sum, with its interval over prompts.

    The rows of a bag are drawn at random from one author's. The interval draws prompts with replacement,
    `RESAMPLES` times, and bags from their rows.
    """
    value = auroc_of_bags(scored.first, scored.second, rows, stream)
    clusters = _Clusters.of(scored)
    drawn = []
    for _ in range(RESAMPLES):
        first, second = clusters.resampled(stream)
        if first.size and second.size:
            drawn.append(auroc_of_bags(first, second, rows, stream, RESAMPLED_BAGS))
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    edge = _edge(clusters.fewest())  # where no bag was ever out of order
    low, high = min(low, edge) if low == 1 else low, max(high, 1 - edge) if high == 0 else high
    return Estimate(value, min(value, float(low)), max(value, float(high)))


def auroc_of_bags(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    rows: int,
    stream: np.random.Generator,
    bags: int = BAGS,
) -> float:
    """Return the AUROC of bags of `rows` rows of two authors, scored by their sum; rows are drawn with replacement.

    Args:
        first, second: scores of rows.
        rows: of a bag; the AUROC of single rows is taken from all of them, without a draw.
        stream: draws the rows.
        bags: of each author.
    """
    if rows == 1:
        return auroc(first, second)
    sums = [scores[stream.integers(scores.size, size=(bags, rows))].sum(axis=1) for scores in (first, second)]
    return auroc(*sums)


@dataclass(frozen=True)
class _Clusters:
    """Scores sorted by prompt: for each author the scores, and where each prompt's begin and how many they are."""

    scores: tuple[NDArray, NDArray]
    starts: tuple[NDArray, NDArray]
    sizes: tuple[NDArray, NDArray]

    @classmethod
    def of(cls, scored: Scored) -> _Clusters:
        pairs = ((scored.first, scored.first_prompts), (scored.second, scored.second_prompts))
        names = np.unique(np.concatenate([prompts for _, prompts in pairs]))
        scores, starts, sizes = [], [], []
        for values, prompts in pairs:
            order = np.argsort(prompts, kind="stable")
            scores.append(values[order])
            starts.append(np.searchsorted(prompts[order], names))
            sizes.append(np.searchsorted(prompts[order], names, side="right") - starts[-1])
        return cls(tuple(scores), tuple(starts), tuple(sizes))

    def fewest(self) -> int:
        """Return how many prompts the author with fewer of them has."""
        return min(int(np.count_nonzero(sizes)) for sizes in self.sizes)

    def resampled(self, stream: np.random.Generator) -> list[NDArray]:
        """Return each author's scores for as many prompts as there are, drawn with replacement."""
        chosen = stream.integers(self.starts[0].size, size=self.starts[0].size)
        found = []
        for scores, starts, sizes in zip(self.scores, self.starts, self.sizes, strict=True):
            begin, count = starts[chosen], sizes[chosen]
            offsets = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
            found.append(scores[np.repeat(begin, count) + offsets])
        return found
