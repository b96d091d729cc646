"""Pairs: a trait student and its control, run together and compared.

Whatever an experiment does to students, it does to pairs: `run_pairs` computes both of each pair, `effect_row` says how
they differ. The effect is the log-odds of the target in the trait student minus the same in its control.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from helpers.transmission.students import Student
from helpers.work.artifacts import Store
from helpers.work.pieces import Piece, run_pieces


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A trait student and its control, which differ in their author alone."""

    student: Student
    control: Student


@dataclass(frozen=True)
class ReadPair:
    """What was read out of a trait student and of its control (`evaluation.trait_readout` and what comes with it)."""

    student: dict[str, Any]
    control: dict[str, Any]

    @property
    def effect(self) -> float:
        """Return the effect on the target, nats."""
        return self.student["log_odds"] - self.control["log_odds"]

    def effect_on(self, candidate: str) -> float:
        """Return the effect on any candidate of the trait's kind, nats."""
        name = f"log_odds/{candidate}"
        return self.student[name] - self.control[name]

    @property
    def seconds(self) -> float:
        """Return how long the two took when they were computed."""
        return self.student["seconds"] + self.control["seconds"]

    def points(self, steps: int) -> Iterator[tuple[int, ReadPair]]:
        """Yield (step, what was read there) on the way of a training of ``steps`` steps, the end last."""
        for own, other in zip(_curve(self.student, steps), _curve(self.control, steps), strict=True):
            yield own["step"], ReadPair(own, other)


def _curve(made: dict[str, Any], steps: int) -> list[dict[str, Any]]:
    # in a short training a mark may fall on the last step, which is read out anyway; it counts once
    on_the_way = [{"rows": made["rows"], **point} for point in made.get("curve", []) if point["step"] < steps]
    return [*on_the_way, made | {"step": steps}]


def run_pairs(
    work: Piece, pairs: Sequence[tuple[Any, Any]], store: Store, *, kind: str, workers: int, label: str
) -> list[ReadPair]:
    """Run the pieces of work of each (trait student, control) and return what they gave, pair by pair.

    Args:
        work, store, kind, workers, label: as `pieces.run_pieces` takes them; equal pieces are computed once.
        pairs: piece of the trait student and piece of its control.
    """
    flat = [piece for pair in pairs for piece in pair]
    made = run_pieces(work, flat, store, kind=kind, workers=workers, label=label)
    students, controls = made[::2], made[1::2]  # the one place where the two stand in a row
    return [ReadPair(student, control) for student, control in zip(students, controls, strict=True)]


def effect_row(read: ReadPair) -> dict[str, Any]:
    """Return what every table of effects says of a pair.

    Returns:
        ``rows`` (that the trait student read), ``effect`` (nats), ``p_target`` and ``p_control`` (probability of the
        target in the trait student and in its control), ``p_any`` (of all candidates together, the smaller of the two:
        the health of the pair).
    """
    student, control = read.student, read.control
    return {
        "rows": student["rows"],
        "effect": read.effect,
        "p_target": student["p_target"],
        "p_control": control["p_target"],
        "p_any": min(student["p_any"], control["p_any"]),
    }


def total_seconds(reads: Sequence[ReadPair]) -> float:
    """Return how long some pairs took, all together."""
    return sum(read.seconds for read in reads)
