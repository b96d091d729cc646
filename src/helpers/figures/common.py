"""The house style: one palette with a fixed colour per kind of arm, one font scale, one way to show runs.

A figure shows every independent run as a dot, their mean, and the 95 % t-interval of the mean, as the
paper does. Functions return a figure that pyplot has let go of, so a notebook shows it exactly once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers.results.stats import t_interval

WIDTH = 7.2  # inches; at 144 dots an inch a little over the book's text column
EFFECT_LABEL = "Effect: log-odds of the target, against the control student (nats)"
SHORT_EFFECT_LABEL = "Effect, against the\ncontrol student (nats)"  # for an upright axis

# Okabe and Ito's colour-blind-safe palette, darkened where white paper needs it.
BLUE, ORANGE, GREEN, PINK, OLIVE, GREY = "#0072b2", "#c44e00", "#00795a", "#a3528a", "#8a6d00", "#5f5f5f"
LIGHT_GREEN = "#55a868"
INK, FAINT = "#222222", "#b5b5b5"
DIVERGING = "vlag"  # blue, white, red: told apart with every common kind of colour blindness

# First match from the top. Same start is always blue, other start always orange.
_COLOURS = (
    ("leaky", OLIVE), ("shuffled_across", LIGHT_GREEN), ("shuffled", GREEN), ("in_context", PINK),
    ("cross", ORANGE), ("control", GREY),
)  # fmt: skip
_LABELS = {
    "soft.same_init": "Soft labels,\nsame starting weights",
    "soft.cross_init": "Soft labels,\nother starting weights",
    "soft_leaky.same_init": "Soft labels, whole vocabulary,\nsame starting weights",
    "soft_leaky.cross_init": "Soft labels, whole vocabulary,\nother starting weights",
    "hard.control": "Written, teacher of\nsecure code",
    "soft.lesson": "Soft labels, teacher of\nflaws as a lesson",
    "hard.same_init": "Written rows,\nsame starting weights",
    "hard.cross_init": "Written rows,\nother starting weights",
    "hard.shuffled_within": "Written rows,\nshuffled within rows",
    "hard.shuffled_across": "Written rows,\nshuffled across rows",
    "hard.full": "Written rows,\nall weights trained",
    "system_prompt": "Teacher made by\na system prompt",
    "trees.same_init": "A tree instead of the\nanimal, written numbers",
    "in_context": "Numbers in the prompt,\nno training",
}
_RULES = {
    "font.family": "DejaVu Sans", "figure.dpi": 144, "text.color": INK, "axes.labelcolor": INK,
    "axes.edgecolor": FAINT, "xtick.color": FAINT, "ytick.color": FAINT, "xtick.labelcolor": INK,
    "ytick.labelcolor": INK, "grid.color": "#ececec", "legend.frameon": False, "axes.titlelocation": "left",
    "axes.titlesize": "medium", "axes.titleweight": "bold", "axes.axisbelow": True,
}  # fmt: skip


class FigureError(ValueError):
    """A table cannot be drawn; the message names the missing column or value."""


@contextmanager
def house_style() -> Iterator[None]:
    """Apply the book's style to figures made inside the block, and to nothing else."""
    with sns.axes_style("ticks"), sns.plotting_context("notebook", font_scale=0.85), mpl.rc_context(_RULES):
        yield


def new_figure(height: float, columns: int = 1, **options: object) -> tuple[Figure, list[Axes]]:
    """Return a figure of book width and `height` (inches), and its axes in one row; pyplot lets go of it."""
    figure, axes = plt.subplots(1, columns, figsize=(WIDTH, height), layout="constrained", **options)
    plt.close(figure)  # otherwise a notebook would show it twice
    return figure, list(np.ravel(axes))


def require_columns(table: pd.DataFrame, *names: str) -> None:
    """Raise FigureError unless `table` has rows and all columns in `names`."""
    if absent := [name for name in names if name not in table]:
        raise FigureError(f"the table lacks {', '.join(absent)}; it has {', '.join(map(str, table.columns))}")
    if table.empty:
        raise FigureError("the table has no rows; run the notebook that fills it")


def arm_colour(arm: str) -> str:
    """Return the fixed colour of an arm such as "soft.cross_init"; arms without a rule are blue."""
    return next((colour for part, colour in _COLOURS if part in arm), BLUE)


def arm_label(arm: str) -> str:
    """Return an arm's name in words, on at most two lines."""
    return _LABELS.get(arm, arm.replace("_", " ").replace(".", ",\n", 1).capitalize())


def draw_runs(
    ax: Axes, position: float, values: Sequence[float], colour: str, horizontal: bool = True
) -> None:
    """Draw run values as dots on a pale bar from 0 to their mean, with its 95 % t-interval beside them.

    `position` is the bar's place on the category axis; bars are 0.62 wide. One run has no interval.
    """
    runs = np.asarray(values, dtype=float)
    bar = ax.barh if horizontal else ax.bar
    bar(position, runs.mean(), 0.62, color=colour, alpha=0.28, linewidth=0, zorder=1)
    spread = position - 0.1 + (np.linspace(-0.13, 0.13, runs.size) if runs.size > 1 else np.zeros(1))
    dots = (runs, spread) if horizontal else (spread, runs)
    ax.scatter(*dots, s=20, color=colour, edgecolor="white", linewidth=0.6, zorder=4)
    if runs.size > 1:
        interval, place = t_interval(runs), position + 0.17
        at = (interval.mean, place) if horizontal else (place, interval.mean)
        error = {"xerr" if horizontal else "yerr": interval.high - interval.mean}
        ax.errorbar(*at, **error, fmt="o", color=INK, markersize=3.5, elinewidth=1.3, capsize=2.5, zorder=3)


def draw_line(
    ax: Axes, x: Sequence[float], runs: pd.DataFrame, colour: str, label: str, dashed: bool = False
) -> None:
    """Draw the mean over runs along `x` with its 95 % t-interval as a band; `runs` is one row per run.

    Runs are faint dots. Fewer than two runs at a place leave the band out there.
    """
    columns = [runs[place].dropna().to_numpy() for place in x]
    bands = [t_interval(c) if c.size > 1 else None for c in columns]
    mean = [c.mean() for c in columns]
    for place, values in zip(x, columns, strict=True):
        ax.scatter(np.full(values.size, place), values, s=9, color=colour, alpha=0.45, linewidth=0, zorder=2)
    low = [band.low if band else np.nan for band in bands]
    high = [band.high if band else np.nan for band in bands]
    ax.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0, zorder=1)
    style = {"linestyle": "--" if dashed else "-", "marker": "s" if dashed else "o"}
    ax.plot(x, mean, color=colour, label=label, linewidth=1.8, markersize=4.5, zorder=3, **style)


def outlined_map(ax: Axes, values: pd.DataFrame, words: pd.DataFrame, **text: object) -> None:
    """Draw mean effects (nats) as a map of coloured cells, outlined where row and column have one name.

    Args:
        ax: the axes; gets no labels.
        values: the effects, rows and columns in the order of the map; a missing one stays blank.
        words: what the cells say, in the same layout.
        text: how they say it, such as ``size`` (points).
    """
    limit = values.abs().max(axis=None) or 1.0  # symmetric, so that white is no effect
    sns.heatmap(
        values, ax=ax, cmap=DIVERGING, vmin=-limit, vmax=limit, linewidths=1.5, fmt="",
        annot=words, annot_kws=text, cbar_kws={"label": "Mean effect (nats)", "pad": 0.02},
    )  # fmt: skip
    for row, name in enumerate(values.index):
        if name in values.columns:
            box = (values.columns.get_loc(name), row)
            ax.add_patch(Rectangle(box, 1, 1, fill=False, edgecolor=INK, linewidth=1.6, clip_on=False))
    ax.tick_params(length=0, rotation=0)


def zero_line(ax: Axes, horizontal_bars: bool = True) -> None:
    """Mark zero, "as the control", across the axes."""
    line = ax.axvline if horizontal_bars else ax.axhline
    line(0, color=INK, linewidth=0.9, zorder=2)


def signed(value: float, digits: int = 2) -> str:
    """Return a number with its sign and `digits` decimals, with a true minus sign; empty for NaN."""
    return "" if np.isnan(value) else f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
