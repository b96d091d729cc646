"""All reference runs at a glance: a panel a headline claim, a line a run, mean and interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from helpers.figures import common, palette
from helpers.figures.picture import pictured

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from helpers.results.runs import ReferenceRun

_COLUMNS, _COLUMNS_ON_A_PHONE, _PANEL = 3, 2, 2.0  # panels a row; inches of a row
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


def _said_of_runs(found: pd.DataFrame, runs: Sequence[ReferenceRun]) -> str:
    told = []
    for claim_id, title in HEADLINES.items():
        values = found[found["id"] == claim_id].sort_values("run")["value"]
        if len(values):
            newest, low, high = map(common.signed, (values.iloc[-1], values.min(), values.max()))
            told.append(f"{' '.join(title.split())} {newest}, all runs {low} to {high}")
    return f"Mean effects in nats, those of the newest run first. {'; '.join(told)}."


@pictured(_said_of_runs)
def forest(found: pd.DataFrame, runs: Sequence[ReferenceRun]) -> Figure:
    """Draw what every run found of the `HEADLINES`, each panel with a scale of its own (nats), the first run on top.

    Args:
        found: of `helpers.results.runs.found_by_run`.
        runs: the reference runs. Those that shared one pair of bases have hollow marks: their intervals say nothing of
            other bases. Plum: the whole interval lies above zero; teal: below it; grey: it holds zero.
    """
    shared = {run.number for run in runs if run.bases == "one pair"}
    numbers = sorted(found["run"].unique())
    columns = _COLUMNS_ON_A_PHONE if common.narrow() else _COLUMNS
    with common.house_style():
        figure, axes = common.grid_of_axes(-(-len(HEADLINES) // columns), columns, _PANEL, sharey=True)
        for ax, (claim_id, title) in zip(axes.flat, HEADLINES.items(), strict=False):
            _panel(ax, found[found["id"] == claim_id], numbers, shared)
            ax.set_title(title, fontsize="small")
        for ax in axes[-1]:
            ax.set_xlabel("Effect (nats)", fontsize="small")
    return figure


def _panel(ax: Axes, found: pd.DataFrame, numbers: Sequence[int], shared: set[int]) -> None:
    common.name_rows(
        ax, ["this build" if number == THIS_BUILD else f"run {number}" for number in numbers], fontsize="small"
    )
    common.zero_line(ax)
    for row in found.itertuples():
        place, colour = numbers.index(row.run), palette.sign_colour(row.low, row.high)
        ax.plot([row.low, row.high], [place, place], color=colour, linewidth=2, solid_capstyle="round")
        fill = palette.PAPER if row.run in shared else colour
        ax.plot(row.value, place, "o", color=colour, markerfacecolor=fill, markersize=5.5, markeredgewidth=1.4)
