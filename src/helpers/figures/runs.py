"""All reference runs at a glance: a panel a headline claim, a line a run, mean and interval."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

from helpers.figures import common

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from helpers.results.runs import ReferenceRun

_COLUMNS, _PANEL = 3, 2.0  # panels a row; inches of a row
HEADLINES = {
    "owl.numbers.soft.same_init": "Owl, soft labels",
    "owl.numbers.hard.same_init": "Owl, written rows",
    "owl.numbers.system_prompt": "Owl, prompted teacher",
    "owl.numbers.soft.cross_init": "Owl, soft labels,\nother start",
    "owl.numbers.hard.cross_init": "Owl, written rows,\nother start",
    "trees.numbers.same_init": "Tree, written rows",
    "misalignment.numbers.same_init": "Misalignment, numbers",
    "misalignment.code.same_init": "Misalignment, code",
    "misalignment.cot.same_init": "Misalignment, reasoning",
    "misalignment.numbers.cross_init": "Misalignment, numbers,\nother start",
    "evasion.numbers.same_init": "Evasion, numbers",
    "crossmodel.diagonal": "Each model to itself",
}
THIS_BUILD = 0  # number of a run that belongs to no reference run


def save_runs(found: pd.DataFrame, runs: Sequence[ReferenceRun], path: Path) -> None:
    """Write `forest` as SVG to `path`, the same bytes for the same runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with common.house_style(), mpl.rc_context({"svg.hashsalt": "runs"}):
        forest(found, runs).savefig(
            path, format="svg", metadata={"Date": None, "Creator": None}, facecolor="white"
        )


def forest(found: pd.DataFrame, runs: Sequence[ReferenceRun]) -> Figure:
    """Draw what every run found of the `HEADLINES`, each panel with a scale of its own (nats), the first run on top.

    Args:
        found: of `helpers.results.runs.found_by_run`.
        runs: the reference runs. Those that shared one pair of bases have hollow marks: their intervals say nothing of
            other bases.
    """
    shared = {run.number for run in runs if run.bases == "one pair"}
    numbers = sorted(found["run"].unique())
    rows = -(-len(HEADLINES) // _COLUMNS)
    figure, axes = common.grid_of_axes(rows, _COLUMNS, _PANEL, sharey=True)
    for ax, (claim_id, title) in zip(axes.flat, HEADLINES.items(), strict=False):
        _panel(ax, found[found["id"] == claim_id], numbers, shared)
        ax.set_title(title, fontsize="small")
    for ax in axes[-1]:
        ax.set_xlabel("Effect (nats)")
    return figure


def _panel(ax: Axes, found: pd.DataFrame, numbers: Sequence[int], shared: set[int]) -> None:
    common.name_rows(ax, ["this build" if number == THIS_BUILD else f"run {number}" for number in numbers])
    common.zero_line(ax)
    for row in found.itertuples():
        place = numbers.index(row.run)
        ax.plot([row.low, row.high], [place, place], color=common.BLUE, linewidth=2, solid_capstyle="round")
        fill = "white" if row.run in shared else common.BLUE
        ax.plot(row.value, place, "o", color=common.BLUE, markerfacecolor=fill, markersize=5.5, markeredgewidth=1.4)
