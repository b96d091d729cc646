"""Rows computed here against the published ones: do they agree, and where a draw is a new one, does it fit in?

Design choices:
- Rows are matched by what they are (their draw, the columns that `published_tables.yaml` names, their order where
  these are shared), text must be equal and numbers lie within the table's tolerance.
- A draw whose base models were trained here is another draw, with the same seed or not: its values are not the
  published ones, but most of them should lie where a ninth draw is expected, given the eight.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

from helpers.results.published import with_other_bases
from helpers.results.tables import Kind, table_kinds, tables_of
from helpers.work.artifacts import read_table

LEVEL = 0.95
FEWEST = 3  # published draws, below which a prediction interval says nothing
ORDER = "nth"  # of the rows that share their names


@dataclass(frozen=True)
class Value:
    """One number of a table, computed here and published: `expected` in words."""

    table: str
    draw: int
    row: str
    column: str
    here: Any
    expected: str

    def __str__(self) -> str:
        """Return all of it in one line."""
        row = f" {self.row}," if self.row else ""
        return f"{self.table}, draw {self.draw},{row} {self.column}: {self.here} here, {self.expected}"


@dataclass
class Comparison:
    """What one chapter gave here, against what is published of it."""

    chapter: str
    draws: tuple[int, ...] = ()  # computed here, of these tables
    values: int = 0  # numbers and words of draws that are published with the same bases
    largest: float = 0.0  # difference of two numbers, in the unit of its column
    unlike: list[Value] = field(default_factory=list)
    new_values: int = 0  # numbers of new draws that have a prediction interval
    outside: list[Value] = field(default_factory=list)
    skipped: str = ""  # why nothing is compared

    @property
    def agree(self) -> int:
        """Return how many values are as published."""
        return self.values - len(self.unlike)

    @property
    def inside(self) -> int:
        """Return how many values of new draws lie inside the prediction interval of the published draws."""
        return self.new_values - len(self.outside)


def compare_chapter(
    chapter: str, run_dir: Path, published: Path, computed: Collection[int] | None
) -> Comparison:
    """Compare the tables of a chapter in a run folder with those published.

    Args:
        chapter: the notebook's name.
        run_dir: of the run, with `tables`.
        published: results/<profile>.
        computed: draws that the run computed; rows of others are left out; None: all rows.

    Raises:
        ArtifactError: a table is damaged.
    """
    found = Comparison(chapter)
    for name in tables_of(chapter):
        files = [folder / "tables" / f"{name}.csv" for folder in (run_dir, published)]
        if all(file.exists() for file in files):
            here, there = (read_table(file) for file in files)
            if computed is not None:
                here = here[here["draw"].isin(list(computed))]
            others = with_other_bases(run_dir, published, here["draw"].unique().tolist())
            compare_table(table_kinds()[name], here, there, others, found)
    return found


def compare_table(
    kind: Kind, here: pd.DataFrame, there: pd.DataFrame, own_bases: Collection[int], found: Comparison
) -> None:
    """Compare one table, rows computed here with rows published, and add what is found to `found`."""
    if here.empty:
        return
    found.draws = tuple(sorted({*found.draws, *map(int, here["draw"])}))
    new = _new_rows(kind, here, there, own_bases)
    _compare_published(kind, here[~new], there[~kind.hang_on_retrained(there)], found)
    _place_new(kind, here[new], there, found)


def _new_rows(kind: Kind, here: pd.DataFrame, there: pd.DataFrame, own_bases: Collection[int]) -> pd.Series:
    """Return for each row whether it belongs to a draw that is not the published one."""
    unpublished = ~here["draw"].isin(there["draw"]) | kind.hang_on_retrained(here)
    trained_here = here["draw"].isin(list(own_bases))
    if isinstance(kind.bases, Mapping):
        (column, values), *_ = kind.bases.items()
        return unpublished | (trained_here & here[column].isin(values))
    return unpublished | (trained_here & bool(kind.bases))


# --- the same draw --------------------------------------------------------------------------------


def _compare_published(kind: Kind, here: pd.DataFrame, there: pd.DataFrame, found: Comparison) -> None:
    names = ["draw", *kind.row]
    # rows that the chapter has only for some bases are compared where both sides are of the same draw and kind
    mine, theirs = _indexed(here, names), _indexed(there, names)
    theirs = theirs[theirs.index.get_level_values("draw").isin(here["draw"])]
    if isinstance(kind.bases, Mapping):
        (column, _), *_ = kind.bases.items()
        theirs = theirs[theirs.index.get_level_values(column).isin(here[column])]
    for side, absent, expected in ((mine, theirs, "not published"), (theirs, mine, "published")):
        for place in side.index.difference(absent.index):
            shown = "a row" if side is mine else "no row"
            found.values += 1
            found.unlike.append(_value(kind, names, place, "the row", shown, expected))
    both = mine.index.intersection(theirs.index)
    for column in [*mine.columns, *(set(theirs.columns) - set(mine.columns))]:
        _compare_column(kind, names, column, [side.reindex(both).get(column) for side in (mine, theirs)], found)


def _compare_column(
    kind: Kind, names: Sequence[str], column: str, sides: Sequence[pd.Series | None], found: Comparison
) -> None:
    mine, theirs = sides
    if mine is None or theirs is None:
        found.values += 1
        where = "not published" if theirs is None else "published"
        draw = (next(side for side in sides if side is not None).index.get_level_values("draw"))[0]
        found.unlike.append(Value(kind.name, int(draw), "", column, "absent" if mine is None else "a column", where))
        return
    found.values += len(mine)
    if _is_number(mine) and _is_number(theirs):
        distance = (mine - theirs).abs()
        good = (distance <= kind.tolerances(mine.index) + kind.relative * theirs.abs()) | (mine.isna() & theirs.isna())
        found.largest = float(np.nanmax([found.largest, *distance]))
    else:
        good = (mine.astype(str) == theirs.astype(str)) | (mine.isna() & theirs.isna())
    for place in mine.index[~good]:
        expected = f"{theirs[place]} published"
        found.unlike.append(_value(kind, names, place, column, mine[place], expected))


# --- a new draw -----------------------------------------------------------------------------------


def _place_new(kind: Kind, here: pd.DataFrame, there: pd.DataFrame, found: Comparison) -> None:
    """Ask of each number of a new draw whether it lies in the prediction interval of the published draws."""
    if here.empty:
        return
    # a seed within a draw is no independent repetition: what is expected of a draw is the mean over its seeds
    names = [name for name in kind.row if name != "seed"]
    mine, theirs = _by_draw(here, names), _by_draw(there, names)
    rows = [*names, ORDER]
    for column in mine.columns.intersection(theirs.columns):
        expected = _prediction(theirs[column], rows, kind.tolerance)
        placed = mine[column].dropna().to_frame("value").join(expected, on=rows, how="inner")
        found.new_values += len(placed)
        outside = placed[~placed["value"].between(placed["low"], placed["high"])]
        for place, row in outside.iterrows():
            words = f"{row['low']:.4g} to {row['high']:.4g} expected"
            found.outside.append(_value(kind, ["draw", *names], place, column, f"{row['value']:.4g}", words))


def _prediction(published: pd.Series, rows: Sequence[str], tolerance: float) -> pd.DataFrame:
    """Return by row the interval `low` to `high` in which one more draw is expected, where there are enough draws."""
    by_row = published.dropna().groupby(level=list(rows), dropna=False)
    mean, n = by_row.mean(), by_row.count()
    wide = scipy_stats.t.ppf((1 + LEVEL) / 2, n - 1) * by_row.std() * np.sqrt(1 + 1 / n) + tolerance
    return pd.DataFrame({"low": mean - wide, "high": mean + wide})[n >= FEWEST]


def _by_draw(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return the means of all numbers over the seeds of a draw; index: draw, `names`, order."""
    seeds = ["seed"] if "seed" in table else []
    indexed = _indexed(table, ["draw", *seeds, *names])
    numbers = indexed[[column for column in indexed if _is_number(indexed[column])]]
    return numbers.groupby(level=["draw", *names, ORDER], sort=False, dropna=False).mean()


# --- rows and their names -------------------------------------------------------------------------


def _indexed(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return a table indexed by `names` and by the order of the rows that share them."""
    nth = table.groupby(list(names), dropna=False).cumcount()
    return table.assign(**{ORDER: nth}).set_index([*names, ORDER])


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _value(
    kind: Kind, names: Sequence[str], place: tuple[Any, ...], column: str, here: Any, expected: str
) -> Value:
    shown = dict(zip([*names, ORDER], place, strict=True))
    draw, order = int(shown.pop("draw")), shown.pop(ORDER)
    words = [f"{name} {value}" for name, value in shown.items()]
    words += [f"row {order + 1} of these"] if order else []
    return Value(kind.name, draw, ", ".join(words), column, here, expected)
