"""Figures of the chapter on small models, from its tables of students, compressed teachers and likeness."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

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
_DOT = 4  # pixels around the middle of a dot that no name may cover
_ROWS = (0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5)  # rows by which a name may stand above or below its dot, nearest first
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
            ax.scatter(means[measure], means.effect, s=42, color=[way_colour(way) for way in means.index], zorder=3)
            common.zero_line(ax, horizontal_bars=False)
            ax.set_xlabel(label, fontsize="small")
            ax.set_ylabel(common.SHORT_EFFECT_LABEL, fontsize="small")
            ax.margins(x=0.12, y=0.12)
        figure.draw_without_rendering()  # now the axes have their size
        for ax, measure in zip(axes, _MEASURES, strict=True):
            _name_dots(ax, {way: (row[measure], row.effect) for way, row in means.iterrows()})
    return figure


def _name_dots(ax: Axes, dots: Mapping[str, tuple[float, float]]) -> None:
    """Write the name of each way beside its dot, in the nearest place around it where nothing stands yet."""
    axes, (_, zero) = ax.get_window_extent(), ax.transData.transform((0, 0))
    taken = [Bbox.from_extents(axes.x0, zero - 1, axes.x1, zero + 1)]  # the line of no effect
    for dot in dots.values():
        x, y = ax.transData.transform(dot)
        taken.append(Bbox.from_extents(x - _DOT, y - _DOT, x + _DOT, y + _DOT))
    for way, dot in dots.items():
        name = _SHORT.get(way, _one_line(way).split(",")[0])
        taken.append(_free_note(ax, name, dot, taken))


def _free_note(ax: Axes, name: str, dot: tuple[float, float], taken: Sequence[Bbox]) -> Bbox:
    """Write a name near a dot where it overlaps nothing and stays in the axes; return the box of its text."""
    inside = ax.get_window_extent()
    for rows, side in itertools.product(_ROWS, ("left", "right")):
        note = _note(ax, name, dot, rows, side)
        box = _text_box(note)
        if inside.count_contains(box.corners()) == 4 and not any(box.overlaps(other) for other in taken):
            return box
        note.remove()
    return _text_box(_note(ax, name, dot, 0, "left"))  # no place is free: over whatever stands there


def _note(ax: Axes, name: str, dot: tuple[float, float], rows: int, side: str) -> Annotation:
    """Write a name some rows above a dot, and beside it; a line leads to the dot where it is not the same row."""
    look: dict[str, Any] = {"ha": side, "va": "center", "size": common.text_size(8)}
    if rows:
        look["arrowprops"] = {"arrowstyle": "-", "color": palette.GREY, "lw": 0.6, "shrinkA": 0, "shrinkB": 3}
    away = 7 if side == "left" else -7  # a text that begins at its left end stands right of its dot
    note = ax.annotate(name, dot, (away, 10 * rows), textcoords="offset points", **look)
    note.set_in_layout(False)  # or the axes would move once more
    return note


def _text_box(note: Annotation) -> Bbox:
    note.get_window_extent()  # puts it in its place
    return Text.get_window_extent(note)  # without its line


def _means(table: pd.DataFrame) -> pd.DataFrame:
    common.require_columns(table, "draw", "way", "effect", *_MEASURES)
    return table.groupby("way", sort=False)[["effect", *_MEASURES]].mean()
