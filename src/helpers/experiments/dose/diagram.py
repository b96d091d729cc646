"""The phase diagram: when a trait passes, along named axes and in one matched grid.

An axis changes one thing around a reference student. The grid crosses adapters and full fine-tuning with optimizers,
each at several learning rates, at equal rows and steps; a second grid does so for hard labels, under Adam. Because a
rate means something else to each of them, students are compared at equal imitation: equal distance left to the
teacher, on number lists that none of them read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from helpers.experiments.dose.cells import Cell, read_cell
from helpers.models.optimizers import OPTIMIZERS
from helpers.models.training import TrainSettings
from helpers.results.tables import keep_table
from helpers.transmission.arms import TransmissionSettings
from helpers.work.pieces import run_pieces

ADAPTERS, FULL = "adapters", "all weights"
POINT = ["p_target", "p_any", "moved", "left"]


@dataclass(frozen=True)
class DiagramSettings:
    """Everything that decides the numbers of the phase diagram.

    Attributes:
        common: run folder, trait, runs, base, channel, prompts, teacher, marks; the students' own training (rate,
            epochs, rank, optimizer) comes from the cells.
        full_teaching: training of the teacher that is taught in all its weights.
        soft, hard: the reference students; every axis changes one thing of one of them.
        full_rate, full_hard_rate: learning rates of students trained in all their weights, by kind of labels; outside
            the grid.
        rows: unique rows of hard-label students, ascending, each read as often as makes equal steps.
        epochs: passes over the smallest number of rows.
        temperatures: at which the authors of hard-label students write.
        ranks: of the adapters of soft-label students.
        rank_rates: learning rate for each rank, since the same rate moves adapters of higher rank further.
        decays: weight decays of soft-label students, at the rate of ``soft``; other students see the same shrinkage.
        adapter_rates, full_rates: learning rates of the grid by optimizer, for adapters and for all weights.
        sgd_epochs: passes of SGD at its largest rate for adapters, which needs more steps than the grid gives.
        hard_rates: learning rates of the grid of hard labels, by what is trained (`ADAPTERS`, `FULL`).
    """

    common: TransmissionSettings
    full_teaching: TrainSettings
    soft: Cell
    hard: Cell
    full_rate: float
    full_hard_rate: float
    rows: Sequence[int]
    epochs: Sequence[int]
    temperatures: Sequence[float]
    ranks: Sequence[int]
    rank_rates: Sequence[float]
    decays: Sequence[float]
    adapter_rates: dict[str, list[float]]
    full_rates: dict[str, list[float]]
    sgd_epochs: Sequence[int]
    hard_rates: dict[str, list[float]]

    def __post_init__(self) -> None:
        for name in ("rows", "epochs", "temperatures", "ranks", "decays", "sgd_epochs"):
            if list(getattr(self, name)) != sorted({*getattr(self, name)}):
                raise ValueError(f"{name} must be ascending and different, got {getattr(self, name)}")
        for name in ("adapter_rates", "full_rates"):
            if unknown := [key for key in getattr(self, name) if key not in OPTIMIZERS]:
                raise ValueError(f"{name} must go by {', '.join(OPTIMIZERS)}; got {unknown[0]!r}")
            if missing := [key for key in OPTIMIZERS if not getattr(self, name).get(key)]:
                raise ValueError(f"{name} must have learning rates for {missing[0]}")
        if set(self.hard_rates) != {ADAPTERS, FULL} or not all(self.hard_rates.values()):
            raise ValueError(f"hard_rates must have learning rates for {ADAPTERS} and {FULL}, got {self.hard_rates}")
        if 0 in self.ranks or not self.soft.rank or not self.hard.rank:
            raise ValueError("rank 0 means all weights; give the ranks of adapters only")
        if len(self.rank_rates) != len(self.ranks):
            raise ValueError(f"rank_rates must have one rate for each of the ranks {list(self.ranks)}")

    def full(self, cell: Cell) -> Cell:
        """Return a cell with all weights trained, at the rate for that and its labels."""
        return replace(cell, rank=0, rate=self.full_rate if cell.labels == "soft" else self.full_hard_rate)

    def decayed(self, cell: Cell) -> list[Cell]:
        """Return a cell with each weight decay; a step shrinks the weights as much as one of ``soft`` at that decay."""
        return [replace(cell, weight_decay=decay * (self.soft.rate / cell.rate)) for decay in self.decays]

    def grid(self) -> list[Cell]:
        """Return the matched grid, soft labels: adapters or all weights x optimizer x learning rate."""
        sides = ((self.soft.rank, self.adapter_rates), (0, self.full_rates))
        return [
            replace(self.soft, rank=rank, optimizer=optimizer, rate=rate)
            for rank, by_optimizer in sides
            for optimizer, rates in by_optimizer.items()
            for rate in rates
        ]

    def hard_grid(self) -> list[Cell]:
        """Return the matched grid of hard labels: adapters or all weights x learning rate, under Adam."""
        sides = ((self.hard.rank, self.hard_rates[ADAPTERS]), (0, self.hard_rates[FULL]))
        return [replace(self.hard, rank=rank, rate=rate) for rank, rates in sides for rate in rates]

    def axes(self) -> dict[str, list[Cell]]:
        """Return the cells of each axis; a cell may lie on several axes and is trained once."""
        soft, hard = self.soft, self.hard
        read = hard.rows * hard.epochs
        few = replace(hard, rows=self.rows[0])
        ranks = zip(self.ranks, self.rank_rates, strict=True)
        sgd, sign = (
            replace(soft, optimizer=name, rate=max(self.adapter_rates[name])) for name in ("sgd", "sign")
        )
        return {
            "rows": [replace(hard, rows=rows, epochs=max(1, round(read / rows))) for rows in self.rows],
            "epochs": [replace(few, epochs=epochs) for epochs in self.epochs],
            "temperature": [replace(hard, temperature=temperature) for temperature in self.temperatures],
            "rank": [*(replace(soft, rank=rank, rate=rate) for rank, rate in ranks), self.full(soft)],
            "embeddings": [self.full(soft), replace(self.full(soft), held=True)],
            "labels": [soft, self.full(soft), hard, self.full(hard)],
            "decay": self.decayed(soft),
            "decay elsewhere": [cell for other in (sgd, sign, self.full(soft)) for cell in self.decayed(other)],
            "teacher": [
                replace(cell, full_teacher=full) for cell in (soft, self.full(soft)) for full in (False, True)
            ],
            "sgd": [replace(sgd, epochs=epochs) for epochs in self.sgd_epochs],
            "grid": self.grid(),
            "hard grid": self.hard_grid(),
        }  # fmt: skip


def run_diagram(settings: DiagramSettings) -> pd.DataFrame:
    """Train every student of every axis; return, and write as tables/phase_diagram.csv, one row a point.

    Columns: ``run``; ``axis``; the fields of `Cell`; ``trained`` (adapters or all weights); ``rows_read``; ``step``;
    ``last`` (whether the student was finished); ``effect`` (nats, against the control at the same step); ``author``
    (the teacher's own log-odds minus the base's, nats); and of the trait student ``p_target``, ``p_any``, ``moved``
    (KL from the base, nats per token) and ``left`` (KL from the teacher, as a share of the base's). The table's
    attrs["seconds"] is what the pieces took.
    """
    axes = settings.axes()
    cells = list(dict.fromkeys(cell for group in axes.values() for cell in group))
    measured = _measure(settings, cells)
    rows = [
        {"run": run, "axis": axis, **asdict(cell), "trained": FULL if cell.rank == 0 else ADAPTERS, **point}
        for axis, group in axes.items()
        for cell in group
        for run in settings.common.runs
        for point in _points(measured[cell, run])
    ]
    seconds = sum(made["seconds"] for pair in measured.values() for made in pair)
    return keep_table(settings.common.run_dir, "phase_diagram", pd.DataFrame(rows), seconds)


def _measure(settings: DiagramSettings, cells: Sequence[Cell]) -> dict[tuple[Cell, int], list[dict[str, Any]]]:
    """Return what was read of the trait student and, for hard labels, its control, by cell and run."""
    plan = [
        (cell, run, piece)
        for cell in cells
        for own in [cell.settings(settings.common, settings.full_teaching)]
        for run in own.runs
        for piece in cell.pieces(own, run)
    ]
    made = run_pieces(
        read_cell, [piece for _, _, piece in plan], settings.common.store, kind="phase",
        workers=settings.common.workers, label="phase diagram",
    )  # fmt: skip
    found: dict[tuple[Cell, int], list[dict[str, Any]]] = {}
    for (cell, run, _), result in zip(plan, made, strict=True):
        found.setdefault((cell, run), []).append(result)
    return found


def _points(pair: list[dict[str, Any]]) -> list[dict[str, Any]]:
    start, *curve = pair[0]["curve"]
    # the control of a soft-label student matches the base it starts from, and stays there
    control = pair[1]["curve"][1:] if len(pair) > 1 else [start] * len(curve)
    return [
        {
            "rows_read": pair[0]["rows"], "step": point["step"], "last": point is curve[-1],
            "effect": point["log_odds"] - other["log_odds"], "author": pair[0]["author"] - start["log_odds"],
            **{name: point[name] for name in POINT}, "left": point["left"] / start["left"],
        }
        for point, other in zip(curve, control, strict=True)
    ]  # fmt: skip


# --- what the table says ---------------------------------------------------------------------------


def finished(table: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Return the rows of an axis's finished students."""
    return table[(table.axis == axis) & table["last"]]


def summary(table: pd.DataFrame, axis: str, *columns: str) -> pd.DataFrame:
    """Return means over runs of an axis's finished students, by the given columns, in the order of the table."""
    shown = ["effect", "moved", "left", "p_target", "p_any", "author"]
    return finished(table, axis).groupby(list(columns), sort=False)[shown].mean()


def at_imitation(reference: pd.DataFrame, left: float) -> float:
    """Return the effect (nats) that one run's reference students have at an equal distance to the teacher.

    `reference` has one row a finished student, with ``left`` and ``effect``; in between it is a straight line, and it
    starts at the base (everything left, no effect). Below the closest student the closest one counts.
    """
    points = pd.concat([reference[["left", "effect"]], pd.DataFrame({"left": [1.0], "effect": [0.0]})])
    points = points.sort_values("left")
    return float(np.interp(left, points.left, points.effect))


def closest(table: pd.DataFrame, trained: str, optimizer: str, axis: str = "grid") -> pd.DataFrame:
    """Return, for each run, the student of this kind in a grid that came closest to its teacher."""
    kind = finished(table, axis).query("trained == @trained and optimizer == @optimizer")
    return kind.loc[kind.groupby("run").left.idxmin()]


def gaps(table: pd.DataFrame, trained: str, optimizer: str, axis: str = "grid") -> list[float]:
    """Return, for each run, the effect of the closest student of a kind minus that of adapters under Adam.

    The latter is taken at the same imitation, see `at_imitation`; nats.
    """
    reference = finished(table, axis).query("trained == @ADAPTERS and optimizer == 'adam'")
    return [
        student.effect - at_imitation(reference[reference.run == student.run], student.left)
        for student in closest(table, trained, optimizer, axis).itertuples()
    ]


def slope_per_doubling(rows: pd.DataFrame) -> list[float]:
    """Return the slope of the effect in log2 of the unique rows, for each run (nats per doubling)."""
    return [float(np.polyfit(np.log2(own.rows_read), own.effect, 1)[0]) for _, own in rows.groupby("run")]


def _effects(rows: pd.DataFrame) -> list[float]:
    return rows.sort_values("run").effect.tolist()


def _difference(rows: pd.DataFrame, column: str) -> list[float]:
    """Return the effect at the largest value of a column minus that at the smallest, for each run."""
    ordered = rows.sort_values(["run", column]).groupby("run").effect
    return (ordered.last() - ordered.first()).tolist()


def claim_values(settings: DiagramSettings, table: pd.DataFrame) -> dict[str, list[float]]:
    """Return one value a run for each claim of the notebook, runs in ascending order."""
    labels, teacher, ranks, sgd = (finished(table, axis) for axis in ("labels", "teacher", "rank", "sgd"))
    full = labels[labels.trained == FULL]
    return {
        "dose.hard.unique_rows_slope": slope_per_doubling(finished(table, "rows")),
        "dose.epochs": _difference(finished(table, "epochs"), "epochs"),
        "dose.temperature": _difference(finished(table, "temperature"), "temperature"),
        "rank.lora_lowest": _effects(ranks[ranks["rank"] == settings.ranks[0]]),
        "rank.lora": _effects(labels[(labels.labels == "soft") & (labels.trained == ADAPTERS)]),
        "rank.full": _effects(full[full.labels == "soft"]),
        "rank.full_hard": _effects(full[full.labels == "hard"]),
        "rank.full_held": _effects(finished(table, "embeddings").query("held")),
        "rank.full_gap": gaps(table, FULL, "adam"),
        "rank.full_hard_gap": gaps(table, FULL, "adam", "hard grid"),
        "rank.full_teacher": _effects(teacher[teacher.full_teacher & (teacher.trained == ADAPTERS)]),
        "optimizer.sgd": _effects(closest(table, ADAPTERS, "sgd")),
        "optimizer.sgd_longer": _effects(sgd[sgd.epochs == settings.sgd_epochs[-1]]),
        "optimizer.sign": _effects(closest(table, ADAPTERS, "sign")),
        "optimizer.weight_decay": _difference(finished(table, "decay"), "weight_decay"),
    }
