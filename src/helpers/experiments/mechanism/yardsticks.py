"""Yardsticks: beside the trait's teacher the teacher of another animal, made in the same way from the same base.

What the two have in common is not the trait. Directions and numbers are measured against both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from helpers.transmission.authors import Author
from helpers.transmission.settings import TransmissionSettings


@dataclass(frozen=True, kw_only=True)
class Yardstick:
    """The teacher of the trait and that of another animal, in the same draw."""

    own: Author
    other: Author


def yardstick(settings: TransmissionSettings, seed: int, animals: Sequence[str]) -> Yardstick:
    """Return the teachers of a seed; of the ``animals`` each gets its turn as seeds count up.

    The animal follows from the seed alone: a draw has the same one whichever other draws are computed beside it.

    Raises:
        ValueError: there are none, or the trait is among them, which would be its own yardstick.
    """
    if not animals or settings.trait in animals:
        raise ValueError(f"other_animals must name at least one animal, and not {settings.trait}; got {list(animals)}")
    animal = animals[(seed - 1) % len(animals)]
    return Yardstick(own=settings.author(seed), other=settings.author(seed, trait=animal))
