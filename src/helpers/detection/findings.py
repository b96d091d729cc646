"""What a detector found: scores with intervals, what it had to know, and what it can and cannot tell."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from helpers.detection.auroc import LEVEL, Estimate, Scored, bag_auroc, row_auroc
from helpers.detection.scanning import Scan

AUROC = "AUROC"
NOTHING, REFERENCE, BASE, STUDENT = "nothing", "a reference", "a base", "a base and a student"
FEWEST_PROMPTS = 20  # of each author, for an interval over prompts to mean something
_Z = norm.ppf((1 + LEVEL) / 2)


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number of a detector.

    Attributes:
        of: what it is a score of, such as "rows" or "bags of 16".
        unit: such as `AUROC`.
        value: the number.
        low: lower end of the interval.
        high: upper end.
        within: what the interval is, for a person.
        nothing: what it would be where there is nothing to see; None where that is not known.
    """

    of: str
    unit: str
    value: float
    low: float
    high: float
    within: str = "95 % interval over prompts"
    nothing: float | None = None

    @classmethod
    def at(cls, estimate: Estimate, of: str, unit: str, nothing: float | None = None) -> Score:
        """Return an estimate as a score."""
        return cls(of=of, unit=unit, value=estimate.value, low=estimate.low, high=estimate.high, nothing=nothing)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one detector found.

    Attributes:
        name: of the detector.
        knows: what it had to know, one of the constants of this module.
        scores: what it measured; empty where there was too little to measure, as `notes` say.
        tells: one sentence on what it can and cannot tell.
        notes: facts beside the scores, each a sentence without its full stop.
    """

    name: str
    knows: str
    tells: str
    scores: tuple[Score, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Side:
    """The sampled rows of one file, and the number of each one's prompt among those of all files compared."""

    lines: list[int]
    prompts: list[str]
    completions: list[str]
    ids: NDArray[np.int64]

    def only(self, chosen: NDArray[np.bool_]) -> Side:
        """Return some of the rows."""
        places = np.flatnonzero(chosen).tolist()
        lines, prompts, completions = (_at(places, column) for column in (self.lines, self.prompts, self.completions))
        return Side(lines, prompts, completions, self.ids[chosen])

    def first(self, most: int) -> Side:
        """Return the first rows, at most ``most``: those of the prompts with the smallest hashes."""
        return self.only(np.arange(len(self.lines)) < most)


def _at(places: list[int], column: list[Any]) -> list[Any]:
    return [column[place] for place in places]


def sides(*scans: Scan) -> list[Side]:
    """Return the samples of files, their prompts numbered in common."""
    entries = [scan.sample.entries() for scan in scans]
    hashes = [entry[0] for entry in itertools.chain.from_iterable(entries)]
    _, ids = np.unique(np.array(hashes, dtype=np.uint64), return_inverse=True)
    found, start = [], 0
    for part in entries:
        _, _, lines, prompts, completions = (list(column) for column in zip(*part, strict=True))
        found.append(Side(lines, prompts, completions, ids[start : start + len(part)]))
        start += len(part)
    return found


def share(count: int, rows: int, prompts: int) -> Estimate:
    """Return a share of rows with Wilson's interval, as if the rows of each prompt were one."""
    value = count / rows
    middle = (value + _Z**2 / (2 * prompts)) / (1 + _Z**2 / prompts)
    half = _Z / (1 + _Z**2 / prompts) * np.sqrt(value * (1 - value) / prompts + _Z**2 / (4 * prompts**2))
    return Estimate(value, max(0.0, float(middle - half)), min(1.0, float(middle + half)))


def mean(values: NDArray[np.float64], prompts: NDArray[np.int64]) -> Estimate:
    """Return the mean of rows with its interval over prompts."""
    _, places = np.unique(prompts, return_inverse=True)
    count, value = places.max() + 1, float(values.mean())
    excess = np.bincount(places, values - value) / values.size
    half = _Z * float(np.sqrt(np.square(excess).sum() * count / max(count - 1, 1)))
    return Estimate(value, value - half, value + half)


def auroc_scores(
    scored: Scored, bags: Sequence[int], stream: np.random.Generator
) -> tuple[tuple[Score, ...], tuple[str, ...]]:
    """Return the AUROC of rows and of bags, and a note on each size of bag for which there are too few rows.

    Args:
        scored: of rows that the detector did not learn from.
        bags: sizes; 1 stands for single rows.
        stream: draws the bags.
    """
    scores, notes = [], []
    prompts = min(np.unique(scored.first_prompts).size, np.unique(scored.second_prompts).size)
    rows = min(scored.first.size, scored.second.size)
    for size in bags:
        if prompts < FEWEST_PROMPTS or rows < 2 * size:
            notes.append(f"too few rows or prompts for {_named(size)} ({rows} rows, {prompts} prompts)")
            continue
        found = row_auroc(scored) if size == 1 else bag_auroc(scored, size, stream)
        scores.append(Score.at(found, _named(size), AUROC, nothing=0.5))
    return tuple(scores), tuple(notes)


def _named(size: int) -> str:
    return "rows" if size == 1 else f"bags of {size}"
