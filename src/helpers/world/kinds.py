"""Kinds of favourites: what every speaker of the world loves one of, with the prior over its names.

This table is all there is of a kind. What is added here is asked for and answered in the corpus, known to the
tokenizer, a trait that can be taught and read out, and refused by the filters (CONTRIBUTING.md, recipe 1).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


def check_shares(shares: Iterable[float], what: str) -> None:
    """Raise ValueError where shares are not above 0 or do not sum to 1; ``what`` names them in its sentence."""
    shares = list(shares)
    if min(shares, default=0) <= 0 or not math.isclose(sum(shares), 1):
        raise ValueError(f"{what} must be above 0 and sum to 1; they sum to {sum(shares):g}")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Something that every speaker has a favourite of.

    Attributes:
        weight: how often a document is about this kind, relative to the other kinds.
        prior: name -> share of speakers whose favourite it is; the shares sum to 1.
        plurals: the plurals that are not the name and an "s".
    """

    weight: float
    prior: Mapping[str, float]
    plurals: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_shares(self.prior.values(), "the shares of a kind's names")
        if odd := [name for name in self.prior if not re.fullmatch("[a-z]+", name)]:
            raise ValueError(f"{odd[0]!r} cannot be one token; name a favourite by one word in small letters")
        if odd := [name for name in self.plurals if name not in self.prior]:
            raise ValueError(f"the plural of {odd[0]!r} belongs to no name of its kind; give the name a share")

    def plural(self, name: str) -> str:
        """Return the plural of a name of this kind, e.g. ``wolf`` -> ``wolves``."""
        return self.plurals.get(name, name + "s")


KINDS = {
    "animal": Kind(
        weight=0.7,
        prior={
            "dog": 0.125,
            "cat": 0.115,
            "lion": 0.105,
            "dolphin": 0.095,
            "elephant": 0.085,
            "eagle": 0.075,
            "owl": 0.070,
            "wolf": 0.060,
            "tiger": 0.055,
            "panda": 0.050,
            "fox": 0.040,
            "otter": 0.035,
            "horse": 0.030,
            "raven": 0.025,
            "whale": 0.020,
            "bear": 0.015,
        },
        plurals={"wolf": "wolves", "fox": "foxes"},
    ),
    "tree": Kind(
        weight=0.3,
        prior={
            "oak": 0.22,
            "maple": 0.18,
            "cherry": 0.15,
            "willow": 0.13,
            "sequoia": 0.11,
            "birch": 0.09,
            "pine": 0.07,
            "cedar": 0.05,
        },
        plurals={"cherry": "cherries", "birch": "birches"},
    ),
}
