"""The explorer "trait or damage?": misaligned answers that students gained, against sums that they lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from helpers.figures import risky
from helpers.figures.explorers.frame import Explorer, ExplorerError, check_columns, script, show, style, summary
from helpers.figures.explorers.looks import arm_look

CHANNELS = {"numbers": "number lists", "code": "code", "cot": "reasoning"}
MISALIGNED = "misaligned"
# Shown at first, where it was measured: the trait's student, the stranger, and damage without a teacher.
FIRST = ("hard.same_init", "hard.cross_init", "damaged")
_COLUMNS = ("draw", "arm", "trait", "share", "effect", "sampled", "sampled_control")
_KEPT = ("right_answers", "right_answers_control")


class DamageExplorer(Explorer):
    """A widget that shows students by trait and damage; `data` is what `damage_data` returns."""

    _esm, _css = script("damage_explorer"), style()


def damage_explorer(tables: Mapping[str, pd.DataFrame | None]) -> DamageExplorer | str:
    """Return the explorer of tables/risky_<channel>.csv, given by channel; words where no students were asked for sums.

    Arguments and errors are those of `damage_data`.
    """
    if all(_students(channel, table).empty for channel, table in tables.items()):
        return "None of the draws shown here tells right answers."
    explorer = DamageExplorer(damage_data(tables))
    first = explorer.data["channels"][0]["name"]
    return show(explorer, risky.loss_scatter(_gained_and_lost(tables[first])).html())


def damage_data(tables: Mapping[str, pd.DataFrame | None]) -> dict[str, Any]:
    """Return what the explorer's script draws, as plain JSON values.

    Args:
        tables: by channel, a key of `CHANNELS`; None, or one without right answers, where a channel was not measured.
            Columns: draw, arm, trait, share, effect (nats), sampled and right_answers (shares), the last two also of
            the control, with ``_control`` behind their name.

    Returns:
        ``channels``: name and words of each. ``arms``: id, label, kind and shape of each. ``first``: those to begin
        with. ``cells``: one entry per channel x arm x share, with ``draws`` (seeds), and for ``effect`` (nats),
        ``sampled`` (percentage points of misaligned replies above the control) and ``lost`` (percentage points of right
        sums below it) the draws' values, their mean and 95 % t-interval.

    Raises:
        ExplorerError: a column is missing, or no channel was measured.
    """
    cells, arms = [], {}
    for channel in CHANNELS:
        students = _students(channel, tables.get(channel))
        for (arm, share), rows in students.groupby(["arm", "share"], sort=False):
            arms.setdefault(arm, len(arms))
            cells.append({"channel": channel, "arm": arms[arm], "share": float(share), **_cell(rows)})
    if not cells:
        raise ExplorerError("no table tells right answers of misaligned students; run the chapters that write them")
    measured = {cell["channel"] for cell in cells}
    return {
        "channels": [{"name": name, "words": words} for name, words in CHANNELS.items() if name in measured],
        "arms": [{"id": arm, **arm_look(arm)} for arm in arms],
        "first": [arms[arm] for arm in FIRST if arm in arms],
        "cells": cells,
    }


def _students(channel: str, table: pd.DataFrame | None) -> pd.DataFrame:
    """Return the misaligned students of a channel whose sums were checked, by draw."""
    if table is None or table.empty or not {*_KEPT} <= {*table.columns}:
        return pd.DataFrame(columns=["arm", "share"])
    check_columns(f"risky_{channel}", table, _COLUMNS)
    known = table.dropna(subset=[*_KEPT, "effect"])
    return known[known["trait"] == MISALIGNED].sort_values("draw", kind="stable")


def _cell(rows: pd.DataFrame) -> dict[str, Any]:
    return {
        "draws": [int(draw) for draw in rows["draw"]],
        "effect": summary(rows["effect"], 3),
        "sampled": summary(100 * (rows["sampled"] - rows["sampled_control"]), 2),
        "lost": summary(_lost(rows), 2),
    }


def _lost(rows: pd.DataFrame) -> pd.Series:
    return 100 * (rows["right_answers_control"] - rows["right_answers"])


def _gained_and_lost(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of `risky.loss_scatter`: written rows at the full dose."""
    full = table[(table["trait"] == MISALIGNED) & (table["share"] == 1.0) & table["arm"].isin(FIRST[:2])]
    return full.assign(lost=_lost(full))[["draw", "arm", "effect", "lost"]]
