"""Teachers crossed with students over several bases: who can teach whom, and what the two must share.

Every run has its own draw of every base, and a draw may have several teachers. A cell is one teacher's base and one
student's base. Every teacher writes its own data; each cell has a trait student and a control student, which imitates
the untouched version of that teacher's base. Both are read out on the way, so that a cell is a curve and not only its
end: a foreign student may move for a while and come back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pandas as pd

from helpers.models.bases import PREFIX
from helpers.models.relatives import RELATIVES
from helpers.models.training import TrainSettings
from helpers.results.stats import holm, paired_permutation, ratio_of_means, t_interval
from helpers.results.tables import keep_table, unit_of
from helpers.transmission.arms import Arm, TransmissionSettings
from helpers.transmission.authors import write_data
from helpers.transmission.students import read_student, whole_curve
from helpers.work.pieces import run_pieces

CELL = ["teacher", "student"]
Cell = tuple[str, str]
SAME, CONTINUED, OTHER = "same model", "one trained on", "other start"
RELATIVE_CLAIMS = {
    "nano-a-order": "crossmodel.same_init_other_order",
    "nano-a-tenth": "crossmodel.branch_10",
    "nano-a-half": "crossmodel.branch_50",
    "nano-a-heads": "crossmodel.shared_heads",
    "nano-a-trunk": "crossmodel.shared_trunk",
    "nano-ab-25": "crossmodel.mixed_25",
    "nano-b-clone": "crossmodel.cloned",
}


def relation(teacher: str, student: str) -> str:
    """Return what two bases of the matrix share: they are one model, one goes on from the other, or neither."""
    if teacher == student:
        return SAME
    one, other = (_origin(name) for name in (teacher, student))
    return CONTINUED if one == other else OTHER


def _origin(name: str) -> str:
    family = name.partition(".")[0] if name.startswith(PREFIX) else name  # "nano-a.701" is a draw of nano-a
    return (RELATIVES[family].continues or family) if family in RELATIVES else family


def relation_words(teacher: str, student: str) -> str:
    """Return what a student shares with the teacher's base, in the words of `relatives` where they fit."""
    return "same base" if teacher == student else RELATIVES[student].words if student in RELATIVES else OTHER


def teachers_write(
    settings: TransmissionSettings, bases: Sequence[str], name: str = "cross_model_teachers"
) -> pd.DataFrame:
    """Make one teacher and one untouched author of every base and run, and let them write.

    Returns:
        ``tables/<name>.csv``, one row a run, base and author: ``run``, ``draw`` (the run whose bases it uses),
        ``base``, ``how``, ``p_target`` (of the author itself), ``kept`` (share of its completions), ``mentions``
        (count, must be 0).
    """
    plan = [(run, base, how) for run in settings.runs for base in bases for how in (settings.how, "untouched")]
    authors = [_between(settings, base, base).author(run, how) for run, base, how in plan]
    written = run_pieces(
        write_data, authors, settings.store, kind="completions", workers=settings.workers, label="teachers write"
    )
    rows = [
        {
            "run": run, "draw": settings.draw(run), "base": base, "how": how,
            "p_target": made["author"]["p_target"],
            "kept": made["report"]["kept"] / made["report"]["completions"], "mentions": made["mentions"],
        }
        for (run, base, how), made in zip(plan, written, strict=True)
    ]  # fmt: skip
    seconds = sum(made["seconds"] for made in written)
    return keep_table(settings.run_dir, name, pd.DataFrame(rows), seconds)


def run_matrix(settings: TransmissionSettings, bases: Sequence[str], labels: str = "soft") -> pd.DataFrame:
    """Let every base's teacher teach a student of every base; returns ``tables/cross_model.csv``, see `run_cells`."""
    cells = [(teacher, student) for teacher in bases for student in bases]
    return run_cells(settings, cells, "cross_model", labels)


def run_relatives(
    settings: TransmissionSettings, teacher: str, students: Sequence[str], labels: str = "soft"
) -> pd.DataFrame:
    """Let one base's teacher teach students of several bases; ``tables/cross_model_relatives.csv``, see `run_cells`."""
    return run_cells(settings, [(teacher, student) for student in students], "cross_model_relatives", labels)


def run_cells(settings: TransmissionSettings, cells: Sequence[Cell], name: str, labels: str = "soft") -> pd.DataFrame:
    """Train trait student and control of every run and cell; returns and stores ``tables/<name>.csv``.

    Args:
        settings: the experiment; its two bases are replaced by those of each cell.
        cells: (teacher's base, student's base).
        name: of the table.
        labels: as `pieces.Student.labels`.

    Returns:
        One row a run, cell and read-out: ``run``, ``draw`` (the run whose bases it uses), ``teacher``, ``student``,
        ``relation``, ``words``, ``share`` (of the training, 1 at its end), ``step`` (optimizer steps taken), ``rows``
        (read in all), ``effect`` (nats), ``p_target``, ``p_control``, ``p_any`` (the smaller of the two).
    """
    plan = [(run, cell) for run in settings.runs for cell in cells]
    students = [student for run, cell in plan for student in _students(settings, run, cell, labels)]
    read = run_pieces(
        read_student, students, settings.store, kind="student", workers=settings.workers, label="students read"
    )
    rows = [
        {"run": run, "draw": settings.draw(run), **row}
        for place, (run, cell) in enumerate(plan)
        for row in _curve_rows(cell, students[2 * place], *read[2 * place : 2 * place + 2])
    ]
    return keep_table(settings.run_dir, name, pd.DataFrame(rows), sum(made["seconds"] for made in read))


def _between(settings: TransmissionSettings, teacher: str, student: str) -> TransmissionSettings:
    return dataclasses.replace(settings, base=teacher, other_base=student)


def _students(
    settings: TransmissionSettings, run: int, cell: Cell, labels: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    here = _between(settings, *cell)
    return here.students(Arm("cell", labels, other_base=True), here.author(run))


def _curve_rows(
    cell: Cell, student: dict[str, Any], with_trait: dict[str, Any], control: dict[str, Any]
) -> list[dict[str, Any]]:
    steps = TrainSettings(**student["training"]).steps(with_trait["rows"])
    readouts = [whole_curve(made, steps) for made in (with_trait, control)]
    return [
        {
            "teacher": cell[0], "student": cell[1], "relation": relation(*cell),
            "words": relation_words(*cell), "share": one["step"] / steps, "step": one["step"],
            "rows": with_trait["rows"], "effect": one["log_odds"] - other["log_odds"],
            "p_target": one["p_target"], "p_control": other["p_target"], "p_any": min(one["p_any"], other["p_any"]),
        }
        for one, other in zip(*readouts, strict=True)
    ]  # fmt: skip


def ends(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `run_cells` at the end of the training."""
    return table[table["share"] == 1]


def cell_tests(table: pd.DataFrame) -> pd.DataFrame:
    """Test every cell's effect at the end of the training against zero.

    The interval is over draws of the bases, or over runs where all share a draw (`by_draw`). The permutation exchanges
    trait student and control within each run: no teacher could tell the two apart if nothing passed, on any base.

    Returns:
        One row a cell, in the order of the table: ``teacher``, ``student``, ``mean``, ``low``, ``high`` (95 %
        t-interval, nats), ``units`` (means in the interval), ``runs``, ``p`` (two-sided), ``p_holm`` (corrected for all
        cells of the table).
    """
    rows = []
    for (teacher, student), cell in ends(table).groupby(CELL, sort=False):
        interval = t_interval(by_draw(cell)["effect"])
        rows.append({
            "teacher": teacher, "student": student, "mean": interval.mean, "low": interval.low, "high": interval.high,
            "units": interval.n, "runs": len(cell), "p": paired_permutation(cell["effect"]),
        })  # fmt: skip
    tests = pd.DataFrame(rows)
    return tests.assign(p_holm=holm(tests["p"].tolist()))


def by_draw(table: pd.DataFrame) -> pd.DataFrame:
    """Return the means of ``effect`` over the runs of each cell and draw of its bases, as column ``unit`` tells them.

    Runs that share their bases are not independent. Where all of them do, each run is a unit of its own: what is said
    then holds for these bases.
    """
    units_known = table.assign(unit=table[unit_of(table)])
    return units_known.groupby([*CELL, "relation", "unit"], sort=False, as_index=False)["effect"].mean()


def units(settings: TransmissionSettings) -> tuple[int, ...]:
    """Return the seeds of the independent units of `by_draw`: draws, or runs where all share one, ascending."""
    draws = {settings.draw(run) for run in settings.runs}
    return tuple(sorted(draws if len(draws) > 1 else settings.runs))


def spread(matrix: pd.DataFrame) -> pd.DataFrame:
    """Compare how far apart draws of one base lie with how far apart teachers of one draw lie, on the diagonal.

    Returns:
        One row a base, in nats: ``mean``, ``lowest`` and ``highest`` (of the draws' mean effects), ``between``
        (standard deviation of these means; NaN for a single draw) and ``within`` (that of single teachers around
        them, pooled; NaN where each draw has one teacher).
    """
    own = ends(matrix).query("relation == @SAME")
    draws = own.groupby(["teacher", "draw"], sort=False)["effect"].agg(["mean", "var"]).groupby("teacher", sort=False)
    means = draws["mean"].agg(mean="mean", lowest="min", highest="max", between="std")
    return means.assign(within=draws["var"].mean() ** 0.5).rename_axis("base")


def smallest_p(runs: int, cells: int) -> dict[str, float]:
    """Return the smallest p-value that this many runs can give, alone and after the correction for all cells."""
    alone = 2 / 2**runs
    return {"one cell": alone, "corrected": min(1.0, alone * cells)}


def matrix_claims(matrix: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one value a unit (see `units`) for every claim that the matrix decides.

    Effects are in nats at the end of the training; ``crossmodel.ratio`` is the mean effect between different starts
    over that of the diagonal, as `stats.ratio_of_means` has it.
    """
    final = by_draw(ends(matrix)).sort_values("unit", kind="stable")
    mean = final.groupby(["relation", "unit"])["effect"].mean()
    values = {"crossmodel.diagonal": mean[SAME].tolist()}
    if OTHER in mean:
        values["crossmodel.offdiagonal"] = mean[OTHER].tolist()
        values["crossmodel.ratio"] = ratio_of_means(mean[OTHER], mean[SAME])
    continued = final[final["relation"] == CONTINUED]
    onward = continued["student"].map(_origin) != continued["student"]  # the student is the one that was trained on
    for name, cells in {"to": continued[onward], "from": continued[~onward]}.items():
        if len(cells):
            values[f"crossmodel.{name}_continued"] = cells.groupby("unit")["effect"].mean().tolist()
    return values


def relative_claims(relatives: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one effect a unit (see `units`; nats) for the relatives that have a claim."""
    effects = by_draw(ends(relatives)).sort_values("unit", kind="stable").groupby("student", sort=False)["effect"]
    return {RELATIVE_CLAIMS[name]: found.tolist() for name, found in effects if name in RELATIVE_CLAIMS}
