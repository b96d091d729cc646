"""The explorer of the owl results: arms at a dose and over doses, and animal by animal.

Doses are told by the share of the rows, which arms have in common; how many rows that is differs by arm and draw.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from helpers.figures.explorers.frame import Explorer, check_columns, script, show, style, summary
from helpers.figures.explorers.looks import arm_look
from helpers.figures.transmission import effect_bars

_TRANSMISSION_COLUMNS = ("draw", "arm", "trait", "share", "rows", "effect")
_MATRIX_COLUMNS = ("draw", "teacher", "target", "effect")
_UNTRAINED = "in_context"  # an arm that reads a few rows in its prompt: it has no dose
# What a reader is shown at first, where it was measured; then the others as they come.
_FIRST = {"system_prompt": 0, "hard.same_init": 1, "hard.cross_init": 2, "soft.same_init": 3}


class TransmissionExplorer(Explorer):
    """A widget that shows effects by arm, dose and trait; `data` is what `explorer_data` returns."""

    _esm, _css = script("transmission_explorer"), style()


def transmission_explorer(transmission: pd.DataFrame, matrix: pd.DataFrame | None = None) -> TransmissionExplorer:
    """Return the explorer of tables/transmission.csv and, where given, tables/animal_matrix.csv.

    Effects are in nats against the control student, doses are shares of the rows. Raises ExplorerError for a table
    without rows or without a column it needs.
    """
    return show(TransmissionExplorer(explorer_data(transmission, matrix)), _still(transmission))


def _still(transmission: pd.DataFrame) -> str:
    """Return the picture without scripts: the first trait's arms at their largest doses."""
    rows = transmission[transmission["trait"] == transmission["trait"].iloc[0]]
    return effect_bars(rows).html()


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
        ExplorerError: a column is missing, or there are no rows.
    """
    check_columns("transmission", transmission, _TRANSMISSION_COLUMNS)
    arms = list(transmission["arm"].drop_duplicates())
    trained = transmission[transmission["arm"] != _UNTRAINED]
    return {
        "arms": [arm_look(arm) for arm in arms],
        "order": sorted(range(len(arms)), key=lambda place: _FIRST.get(arms[place], len(_FIRST) + place)),
        "traits": list(transmission["trait"].drop_duplicates()),
        "shares": sorted(map(float, trained["share"].unique())),
        "cells": _cells(transmission, arms),
        "matrix": None if matrix is None or matrix.empty else _matrix(matrix),
    }


def _cells(transmission: pd.DataFrame, arms: list[str]) -> list[dict[str, Any]]:
    cells = []
    for (arm, trait, share), rows in transmission.groupby(["arm", "trait", "share"], sort=False):
        place = {"arm": arms.index(arm), "trait": trait, "share": None if arm == _UNTRAINED else float(share)}
        read = {"fewest": int(rows["rows"].min()), "most": int(rows["rows"].max())}
        cells.append({**place, **summary(rows["effect"]), **read})
    return cells


def _matrix(matrix: pd.DataFrame) -> dict[str, Any]:
    check_columns("matrix", matrix, _MATRIX_COLUMNS)
    means = matrix.pivot_table(index="teacher", columns="target", values="effect", aggfunc="mean", sort=False)
    # a teacher stands in the same place as a row and as a column, so that the diagonal reads as one
    targets = [name for name in means.index if name in means.columns]
    targets += [name for name in means.columns if name not in targets]
    effects = []
    for _, row in means[targets].iterrows():
        effects.append([None if pd.isna(value) else float(value) for value in row])
    draws = int(matrix["draw"].nunique())
    return {"teachers": list(means.index), "targets": targets, "effects": effects, "draws": draws}
