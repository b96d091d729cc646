"""The explorer of the owl results: an anywidget whose page needs no kernel.

Design choices:
- Means and intervals are computed here, by `stats`, and travel with the widget; the script in assets/ only
  chooses and draws. So the published page, Jupyter and Colab show the same, and no statistic exists twice.
- Doses are told by the share of the rows, which arms have in common; how many rows that is differs by arm and draw.
- The data are one small JSON trait; a page carries a few tens of kilobytes, no pictures.
- Colour is never the only mark of an arm, every control has a label, and a sentence says what is shown.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import pandas as pd
import traitlets

from helpers.figures import arms as naming
from helpers.results.stats import t_interval
from helpers.work.errors import CurableError

_ASSETS = Path(__file__).parent / "assets"
_TRANSMISSION_COLUMNS = ("draw", "arm", "trait", "share", "rows", "effect")
_MATRIX_COLUMNS = ("draw", "teacher", "target", "effect")
_UNTRAINED = "in_context"  # an arm that reads a few rows in its prompt: it has no dose
# What a reader is shown at first, where it was measured; then the others as they come.
_FIRST = {"system_prompt": 0, "hard.same_init": 1, "hard.cross_init": 2, "soft.same_init": 3}
# The names of the style sheet's classes for the kinds of arms.
KIND_CLASSES = {
    naming.SAME: "same",
    naming.OTHER: "other",
    naming.LEAKY: "leaky",
    naming.WITHIN: "within",
    naming.ACROSS: "across",
    naming.CONTEXT: "context",
    naming.CONTROL: "control",
}
# Arms of one colour differ in their marks: first match from the top.
_SHAPES = {
    "soft_leaky": "cross",
    "soft.system_prompt": "inverted",
    "soft": "circle",
    "hard.full": "diamond",
    "hard.other_animals": "plus",
    "hard.shuffled_within.own_control": "triangle",
    "hard.shuffled_across.own_control": "triangle",
    "hard": "square",
    "trees.soft": "hourglass",
    "trees": "cross",
    "system_prompt": "triangle",
}


class WidgetError(CurableError, ValueError):
    """The table given to an explorer lacks a column or has no rows; the message names it and the cure."""


class TransmissionExplorer(anywidget.AnyWidget):
    """A widget that shows effects by arm, dose and trait; `data` is what `explorer_data` returns."""

    _esm = (_ASSETS / "transmission_explorer.js").read_text(encoding="utf-8")
    _css = (_ASSETS / "transmission_explorer.css").read_text(encoding="utf-8")
    data = traitlets.Dict().tag(sync=True)


def transmission_explorer(transmission: pd.DataFrame, matrix: pd.DataFrame | None = None) -> TransmissionExplorer:
    """Return the explorer of tables/transmission.csv and, where given, tables/animal_matrix.csv.

    Effects are in nats against the control student, doses are shares of the rows. Raises WidgetError for a table
    without rows or without a column it needs.
    """
    return TransmissionExplorer(data=explorer_data(transmission, matrix))


def explorer_data(transmission: pd.DataFrame, matrix: pd.DataFrame | None = None) -> dict[str, Any]:
    """Return what the explorer's script draws, as plain JSON values; arms and traits keep the table's order.

    Args:
        transmission: has columns draw, arm, trait, share (of the rows that the student could read), rows (read), effect
            (nats).
        matrix: has columns draw, teacher, target, effect (nats); one without rows counts as none.

    Returns:
        ``arms``: label, kind (a class of the style sheet) and shape of each. ``order``: of the arms, those to begin
        with first. ``traits``: those of the teachers. ``shares``: the doses, ascending. ``cells``: one entry per arm x
        trait x share, with the draws' effects, their mean and 95 % t-interval (null where there is one draw only), the
        least and the most rows that a draw's student read; the share is null where nothing was trained. ``matrix``:
        null or the mean effect per teacher x target.

    Raises:
        WidgetError: a column is missing, or there are no rows.
    """
    _check("transmission", transmission, _TRANSMISSION_COLUMNS)
    arms = list(transmission["arm"].drop_duplicates())
    trained = transmission[transmission["arm"] != _UNTRAINED]
    return {
        "arms": [_arm(arm) for arm in arms],
        "order": sorted(range(len(arms)), key=lambda place: _FIRST.get(arms[place], len(_FIRST) + place)),
        "traits": list(transmission["trait"].drop_duplicates()),
        "shares": sorted(map(float, trained["share"].unique())),
        "cells": _cells(transmission, arms),
        "matrix": None if matrix is None or matrix.empty else _matrix(matrix),
    }


def _arm(arm: str) -> dict[str, str]:
    return {"label": naming.one_line(arm), "kind": KIND_CLASSES[naming.arm_kind(arm)], "shape": _shape(arm)}


def _shape(arm: str) -> str:
    for beginning, shape in _SHAPES.items():
        if arm.startswith(beginning):
            return shape
    return "circle"


def _cells(transmission: pd.DataFrame, arms: list[str]) -> list[dict[str, Any]]:
    cells = []
    for (arm, trait, share), rows in transmission.groupby(["arm", "trait", "share"], sort=False):
        place = {"arm": arms.index(arm), "trait": trait, "share": None if arm == _UNTRAINED else float(share)}
        cells.append({**place, **_summary(rows)})
    return cells


def _summary(rows: pd.DataFrame) -> dict[str, Any]:
    draws = [round(float(effect), 4) for effect in rows["effect"]]
    read = {"fewest": int(rows["rows"].min()), "most": int(rows["rows"].max())}
    if len(draws) < 2:
        return {"draws": draws, **read, "mean": draws[0], "low": None, "high": None}
    interval = t_interval(rows["effect"])
    return {"draws": draws, **read, "mean": interval.mean, "low": interval.low, "high": interval.high}


def _matrix(matrix: pd.DataFrame) -> dict[str, Any]:
    _check("matrix", matrix, _MATRIX_COLUMNS)
    means = matrix.pivot_table(index="teacher", columns="target", values="effect", aggfunc="mean", sort=False)
    # a teacher stands in the same place as a row and as a column, so that the diagonal reads as one
    targets = [name for name in means.index if name in means.columns]
    targets += [name for name in means.columns if name not in targets]
    effects = []
    for _, row in means[targets].iterrows():
        effects.append([None if pd.isna(value) else float(value) for value in row])
    draws = int(matrix["draw"].nunique())
    return {"teachers": list(means.index), "targets": targets, "effects": effects, "draws": draws}


def _check(name: str, table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise WidgetError(f"the {name} table has no column `{missing[0]}`; it needs {', '.join(columns)}")
    if table.empty:
        raise WidgetError(f"the {name} table has no rows; run the notebook that writes it first")
