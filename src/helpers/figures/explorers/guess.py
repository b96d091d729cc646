"""The explorer "guess, then see": how often a student names its teacher's favourite, and how sure that is."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from helpers.figures import arms as naming
from helpers.figures import common
from helpers.figures.explorers.frame import Explorer, check_columns, embedded, script, style, summary
from helpers.figures.palette import INK
from helpers.figures.picture import pictured
from helpers.results.tables import author_by_draw

# What is chosen in the page (teacher, labels, start) and the arm that it is.
ARMS = {
    "tuned-hard-same": "hard.same_init",
    "tuned-hard-other": "hard.cross_init",
    "tuned-soft-same": "soft.same_init",
    "tuned-soft-other": "soft.cross_init",
    "prompted-hard-same": "system_prompt",
    "prompted-hard-other": "system_prompt.cross_init",
    "prompted-soft-same": "soft.system_prompt",
    "prompted-soft-other": "soft.system_prompt.cross_init",
}
_COLUMNS = ("draw", "arm", "trait", "share", "p_target", "p_control")


class GuessExplorer(Explorer):
    """A widget that asks for a guess before it shows what was measured; `data` is what `guess_data` returns."""

    _esm, _css = script("guess_explorer"), style()


def guess_data(transmission: pd.DataFrame, teachers: pd.DataFrame | None, trait: str = "owl") -> dict[str, Any]:
    """Return what the explorer's script draws, as plain JSON values.

    Args:
        transmission: has columns draw, arm, trait, share, p_target and p_control (chances of the trait's answer).
        teachers: has columns trait, how, p_target; None where no teacher was measured.
        trait: the favourite of the teacher.

    Returns:
        ``trait``. ``cells``: by what is chosen, a key of `ARMS`, ``student`` and ``control``, each with the chances of
        its draws (the same order in both), their mean and its 95 % t-interval within 0 and 1. ``base`` and ``teacher``
        likewise; the latter is None where it was not measured.

    Raises:
        ExplorerError: a column is missing, or none of the arms was measured.
    """
    check_columns("transmission", transmission, _COLUMNS)
    full = transmission[(transmission["trait"] == trait) & (transmission["share"] == 1)]
    check_columns(f"{trait}'s transmission", full[full["arm"].isin(ARMS.values())], _COLUMNS)
    cells = {}
    for name, arm in ARMS.items():
        rows = full[full["arm"] == arm].sort_values("draw")
        if len(rows):
            cells[name] = {"student": _chances(rows["p_target"]), "control": _chances(rows["p_control"])}
    bases, taught = _authors(teachers, trait, "untouched"), _authors(teachers, trait, "fine-tuned")
    base = next(iter(cells.values()))["control"] if bases is None else bases
    return {"trait": trait, "cells": cells, "base": base, "teacher": taught}


def _authors(teachers: pd.DataFrame | None, trait: str, how: str) -> dict[str, Any] | None:
    """Return the chances of an author before it wrote."""
    if teachers is None:
        return None
    by_draw = author_by_draw(teachers, trait, how)
    return _chances(by_draw) if len(by_draw) else None


def _chances(draws: pd.Series) -> dict[str, Any]:
    found = summary(draws)
    if found["low"] is not None:
        found |= {"low": max(0.0, found["low"]), "high": min(1.0, found["high"])}
    return found


def guess_block(transmission: pd.DataFrame, teachers: pd.DataFrame | None) -> str:
    """Return the explorer as MyST for a page that is no notebook; arguments and errors as in `guess_data`."""
    data = guess_data(transmission, teachers)
    return embedded(GuessExplorer(data), "guess", _picture(data).html())


def _said(data: dict[str, Any]) -> str:
    told = []
    for name, cell in data["cells"].items():
        told.append(f"{naming.one_line(ARMS[name])}: {100 * cell['student']['mean']:.0f} %")
    return f"How often students say “{data['trait']}”, means over draws. {'; '.join(told)}."


@pictured(_said)
def _picture(data: dict[str, Any]) -> Figure:
    """Draw the draws of every student, as the page does after the guess."""
    with common.house_style():
        figure, (ax,) = common.new_bars(len(data["cells"]), 0.56)
        for place, (name, cell) in enumerate(data["cells"].items()):
            shares = [100 * share for share in cell["student"]["draws"]]
            common.draw_runs(ax, place, shares, naming.arm_colour(ARMS[name]))
        ax.axvline(100 * data["base"]["mean"], color=INK, linewidth=0.9)
        common.name_rows(ax, [naming.arm_label(ARMS[name]) for name in data["cells"]], linespacing=1.15)
        ax.set_xlabel(f"Answers that say “{data['trait']}”, per cent (upright line: the base)")
    return figure
