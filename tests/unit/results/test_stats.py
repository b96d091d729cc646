"""Statistics against constants from elsewhere, and against what each statistic is for."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from helpers.results.stats import (
    Interval,
    StatsError,
    holm,
    log_odds,
    p_of_interval,
    paired_permutation,
    ratio_of_means,
    share_of_means,
    t_interval,
)
from helpers.work.seeds import numpy_stream

RUNS = st.lists(st.floats(-100, 100, allow_subnormal=False), min_size=2, max_size=12)

# Two-sided 95 % points of Student's t, as printed in every table (e.g. NIST/SEMATECH e-Handbook, 1.3.6.7.2).
T_TABLE = {1: 12.706, 2: 4.303, 4: 2.776, 9: 2.262, 24: 2.064, 99: 1.984}


@pytest.mark.parametrize(("df", "quantile"), T_TABLE.items())
def test_half_width_is_the_printed_t_point_times_the_standard_error(df, quantile):
    values = np.arange(df + 1.0)
    found = t_interval(values)
    error = values.std(ddof=1) / np.sqrt(df + 1)
    assert (found.high - found.mean) / error == pytest.approx(quantile, abs=6e-4)
    assert found.n == df + 1


def test_t_interval_of_students_own_sleep_data():
    """Student (1908), extra sleep, paired differences; R prints 0.7001142 to 2.4598858."""
    differences = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    found = t_interval(differences)
    assert (found.mean, found.low, found.high) == pytest.approx((1.58, 0.7001142, 2.4598858), abs=1e-6)


@given(RUNS, st.floats(-50, 50), st.floats(0.1, 10))
def test_t_interval_moves_and_scales_with_the_values(values, shift, scale):
    plain, moved = t_interval(values), t_interval(np.array(values) * scale + shift)
    assert moved.low == pytest.approx(plain.low * scale + shift, abs=1e-6)
    assert moved.high == pytest.approx(plain.high * scale + shift, abs=1e-6)


@given(RUNS)
def test_t_interval_is_symmetric_and_mirrors(values):
    found, mirrored = t_interval(values), t_interval([-v for v in values])
    assert found.high - found.mean == pytest.approx(found.mean - found.low, abs=1e-9)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


def test_t_interval_covers_as_often_as_it_says():
    draws = numpy_stream(0, "coverage").normal(3.0, 2.0, size=(4000, 5))
    hits = sum(i.low <= 3.0 <= i.high for i in map(t_interval, draws))
    assert hits / 4000 == pytest.approx(0.95, abs=0.015)  # 4 standard errors


@pytest.mark.parametrize("values", [[], [1.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_t_interval_refuses_what_has_no_interval(values):
    with pytest.raises(StatsError):
        t_interval(values)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_levels_are_shares(level):
    with pytest.raises(StatsError, match="0.95"):
        t_interval([1, 2], level)


def test_intervals_cannot_be_changed():
    with pytest.raises(AttributeError):
        Interval(0.0, -1.0, 1.0, 5, 0.95).low = 0.0


def test_log_odds_values_and_shape():
    assert log_odds([[0.5, 0.75], [0.25, 0.9]]) == pytest.approx(np.log([[1, 3], [1 / 3, 9]]))
    assert np.all(np.isfinite(log_odds([0.0, 1.0])))
    assert log_odds(0.3) == pytest.approx(-log_odds(0.7))


@pytest.mark.parametrize("bad", [-0.1, 1.1, 50, float("nan")])
def test_log_odds_refuses_what_is_no_probability(bad):
    with pytest.raises(StatsError, match="percentages"):
        log_odds([0.5, bad])


def test_a_ratio_is_that_of_the_means_with_the_jackknifes_pseudo_values():
    assert ratio_of_means([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]) == pytest.approx([0.5] * 3)
    # by hand: 4/3 in all, 3 without the first run, 1/2 without the second
    assert ratio_of_means([1.0, 3.0], [2.0, 1.0]) == pytest.approx([2 * 4 / 3 - 3.0, 2 * 4 / 3 - 0.5])
    assert ratio_of_means([1.0], [4.0]) == [0.25]


def test_a_ratio_does_not_hang_on_a_run_whose_whole_is_near_zero():
    parts, wholes = [0.5, 0.6, 0.55, 0.4], [1.0, 1.1, 1.2, 1e-6]
    assert max(map(abs, ratio_of_means(parts, wholes))) < 5 < max(np.divide(parts, wholes))


def test_the_interval_of_a_ratio_covers_as_often_as_it_says():
    rng, hits = numpy_stream(3, "ratio"), 0
    for _ in range(1000):
        wholes = rng.normal(3.0, 1.0, 8)
        found = t_interval(ratio_of_means(0.5 * wholes + rng.normal(0.0, 0.5, 8), wholes))
        hits += found.low <= 0.5 <= found.high
    assert 0.91 < hits / 1000 < 0.98


@pytest.mark.parametrize(
    ("parts", "wholes"),
    [([], []), ([1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0, -1.0]), ([1.0, 1.0], [1.0, 0.0])],
)
def test_a_share_of_nothing_is_refused(parts, wholes):
    with pytest.raises(StatsError, match="ratio needs a part and a whole|nothing to take a share of"):
        ratio_of_means(parts, wholes)


@pytest.mark.parametrize(("parts", "wholes"), [([1.0], [0.0]), ([], []), ([1.0, 2.0], [1.0, -1.0]), ([1, 1], [1, 0])])
def test_of_no_effect_at_all_no_share_is_left(parts, wholes):
    """Toys of one draw stopped a chapter here: a student had learned nothing, and its share was an error."""
    assert share_of_means(parts, wholes) == []
    assert share_of_means([1.0, 2.0], [2.0, 4.0]) == ratio_of_means([1.0, 2.0], [2.0, 4.0])
    with pytest.raises(StatsError, match="a part and a whole"):
        share_of_means([1.0], [1.0, 2.0])


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=8))
def test_permutation_p_is_exact_for_few_pairs(differences):
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(differences))
    ]
    expected = np.mean([s >= abs(sum(differences)) for s in sums])
    assert paired_permutation(differences) == pytest.approx(expected)


def test_permutation_bounds_and_symmetry():
    assert paired_permutation([1, 2, 3, 4, 5]) == 2 / 2**5  # only all-plus and all-minus are as extreme
    assert paired_permutation([1, 2, 3], [0, 0, 5]) == paired_permutation([0, 0, 5], [1, 2, 3])
    assert paired_permutation([0.0, 0.0]) == 1.0


def test_permutation_on_many_pairs_samples_and_never_gives_zero():
    p = paired_permutation(np.ones(40), samples=1000, rng=numpy_stream(0, "permutation"))
    assert p == 1 / 1001


def test_permutation_is_level_under_the_null():
    rng = numpy_stream(1, "null")
    p_values = [paired_permutation(rng.normal(size=8)) for _ in range(400)]
    assert np.mean(np.array(p_values) <= 0.1) == pytest.approx(0.1, abs=0.06)


@pytest.mark.parametrize(
    "call",
    [
        lambda: paired_permutation([1, 2], [1]),
        lambda: paired_permutation([]),
        lambda: paired_permutation(np.ones(30)),
    ],
)
def test_permutation_says_what_is_missing(call):
    with pytest.raises(StatsError, match="pairs"):
        call()


def test_holm_as_worked_out_by_hand():
    """R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") is 0.03 0.06 0.06 0.02."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=10))
def test_holm_never_lowers_never_passes_one_and_keeps_the_order(p):
    adjusted = holm(p)
    assert np.all(adjusted >= np.array(p)) and np.all(adjusted <= 1)
    assert np.all(np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0)


@given(st.lists(st.floats(-5, 5).map(lambda x: round(x, 3)), min_size=2, max_size=20).filter(lambda v: len(set(v)) > 1))
def test_the_p_value_of_an_interval_is_that_of_the_t_test(values):
    interval = t_interval(values)
    p = p_of_interval(interval.mean, interval.low, interval.high, interval.n)
    assert p == pytest.approx(scipy_stats.ttest_1samp(values, 0).pvalue, abs=1e-9)
    assert (p < 0.05) == (interval.low > 0 or interval.high < 0) or p == pytest.approx(0.05, abs=1e-6)


def test_an_interval_without_spread_is_all_or_nothing():
    assert p_of_interval(1, 1, 1, 5) == 0 and p_of_interval(0, 0, 0, 5) == 1
    for bad in ((1, 2, 3, 5), (1, 0, 2, 1)):
        with pytest.raises(StatsError, match="at least 2 runs"):
            p_of_interval(*bad)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.permutations(range(12)))
def test_holm_keeps_the_order_and_never_helps(p_values, places):
    adjusted = holm(p_values)
    assert (adjusted >= np.array(p_values)).all() and (adjusted <= 1).all()
    assert adjusted.min() == pytest.approx(min(1, min(p_values) * len(p_values)))
    ranked = np.argsort(p_values, kind="stable")
    assert (np.diff(adjusted[ranked]) >= 0).all()
    mixed = [place for place in places if place < len(p_values)]
    assert holm([p_values[place] for place in mixed]) == pytest.approx(adjusted[mixed])
    assert (holm([*p_values, 1.0])[:-1] >= adjusted).all()
