"""Marks: shares of a training at which a model is read out on the way; the end is always read."""

from __future__ import annotations

from collections.abc import Sequence


def require_marks(marks: Sequence[float]) -> None:
    """Refuse, with a ValueError, marks outside a training."""
    if not all(0 < mark < 1 for mark in marks):
        raise ValueError(f"marks must lie above 0 and below 1, got {list(marks)}; the end is always read")


def steps_at(marks: Sequence[float], steps: int) -> set[int]:
    """Return the optimizer steps of the marks, for a training of this many steps; marks that are close share one."""
    return {max(1, round(mark * steps)) for mark in marks}


def steps_to_the_end(marks: Sequence[float], steps: int) -> tuple[int, ...]:
    """Return `steps_at` the marks and the last step, ascending."""
    return tuple(sorted(steps_at(marks, steps) | {steps}))
