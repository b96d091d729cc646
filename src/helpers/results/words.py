"""Numbers as the book prints them: rounded by their unit, with true minus signs and spaces that do not break."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from helpers.results.records import Record

NONE = "\N{EN DASH}"
SPACE = "\N{NO-BREAK SPACE}"
_MINUS = "\N{MINUS SIGN}"
# decimals, so that a mean and its bounds are rounded alike
_PLACES = {"ratio": 2, "correlation": 2, "percentage points": 2, "AUROC": 3}


def number(value: float, unit: str) -> str:
    """Return `value` for print, as its unit asks.

    "+1.35" for nats (signed), "54.1 %" for fractions, "0.898" for AUROC, "0.98" for ratios, correlations and percentage
    points, else three digits.
    """
    if unit == "fraction":
        words = f"{100 * value:.1f}{SPACE}%"
    elif unit == "nats":
        words = f"{value or 0.0:+.2f}"  # `or` turns -0.0 into 0.0; a bound a little below 0 keeps its sign
    elif unit in _PLACES:
        words = f"{value or 0.0:.{_PLACES[unit]}f}"
    else:
        words = f"{value:.3g}"
    return words.replace("-", _MINUS)


def interval(record: Record) -> str:
    """Return the mean with its interval, e.g. "+1.35 [+1.20, +1.50]", with spaces that do not break."""
    low, high = (number(bound, record.unit) for bound in record.ci)
    return f"{number(record.value, record.unit)}{SPACE}[{low},{SPACE}{high}]"


def listed_draws(draws: Sequence[int]) -> str:
    """Return draws in words: single ones, and runs of three or more as "701 to 708"; "none" where there are none."""
    words: list[str] = []
    rest = sorted(draws)
    while rest:
        end = next(place for place, draw in enumerate([*rest, -1]) if draw != rest[0] + place)
        words += [f"{rest[0]} to {rest[end - 1]}"] if end > 2 else map(str, rest[:end])
        rest = rest[end:]
    return ", ".join(words) or "none"
