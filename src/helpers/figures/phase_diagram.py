"""Figures of the phase diagram, from tables/phase_diagram.csv."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from helpers.figures import common, palette, words
from helpers.figures.picture import pictured
from helpers.results.stats import t_interval

TRAINED = {"adapters": palette.BLUE, "all weights": palette.INDIGO}
OPTIMIZERS = {"adam": ("Adam", "o"), "sgd": ("SGD", "s"), "sign": ("Sign of the gradient", "^")}
_COLUMNS, _COLUMNS_ON_A_PHONE = 3, 2


@dataclass(frozen=True)
class _Panel:
    """One axis of the diagram: its title, what lies along it, and how a place there is called."""

    title: str
    by: tuple[str, ...]
    name: Callable[..., str]


def _rows_and_passes(rows: int, epochs: int) -> str:
    return f"{rows:,}\n×{epochs}"


def _passes_and_rows(epochs: int, rows: int) -> str:
    return _rows_and_passes(rows, epochs)


def _plain(value: float) -> str:
    return f"{value:g}"


def _rank(rank: int) -> str:
    return f"{rank}" if rank else "all\nweights"


def _held(held: bool) -> str:
    return "all but\nembeddings" if held else "all\nweights"


def _labels(labels: str, trained: str) -> str:
    return f"{_WORDS[labels]},\n{_SHORT[trained]}"


def _passes(epochs: int) -> str:
    return f"×{epochs}"


def _taught(full_teacher: bool, trained: str) -> str:
    return f"{'all' if full_teacher else 'LoRA'}\n→ {_SHORT[trained]}"


_SHORT = {"adapters": "LoRA", "all weights": "all"}
_WORDS = {"hard": "written", "soft": "soft"}
_PANELS = {
    "rows": _Panel("Rows (written)", ("rows", "epochs"), _rows_and_passes),
    "epochs": _Panel("More passes (written)", ("epochs", "rows"), _passes_and_rows),
    "temperature": _Panel("Temperature (written)", ("temperature",), _plain),
    "rank": _Panel("Adapters' rank (soft)", ("rank",), _rank),
    "embeddings": _Panel("Embeddings held (soft)", ("held",), _held),
    "labels": _Panel("Labels, weights", ("labels", "trained"), _labels),
    "decay": _Panel("Weight decay (soft)", ("weight_decay",), _plain),
    "sgd": _Panel("Passes of SGD (soft)", ("epochs",), _passes),
    "teacher": _Panel("Teacher → student (soft)", ("full_teacher", "trained"), _taught),
}


def _said_of_panels(diagram: pd.DataFrame) -> str:
    common.require_columns(diagram, "draw", "axis", "last", "effect", "trained")
    final, told = diagram[diagram["last"]], {}
    for axis in [axis for axis in _PANELS if (diagram.axis == axis).any()]:
        panel = _PANELS[axis]
        means = {}
        for values, part in final[final.axis == axis].groupby(list(panel.by), sort=False):
            means[" ".join(panel.name(*values).split())] = part.effect.mean()
        told[panel.title] = ", ".join(f"{name}: {common.signed(mean)}" for name, mean in means.items())
    return f"Mean effect in nats. {words.in_order(told)}"


@pictured(_said_of_panels)
def axis_panels(diagram: pd.DataFrame) -> Figure:
    """Draw the effect along the axes of the table of `run_diagram` that have a panel: draws, means, 95 % t-intervals.

    Blue is a student with adapters, indigo one with all weights trained.
    """
    common.require_columns(diagram, "draw", "axis", "last", "effect", "trained")
    shown = [axis for axis in _PANELS if (diagram.axis == axis).any()]
    final = diagram[diagram["last"]]
    with common.house_style():
        columns = _COLUMNS_ON_A_PHONE if common.narrow() else _COLUMNS
        figure, axes = common.grid_of_axes(-(-len(shown) // columns), columns, 2.5, sharey=True)
        for ax, axis in zip(axes.flat, shown, strict=False):
            _axis_panel(ax, final[final.axis == axis], _PANELS[axis])
        for ax in axes.flat[len(shown) :]:
            ax.set_axis_off()
        for ax in axes[:, 0]:
            ax.set_ylabel(common.SHORT_EFFECT_LABEL)
    return figure


def _axis_panel(ax: Axes, rows: pd.DataFrame, panel: _Panel) -> None:
    labels = []
    for place, (values, part) in enumerate(rows.groupby(list(panel.by), sort=False)):
        common.draw_runs(ax, place, part.effect, TRAINED[part.trained.iloc[0]], horizontal=False)
        labels.append(panel.name(*values))
    common.zero_line(ax, horizontal_bars=False)
    ax.set_title(panel.title, fontsize="small")
    common.name_columns(ax, labels, fontsize=common.text_size(7.1))
    ax.set_xlim(-0.6, len(labels) - 0.4)
    ax.grid(axis="y")
    sns.despine(ax=ax, bottom=True)


def _said_of_grid(diagram: pd.DataFrame, axis: str = "grid") -> str:
    common.require_columns(diagram, "draw", "axis", "last", "effect", "trained", "optimizer", "rate", "left", "moved")
    final, told = diagram[(diagram.axis == axis) & diagram["last"]], {}
    for (trained, optimizer), rows in final.groupby(["trained", "optimizer"], sort=False):
        means = rows.groupby("rate").effect.mean()
        told[f"{trained.capitalize()}, {OPTIMIZERS[optimizer][0]}"] = (
            f"{common.signed(means.min())} to {common.signed(means.max())}"
        )
    return f"Least and largest mean effect over learning rates, in nats: {words.in_order(told)}"


@pictured(_said_of_grid)
def matched_grid(diagram: pd.DataFrame, axis: str = "grid") -> Figure:
    """Draw a grid's effect against how much of the teacher's distribution was learned, and how far students moved.

    A point is the mean over draws of one cell, with its 95 % t-interval; lines join the learning rates of one kind of
    student. Colour says which weights were trained, the marker which optimizer.
    """
    common.require_columns(diagram, "draw", "axis", "last", "effect", "trained", "optimizer", "rate", "left", "moved")
    final = diagram[(diagram.axis == axis) & diagram["last"]]
    grid = final.assign(learned=1 - final.left)
    with common.house_style():
        figure, axes = common.new_figure(3.7, 2, sharey=True)
        for ax, x in zip(axes, ("learned", "moved"), strict=True):
            for (trained, optimizer), rows in grid.groupby(["trained", "optimizer"], sort=False):
                _grid_line(ax, rows, x, TRAINED[trained], OPTIMIZERS[optimizer][1])
            common.zero_line(ax, horizontal_bars=False)
            ax.grid(axis="y")
            sns.despine(ax=ax)
        axes[0].set(ylabel=common.SHORT_EFFECT_LABEL, xlabel="Share of the teacher's distribution learned")
        axes[0].xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes[1].set(xlabel="Moved from the base (nats per token)", ylabel=_upright())
        figure.legend(
            handles=_grid_keys(grid), loc="outside lower center", ncols=2 if common.narrow() else 5, fontsize="small"
        )
    return figure


def _upright() -> str:
    """Return the label of an upright axis that another to its left has too, unless it stands below that."""
    return common.SHORT_EFFECT_LABEL if common.narrow() else ""


def _grid_line(ax: Axes, rows: pd.DataFrame, x: str, colour: str, marker: str) -> None:
    means = rows.groupby("rate")[[x, "effect"]].mean()
    ax.plot(means[x], means.effect, color=colour, linewidth=1, alpha=0.6, zorder=2)
    ax.scatter(rows[x], rows.effect, s=7, color=colour, marker=marker, alpha=0.35, linewidth=0, zorder=1)
    look = {"color": colour, "markersize": 5, "elinewidth": 1.1, "capsize": 2, "markeredgecolor": "white"}
    for rate, place in means[x].items():
        effects = rows[rows.rate == rate].effect
        half = t_interval(effects).high - effects.mean() if effects.size > 1 else 0.0
        ax.errorbar(place, effects.mean(), half, fmt=marker, zorder=3, **look)


def _grid_keys(grid: pd.DataFrame) -> list[Line2D]:
    """Return the entries of the legend: a coloured line for what was trained, a black marker for each optimizer."""
    keys = []
    for name, colour in TRAINED.items():
        if (grid.trained == name).any():
            keys.append(Line2D([], [], color=colour, linewidth=3, label=name))
    for name in grid.optimizer.unique():
        words, marker = OPTIMIZERS[name]
        keys.append(Line2D([], [], color=palette.INK, linestyle="", marker=marker, label=words))
    return keys
