"""AUROC: the value is scikit-learn's, the intervals hold what they should, and rows of a prompt count together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit
from scipy.stats import norm

from helpers.detection.auroc import AurocError, Scored, auroc, bag_auroc, row_auroc
from helpers.work.seeds import numpy_stream

SCORES = st.lists(st.integers(-9, 9).map(float), min_size=1, max_size=30)  # with ties


def alone(first: np.ndarray, second: np.ndarray) -> Scored:
    """Return scores of rows each of which has a prompt of its own."""
    return Scored(first, second, np.arange(first.size), first.size + np.arange(second.size))


@pytest.fixture(scope="module")
def theirs() -> Callable:
    """The AUROC of scikit-learn."""
    return pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed").roc_auc_score


@given(first=SCORES, second=SCORES)
@settings(deadline=None, report_multiple_bugs=False)
def test_the_value_is_that_of_scikit_learn(theirs: Callable, first: list[float], second: list[float]) -> None:
    labels = [True] * len(first) + [False] * len(second)
    assert auroc(first, second) == pytest.approx(theirs(labels, first + second))
    assert auroc(first, second) + auroc(second, first) == pytest.approx(1)


def test_delong_of_rows_with_prompts_of_their_own() -> None:
    """The variance written out as in DeLong (1988), pair by pair."""
    stream = numpy_stream(1, "scores")
    first, second = stream.normal(0.5, 1, 300), stream.normal(0, 1, 200)
    above = (first[:, None] > second).mean(axis=1)
    below = (first[:, None] > second).mean(axis=0)
    error = np.sqrt(above.var(ddof=1) / 300 + below.var(ddof=1) / 200)
    found = row_auroc(alone(first, second))
    assert found.value == pytest.approx(above.mean())
    half = 1.96 * error / (found.value * (1 - found.value))  # on the scale of log-odds
    low, value, high = logit([found.low, found.value, found.high])
    assert (value - low, high - value) == pytest.approx((half, half), rel=0.02)


def test_copies_of_rows_under_one_prompt_add_nothing() -> None:
    stream = numpy_stream(2, "scores")
    first, second = stream.normal(0.5, 1, 60), stream.normal(0, 1, 60)
    plain, copied = alone(first, second), Scored(
        np.repeat(first, 9), np.repeat(second, 9), np.repeat(np.arange(60), 9), 60 + np.repeat(np.arange(60), 9)
    )  # fmt: skip
    once, nine = row_auroc(plain), row_auroc(copied)
    assert (nine.value, nine.low, nine.high) == pytest.approx((once.value, once.low, once.high))
    bags = [bag_auroc(one, 8, numpy_stream(3, "bags")) for one in (plain, copied)]
    assert bags[1].high - bags[1].low > 0.8 * (bags[0].high - bags[0].low)


def test_bags_of_normal_scores_have_the_exact_auroc() -> None:
    stream = numpy_stream(4, "scores")
    first, second = stream.normal(0.2, 1, 4000), stream.normal(0, 1, 4000)
    found = bag_auroc(alone(first, second), 16, numpy_stream(5, "bags"))
    exact = norm.cdf(0.2 * 4 / np.sqrt(2))
    assert found.low < exact < found.high and abs(found.value - exact) < 0.05


def test_intervals_of_one_author_hold_a_half() -> None:
    held = 0
    for draw in range(100):
        stream = numpy_stream(draw, "one author")
        prompts = stream.integers(0, 30, size=(2, 120))  # shared by both files, several rows each
        of_prompt = stream.normal(size=30)[prompts]
        found = row_auroc(Scored(*(of_prompt + stream.normal(size=prompts.shape)), *prompts))
        held += found.low <= 0.5 <= found.high
    assert held >= 93


@pytest.mark.parametrize(("first", "low", "high"), [([3.0, 4.0], 0.15, 1.0), ([-3.0, -4.0], 0.0, 0.85)])
def test_perfect_order_is_not_certain(first: list[float], low: float, high: float) -> None:
    found = row_auroc(alone(np.array(first), np.array([0.0, 1.0])))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)
    bags = bag_auroc(alone(np.array(first), np.array([0.0, 1.0])), 8, numpy_stream(1, "bags"))
    assert (bags.low, bags.high) == pytest.approx((low, high), abs=0.02)


def test_scores_that_carry_nothing_are_refused() -> None:
    with pytest.raises(AurocError, match="both authors"):
        alone(np.array([]), np.array([1.0]))
    with pytest.raises(AurocError, match="finite"):
        alone(np.array([np.nan]), np.array([1.0]))
    with pytest.raises(AurocError, match="two prompts"):
        row_auroc(Scored(np.ones(3), np.ones(3), np.zeros(3, dtype=int), np.arange(3)))
