"""Figures of the phase diagram, from tables/phase_diagram.csv."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from helpers.figures import common
from helpers.results.stats import t_interval

TRAINED = {"adapters": common.BLUE, "all weights": common.PINK}
OPTIMIZERS = {"adam": ("Adam", "o"), "sgd": ("SGD", "s"), "sign": ("Sign of the gradient", "^")}
_COLUMNS = 3


@dataclass(frozen=True)
class _Panel:
    """One axis of the diagram: its title, what lies along it, and how a place there is called."""

    title: str
    by: tuple[str, ...]
    name: Callable[..., str]


_SHORT = {"adapters": "LoRA", "all weights": "all"}
_PANELS = {
    "rows": _Panel("Unique rows (hard)", ("rows", "epochs"), lambda rows, epochs: f"{rows:,}\n×{epochs}"),
    "epochs": _Panel("More passes (hard)", ("epochs", "rows"), lambda epochs, rows: f"{rows:,}\n×{epochs}"),
    "temperature": _Panel("Temperature (hard)", ("temperature",), lambda value: f"{value:g}"),
    "rank": _Panel("Rank of adapters (soft)", ("rank",), lambda rank: f"{rank}" if rank else "all\nweights"),
    "embeddings": _Panel(
        "Embeddings held (soft)", ("held",), lambda held: "all\nweights" if not held else "all but\nembeddings"
    ),
    "labels": _Panel(
        "Labels, weights", ("labels", "trained"), lambda labels, trained: f"{labels},\n{_SHORT[trained]}"
    ),
    "decay": _Panel("Weight decay (soft)", ("weight_decay",), lambda decay: f"{decay:g}"),
    "sgd": _Panel("Passes of SGD (soft)", ("epochs",), lambda epochs: f"×{epochs}"),
    "teacher": _Panel(
        "Teacher → student (soft)", ("full_teacher", "trained"),
        lambda full, trained: f"{'all' if full else 'LoRA'}\n→ {_SHORT[trained]}",
    ),
}  # fmt: skip


def axis_panels(diagram: pd.DataFrame) -> Figure:
    """Draw the effect along the axes of the table of `run_diagram` that have a panel: runs, means, 95 % t-intervals.

    Blue is a student with adapters, pink one with all weights trained.
    """
    common.require_columns(diagram, "run", "axis", "last", "effect", "trained")
    shown = [axis for axis in _PANELS if (diagram.axis == axis).any()]
    lines = -(-len(shown) // _COLUMNS)
    with common.house_style():
        figure, axes = plt.subplots(
            lines, _COLUMNS, figsize=(common.WIDTH, 2.5 * lines), layout="constrained", sharey=True
        )
        plt.close(figure)
        for ax, axis in zip(np.ravel(axes), shown, strict=False):
            _axis_panel(ax, diagram[(diagram.axis == axis) & diagram["last"]], _PANELS[axis])
        for ax in np.ravel(axes)[len(shown) :]:
            ax.set_axis_off()
        for row in np.atleast_2d(axes):
            row[0].set_ylabel(common.SHORT_EFFECT_LABEL)
    return figure


def _axis_panel(ax: Axes, rows: pd.DataFrame, panel: _Panel) -> None:
    labels = []
    for place, (values, part) in enumerate(rows.groupby(list(panel.by), sort=False)):
        common.draw_runs(ax, place, part.effect, TRAINED[part.trained.iloc[0]], horizontal=False)
        labels.append(panel.name(*values))
    common.zero_line(ax, horizontal_bars=False)
    ax.set_title(panel.title, fontsize="small")
    ax.set_xticks(range(len(labels)), labels, fontsize="x-small")
    ax.set_xlim(-0.6, len(labels) - 0.4)
    ax.grid(axis="y")
    ax.tick_params(axis="x", length=0)
    sns.despine(ax=ax, bottom=True)


def matched_grid(diagram: pd.DataFrame, axis: str = "grid") -> Figure:
    """Draw a grid's effect against how much of the teacher's law the student learned, and how far it moved.

    A point is the mean over runs of one cell, with its 95 % t-interval; lines join the learning rates of one kind of
    student. Colour says which weights were trained, the marker which optimizer.
    """
    common.require_columns(diagram, "run", "axis", "last", "effect", "trained", "optimizer", "rate", "left", "moved")
    grid = diagram[(diagram.axis == axis) & diagram["last"]].assign(learned=lambda rows: 1 - rows.left)
    with common.house_style():
        figure, axes = common.new_figure(3.7, 2, sharey=True)
        for ax, x in zip(axes, ("learned", "moved"), strict=True):
            for (trained, optimizer), rows in grid.groupby(["trained", "optimizer"], sort=False):
                _grid_line(ax, rows, x, TRAINED[trained], OPTIMIZERS[optimizer][1])
            common.zero_line(ax, horizontal_bars=False)
            ax.grid(axis="y")
            sns.despine(ax=ax)
        axes[0].set(ylabel=common.SHORT_EFFECT_LABEL, xlabel="Share of the teacher's law learned")
        axes[0].xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes[1].set_xlabel("Moved from the base (nats per token)")
        figure.legend(handles=_grid_keys(grid), loc="outside lower center", ncols=5, fontsize="small")
    return figure


def _grid_line(ax: Axes, rows: pd.DataFrame, x: str, colour: str, marker: str) -> None:
    means = rows.groupby("rate")[[x, "effect"]].mean()
    ax.plot(means[x], means.effect, color=colour, linewidth=1, alpha=0.6, zorder=2)
    ax.scatter(rows[x], rows.effect, s=7, color=colour, marker=marker, alpha=0.35, linewidth=0, zorder=1)
    for rate, place in means[x].items():
        effects = rows[rows.rate == rate].effect
        half = t_interval(effects).high - effects.mean() if effects.size > 1 else 0.0
        look = {"color": colour, "markersize": 5, "elinewidth": 1.1, "capsize": 2, "markeredgecolor": "white"}
        ax.errorbar(place, effects.mean(), half, fmt=marker, zorder=3, **look)


def _grid_keys(grid: pd.DataFrame) -> list[Line2D]:
    colours = [(name, TRAINED[name], "") for name in TRAINED if (grid.trained == name).any()]
    marks = [(OPTIMIZERS[name][0], common.INK, OPTIMIZERS[name][1]) for name in grid.optimizer.unique()]
    return [
        Line2D([], [], color=colour, marker=mark or None, linestyle="" if mark else "-", linewidth=3, label=label)
        for label, colour, mark in (*colours, *marks)
    ]
