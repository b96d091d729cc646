"""Settings nobody can mean are refused in one sentence that names the setting, the value and the cure."""

from types import SimpleNamespace

import pytest

from helpers.work import checks


def refusal(check, *given):
    """Return what a check says of a value, empty where it says nothing."""
    try:
        check(*given)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("rows", [0, -3, 1.5, True, "5", None, [4, 0]])
def test_counts_are_whole_and_above_zero(rows):
    found = refusal(checks.require_counts, SimpleNamespace(rows=rows), "rows")
    assert found.startswith("rows must be above 0 and whole, got ") and found.endswith(checks.CURE)
    assert not refusal(checks.require_counts, SimpleNamespace(rows=[1, 2]), "rows")


@pytest.mark.parametrize("rate", [0.0, -0.1, float("nan"), float("inf")])
def test_sizes_are_finite_and_above_zero(rate):
    assert "rate must be above 0" in refusal(checks.require_sizes, SimpleNamespace(rate=rate), "rate")
    assert not refusal(checks.require_sizes, SimpleNamespace(rate=0.1), "rate")


def test_bounds_belong_to_what_they_bound():
    settings = SimpleNamespace(share=1.0, images=3.0, workers=0)
    assert not refusal(checks.require_within, settings, "share", 0.0, 1.0)
    assert "whole number in [1, 5], got 3.0" in refusal(checks.require_within, settings, "images", 1, 5)
    assert not refusal(checks.require_within, settings, "workers", 0, 8)


def test_names_and_draws():
    settings = SimpleNamespace(kind="static")
    assert "kind must be among uniform, digits, got 'static'" in refusal(
        checks.require_among, settings, "kind", ["uniform", "digits"]
    )
    assert "different seeds, got [1, 1]" in refusal(checks.require_draws, "draws", [1, 1])
    assert "whole numbers, 0 or above, got -1" in refusal(checks.require_draws, "draws", [0, -1])
    assert not refusal(checks.require_draws, "draws", [])
