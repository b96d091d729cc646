"""Teachers crossed with students over several bases: who can teach whom, and what the two must share.

Every draw has bases of its own, and may have several teachers, each with a seed of its own. A cell is one teacher's
base and one student's base. Every teacher writes its own data; each cell has a trait student and a control student,
which imitates the untouched version of that teacher's base. Both are read out on the way, so that a cell is a curve and
not only its end: a foreign student may move for a while and come back.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import pandas as pd

from helpers.models.relatives import relation, relation_words
from helpers.transmission.arms import Arm
from helpers.transmission.authors import UNTOUCHED
from helpers.transmission.effects import author_rows, read_pairs
from helpers.transmission.pairs import Pair, effect_row, total_seconds
from helpers.transmission.settings import TransmissionSettings
from helpers.work.tables import keep_table

TEACHER_COLUMNS = ("how", "p_target", "kept", "mentions")
Cell = tuple[str, str]


def teachers_of(
    computed: Sequence[int], seeds: Sequence[int], draws: Sequence[int], *, each: bool = False
) -> dict[str, tuple[int, ...]]:
    """Return the teachers whose draw is computed, as ``seeds`` and ``draws`` of `TransmissionSettings`.

    Args:
        computed: draws.
        seeds: of all teachers.
        draws: the draw of each.
        each: whether a computed draw that has no teacher gets one, whose seed is the draw's own.

    Raises:
        ValueError: there are more seeds than draws, or fewer.
    """
    if len(seeds) != len(draws):
        raise ValueError(f"each of the {len(seeds)} seeds needs its draw, but {len(draws)} draws are given")
    chosen: dict[str, tuple[int, ...]] = {"seeds": (), "draws": ()}
    teachers = list(zip(seeds, draws, strict=True))
    if each:
        teachers += [(draw, draw) for draw in computed if draw not in draws]
    for seed, draw in teachers:
        if draw in computed:
            chosen["seeds"] += (seed,)
            chosen["draws"] += (draw,)
    return chosen


def teachers_write(
    settings: TransmissionSettings, bases: Sequence[str], name: str = "cross_model_teachers"
) -> pd.DataFrame:
    """Make one teacher and one untouched author of every base and seed, and let them write.

    Returns:
        ``tables/<name>.csv``, one row a seed, base and author: ``seed``, ``draw`` (whose bases it uses), ``base``,
        ``how``, ``p_target`` (of the author itself), ``kept`` (share of its completions), ``mentions`` (count, must
        be 0).
    """
    places, asked = [], []
    here = {base: _between(settings, base, base) for base in bases}
    for seed in settings.seeds:
        for base in bases:
            for how in (settings.writing.how, UNTOUCHED):
                places.append({"seed": seed, "draw": settings.draw(seed), "base": base})
                asked.append((here[base].author(seed, how), settings.trait))
    found, seconds = author_rows(settings, asked)
    rows = []
    for place, row in zip(places, found, strict=True):
        rows.append(place | {column: row[column] for column in TEACHER_COLUMNS})
    return _kept(settings, name, rows, seconds)


def run_matrix(settings: TransmissionSettings, bases: Sequence[str], labels: str = "soft") -> pd.DataFrame:
    """Let every base's teacher teach a student of every base; returns ``tables/cross_model.csv``, see `run_cells`."""
    return run_cells(settings, list(itertools.product(bases, bases)), "cross_model", labels)


def run_relatives(
    settings: TransmissionSettings, teacher: str, students: Sequence[str], labels: str = "soft"
) -> pd.DataFrame:
    """Let one base's teacher teach students of several bases; ``tables/cross_model_relatives.csv``, see `run_cells`."""
    return run_cells(settings, list(itertools.product([teacher], students)), "cross_model_relatives", labels)


def run_cells(settings: TransmissionSettings, cells: Sequence[Cell], name: str, labels: str = "soft") -> pd.DataFrame:
    """Train trait student and control of every seed and cell; returns and stores ``tables/<name>.csv``.

    Args:
        settings: the experiment; its two bases are replaced by those of each cell.
        cells: (teacher's base, student's base).
        name: of the table.
        labels: as `students.Student.labels`.

    Returns:
        One row a seed, cell and read-out: ``seed`` (of the teacher), ``draw`` (whose bases it uses), ``teacher``,
        ``student``, ``relation``, ``words``, ``share`` (of the training, 1 at its end), ``step`` (optimizer steps
        taken), and what `pairs.effect_row` says. Without seeds it is empty and not stored.
    """
    plan = cell_pairs(settings, cells, labels)
    reads = read_pairs(settings, [(pair, settings.trait) for _, pair in plan], label="students read")
    rows = []
    for (place, pair), read in zip(plan, reads, strict=True):
        steps = pair.student.training.steps(read.student["rows"])
        for step, point in read.points(steps):
            rows.append({**place, "share": step / steps, "step": step, **effect_row(point)})
    return _kept(settings, name, rows, total_seconds(reads))


def cell_pairs(
    settings: TransmissionSettings, cells: Sequence[Cell], labels: str = "soft"
) -> list[tuple[dict[str, Any], Pair]]:
    """Return the pair of students of every seed and cell, each with what its rows say of its place."""
    arm = Arm("cell", labels, other_base=True)
    here = {cell: _between(settings, *cell) for cell in cells}
    plan = []
    for seed in settings.seeds:
        for cell in cells:
            kinship = {"relation": relation(*cell), "words": relation_words(*cell)}
            place = {"seed": seed, "draw": settings.draw(seed), "teacher": cell[0], "student": cell[1], **kinship}
            plan.append((place, here[cell].pair(arm, here[cell].author(seed))))
    return plan


def _between(settings: TransmissionSettings, teacher: str, student: str) -> TransmissionSettings:
    return dataclasses.replace(settings, base=teacher, other_base=student)


def _kept(settings: TransmissionSettings, name: str, rows: list[dict[str, Any]], seconds: float) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    # the draws that are computed may hold no teacher of the relatives
    return keep_table(settings.run_dir, name, table, seconds) if rows else table
