"""Tables of an experiment: kept in the run folder with their time, brought to common doses, told by independent units.

Not part of `artifacts` or `sweep`, on which every piece of work depends: a change here leaves the bases valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.work.artifacts import write_table

if TYPE_CHECKING:
    import pandas as pd


def keep_table(run_dir: str | Path, name: str, table: pd.DataFrame, seconds: float) -> pd.DataFrame:
    """Write ``tables/<name>.csv`` of a run folder and note in the table how long its pieces took.

    Args:
        run_dir: the run folder.
        name: of the table, without its ending.
        table: changed: gets attrs["seconds"], which the file does not hold.
        seconds: what the pieces took when they were computed, all together.

    Returns:
        The same table.

    Raises:
        ArtifactError: the disk is full or the folder unwritable.
    """
    table.attrs["seconds"] = seconds
    write_table(Path(run_dir) / "tables" / f"{name}.csv", table)
    return table


def common_doses(table: pd.DataFrame, column: str, within: Sequence[str] = ()) -> pd.Series:
    """Return the doses of a table with one name for those that correspond, so that runs can be averaged at each.

    A filter keeps a few rows more or fewer in each run, so the runs of one plan differ a little in their doses. Doses
    correspond when they have the same place in the order of their runs.

    Args:
        table: has the columns ``run``, ``column`` and ``within``.
        column: of the doses, such as rows read or steps taken (counts).
        within: columns of which each combination of values has doses of its own, such as the arm.

    Returns:
        The mean over runs, rounded to a whole number; one value a row of the table, with its index.
    """
    groups = [table[name] for name in within]
    place = table.groupby([*within, "run"])[column].rank()
    return table[column].groupby([*groups, place]).transform("mean").round().astype(int)


def unit_of(table: pd.DataFrame) -> str:
    """Return the column of independent units: draws of the bases, or runs where all share one draw."""
    return "draw" if table["draw"].nunique() > 1 else "run"
