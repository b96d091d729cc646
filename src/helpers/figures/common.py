"""The house style: one font scale, one way to show draws, and two layouts, for a wide page and for a phone.

A figure shows every independent draw as a dot, their mean, and the 95 % t-interval of the mean, as the
paper does. Functions return a figure that pyplot has let go of, so a notebook shows it exactly once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from helpers.figures.palette import FAINT, GREY, GRID, INK, PAPER, PLUM, TEAL
from helpers.results.stats import t_interval
from helpers.work.errors import CurableError

EFFECT_LABEL = "Effect against the control student (nats)"
SHORT_EFFECT_LABEL = "Effect, against the\ncontrol student (nats)"  # for an upright axis

_RULES = {
    "font.family": "DejaVu Sans",
    "figure.dpi": 144,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "axes.titleweight": "bold",
    "axes.axisbelow": True,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Layout:
    """How a figure is laid out: its width (inches), and whether panels and labels stand below each other."""

    name: str
    width: float
    narrow: bool = False


WIDE = Layout("wide", 7.2)
NARROW = Layout("narrow", 4.1, narrow=True)  # on a phone a point of it is a little more than a pixel
_SMALLEST = 8.0  # points of a text in a narrow figure: 9 pixels on a phone 390 wide
_SHORT_NAME = 12  # letters of a name that stands beside its bar on a phone too
_LETTERS_ABREAST = 18  # that half a narrow figure holds in one line
HALO = "halo"  # gid of texts that stand on lines, which keep away from them
_LABELLED_ROW = 0.5  # inches of a row below whose name its bar stands
_current: ContextVar[Layout] = ContextVar("layout", default=WIDE)


class FigureError(CurableError, ValueError):
    """A table cannot be drawn; the message names the missing column or value."""


@contextmanager
def laid_out(layout: Layout) -> Iterator[None]:
    """Draw the figures of the block in a layout."""
    before = _current.set(layout)
    try:
        yield
    finally:
        _current.reset(before)


def width() -> float:
    """Return the width of the figures that are drawn now (inches)."""
    return _current.get().width


def narrow() -> bool:
    """Return whether figures are drawn for a phone."""
    return _current.get().narrow


@contextmanager
def house_style() -> Iterator[None]:
    """Apply the book's style to figures made inside the block, and to nothing else."""
    with sns.axes_style("ticks"), sns.plotting_context("notebook", font_scale=0.85), mpl.rc_context(_RULES):
        yield


def text_size(points: float) -> float:
    """Return the size of a text that is `points` in a wide figure; on a phone none is smaller than 9 pixels."""
    return max(points, _SMALLEST) if narrow() else points


def new_figure(height: float, columns: int = 1, **options: object) -> tuple[Figure, list[Axes]]:
    """Return a figure of `height` (inches) and its axes; pyplot lets go of it.

    Axes stand in one row, in a narrow figure below each other, each as high.
    """
    shape, rows = ((columns, 1), columns) if narrow() else ((1, columns), 1)
    size = (width(), height * (0.85 * rows if rows > 1 else 1))
    figure, axes = plt.subplots(*shape, figsize=size, layout="constrained", **options)
    plt.close(figure)  # otherwise a notebook would show it twice
    return figure, list(np.ravel(axes))


def new_bars(rows: int, row_height: float, columns: int = 1, **options: object) -> tuple[Figure, list[Axes]]:
    """Return a figure for `rows` of horizontal bars, each `row_height` (inches), which `name_rows` names."""
    height = max(row_height, _LABELLED_ROW) if narrow() else row_height
    return new_figure(0.9 + height * max(1, rows), columns, **options)


def words_alone(words: str) -> Figure:
    """Return a low figure of book width that holds a sentence, where there is nothing to draw."""
    with house_style():
        figure, (ax,) = new_figure(0.6)
        ax.set_axis_off()
        ax.text(0.5, 0.5, words, ha="center", va="center")
    return figure


def require_columns(table: pd.DataFrame, *names: str) -> None:
    """Raise FigureError unless `table` has rows and all columns in `names`."""
    absent = [name for name in names if name not in table]
    if absent:
        raise FigureError(f"the table lacks {', '.join(absent)}; it has {', '.join(map(str, table.columns))}")
    if table.empty:
        raise FigureError("the table has no rows; run the notebook that fills it")


def grid_of_axes(rows: int, columns: int, panel_height: float, **options: object) -> tuple[Figure, np.ndarray]:
    """Return a figure and its axes [row, column], each row `panel_height` (inches) high."""
    size = (width(), panel_height * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False, **options)
    plt.close(figure)
    return figure, axes


def draw_runs(ax: Axes, position: float, values: Sequence[float], colour: str, horizontal: bool = True) -> None:
    """Draw the values of draws as dots on a pale bar from 0 to their mean, with its 95 % t-interval beside them.

    `position` is the bar's place on the category axis; bars are 0.62 wide. One draw has no interval.
    """
    draws = np.asarray(values, dtype=float)
    bar = ax.barh if horizontal else ax.bar
    bar(position, draws.mean(), 0.62, color=colour, alpha=0.28, linewidth=0, zorder=1)
    offsets = np.linspace(-0.13, 0.13, draws.size) if draws.size > 1 else np.zeros(1)
    spread = position - 0.1 + offsets
    x, y = (draws, spread) if horizontal else (spread, draws)
    ax.scatter(x, y, s=20, color=colour, edgecolor=PAPER, linewidth=0.6, zorder=4)
    if draws.size > 1:
        _draw_interval(ax, position + 0.17, draws, horizontal)


def _draw_interval(ax: Axes, place: float, draws: np.ndarray, horizontal: bool) -> None:
    """Draw mean and t-interval of `draws` at `place` on the category axis."""
    interval = t_interval(draws)
    half = interval.high - interval.mean
    look = {"fmt": "o", "color": INK, "markersize": 3.5, "elinewidth": 1.3, "capsize": 2.5, "zorder": 3}
    if horizontal:
        ax.errorbar(interval.mean, place, xerr=half, **look)
    else:
        ax.errorbar(place, interval.mean, yerr=half, **look)


def draw_line(ax: Axes, x: Sequence[float], draws: pd.DataFrame, colour: str, label: str, dashed: bool = False) -> None:
    """Draw the mean over draws along `x` with its 95 % t-interval as a band; `draws` has one row per draw.

    Draws are faint dots. Fewer than two of them at a place leave the band out there.
    """
    means, lows, highs, found = [], [], [], []
    for place in x:
        values = draws[place].dropna().to_numpy()
        found.append(values)
        means.append(values.mean())
        band = t_interval(values) if values.size > 1 else None
        lows.append(band.low if band else np.nan)
        highs.append(band.high if band else np.nan)
    # all dots at once: matplotlib takes milliseconds for each call
    places = np.repeat(np.asarray(x), [values.size for values in found])
    ax.scatter(places, np.concatenate(found), s=9, color=colour, alpha=0.45, linewidth=0, zorder=2)
    ax.fill_between(x, lows, highs, color=colour, alpha=0.15, linewidth=0, zorder=1)
    style = {"linestyle": "--" if dashed else "-", "marker": "s" if dashed else "o"}
    ax.plot(x, means, color=colour, label=label, linewidth=1.8, markersize=4.5, zorder=3, **style)


def outlined_map(ax: Axes, values: pd.DataFrame, words: pd.DataFrame, **text: object) -> None:
    """Draw mean effects (nats) as a map of coloured cells, outlined where row and column have one name.

    Args:
        ax: the axes; gets no labels.
        values: the effects, rows and columns in the order of the map; a missing one stays blank.
        words: what the cells say, in the same layout.
        text: how they say it, such as ``size`` (points).
    """
    limit = values.abs().max(axis=None) or 1.0  # symmetric, so that an empty cell is no effect
    for row, name in enumerate(values.index):
        for column, other in enumerate(values.columns):
            _cell(ax, (column, row), values.loc[name, other] / limit, words.loc[name, other], text)
        if name in values.columns:
            corner = (values.columns.get_loc(name), row)
            ax.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=INK, linewidth=1.6, clip_on=False))
    ax.set(xlim=(0, values.shape[1]), ylim=(values.shape[0], 0))
    ax.set_xticks(np.arange(values.shape[1]) + 0.5, values.columns)
    ax.set_yticks(np.arange(values.shape[0]) + 0.5, values.index)
    ax.tick_params(length=0, rotation=0)
    sns.despine(ax=ax, left=True, bottom=True)
    _sign_key(ax)


def _cell(ax: Axes, corner: tuple[int, int], strength: float, words: str, text: Mapping[str, object]) -> None:
    """Draw one cell of a map, as strong in colour as its effect is; `strength` is -1 to 1, NaN for none."""
    if np.isnan(strength):
        return
    # half-transparent, so that the page's own text can be read on it, whether that is dark or light
    look = {"facecolor": PLUM if strength > 0 else TEAL, "alpha": 0.5 * abs(strength), "linewidth": 0}
    place = corner[0] + 0.02, corner[1] + 0.02
    ax.add_patch(Rectangle(place, 0.96, 0.96, **look))
    ax.text(corner[0] + 0.5, corner[1] + 0.5, words, ha="center", va="center", **text)


def _sign_key(ax: Axes) -> None:
    """Say what the two colours of a map mean, below it."""
    keys = [Patch(color=PLUM, alpha=0.5, label="more than the control"), Patch(color=TEAL, alpha=0.5, label="less")]
    ax.figure.legend(handles=keys, loc="outside lower right", ncols=2, fontsize="small")


def name_rows(ax: Axes, names: Sequence[str], **text: object) -> None:
    """Name the rows of horizontal bars or dots, the first on top, and draw a faint grid behind them.

    In a narrow figure a name of several words stands above its bar, so that bars have the whole width.
    """
    ax.set_yticks(range(len(names)), names, **text)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
    sns.despine(ax=ax, left=True)
    if narrow() and max(map(len, names)) > _SHORT_NAME:
        _names_above(ax, names)


def _names_above(ax: Axes, names: Sequence[str]) -> None:
    ax.set_yticks(range(len(names)), [""] * len(names))
    ax.set_ylim(len(names) - 0.5, -1)
    for place, name in enumerate(names):
        words = " ".join(name.split("\n"))
        look = {"size": text_size(8.5), "va": "bottom", "zorder": 5, "gid": HALO}
        ax.text(0, place - 0.36, words, transform=ax.get_yaxis_transform(), **look)


def name_columns(ax: Axes, names: Sequence[str], **text: object) -> None:
    """Name places along the x axis, from 0 on; in a narrow figure names that would collide are written aslant."""
    words = list(names)
    longest = max(len(line) for name in words for line in name.split("\n"))
    if narrow() and longest * len(words) > _LETTERS_ABREAST:
        words = [" ".join(name.split("\n")) for name in words]
        text |= {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(range(len(words)), words, **text)
    ax.tick_params(axis="x", length=0)


def note_means(ax: Axes, means: Sequence[float]) -> None:
    """Write each row's mean (nats) beside it, at the right edge of the axes, under the word "mean"."""
    across = ax.get_yaxis_transform()
    ax.text(1.02, -0.62, "mean", transform=across, color=GREY, size="small")
    for place, mean in enumerate(means):
        ax.text(1.02, place, signed(mean), transform=across, va="center", size="small")


def zero_line(ax: Axes, horizontal_bars: bool = True) -> None:
    """Mark zero, "as the control", across the axes."""
    line = ax.axvline if horizontal_bars else ax.axhline
    line(0, color=INK, linewidth=0.9, zorder=2)


def signed(value: float, digits: int = 2) -> str:
    """Return a number with its sign and `digits` decimals, with a true minus sign; empty for NaN."""
    return "" if np.isnan(value) else f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
