"""Figures of the chapter on transfer foretold, from its table of first steps and observed effects."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats as scipy_stats

from helpers.figures import common, palette, words
from helpers.figures.picture import pictured

_COLUMNS = ("draw", "family", "channel", "labels", "start", "slope", "effect")
_STARTS = {"same start": palette.BLUE, "other start": palette.ORANGE}
_LABELS = {"soft": "soft labels", "hard": "written"}
_CHANNELS = {"cot": "reasoning"}
_FAMILIES = {"animals": "Eight animals"}
_PANEL_HEIGHT = 2.3  # inches
_ABREAST, _ON_A_PHONE = 3, 2  # panels in a row


def family_label(family: str) -> str:
    """Return what a family of pairs is called."""
    return _FAMILIES.get(family, family.capitalize())


def _panels(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the pairs whose effect is known by panel, under its title."""
    common.require_columns(table, *_COLUMNS)
    found = {}
    seen = table.dropna(subset=["slope", "effect"])
    for (family, channel, labels), rows in seen.groupby(["family", "channel", "labels"], sort=False):
        found[f"{family_label(family)}, {_CHANNELS.get(channel, channel)}, {_LABELS[labels]}"] = rows
    return found


def _said_of_foretold(table: pd.DataFrame) -> str:
    told = {}
    for title, rows in _panels(table).items():
        own = rows[rows.start == "same start"]
        told[title] = common.signed(_rank(own)) if len(own) > 2 else "unknown"
    return f"Rank correlation of slope and effect over students of the same start: {words.in_order(told)}"


@pictured(_said_of_foretold)
def foretold(table: pd.DataFrame) -> Figure:
    """Draw the observed effect (nats) over the slope of the first step, a panel a family, channel and kind of labels.

    `table` has columns draw, family, channel, labels, start, slope, effect; words alone where no effect is known.
    """
    panels = _panels(table)
    if not panels:
        return common.words_alone("No effect is known of the students of these draws.")
    columns, breaks = (_ON_A_PHONE, 2) if common.narrow() else (_ABREAST, 1)
    rows = -(-len(panels) // columns)
    with common.house_style():
        figure, axes = common.grid_of_axes(rows, columns, _PANEL_HEIGHT)
        for ax, (title, pairs) in zip(axes.flat, panels.items(), strict=False):
            _scatter(ax, pairs)
            ax.set_title(",\n".join(title.rsplit(", ", breaks)), fontsize="small")
        for ax in axes.flat[len(panels) :]:
            ax.set_visible(False)
        # outside, for its dots would be taken for students
        figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, fontsize="small")
        figure.supxlabel("Slope of the first step (nats per unit of way)", fontsize="small")
        figure.supylabel("Observed effect (nats)", fontsize="small")
    return figure


def _scatter(ax: Axes, pairs: pd.DataFrame) -> None:
    for start, colour in _STARTS.items():
        own = pairs[pairs.start == start]
        ax.scatter(own.slope, own.effect, s=20, color=colour, edgecolor=palette.PAPER, linewidth=0.6, label=start)
    common.zero_line(ax, horizontal_bars=False)
    common.zero_line(ax)
    ax.tick_params(labelsize="x-small" if not common.narrow() else "small")


def _rank(rows: pd.DataFrame) -> float:
    return float(scipy_stats.spearmanr(rows.slope, rows.effect).statistic)
