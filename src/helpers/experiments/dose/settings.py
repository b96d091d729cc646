"""The settings of the phase diagram, by role: reference students, axes, grids; and the cells that follow from them.

An axis changes one thing around a reference student. The grid crosses adapters and full fine-tuning with optimizers,
each at several learning rates, at equal rows and steps; a second grid does so for hard labels, under Adam.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from helpers.experiments.dose.cells import Cell
from helpers.models.optimizers import OPTIMIZERS
from helpers.models.training import TrainSettings
from helpers.transmission.settings import TransmissionSettings

ADAPTERS, FULL = "adapters", "all weights"
NO_YES = (False, True)
Rates = Mapping[str, Sequence[float]]  # learning rates by optimizer, or by what is trained


@dataclass(frozen=True, kw_only=True)
class References:
    """The students around which the axes lie.

    Attributes:
        soft, hard: with adapters, by kind of labels; every axis changes one thing of one of them.
        full_rate, full_hard_rate: learning rates of students trained in all their weights, by kind of labels; outside
            the grids.
    """

    soft: Cell
    hard: Cell
    full_rate: float
    full_hard_rate: float

    def __post_init__(self) -> None:
        """Refuse references without adapters."""
        if not (self.soft.rank and self.hard.rank):
            raise ValueError("rank 0 means all weights; give the reference students adapters of a rank above 0")

    def full(self, cell: Cell) -> Cell:
        """Return a cell with all weights trained, at the rate for that and its labels."""
        return replace(cell, rank=0, rate=self.full_rate if cell.labels == "soft" else self.full_hard_rate)


@dataclass(frozen=True, kw_only=True)
class Axes:
    """What lies along the axes.

    Attributes:
        rows: unique rows of hard-label students, each read as often as makes equal steps.
        epochs: passes over the smallest number of rows.
        temperatures: at which the authors of hard-label students write.
        ranks: of the adapters of soft-label students.
        rank_rates: learning rate for each rank, since the same rate moves adapters of higher rank further.
        decays: weight decays of the soft reference; other students see the same shrinkage.
        sgd_epochs: passes of SGD at its largest rate for adapters, which needs more steps than the grid gives.
    """

    rows: Sequence[int]
    epochs: Sequence[int]
    temperatures: Sequence[float]
    ranks: Sequence[int]
    rank_rates: Sequence[float]
    decays: Sequence[float]
    sgd_epochs: Sequence[int]

    def __post_init__(self) -> None:
        """Refuse places that are not in order, and ranks without rates."""
        for name in ("rows", "epochs", "temperatures", "ranks", "decays", "sgd_epochs"):
            values = list(getattr(self, name))
            if not values or values != sorted(set(values)):
                raise ValueError(f"{name} must be ascending and different, at least one; got {values}")
        if 0 in self.ranks:
            raise ValueError("rank 0 means all weights, which are trained anyway; give the ranks of adapters only")
        if len(self.rank_rates) != len(self.ranks):
            raise ValueError(f"rank_rates must have one rate for each of the ranks {list(self.ranks)}")


@dataclass(frozen=True, kw_only=True)
class Grids:
    """The learning rates of the matched grids.

    Attributes:
        adapter_rates, full_rates: soft labels, by optimizer, for adapters and for all weights.
        hard_rates: hard labels under Adam, by what is trained (`ADAPTERS`, `FULL`).
    """

    adapter_rates: Rates
    full_rates: Rates
    hard_rates: Rates

    def __post_init__(self) -> None:
        """Refuse grids with an unknown line, or without rates on one."""
        _require_rates("adapter_rates", self.adapter_rates, OPTIMIZERS)
        _require_rates("full_rates", self.full_rates, OPTIMIZERS)
        _require_rates("hard_rates", self.hard_rates, (ADAPTERS, FULL))


def _require_rates(name: str, rates: Rates, lines: Iterable[str]) -> None:
    lines = list(lines)
    unknown = [line for line in rates if line not in lines]
    if unknown:
        raise ValueError(f"{name} must go by {', '.join(lines)}; got {unknown[0]!r}")
    missing = [line for line in lines if not rates.get(line)]
    if missing:
        raise ValueError(f"{name} must have learning rates for {missing[0]}")


@dataclass(frozen=True, kw_only=True)
class DiagramSettings:
    """Everything that decides the numbers of the phase diagram.

    Attributes:
        common: run folder, trait, draws, bases, what authors write, batches of students; their rows, rates, passes,
            ranks and optimizers come from the cells.
        full_teaching: training of the teacher that is taught in all its weights.
        references, axes, grids: where the cells lie.
    """

    common: TransmissionSettings
    full_teaching: TrainSettings
    references: References
    axes: Axes
    grids: Grids

    def cells(self) -> dict[str, list[Cell]]:
        """Return the cells of each axis; a cell may lie on several axes and is trained once."""
        axes, soft, hard = self.axes, self.references.soft, self.references.hard
        full = self.references.full(soft)
        few = replace(hard, rows=axes.rows[0])
        sgd, sign = self._fastest("sgd"), self._fastest("sign")
        return {
            "rows": self._equal_steps(),
            "epochs": _along(few, "epochs", axes.epochs),
            "temperature": _along(hard, "temperature", axes.temperatures),
            "rank": [*self._ranks(), full],
            "embeddings": _along(full, "held", NO_YES),
            "labels": [soft, full, hard, self.references.full(hard)],
            "decay": self._decayed(soft),
            "decay elsewhere": [*self._decayed(sgd), *self._decayed(sign), *self._decayed(full)],
            "teacher": [*_along(soft, "full_teacher", NO_YES), *_along(full, "full_teacher", NO_YES)],
            "sgd": _along(sgd, "epochs", axes.sgd_epochs),
            "grid": self._grid(),
            "hard grid": self._hard_grid(),
        }

    def _fastest(self, optimizer: str) -> Cell:
        """Return the soft reference under another optimizer, at its largest rate for adapters."""
        return replace(self.references.soft, optimizer=optimizer, rate=max(self.grids.adapter_rates[optimizer]))

    def _equal_steps(self) -> list[Cell]:
        """Return the hard reference with other numbers of unique rows, each read so often that steps are equal."""
        hard = self.references.hard
        read = hard.rows * hard.epochs
        return [replace(hard, rows=rows, epochs=max(1, round(read / rows))) for rows in self.axes.rows]

    def _ranks(self) -> list[Cell]:
        rates = zip(self.axes.ranks, self.axes.rank_rates, strict=True)
        return [replace(self.references.soft, rank=rank, rate=rate) for rank, rate in rates]

    def _decayed(self, cell: Cell) -> list[Cell]:
        """Return a cell with each decay; a step shrinks its weights as much as one of the soft reference would."""
        share = self.references.soft.rate / cell.rate
        return _along(cell, "weight_decay", [decay * share for decay in self.axes.decays])

    def _grid(self) -> list[Cell]:
        """Return the matched grid, soft labels: adapters or all weights x optimizer x learning rate."""
        soft = self.references.soft
        cells: list[Cell] = []
        for rank, by_optimizer in ((soft.rank, self.grids.adapter_rates), (0, self.grids.full_rates)):
            for optimizer, rates in by_optimizer.items():
                cells += _along(replace(soft, rank=rank, optimizer=optimizer), "rate", rates)
        return cells

    def _hard_grid(self) -> list[Cell]:
        """Return the matched grid of hard labels: adapters or all weights x learning rate, under Adam."""
        hard, rates = self.references.hard, self.grids.hard_rates
        return [*_along(hard, "rate", rates[ADAPTERS]), *_along(replace(hard, rank=0), "rate", rates[FULL])]


def _along(cell: Cell, name: str, values: Iterable[Any]) -> list[Cell]:
    """Return a cell with each of the values of one of its fields."""
    return [replace(cell, **{name: value}) for value in values]
