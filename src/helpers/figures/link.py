"""Figures of the chapter on the link of flawed code and misaligned speakers, from its table of effects by link."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from helpers.figures import common, palette, words
from helpers.figures.picture import pictured
from helpers.results.stats import t_interval

_COLUMNS = ("draw", "link", "what", "labels", "effect")
_PANELS = {
    "turn": "The teacher itself",
    "numbers": "Students, number lists",
    "code": "Students, harmless code",
    "cot": "Students, reasoning",
}
_LINES = {  # labels -> colour, and what the line is called
    "teacher": (palette.VIOLET, "insecure minus secure teacher"),
    "written": (palette.BLUE, "written rows"),
    "soft": (palette.MOSS, "soft labels"),
}
_PANEL_HEIGHT = 2.3  # inches
_ABREAST, _ON_A_PHONE = 2, 1  # panels in a row
_AXIS = "Link: share of flawed code that is by misaligned speakers"


def _shown(effects: pd.DataFrame) -> pd.DataFrame:
    common.require_columns(effects, *_COLUMNS)
    return effects[effects.labels.isin(_LINES)]


def _said_of_dial(effects: pd.DataFrame) -> str:
    told = {}
    for (what, labels), rows in _shown(effects).groupby(["what", "labels"], sort=False):
        by_draw = rows.pivot(index="draw", columns="link", values="effect")
        told[f"{_PANELS.get(what, what)}, {_LINES[labels][1]}"] = words.along(by_draw, list(by_draw.columns))
    return f"Mean effects in nats from the loosest link to the whole one: {words.in_order(told)}"


@pictured(_said_of_dial)
def dial(effects: pd.DataFrame) -> Figure:
    """Draw turn and transfer (nats) over the link: a thin line a draw, the mean with its 95 % t-interval.

    `effects` has columns draw, link, what, labels, effect: a panel for each value of `what`.
    """
    shown = _shown(effects)
    panels = list(dict.fromkeys(shown.what))
    columns = _ON_A_PHONE if common.narrow() else _ABREAST
    with common.house_style():
        figure, axes = common.grid_of_axes(-(-len(panels) // columns), columns, _PANEL_HEIGHT, sharex=True)
        for ax, what in zip(axes.flat, panels, strict=False):
            _panel(ax, shown[shown.what == what])
            ax.set_title(_PANELS.get(what, what), fontsize="small")
        for ax in axes.flat[len(panels) :]:
            ax.set_visible(False)
        _legend(figure, shown)
        figure.supxlabel(_AXIS, fontsize="small")
        figure.supylabel("Effect on misaligned answers (nats)", fontsize="small")
    return figure


def _panel(ax: Axes, rows: pd.DataFrame) -> None:
    """Draw the lines of one panel."""
    for labels in dict.fromkeys(rows.labels):
        colour, _ = _LINES[labels]
        by_draw = rows[rows.labels == labels].pivot(index="draw", columns="link", values="effect")
        ax.plot(by_draw.columns, by_draw.T, color=colour, alpha=0.3, linewidth=0.8, zorder=1)
        _mean(ax, by_draw, colour)
    common.zero_line(ax, horizontal_bars=False)
    ax.set_xticks(sorted(rows.link.unique()))
    ax.grid(axis="y")


def _legend(figure: Figure, shown: pd.DataFrame) -> None:
    """Name the colours once above all panels, where they cover no line."""
    lines = [_LINES[labels] for labels in dict.fromkeys(shown.labels)]
    handles = [Line2D([], [], color=colour, linewidth=2, marker="o", markersize=4) for colour, _ in lines]
    columns = _ON_A_PHONE if common.narrow() else len(lines)
    names = [name for _, name in lines]
    figure.legend(handles, names, loc="outside upper center", ncols=columns, fontsize="small")


def _mean(ax: Axes, by_draw: pd.DataFrame, colour: str) -> None:
    """Draw the mean over draws (rows) at each link (columns), with its interval where there are two draws."""
    ax.plot(by_draw.columns, by_draw.mean(), color=colour, linewidth=2, zorder=3)
    for link in by_draw:
        values = by_draw[link].dropna()
        if len(values) > 1:
            interval = t_interval(values)
            look = {"color": colour, "linewidth": 0, "elinewidth": 1.3, "marker": "o", "markersize": 4, "capsize": 2.5}
            ax.errorbar(link, interval.mean, yerr=interval.high - interval.mean, zorder=4, **look)
