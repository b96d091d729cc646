"""Statistics over independent runs: intervals and tests, on plain arrays.

The unit of evidence is a run (one seed: its own teacher and student), never a question or a sample.
The paper reports 95 % t-intervals across runs; so does every number of this book.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy import stats as scipy_stats

from helpers.work.errors import CurableError

_EXACT_RUNS = 14  # 2**14 sign patterns take a fifth of a second; beyond that we sample them


class StatsError(CurableError, ValueError):
    """The values given cannot carry the statistic asked for; the message says what would."""


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval, from `n` values at confidence `level`."""

    mean: float
    low: float
    high: float
    n: int
    level: float


def t_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Return the Student t-interval of the mean of run values (any shape, flattened; same unit).

    Raises StatsError for fewer than two values, for values that are not finite, or a level outside (0, 1).
    """
    runs = _finite("values", values)
    if runs.size < 2:
        raise StatsError(f"a t-interval needs at least 2 runs, got {runs.size}; add seeds")
    if not 0 < level < 1:
        raise StatsError(f"level must lie between 0 and 1, got {level}; write 0.95 for 95 %")
    # scipy's own interval of a mean has no answer for values that are all equal
    half = scipy_stats.t.ppf((1 + level) / 2, runs.size - 1) * runs.std(ddof=1) / np.sqrt(runs.size)
    mean = float(runs.mean())
    return Interval(mean, mean - float(half), mean + float(half), int(runs.size), level)


def p_of_interval(mean: float, low: float, high: float, n: int, level: float = 0.95) -> float:
    """Return the two-sided p-value of the t-test against 0 that belongs to a t-interval of `n` run values.

    Raises StatsError for fewer than two runs or an interval that does not hold its mean.
    """
    if n < 2 or not low <= mean <= high:
        raise StatsError(f"a t-test needs at least 2 runs and an interval around their mean, got {n} and {low}, {high}")
    error = (high - low) / 2 / scipy_stats.t.ppf((1 + level) / 2, n - 1)
    if error == 0:  # all runs alike
        return 1.0 if mean == 0 else 0.0
    return 2 * float(scipy_stats.t.sf(abs(mean) / error, n - 1))


def log_odds(probability: ArrayLike, floor: float = 1e-12) -> NDArray[np.float64]:
    """Return log(p / (1 - p)) in nats, same shape; p is held within [floor, 1 - floor] to stay finite.

    Raises StatsError when a probability lies outside [0, 1] or is not a number.
    """
    p = np.asarray(probability, dtype=np.float64)
    if not np.all((p >= 0) & (p <= 1)):
        raise StatsError("probabilities must lie in [0, 1]; pass probabilities, not percentages or logits")
    return special.logit(np.clip(p, floor, 1 - floor))


def ratio_of_means(parts: ArrayLike, wholes: ArrayLike) -> list[float]:
    """Return the jackknife's pseudo-values, one a run, of mean(parts) / mean(wholes).

    Their mean is that ratio (but for a small bias that the jackknife takes away) and their t-interval its interval. A
    mean of ratios would hang on the runs whose whole is near 0. A single run gives its ratio.

    Raises:
        StatsError: no runs, unequal lengths, or wholes that sum to 0, also without one of the runs.
    """
    part, whole = _finite("parts", parts), _finite("wholes", wholes)
    if part.size != whole.size or not part.size:
        raise StatsError(f"a ratio needs a part and a whole for each run, got {part.size} and {whole.size}")
    if _is_nothing(whole):
        raise StatsError("the wholes sum to 0, so there is nothing to take a share of; add seeds")
    ratio, others = part.sum() / whole.sum(), (part.sum() - part) / _without_one(whole)
    return (part.size * ratio - (part.size - 1) * others).tolist()


def share_of_means(parts: ArrayLike, wholes: ArrayLike) -> list[float]:
    """Return `ratio_of_means`, or no value where there are no runs or the wholes sum to 0, as those of toys may."""
    whole = _finite("wholes", wholes)
    return [] if not whole.size or _is_nothing(whole) else ratio_of_means(parts, wholes)


def _without_one(wholes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each run the sum of the others; of a single run its own value."""
    return wholes.sum() - wholes if wholes.size > 1 else wholes


def _is_nothing(wholes: NDArray[np.float64]) -> bool:
    return not (wholes.sum() and _without_one(wholes).all())


def jackknife(units: Sequence[int], statistic: Callable[[Sequence[int]], float]) -> list[float]:
    """Return the jackknife's pseudo-values, one a unit, of a statistic of some of the units.

    Their mean is the statistic of all units, less its bias to first order, and their t-interval is its interval.

    Raises:
        StatsError: fewer than two units.
    """
    if len(units) < 2:
        raise StatsError(f"a jackknife leaves out one unit of several, got {len(units)}; add seeds")
    whole = statistic(units)
    without = [statistic([*units[:place], *units[place + 1 :]]) for place in range(len(units))]
    return [len(units) * whole - (len(units) - 1) * other for other in without]


def paired_permutation(
    first: ArrayLike,
    second: ArrayLike | float = 0.0,
    *,
    samples: int = 20_000,
    rng: np.random.Generator | None = None,
) -> float:
    """Return the two-sided p-value of the sign-flip test on the mean difference of paired runs.

    All 2**n sign patterns are counted for n <= 14 pairs; beyond that `samples` patterns are drawn from `rng`
    and the observed one is counted with them. Raises StatsError when the shapes differ or `rng` is missing.
    """
    a = _finite("first", first)
    b = np.zeros_like(a) if np.ndim(second) == 0 and second == 0 else _finite("second", second)
    if a.shape != b.shape or a.size == 0:
        raise StatsError(f"pairs are needed: got {a.size} and {b.size} runs")
    if a.size > _EXACT_RUNS and rng is None:
        raise StatsError(f"{a.size} pairs are too many to enumerate: pass rng=numpy_stream(seed, 'permutation')")
    difference = a - b
    weight = np.abs(difference).sum()
    if a.size == 1 or weight == 0:
        return 1.0  # either sign is as far from 0

    def distance(signed: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        # equal sums may differ in their last bits
        return np.round(np.abs(signed.sum(axis=axis)), 9)

    return float(
        scipy_stats.permutation_test(
            (difference / weight,), distance, permutation_type="samples", vectorized=True, alternative="greater",
            n_resamples=2**_EXACT_RUNS if a.size <= _EXACT_RUNS else samples, rng=rng,
        ).pvalue
    )  # fmt: skip


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Return Holm's step-down adjusted p-values, in the order given (Holm 1979)."""
    p = _finite("p_values", p_values)
    if np.any((p < 0) | (p > 1)):
        raise StatsError("p-values must lie in [0, 1]")
    order = np.argsort(p, kind="stable")
    steps = p[order] * np.arange(p.size, 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def _finite(name: str, values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64).ravel()
    if not np.all(np.isfinite(array)):
        raise StatsError(f"{name} holds NaN or infinity: find the failed run, do not drop it")
    return array
