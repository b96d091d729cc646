"""What the tables of `runs.run_cells` say: cells tested, draws compared, one value a draw for each claim.

Teachers that share their bases are not independent, so what is said is said over draws, each with the mean of its
teachers. Where all teachers share one draw, each of them is a unit of its own: what is said then holds for these bases.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from helpers.models.relatives import CONTINUED, OTHER, SAME, origin
from helpers.results.stats import holm, paired_permutation, share_of_means, t_interval
from helpers.results.tables import made_from, unit_of

CELL = ["teacher", "student"]
RELATIVE_CLAIMS = {
    "nano-a-order": "crossmodel.same_init_other_order",
    "nano-a-tenth": "crossmodel.branch_10",
    "nano-a-half": "crossmodel.branch_50",
    "nano-a-heads": "crossmodel.shared_heads",
    "nano-a-trunk": "crossmodel.shared_trunk",
    "nano-ab-25": "crossmodel.mixed_25",
    "nano-a-clone": "crossmodel.cloned",
}


def audit(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return what is said of the authors in tables of `runs.teachers_write`, as means over draws and seeds.

    Returns:
        One row a table (by its name here), kind of author and base: ``p_target``, ``kept``, ``mentions``.
    """
    named = pd.concat({name: table for name, table in tables.items() if len(table)}, names=["of"])
    return named.groupby(["of", "how", "base"])[["p_target", "kept", "mentions"]].mean()


def ends(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `runs.run_cells` at the end of the training."""
    return table[table["share"] == 1]


def by_draw(table: pd.DataFrame) -> pd.DataFrame:
    """Return the means of ``effect`` over the teachers of each cell and unit, as column ``unit`` tells these."""
    units_known = table.assign(unit=table[unit_of(table)])
    return units_known.groupby([*CELL, "relation", "unit"], sort=False, as_index=False)["effect"].mean()


def units(table: pd.DataFrame) -> tuple[int, ...]:
    """Return the independent units of `by_draw`: draws, or teachers' seeds where all share one draw, ascending."""
    return tuple(sorted(table[unit_of(table)].unique().tolist())) if len(table) else ()


def cell_tests(table: pd.DataFrame) -> pd.DataFrame:
    """Test every cell's effect at the end of the training against zero.

    The interval is over units (`by_draw`). The permutation exchanges trait student and control of each teacher: no
    teacher could tell the two apart if nothing passed, on any base.

    Returns:
        One row a cell, in the order of the table: ``teacher``, ``student``, ``mean``, ``low``, ``high`` (95 %
        t-interval, nats; a single unit has none), ``units`` (means in the interval), ``seeds`` (teachers in the
        permutation), ``p`` (two-sided), ``p_holm`` (corrected for all cells of the table).
    """
    rows = []
    for (teacher, student), cell in ends(table).groupby(CELL, sort=False):
        means = by_draw(cell)["effect"]
        interval = t_interval(means) if len(means) > 1 else None
        rows.append(
            {
                "teacher": teacher,
                "student": student,
                "mean": means.mean(),
                "low": interval.low if interval else math.nan,
                "high": interval.high if interval else math.nan,
                "units": len(means),
                "seeds": len(cell),
                "p": paired_permutation(cell["effect"]),
            }
        )
    tests = made_from(pd.DataFrame(rows), table)
    return tests.assign(p_holm=holm(tests["p"].tolist()))


def smallest_p(seeds: int, cells: int) -> dict[str, float]:
    """Return the smallest p-value that this many teachers can give, alone and after the correction for all cells."""
    alone = 2 / 2**seeds
    return {"one cell": alone, "corrected": min(1.0, alone * cells)}


def spread(matrix: pd.DataFrame) -> pd.DataFrame:
    """Compare how far apart draws of one base lie with how far apart teachers of one draw lie, on the diagonal.

    Returns:
        One row a base, in nats: ``mean``, ``lowest`` and ``highest`` (of the draws' mean effects), ``between``
        (standard deviation of these means; NaN for a single draw) and ``within`` (that of single teachers around
        them, pooled; NaN where each draw has one teacher).
    """
    final = ends(matrix)
    own = final[final["relation"] == SAME]
    draws = own.groupby(["teacher", "draw"], sort=False)["effect"].agg(["mean", "var"]).groupby("teacher", sort=False)
    means = draws["mean"].agg(mean="mean", lowest="min", highest="max", between="std")
    return means.assign(within=draws["var"].mean() ** 0.5).rename_axis("base")


def matrix_claims(matrix: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one value a unit (see `units`) for every claim that the matrix decides.

    Effects are in nats at the end of the training; ``crossmodel.ratio`` is the mean effect between different starts
    over that of the diagonal, as `stats.share_of_means` has it.
    """
    final = by_draw(ends(matrix)).sort_values("unit", kind="stable")
    mean = final.groupby(["relation", "unit"])["effect"].mean()
    values = {"crossmodel.diagonal": mean[SAME].tolist()}
    if OTHER in mean:
        values["crossmodel.offdiagonal"] = mean[OTHER].tolist()
        values["crossmodel.ratio"] = share_of_means(mean[OTHER], mean[SAME])
    continued = final[final["relation"] == CONTINUED]
    onward = continued["student"].map(origin) != continued["student"]  # the student is the one that was trained on
    for name, cells in {"to": continued[onward], "from": continued[~onward]}.items():
        if len(cells):
            values[f"crossmodel.{name}_continued"] = cells.groupby("unit")["effect"].mean().tolist()
    return {claim_id: found for claim_id, found in values.items() if found}


def relative_claims(relatives: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one value a unit (see `units`) for the relatives that have a claim.

    A value is what passes to the relative as a share of what passes to the same base from the same teachers, as
    `stats.share_of_means` has it: draws pass on more or less by themselves. Nothing without students of the same base.
    """
    if relatives.empty:
        return {}
    final = by_draw(ends(relatives)).sort_values("unit", kind="stable")
    same = final[final["relation"] == SAME]["effect"].tolist()
    values = {}
    for name, cells in final.groupby("student", sort=False):
        if name in RELATIVE_CLAIMS and same:
            values[RELATIVE_CLAIMS[name]] = share_of_means(cells["effect"], same)
    return {claim_id: shares for claim_id, shares in values.items() if shares}
