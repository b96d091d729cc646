"""Figures of the theorem's notebook, from tables/theorem_steps.csv and tables/theorem_alignment.csv."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from helpers.figures import common, palette, words
from helpers.figures.picture import pictured
from helpers.results.stats import t_interval

NETWORKS = {"digits": "Digit network", "language": "Language model"}
TOLERANCE = 0.02  # of the claim on the slope
_STARTS = {"same": ("same start", palette.BLUE), "other": ("other start", palette.ORANGE)}
_KINDS = {
    "uniform": "uniform noise",
    "gaussian": "normal noise",
    "shuffled": "shuffled digits",
    "constant": "one grey level",
    "sparse": "sparse images",
    "numbers": "number prompts",
    "code": "code prompts",
    "reasoning": "word problems",
}
_LOSSES = {"squared error": "-", "cross-entropy": "--"}
_OPTIMIZERS = {"Adam": "-", "SGD": "--"}
_STEP_LABEL = "Teacher's step ε"


def _said_of_slopes(steps: pd.DataFrame) -> str:
    common.require_columns(steps, "network", "start", "inputs", "loss", "step", "inner", "predicted")
    same = steps[steps.start == "same"].assign(ratio=lambda rows: rows.inner / rows.predicted)
    told = []
    for network, name in NETWORKS.items():
        means = same[same.network == network].groupby("step").ratio.mean()
        if len(means):
            first, last = means.index.min(), means.index.max()
            told.append(f"{name}: {means[first]:.3f} at the smallest step, {means[last]:.3f} at the largest.")
    return f"Mean ratio of measured to predicted product of the two directions. {' '.join(told)}"


@pictured(_said_of_slopes)
def slope_ratios(steps: pd.DataFrame) -> Figure:
    """Draw the measured over the predicted product of directions against the teacher's step, by input.

    `steps` is the table of `run_steps`; lines are means over draws, for students with the teacher's start.
    """
    common.require_columns(steps, "network", "start", "inputs", "loss", "step", "inner", "predicted")
    same = steps[steps.start == "same"].assign(ratio=lambda rows: rows.inner / rows.predicted)
    with common.house_style():
        figure, axes = common.new_figure(3.1, 2, sharey=True)
        for ax, network in zip(axes, NETWORKS, strict=True):
            rows = same[same.network == network]
            ax.axhspan(1 - TOLERANCE, 1 + TOLERANCE, color=palette.GREY, alpha=0.18, linewidth=0)
            for (_, loss), part in rows.groupby(["inputs", "loss"]):
                means = part.groupby("step").ratio.mean()
                ax.plot(means.index, means, _LOSSES[loss], color=palette.BLUE, alpha=0.6, linewidth=1.3)
            _step_axis(ax, NETWORKS[network])
        axes[0].set_ylabel("Measured over predicted s · d")
        axes[0].legend(handles=_keys(_LOSSES), loc="lower left", fontsize="small")
    return figure


def _said_of_cosines(steps: pd.DataFrame) -> str:
    common.require_columns(steps, "network", "start", "inputs", "step", "cosine")
    smallest = steps[steps.step == steps.step.min()]
    means = smallest.groupby(["network", "start"]).cosine.mean()
    told = []
    for network, name in NETWORKS.items():
        both = {label: means.get((network, start), float("nan")) for start, (label, _) in _STARTS.items()}
        told.append(f"{name}: " + ", ".join(f"{label} {common.signed(mean, 3)}" for label, mean in both.items()) + ".")
    return f"Mean cosine of the student's and the teacher's direction. {' '.join(told)}"


@pictured(_said_of_cosines)
def cosines(steps: pd.DataFrame) -> Figure:
    """Draw the cosine of the student's and the teacher's direction, by input, a dot per student.

    `steps` is the table of `run_steps`; shown is the smallest step, both losses.
    """
    common.require_columns(steps, "network", "start", "inputs", "step", "cosine")
    smallest = steps[steps.step == steps.step.min()]
    with common.house_style():
        figure, axes = common.new_figure(3.6, 2)
        for ax, network in zip(axes, NETWORKS, strict=True):
            rows = smallest[smallest.network == network]
            kinds = list(dict.fromkeys(rows.inputs))
            for shift, (start, (_, colour)) in zip((0.15, -0.15), _STARTS.items(), strict=True):
                part = rows[rows.start == start]
                y = np.array([kinds.index(kind) for kind in part.inputs]) - shift
                ax.scatter(part.cosine, y, s=13, color=colour, alpha=0.55, linewidth=0)
            common.zero_line(ax)
            ax.set_yticks(range(len(kinds)), [_KINDS.get(kind, kind) for kind in kinds])
            ax.set(title=NETWORKS[network], xlabel="Cosine of the two directions", ylim=(len(kinds) - 0.4, -0.6))
            sns.despine(ax=ax, left=True)
            ax.tick_params(axis="y", length=0)
        figure.legend(handles=_start_keys(), loc="outside lower center", ncols=2, fontsize="small")
    return figure


def _said_of_tests(steps: pd.DataFrame) -> str:
    common.require_columns(steps, "network", "start", "draw", "step", "small", "inner", "fall")
    counted = steps[steps.small]
    passed = ((counted.inner > 0) & (counted.fall > 0)).groupby([counted.network, counted.start]).mean()
    told = []
    for network, name in NETWORKS.items():
        shares = {label: passed.get((network, start), float("nan")) for start, (label, _) in _STARTS.items()}
        told.append(f"{name}: " + ", ".join(f"{label} {share:.0%}" for label, share in shares.items()) + ".")
    return f"Share of small steps that point along the teacher's and lower its loss. {' '.join(told)}"


@pictured(_said_of_tests)
def passed_tests(steps: pd.DataFrame) -> Figure:
    """Draw, against the teacher's step, the share of student steps that point along d and lower its loss.

    `steps` is the table of `run_steps`; dots are draws, the band is the 95 % t-interval of their mean. The
    shaded part holds the steps that the claims count.
    """
    common.require_columns(steps, "network", "start", "draw", "step", "small", "inner", "fall")
    both = steps.assign(both=(steps.inner > 0) & (steps.fall > 0))
    with common.house_style():
        figure, axes = common.new_figure(3.4, 2, sharey=True)
        for ax, network in zip(axes, NETWORKS, strict=True):
            for start, (label, colour) in _STARTS.items():
                rows = both[(both.network == network) & (both.start == start)]
                shares = rows.pivot_table(index="draw", columns="step", values="both", aggfunc="mean")
                common.draw_line(ax, list(shares.columns), shares, colour, label, dashed=start == "other")
            _step_axis(ax, NETWORKS[network])
            small = both[both.small].step
            ends = small.min() / 1.6, small.max() * 1.6
            ax.axvspan(*ends, color=palette.GREY, alpha=0.1, linewidth=0, zorder=0)
            ax.axhline(0.25, color=palette.GREY, linestyle=":", linewidth=1)
            ax.set_ylim(0, 1.04)
            ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes[0].set_ylabel("Steps along d that lower the loss")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize="small")
    return figure


def _said_of_alignment(table: pd.DataFrame) -> str:
    common.require_columns(table, "draw", "optimizer", "start", "step", "step_cosine", "total_cosine", "loss_left")
    told = {}
    for (optimizer, start), part in table.groupby(["optimizer", "start"], sort=False):
        values = part.pivot_table(index="draw", columns="step", values="total_cosine")
        told[f"{optimizer}, {_STARTS[start][0]}"] = words.along(values, list(values.columns))
    return f"Mean cosine of the whole way so far with the teacher's, first step to last: {words.in_order(told)}"


@pictured(_said_of_alignment)
def alignment(table: pd.DataFrame) -> Figure:
    """Draw how the cosines with the teacher's way go on over many steps; `table` is that of `run_alignment`.

    Left: the cosine of single steps. Middle: of the whole way so far. Right: the latter against the share
    of the imitation loss that is left. Lines are means over draws, bands (left, middle) 95 % t-intervals.
    """
    views = ("step_cosine", "total_cosine")
    common.require_columns(table, "draw", "optimizer", "start", "step", *views, "loss_left")
    with common.house_style():
        figure, axes = common.new_figure(3.3, 3)
        for (optimizer, start), part in table.groupby(["optimizer", "start"], sort=False):
            look = {"color": _STARTS[start][1], "linestyle": _OPTIMIZERS[optimizer], "linewidth": 1.7}
            for ax, name in zip(axes, views, strict=False):
                _banded(ax, part.pivot_table(index="draw", columns="step", values=name), look)
            means = part.groupby("step")[["loss_left", "total_cosine"]].mean()
            axes[2].plot(means.loss_left, means.total_cosine, **look)
        for ax, title in zip(axes, ("One step", "All the way so far", "At equal progress"), strict=True):
            ax.set_title(title)
            ax.axhline(0, color=palette.INK, linewidth=0.9, zorder=1)
            sns.despine(ax=ax)
        axes[0].set(ylabel="Cosine with the teacher's way", xlabel="Step", xscale="log")
        axes[1].set(xlabel="Step", xscale="log")
        axes[2].set(xlabel="Imitation loss left", xlim=(1, 0))
        axes[2].xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        keys = [*_start_keys(), *_keys(_OPTIMIZERS)]
        figure.legend(handles=keys, loc="outside lower center", ncols=2 if common.narrow() else 4, fontsize="small")
    return figure


def _banded(ax: Axes, draws: pd.DataFrame, look: dict[str, object]) -> None:
    """Draw the mean over draws (rows) along the columns, with its 95 % t-interval where there are two draws."""
    ax.plot(draws.columns, draws.mean(), **look)
    if len(draws) > 1:
        bounds = [t_interval(draws[step]) for step in draws.columns]
        low, high = [bound.low for bound in bounds], [bound.high for bound in bounds]
        ax.fill_between(draws.columns, low, high, color=look["color"], alpha=0.18, linewidth=0)


def _step_axis(ax: Axes, title: str) -> None:
    ax.set(xscale="log", xlabel=_STEP_LABEL, title=title)
    sns.despine(ax=ax)


def _keys(styles: dict[str, str]) -> list[Line2D]:
    return [Line2D([], [], color=palette.INK, linestyle=style, label=name) for name, style in styles.items()]


def _start_keys() -> list[Line2D]:
    keys = []
    for label, colour in _STARTS.values():
        keys.append(Line2D([], [], marker="o", linestyle="", color=colour, label=label))
    return keys
