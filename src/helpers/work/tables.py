"""Tables of an experiment, as a run keeps them."""

from __future__ import annotations

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
