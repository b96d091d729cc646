"""Refusals of settings no run could use: before anything runs, in one sentence that names the setting and the cure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

CURE = "change it in the parameters cell or in the profile"


def require(name: str, given: Any, fine: Callable[[Any], bool], rule: str) -> None:
    """Refuse, with a ValueError, a value or a list with a value that is not `fine`.

    Args:
        name: of the setting.
        given: its value, or a list of values.
        fine: whether one value can be used.
        rule: what it says, such as "must be above 0".
    """
    values = given if isinstance(given, list | tuple) else [given]
    for value in values:
        if not fine(value):
            raise ValueError(f"{name} {rule}, got {value!r}; {CURE}")


def require_counts(settings: object, *names: str) -> None:
    """Refuse settings of these names that are not whole numbers above 0."""
    for name in names:
        require(name, getattr(settings, name), lambda value: is_whole(value) and value > 0, "must be above 0 and whole")


def require_sizes(settings: object, *names: str) -> None:
    """Refuse settings of these names, such as step sizes, that are not finite numbers above 0."""
    for name in names:
        require(name, getattr(settings, name), lambda value: 0 < value < float("inf"), "must be above 0")


def require_within(settings: object, name: str, least: float, most: float) -> None:
    """Refuse a setting that does not lie in [least, most]; where both are whole, it must be whole too."""
    whole = is_whole(least) and is_whole(most)
    rule = f"must {'be a whole number' if whole else 'lie'} in [{least}, {most}]"
    require(name, getattr(settings, name), lambda value: least <= value <= most and is_whole(value) >= whole, rule)


def require_among(settings: object, name: str, known: Iterable[str]) -> None:
    """Refuse a setting that is not one of the `known` names."""
    names = list(known)
    require(name, getattr(settings, name), names.__contains__, f"must be among {', '.join(names)}")


def require_draws(name: str, draws: Sequence[int]) -> None:
    """Refuse seeds of draws that are not different whole numbers, 0 or above."""
    require(name, draws, lambda draw: is_whole(draw) and draw >= 0, "must be whole numbers, 0 or above")
    if len(set(draws)) < len(draws):
        raise ValueError(f"{name} must be different seeds, got {list(draws)}; name each once")


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number; a truth value is none."""
    return type(value) is int
