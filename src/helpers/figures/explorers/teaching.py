"""The explorer "who can teach whom": every teacher's base on every student's, along the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from helpers.figures import arms as naming
from helpers.figures import palette
from helpers.figures.cross_model import relative_bars
from helpers.figures.explorers.frame import Explorer, check_columns, script, show, style, summary
from helpers.results.tables import unit_of

_COLUMNS = ("draw", "seed", "teacher", "student", "relation", "words", "share", "effect")
_KINDS = {palette.BLUE: "same", palette.ORANGE: "other"}  # any other colour: they share a part
_MARKS = 100  # shares of the training that lie this near, in parts of the whole, are one


class TeachingExplorer(Explorer):
    """A widget that shows pairs of bases; `data` is what `teaching_data` returns."""

    _esm, _css = script("teaching_explorer"), style()


def teaching_explorer(
    matrix: pd.DataFrame, distances: pd.DataFrame | None = None, relatives: pd.DataFrame | None = None
) -> TeachingExplorer:
    """Return the explorer of tables/cross_model.csv; arguments and errors as in `teaching_data`."""
    explorer = TeachingExplorer(teaching_data(matrix, distances, relatives))
    first = matrix[matrix["teacher"] == explorer.data["bases"][0]["id"]]
    return show(explorer, relative_bars(first).html())


def teaching_data(
    matrix: pd.DataFrame, distances: pd.DataFrame | None = None, relatives: pd.DataFrame | None = None
) -> dict[str, Any]:
    """Return what the explorer's script draws, as plain JSON values.

    Args:
        matrix: has columns draw, seed, teacher, student, relation, words, share (of the training), effect (nats).
        distances: has columns base, draw, cosine (of all weights, missing between architectures) and divergence (nats a
            token), both to the first base; None where nothing was measured.
        relatives: like the matrix, students of the first base's teacher alone; None or no rows where there is none.

    Returns:
        ``bases``: id and label of each, those of the matrix first. ``matrix``: how many those are. ``marks``: shares of
        the training, ascending. ``pairs``: one entry per teacher x student (places among the bases) with ``words`` on
        the student, ``kind`` (a colour of the style sheet) and ``curve``, at each mark the effects of its units, their
        mean and 95 % t-interval, or None. ``distances``: by base, None or ``cosine`` and ``divergence``, means.

    Raises:
        ExplorerError: a column is missing, or there are no rows.
    """
    check_columns("cross_model", matrix, _COLUMNS)
    bases = list(dict.fromkeys([*matrix["teacher"], *matrix["student"]]))
    inside, tables = len(bases), [matrix]
    if relatives is not None and not relatives.empty:
        check_columns("cross_model_relatives", relatives, _COLUMNS)
        new = relatives[~relatives["student"].isin(bases)]
        bases += list(dict.fromkeys(new["student"]))
        tables.append(new)
    table = pd.concat(tables, ignore_index=True)
    marks = _marks(table)
    table, shares = table.assign(mark=marks), sorted(set(marks))
    pairs = []
    for (teacher, student), rows in table.groupby(["teacher", "student"], sort=False):
        pairs.append({"teacher": bases.index(teacher), "student": bases.index(student), **_pair(rows, shares)})
    return {
        "bases": [{"id": base, "label": _label(base, table)} for base in bases],
        "matrix": inside,
        "marks": shares,
        "pairs": pairs,
        "distances": _distances(distances, bases),
    }


def _label(base: str, table: pd.DataFrame) -> str:
    """Return what a base is called; one without a name of its own by what it shares with the first."""
    label = " ".join(naming.base_label(base).split())
    return label if label != base else f"{base}: {table.loc[table['student'] == base, 'words'].iloc[0]}"


def _marks(table: pd.DataFrame) -> pd.Series:
    """Return the share of the training at each row, with one value for those that correspond.

    Draws whose filter kept fewer rows take fewer steps, so their shares differ a little at one mark of the plan.
    """
    repetition = [name for name in ("draw", "seed") if name in table]
    place = table.groupby(["teacher", "student", *repetition])["share"].rank()
    return (table["share"].groupby(place).transform("mean") * _MARKS).round() / _MARKS


def _pair(rows: pd.DataFrame, shares: list[float]) -> dict[str, Any]:
    relation, words = rows["relation"].iloc[0], rows["words"].iloc[0]
    curve = []
    for share in shares:
        here = rows[rows["mark"] == share]
        curve.append(summary(here.groupby(unit_of(rows))["effect"].mean(), 3) if len(here) else None)
    kind = _KINDS.get(naming.pair_colour(relation, words), "part")
    return {"words": words, "kind": kind, "curve": curve}


def _distances(distances: pd.DataFrame | None, bases: list[str]) -> list[dict[str, float | None] | None]:
    if distances is None or distances.empty:
        return [None] * len(bases)
    means = distances.groupby("base")[["cosine", "divergence"]].mean()
    return [_rounded(means.loc[base]) if base in means.index else None for base in bases]


def _rounded(row: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if pd.isna(row[name]) else round(float(row[name]), 4) for name in ("cosine", "divergence")}
