"""What is known of the tables that are published, and how their rows group.

No piece of work depends on this module, and `test_pieces_do_not_hang_on_claims` holds it to that: a change here leaves
finished work valid.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.work.artifacts import read_table
from helpers.work.strict_yaml import load_yaml

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

KINDS_FILE = Path(__file__).with_name("published_tables.yaml")
NAMED = "table"  # in the attrs of a table: its name, or the names of those that it was made from


@dataclass(frozen=True)
class Kind:
    """What is known of a table, as written in published_tables.yaml."""

    name: str
    chapter: str  # the notebook that makes it
    row: tuple[str, ...] = ()  # columns that tell the rows of a draw apart; rows that share them keep their order
    tolerance: float = 1e-3  # largest difference between machines, in the unit of the column
    relative: float = 0.0  # the same as a share of the value; the two are added
    # column -> value -> tolerance of the rows that have it
    loose: dict[str, dict[str, float]] = field(default_factory=dict)
    bases: bool | dict[str, list[str]] = True  # whether a row hangs on base models, or for which values of a column
    # whether a row hangs on relatives that every machine trains for itself, or for which values of a column it does
    retrained: bool | dict[str, list[str]] = False
    columns: tuple[str, ...] = ("draw",)  # of a table that was not published yet, where it has no row to show

    def __post_init__(self) -> None:
        """Refuse tolerances below 0; ValueError names the table."""
        wider = [tolerance for values in self.loose.values() for tolerance in values.values()]
        if min(self.tolerance, self.relative, *wider) < 0:
            raise ValueError(f"{KINDS_FILE.name}: tolerances of {self.name} must be 0 or more")

    def tolerances(self, rows: pd.MultiIndex) -> np.ndarray:
        """Return how far each of the rows (row), named by `row`, may differ between machines, besides its share."""
        import numpy as np

        allowed = np.full(len(rows), self.tolerance)
        for column, values in self.loose.items():
            for value, tolerance in values.items():
                allowed[rows.get_level_values(column) == value] = tolerance
        return allowed


    def hang_on_retrained(self, rows: pd.DataFrame) -> pd.Series:
        """Return for each row (row) whether it hangs on models that do not travel with the published run."""
        if isinstance(self.retrained, dict):
            (column, values), *_ = self.retrained.items()
            return rows[column].isin(values)
        return rows["draw"].isin(rows["draw"] if self.retrained else [])


@functools.cache
def table_kinds() -> dict[str, Kind]:
    """Return what is known of every table, by name."""
    entries = load_yaml(KINDS_FILE.read_text(encoding="utf-8"))
    kinds = {}
    for name, fields in entries.items():
        lists = {field: tuple(fields[field]) for field in ("row", "columns") if field in fields}
        kinds[name] = Kind(name, **{**fields, **lists})
    return kinds


def tables_of(chapter: str) -> list[str]:
    """Return the names of the tables that a notebook makes."""
    return [kind.name for kind in table_kinds().values() if kind.chapter == chapter]


def published_table(folder: str | Path, name: str) -> pd.DataFrame | None:
    """Return a table of a run or of published results, or None where the folder has none of that name."""
    file = Path(folder) / "tables" / f"{name}.csv"
    return read_table(file) if file.exists() else None


def shown_table(name: str, run_dir: str | Path, published: str | Path) -> pd.DataFrame | None:
    """Return the table `name` as a build of the book shows it; None where neither folder has it.

    Args:
        name: without its ending.
        run_dir: the run, whose own rows come first.
        published: results/<profile>, for the rows of draws that the run did not compute.
    """
    import pandas as pd

    own, others = published_table(run_dir, name), published_table(published, name)
    if own is None and others is None:
        return None
    if own is None or others is None:
        table = others if own is None else own
    else:
        table = pd.concat([own, others[~others["draw"].isin(own["draw"])]], ignore_index=True)
        table = table.sort_values("draw", kind="stable", ignore_index=True)
    table.attrs[NAMED] = name
    return table


def made_from(table: pd.DataFrame, *sources: pd.DataFrame | None) -> pd.DataFrame:
    """Note of `table` which named tables it was made from, so that a figure of it can lead there; returns it.

    Args:
        table: any, changed in its attrs alone.
        sources: of `published.Chapter.table` or `shown_table`, or made from such; None and those without a name add
            nothing.
    """
    named = [name for source in sources if source is not None for name in names_of(source)]
    table.attrs[NAMED] = tuple(dict.fromkeys(named))
    return table


def names_of(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the names of the tables that `table` was made from, its own where it is one of them."""
    named = table.attrs.get(NAMED, ())
    return (named,) if isinstance(named, str) else tuple(named)


def common_doses(table: pd.DataFrame, column: str, within: Sequence[str] = ()) -> pd.Series:
    """Return the doses of a table with one name for those that correspond, so that draws can be averaged at each.

    A filter keeps a few rows more or fewer in each draw, so the draws of one plan differ a little in their doses. Doses
    correspond when they have the same place in the order of their repetition: a draw, or a teacher's seed in a draw.

    Args:
        table: has the columns ``draw``, ``column`` and ``within``, and ``seed`` where teachers have seeds of their own.
        column: of the doses, such as rows read or steps taken (counts).
        within: columns of which each combination of values has doses of its own, such as the arm.

    Returns:
        The mean over repetitions, rounded to a whole number; one value a row of the table, with its index.
    """
    groups = [table[name] for name in within]
    repetition = [name for name in ("draw", "seed") if name in table]
    place = table.groupby([*within, *repetition])[column].rank()
    return table[column].groupby([*groups, place]).transform("mean").round().astype(int)


def unit_of(table: pd.DataFrame) -> str:
    """Return the column of independent units: draws of the bases, or the teachers' seeds where all share one draw."""
    return "draw" if table["draw"].nunique() > 1 else "seed"


def author_by_draw(teachers: pd.DataFrame, trait: str, how: str) -> pd.Series:
    """Return how often (0 to 1) an author's answers are a trait, in each draw, ascending.

    A table of teachers has a row for each set of prompts that an author wrote to, all with the same answers: a draw
    counts once, however many sets it has.

    Args:
        teachers: has columns draw, trait, how and p_target.
        trait, how: of the author, such as "owl" and "fine-tuned".
    """
    rows = teachers[(teachers["trait"] == trait) & (teachers["how"] == how)]
    return rows.groupby("draw")["p_target"].mean()
