"""Figures of the notebook on defences, from the tables that `defences.values` makes."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from helpers.figures import common, palette, words
from helpers.figures.picture import pictured

# what a defence's user must have -> the colour of its bar
KNOWS = {
    "nothing": palette.BLUE,
    "the base": palette.OLIVE,
    "base and trait": palette.BROWN,
    "a second base": palette.MOSS,
    "the teacher": palette.INDIGO,
}
_COLUMNS = ("draw", "defence", "effect", "random_effect", "knows")
_RANDOM = "random choice of the same size (mean)"


def _said_of_order(table: pd.DataFrame) -> str:
    common.require_columns(table, *_COLUMNS)
    told = {}
    for name in _ordered(table):
        own = table[table.defence == name]
        random = common.signed(own.random_effect.mean())
        told[name] = words.mean_and_interval(own.effect) + (f", at random {random}" if random else "")
    return f"Effect left in nats, {words.counted(table.draw.nunique())}, the least first: {words.in_order(told)}"


@pictured(_said_of_order)
def ordered(table: pd.DataFrame) -> Figure:
    """Draw the effect (nats) that each defence leaves, the nearest to none on top: dots, means, 95 % t-intervals.

    `table` has one row a draw and ``defence``: ``effect``, ``random_effect`` (of the random choice of the same size,
    missing where there is none) and ``knows``, a key of `KNOWS`. The undefended pair has a dashed line.
    """
    common.require_columns(table, *_COLUMNS)
    names = _ordered(table)
    with common.house_style():
        figure, (ax,) = common.new_bars(len(names), 0.34)
        for place, name in enumerate(names):
            _row(ax, place, table[table.defence == name])
        common.zero_line(ax)
        plain = table[table.defence.str.startswith("undefended")].effect
        ax.axvline(plain.mean(), color=palette.INK, linewidth=0.9, linestyle="--", zorder=2)
        common.name_rows(ax, [name[:1].upper() + name[1:] for name in names])
        ax.set_xlabel(common.EFFECT_LABEL)
        _legend(figure, table)
    return figure


def _ordered(table: pd.DataFrame) -> list[str]:
    return table.groupby("defence").effect.mean().sort_values(key=abs).index.tolist()


def _row(ax: Axes, place: int, own: pd.DataFrame) -> None:
    common.draw_runs(ax, place, own.effect, KNOWS[own.knows.iloc[0]])
    random = own.random_effect.mean()
    if pd.notna(random):
        look = {"marker": "D", "s": 26, "facecolor": palette.PAPER, "edgecolor": palette.GREY, "zorder": 5}
        ax.scatter([random], [place], **look)


def _legend(figure: Figure, table: pd.DataFrame) -> None:
    known = [name for name in KNOWS if (table.knows == name).any()]
    keys = [Patch(color=KNOWS[name], alpha=0.6, label=f"knows {name}") for name in known]
    look = {"marker": "D", "linestyle": "", "markerfacecolor": palette.PAPER, "color": palette.GREY}
    keys.append(Line2D([], [], label=_RANDOM, **look))
    keys.append(Line2D([], [], color=palette.INK, linestyle="--", linewidth=0.9, label="undefended"))
    columns = 1 if common.narrow() else 3
    figure.legend(handles=keys, loc="outside lower center", ncols=columns, fontsize="small")
