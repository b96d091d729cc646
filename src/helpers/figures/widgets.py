"""The explorer of the owl results: an anywidget whose page needs no kernel.

Design choices:
- Means and intervals are computed here, by `stats`, and travel with the widget; the script in assets/ only
  chooses and draws. So the published page, Jupyter and Colab show the same, and no statistic exists twice.
- The data are one small JSON trait; a page carries a few tens of kilobytes, no pictures.
- Colour is never the only mark of an arm, every control has a label, and a sentence says what is shown.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import pandas as pd
import traitlets

from helpers.figures.common import arm_label
from helpers.results.stats import t_interval

_ASSETS = Path(__file__).parent / "assets"
_TRANSMISSION_COLUMNS = ("run", "arm", "trait", "rows", "effect")
_MATRIX_COLUMNS = ("run", "teacher", "target", "effect")


class WidgetError(ValueError):
    """The table given to an explorer lacks a column or has no rows; the message names it and the cure."""


class TransmissionExplorer(anywidget.AnyWidget):
    """A widget that shows effects by arm, dose and trait; `data` is what `explorer_data` returns."""

    _esm = (_ASSETS / "transmission_explorer.js").read_text(encoding="utf-8")
    _css = (_ASSETS / "transmission_explorer.css").read_text(encoding="utf-8")
    data = traitlets.Dict().tag(sync=True)


def transmission_explorer(
    transmission: pd.DataFrame, matrix: pd.DataFrame | None = None
) -> TransmissionExplorer:
    """Return the explorer of tables/transmission.csv and, where given, tables/animal_matrix.csv.

    Effects are in nats against the control student, doses in rows. Raises WidgetError for a table without
    rows or without a column it needs.
    """
    return TransmissionExplorer(data=explorer_data(transmission, matrix))


def explorer_data(transmission: pd.DataFrame, matrix: pd.DataFrame | None = None) -> dict[str, Any]:
    """Return what the explorer's script draws, as plain JSON values; arms and traits keep the table's order.

    `cells` holds one entry per arm x trait x dose: the runs' effects, their mean and 95 % t-interval (null
    where there is one run only), nats. `matrix` is null or the mean effect per teacher x target.
    """
    _check("transmission", transmission, _TRANSMISSION_COLUMNS)
    arms = list(transmission["arm"].drop_duplicates())
    groups = transmission.groupby(["arm", "trait", "rows"], sort=False)["effect"]
    return {
        "arms": [arm_label(arm).replace("\n", " ") for arm in arms],
        "traits": list(transmission["trait"].drop_duplicates()),
        "doses": sorted(int(rows) for rows in transmission["rows"].unique()),
        "cells": [
            {"arm": arms.index(arm), "trait": trait, "rows": int(rows), **_summary(effects)}
            for (arm, trait, rows), effects in groups
        ],
        "matrix": None if matrix is None else _matrix(matrix),
    }


def _summary(effects: pd.Series) -> dict[str, Any]:
    runs = [round(float(effect), 4) for effect in effects]
    if len(runs) < 2:
        return {"runs": runs, "mean": runs[0], "low": None, "high": None}
    interval = t_interval(effects)
    return {"runs": runs, "mean": interval.mean, "low": interval.low, "high": interval.high}


def _matrix(matrix: pd.DataFrame) -> dict[str, Any]:
    _check("matrix", matrix, _MATRIX_COLUMNS)
    means = matrix.pivot_table(index="teacher", columns="target", values="effect", aggfunc="mean", sort=False)
    # a teacher stands in the same place as a row and as a column, so that the diagonal reads as one
    targets = [name for name in means.index if name in means.columns]
    targets += [name for name in means.columns if name not in targets]
    rows = means[targets].to_numpy()
    effects = [[None if pd.isna(value) else float(value) for value in row] for row in rows]
    runs = int(matrix["run"].nunique())
    return {"teachers": list(means.index), "targets": targets, "effects": effects, "runs": runs}


def _check(name: str, table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    if missing := [column for column in columns if column not in table.columns]:
        raise WidgetError(f"the {name} table has no column `{missing[0]}`; it needs {', '.join(columns)}")
    if table.empty:
        raise WidgetError(f"the {name} table has no rows; run the notebook that writes it first")
