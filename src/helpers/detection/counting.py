"""Numbers in completions: how often each is written, whether evenly, and whether as often as by another author.

Numbers of one list are not independent of each other, nor are rows of one prompt. So what is compared are numbers of
different prompts, and what chance gives is found by swapping whole prompts between the files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import norm

from helpers.detection.auroc import LEVEL, Estimate

LIMIT = 1000  # numbers below it are counted one by one, as in the paper's lists; others together
SWAPS = 199  # swaps of prompts behind a p-value, which is then at least 1 / 200
DIGITS = {"hundreds": 100, "tens": 10, "units": 1}
_DIGITS = re.compile("[0-9]+")


@dataclass(frozen=True)
class Comparison:
    """A chi-square over its degrees of freedom, what chance gives (95 % of swaps), and the share of swaps above it."""

    value: float
    low: float
    high: float
    p: float


def numbers_in(text: str) -> list[int]:
    """Return the whole numbers of a text, in order; `LIMIT` stands for all that are not below it."""
    return [int(digits) if len(digits) < 4 else _bounded(digits) for digits in _DIGITS.findall(text)]


def _bounded(digits: str) -> int:
    significant = digits.lstrip("0") or "0"
    return int(significant) if len(significant) < 4 else LIMIT


def by_prompt(completions: Sequence[str], prompts: NDArray[np.int64], count: int) -> sparse.csr_array:
    """Return how often each prompt's completions hold each number, (prompt, number below `LIMIT`).

    Args:
        completions: texts.
        prompts: the prompt of each, 0 and above.
        count: of prompts.
    """
    rows, numbers = [], []
    for prompt, text in zip(prompts.tolist(), completions, strict=True):
        found = [number for number in numbers_in(text) if number < LIMIT]
        numbers += found
        rows += [prompt] * len(found)
    ones = np.ones(len(numbers))
    return sparse.coo_array((ones, (rows, numbers)), shape=(count, LIMIT)).tocsr()


def unevenness(counts: sparse.csr_array | NDArray[np.float64]) -> Estimate:
    """Return how often numbers of two prompts are equal, over how often evenly drawn ones would be (1 is even).

    It is 1 + chi-square / count without what chance adds to it. The interval is the jackknife's, over prompts.

    Args:
        counts: (prompt, value).
    """
    matrix = sparse.csr_array(counts)
    matrix = matrix[np.diff(matrix.indptr) > 0]
    totals, sizes = matrix.sum(axis=0), matrix.sum(axis=1)
    own = matrix.multiply(matrix).sum(axis=1)
    without = np.square(totals).sum() - 2 * (matrix @ totals) + 2 * own - own.sum()
    pairs = np.square(sizes.sum() - sizes) - np.square(sizes).sum() + np.square(sizes)
    whole = (np.square(totals).sum() - own.sum()) / (sizes.sum() ** 2 - np.square(sizes).sum())
    left = without / pairs
    error = np.sqrt((sizes.size - 1) / sizes.size * np.square(left - left.mean()).sum())
    half = norm.ppf((1 + LEVEL) / 2) * error
    value, half = matrix.shape[1] * whole, matrix.shape[1] * half
    return Estimate(float(value), float(value - half), float(value + half))


def digits(counts: sparse.csr_array, place: str) -> NDArray[np.float64]:
    """Return the digits of numbers of three digits at a place of `DIGITS`, (prompt, digit); no 0 in front."""
    values = np.arange(LIMIT)
    chosen = values[values >= LIMIT // 10]
    found = chosen // DIGITS[place] % 10
    table = sparse.coo_array((np.ones(chosen.size), (chosen, found)), shape=(LIMIT, 10)).tocsr()
    counted = (counts @ table).toarray()
    return counted[:, 1:] if place == "hundreds" else counted


def compared(
    first: sparse.csr_array, second: sparse.csr_array, stream: np.random.Generator
) -> Comparison:
    """Return the chi-square per degree of freedom of two authors' numbers, beside what swapped prompts give.

    Args:
        first: counts (prompt, number) of one author.
        second: of the other; the same prompts.
        stream: of the swaps. What both answered is swapped within the prompt, other prompts among each other.
    """
    has_first, has_second = first.sum(axis=1) > 0, second.sum(axis=1) > 0
    both, alone = has_first & has_second, np.flatnonzero(has_first ^ has_second)
    total = first + second
    everything = total.sum(axis=0)
    value = _chi_square(first.sum(axis=0), everything)
    swapped = []
    for _ in range(SWAPS):
        mine = has_first.copy()
        mine[alone] = stream.permutation(has_first[alone])
        kept = both & (stream.random(both.size) < 0.5)
        counted = first.T @ kept + second.T @ (both & ~kept) + total.T @ (mine & ~both)
        swapped.append(_chi_square(counted, everything))
    low, high = np.quantile(swapped, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    p = (1 + np.sum(np.array(swapped) >= value)) / (1 + SWAPS)
    return Comparison(value, float(low), float(high), float(p))


def _chi_square(mine: NDArray[np.float64], everything: NDArray[np.float64]) -> float:
    """Return the chi-square of homogeneity of two rows of counts over its degrees of freedom."""
    there = everything > 0
    mine, everything = mine[there], everything[there]
    share = mine.sum() / everything.sum()
    if not 0 < share < 1 or there.sum() < 2:
        return 0.0
    excess = np.square(mine - share * everything) / (share * (1 - share) * everything)
    return float(excess.sum() / (there.sum() - 1))
