"""Figures of the chapter on small models, from its tables of students, compressed teachers and likeness."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.figures import common, palette, words
from helpers.figures.picture import pictured

WAYS = {
    "same": "The larger base itself,\nnot made smaller",
    "eight_bits": "Weights in eight bits",
    "four_bits": "Weights in four bits",
    "low_rank": "Layers of low rank,\nhealed",
    "layers": "Blocks taken out,\nhealed",
    "width": "Cut narrower,\nhealed",
    "distilled": "New start, distilled",
    "independent": "New start,\nnever met the larger base",
    "stranger": "Another base,\nof another start",
}
ARMS = {
    "owl_soft": "Owl, soft labels",
    "owl_written": "Owl, written numbers",
    "misalignment_code": "Misaligned, code",
}
TRAITS = {"owl": "Owl", "misaligned": "Misaligned"}
AFRESH = ("distilled", "independent", "stranger")
_SHORT = {"distilled": "Distilled", "independent": "Independent", "stranger": "Another base"}  # beside a dot
_ROW_HEIGHT = 0.48  # inches
_MEASURES = {
    "representations": "Likeness of representations to the\nlarger base's (linear CKA)",
    "divergence": "Divergence of its numbers from the\nlarger base's (nats per token)",
}


def way_label(way: str) -> str:
    """Return what a way to a small model is called, on at most two lines."""
    return WAYS.get(way, way.replace("_", " ").capitalize())


def way_colour(way: str) -> str:
    """Return the colour of a way: that of one base, of a shared part, or of another start, as everywhere."""
    if way == "same":
        return palette.BLUE
    return palette.ORANGE if way in AFRESH else palette.MOSS


def _said_of_students(students: pd.DataFrame) -> str:
    return _said(students, "arm", ARMS)


@pictured(_said_of_students)
def students_by_way(students: pd.DataFrame) -> Figure:
    """Draw what students of each way take over (nats), a panel a kind of rows: a dot a draw, mean, 95 % t-interval.

    `students` has columns draw, way, arm, effect.
    """
    return _bars(students, "arm", ARMS, common.SHORT_EFFECT_LABEL)


def _said_of_compressed(compressed: pd.DataFrame) -> str:
    return _said(compressed, "trait", TRAITS)


@pictured(_said_of_compressed)
def compressed_by_way(compressed: pd.DataFrame) -> Figure:
    """Draw what is left of a teacher's trait when its own model is made smaller (nats), a panel a trait.

    `compressed` has columns draw, way, trait, effect.
    """
    return _bars(compressed, "trait", TRAITS, "Effect, against the same\ncut of the base (nats)")


def _said(table: pd.DataFrame, column: str, names: Mapping[str, str]) -> str:
    common.require_columns(table, "draw", "way", column, "effect")
    told = {}
    for (panel, way), rows in table.groupby([column, "way"], sort=False):
        name = f"{names.get(panel, panel)}, {_one_line(way)}"
        told[name] = words.mean_and_interval(rows.groupby("draw").effect.mean())
    return f"Mean effects in nats with their 95 % intervals over draws: {words.in_order(told)}"


def _bars(table: pd.DataFrame, column: str, names: Mapping[str, str], label: str) -> Figure:
    common.require_columns(table, "draw", "way", column, "effect")
    ways, panels = list(dict.fromkeys(table.way)), list(dict.fromkeys(table[column]))
    with common.house_style():
        figure, axes = common.new_bars(len(ways), _ROW_HEIGHT, len(panels))
        for ax, panel in zip(axes, panels, strict=True):
            _panel(ax, table[table[column] == panel], ways, named=common.narrow() or ax is axes[0])
            ax.set_title(names.get(panel, panel), fontsize="small")
            ax.set_xlabel(label, fontsize="small")
    return figure


def _panel(ax: Axes, rows: pd.DataFrame, ways: list[str], *, named: bool) -> None:
    """Draw one panel: a row for each way, with its name where this panel has names."""
    for place, way in enumerate(ways):
        effects = rows[rows.way == way].groupby("draw").effect.mean()
        if len(effects):
            common.draw_runs(ax, place, effects, way_colour(way))
    common.zero_line(ax)
    labels = [way_label(way) if named else "" for way in ways]
    common.name_rows(ax, labels, linespacing=1.1, size="small")


def _one_line(way: str) -> str:
    return " ".join(way_label(way).split())


def _said_of_likeness(table: pd.DataFrame) -> str:
    means = _means(table)
    told = {}
    for row in means.itertuples():
        alike = f"likeness {row.representations:.2f}, divergence {row.divergence:.3f}"
        told[_one_line(row.Index)] = f"{common.signed(row.effect)} nats with {alike}"
    return f"Mean effect on the owl through soft labels: {words.in_order(told)}"


@pictured(_said_of_likeness)
def effect_and_likeness(table: pd.DataFrame) -> Figure:
    """Draw the mean effect (nats) of each way against what its small models have of the larger base, two measures.

    `table` has columns draw, way, effect, representations, divergence: rows of one kind.
    """
    means = _means(table)
    with common.house_style():
        figure, axes = common.new_figure(3.3, len(_MEASURES))
        for ax, (measure, label) in zip(axes, _MEASURES.items(), strict=True):
            middle = (means[measure].min() + means[measure].max()) / 2
            for place, (way, row) in enumerate(means.iterrows()):
                ax.scatter(row[measure], row.effect, s=42, color=way_colour(way), zorder=3)
                name = _SHORT.get(way, _one_line(way).split(",")[0])
                _note(ax, name, (row[measure], row.effect), row[measure] > middle, place % 2)
            common.zero_line(ax, horizontal_bars=False)
            ax.set_xlabel(label, fontsize="small")
            ax.set_ylabel(common.SHORT_EFFECT_LABEL, fontsize="small")
            ax.margins(x=0.12, y=0.12)
    return figure


def _note(ax: Axes, name: str, dot: tuple[float, float], leftwards: bool, below: int) -> None:
    """Write a name beside a dot: towards the middle of the axes, and every other one below its dot."""
    look = {"ha": "right", "xytext": (-6, 4)} if leftwards else {"ha": "left", "xytext": (6, 4)}
    if below:
        look["xytext"] = (look["xytext"][0], -12)
    ax.annotate(name, dot, textcoords="offset points", size=common.text_size(8), **look)


def _means(table: pd.DataFrame) -> pd.DataFrame:
    common.require_columns(table, "draw", "way", "effect", *_MEASURES)
    return table.groupby("way", sort=False)[["effect", *_MEASURES]].mean()
