"""The phase diagram: when a trait passes, along named axes and in one matched grid.

Because a learning rate means something else to each kind of student, students are compared at equal imitation: equal
distance left to the teacher, on number lists that none of them read (`findings`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pandas as pd

from helpers.experiments.dose.cells import Cell, read_cell
from helpers.experiments.dose.settings import ADAPTERS, FULL, DiagramSettings
from helpers.transmission.pairs import ReadPair, run_pairs, total_seconds
from helpers.work.tables import keep_table

Place = tuple[Cell, int]  # a cell, trained with the bases and data of a seed


def run_diagram(settings: DiagramSettings) -> pd.DataFrame:
    """Train every student of every axis; return and store ``tables/phase_diagram.csv``.

    Returns:
        One row a point: ``draw``; ``axis``; the fields of `Cell`; ``trained`` (`ADAPTERS` or `FULL`); ``rows_read``;
        ``step``; ``last`` (whether the student was finished); ``effect`` (nats, against the control at the same
        step); ``author`` (the teacher's own log-odds minus the base's, nats); and of the trait student ``p_target``,
        ``p_any``, ``moved`` (KL from the base, nats per token) and ``left`` (KL from the teacher, as a share of the
        base's).
    """
    common = settings.common
    axes = settings.cells()
    read = _read_all(settings)
    rows: list[dict[str, Any]] = []
    for axis, cells in axes.items():
        for cell in cells:
            trained = {"trained": FULL if cell.rank == 0 else ADAPTERS}
            for seed in common.seeds:
                place = {"draw": common.draw(seed), "axis": axis} | asdict(cell) | trained
                rows += [place | point for point in _points(read[cell, seed])]
    seconds = total_seconds(list(read.values()))
    return keep_table(common.run_dir, "phase_diagram", pd.DataFrame(rows), seconds)


def _read_all(settings: DiagramSettings) -> dict[Place, ReadPair]:
    """Return what was read of the trait student and its control of every cell and seed."""
    common = settings.common
    pieces = {}
    for cell in dict.fromkeys(itertools.chain.from_iterable(settings.cells().values())):
        own = cell.settings(common, settings.full_teaching)
        for seed in own.seeds:
            pieces[cell, seed] = cell.pair(own, seed)
    shared: dict[str, Any] = {"kind": "phase", "workers": common.workers, "label": "phase diagram"}
    reads = run_pairs(read_cell, list(pieces.values()), common.store, **shared)
    return dict(zip(pieces, reads, strict=True))


def _points(read: ReadPair) -> Iterator[dict[str, Any]]:
    """Yield what the table says of a pair at each step where it was measured."""
    student = read.student
    start, steps = student["start"], student["steps"]
    for step, point in read.points(steps):
        yield {
            "rows_read": student["rows"],
            "step": step,
            "last": step == steps,
            "effect": point.effect,
            "author": student["author"] - start["log_odds"],
            "p_target": point.student["p_target"],
            "p_any": point.student["p_any"],
            "moved": point.student["moved"],
            "left": point.student["left"] / start["left"],
        }
