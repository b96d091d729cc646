"""Figures of the MNIST experiment, from tables/mnist.csv, mnist_sweeps.csv and mnist_cloning.csv."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from helpers.figures import common, palette, words
from helpers.figures.picture import pictured
from helpers.results.stats import t_interval

CHANCE = 0.1  # ten classes
_ARMS = {
    "reference": ("Untrained\nnetwork", palette.GREY),
    "teacher": ("Teacher", palette.VIOLET),
    "aux_only": ("Student,\nauxiliary\noutputs", palette.BLUE),
    "all_logits": ("Student,\nall outputs", palette.BLUE),
    "cross_aux": ("Other start,\nauxiliary\noutputs", palette.ORANGE),
    "cross_all": ("Other start,\nall outputs", palette.ORANGE),
}
_SWEEPS = {
    "aux_logits": "Auxiliary outputs",
    "inputs": "Images seen",
    "overlap": "Likeness of starts",
    "learning_rate": "Student's step size",
    "width": "Units per hidden layer",
}
_CLONED = {
    "uniform": ("cloned on random images", palette.ORANGE),
    "digits": ("cloned on digits", palette.BROWN),
}
_GREYS = mpl.colormaps["gray"].resampled(16)
_KINDS = {
    "uniform": "uniform\nnoise",
    "gaussian": "normal\nnoise",
    "shuffled": "shuffled\ndigits",
    "digits": "digits",
}


def _said_of_bars(mnist: pd.DataFrame) -> str:
    common.require_columns(mnist, "arm", "draw", "accuracy")
    _require_known("arm", mnist.arm, _ARMS)
    means = mnist.groupby("arm").accuracy.mean()
    told = {" ".join(_ARMS[arm][0].split()): f"{means[arm]:.0%}" for arm in _ARMS if arm in means}
    return f"Test digits read correctly, mean over {mnist.draw.nunique()} draws: {words.in_order(told)} Chance is 10%."


@pictured(_said_of_bars)
def six_bars(mnist: pd.DataFrame) -> Figure:
    """Draw test accuracy per arm: a dot per draw, the mean, its 95 % t-interval, and chance.

    `mnist` has columns arm, draw, accuracy (a share of the test digits). Raises FigureError for another arm.
    """
    common.require_columns(mnist, "arm", "draw", "accuracy")
    _require_known("arm", mnist.arm, _ARMS)
    arms = [arm for arm in _ARMS if arm in set(mnist.arm)]
    with common.house_style():
        figure, (ax,) = common.new_figure(3.9)
        for place, arm in enumerate(arms):
            label, colour = _ARMS[arm]
            values = mnist[mnist.arm == arm].accuracy.to_numpy()
            common.draw_runs(ax, place, values, colour, horizontal=False)
            ax.text(place, 1.03, f"{values.mean():.0%}", ha="center", color=colour, weight="bold")
        common.name_columns(ax, [_ARMS[arm][0] for arm in arms], linespacing=1.15)
        _accuracy_axis(ax, len(arms) - 0.45)
        ax.set_ylabel("Test digits read correctly")
    return figure


def _said_of_sweeps(mnist_sweeps: pd.DataFrame) -> str:
    common.require_columns(mnist_sweeps, "sweep", "setting", "arm", "draw", "accuracy")
    _require_known("sweep", mnist_sweeps.sweep, _SWEEPS)
    told = {}
    same = mnist_sweeps[mnist_sweeps.arm == "aux_only"]
    for name in [name for name in _SWEEPS if name in set(same.sweep)]:
        means = same[same.sweep == name].groupby(same.setting.astype(str)).accuracy.mean()
        low, high = means.idxmin(), means.idxmax()
        told[_SWEEPS[name]] = f"from {means[low]:.0%} at {_setting(low)} to {means[high]:.0%} at {_setting(high)}"
    return f"Test digits that students of the same start read correctly, least to most: {words.in_order(told)}"


@pictured(_said_of_sweeps)
def sweeps(mnist_sweeps: pd.DataFrame) -> Figure:
    """Draw test accuracy against each swept setting, one panel per sweep, a dot per draw and their mean.

    `mnist_sweeps` has columns sweep, setting, arm, draw, accuracy; error bars are 95 % t-intervals. Blue is
    the student of the auxiliary outputs, orange the same from another start. Raises FigureError for another
    sweep.
    """
    common.require_columns(mnist_sweeps, "sweep", "setting", "arm", "draw", "accuracy")
    _require_known("sweep", mnist_sweeps.sweep, _SWEEPS)
    names = [name for name in _SWEEPS if name in set(mnist_sweeps.sweep)]
    columns = 2 if common.narrow() else 3
    with common.house_style():
        figure, axes = common.grid_of_axes(-(-len(names) // columns), columns, 2.6, sharey=True)
        for ax, name in zip(axes.flat, names, strict=False):
            _sweep_panel(ax, mnist_sweeps[mnist_sweeps.sweep == name], name)
        for ax in axes.flat[len(names) :]:
            ax.set_axis_off()
        _arm_key(axes.flat[len(names)] if len(names) < axes.size else axes.flat[0])
        figure.supylabel("Test digits read correctly", fontsize="medium")
    return figure


def _said_of_cloning(mnist_cloning: pd.DataFrame) -> str:
    common.require_columns(mnist_cloning, "aux_logits", "start", "epochs", "draw", "accuracy")
    _require_known("start", mnist_cloning.start, ["same", "other", *_CLONED])
    told = []
    for width, rows in mnist_cloning.groupby("aux_logits"):
        levels = {"same start": rows[rows.start == "same"], "another start": rows[rows.start == "other"]}
        most = rows.epochs.max()
        levels |= {_CLONED[kind][0]: rows[(rows.start == kind) & (rows.epochs == most)] for kind in _CLONED}
        means = {name: f"{part.accuracy.mean():.0%}" for name, part in levels.items() if len(part)}
        told.append(f"{width} auxiliary outputs: {words.in_order(means)}")
    return f"Test digits read correctly, mean over draws. {' '.join(told)}"


@pictured(_said_of_cloning)
def cloning(mnist_cloning: pd.DataFrame) -> Figure:
    """Draw test accuracy against passes of cloning, one panel per number of auxiliary outputs.

    `mnist_cloning` has columns aux_logits, start, epochs, draw, accuracy. Lines begin with the strangers that
    were not cloned; bands are 95 % t-intervals; the dashed blue line is the mean of students with their
    teacher's start. Raises FigureError for other images of cloning.
    """
    common.require_columns(mnist_cloning, "aux_logits", "start", "epochs", "draw", "accuracy")
    _require_known("start", mnist_cloning.start, ["same", "other", *_CLONED])
    with common.house_style():
        widths = sorted(mnist_cloning.aux_logits.unique())
        figure, axes = common.new_figure(3.5, len(widths), sharey=True)
        for ax, width in zip(axes, widths, strict=True):
            _cloning_panel(ax, mnist_cloning[mnist_cloning.aux_logits == width])
            ax.set_title(f"{width} auxiliary outputs")
        axes[0].set_ylabel("Test digits read correctly")
        columns = 1 if common.narrow() else 2
        figure.legend(
            *axes[-1].get_legend_handles_labels(), loc="outside lower center", ncols=columns, fontsize="small"
        )
    return figure


def _said_of_samples(samples: Mapping[str, np.ndarray]) -> str:
    kinds = ", ".join(" ".join(_KINDS.get(kind, kind).split()) for kind in samples)
    return f"Small grey images, a row for each kind: {kinds}."


@pictured(_said_of_samples)
def input_samples(samples: Mapping[str, np.ndarray]) -> Figure:
    """Draw sample images, a row per kind; `samples` maps a kind to float [image, 28, 28], about -1 to 1."""
    shown = len(next(iter(samples.values())))
    with common.house_style():
        figure, axes = common.grid_of_axes(len(samples), shown, 1.02 * common.width() / (shown + 1))
        for row, (kind, images) in zip(axes, samples.items(), strict=True):
            for ax, image in zip(row, images, strict=True):
                # pixels as they are, to be scaled by the page: those of noise would be most of what the page weighs
                ax.imshow(image, cmap=_GREYS, vmin=-1, vmax=1, interpolation="none")
                ax.set(xticks=[], yticks=[])
            row[0].set_ylabel(_KINDS.get(kind, kind), rotation=0, ha="right", va="center")
    return figure


def _sweep_panel(ax: Axes, rows: pd.DataFrame, name: str) -> None:
    settings = _ordered(rows.setting.astype(str).unique())
    places = {setting: place for place, setting in enumerate(settings)}
    for shift, (arm, students) in enumerate(rows.groupby("arm")):
        colour = _ARMS[str(arm)][1]
        found = dict(list(students.groupby(students.setting.astype(str)).accuracy))
        there = [setting for setting in settings if setting in found]
        at = [places[setting] + 0.14 * shift for setting in there]
        if name != "inputs":  # kinds of image have no order that a line could follow
            means = [found[setting].mean() for setting in there]
            ax.plot(at, means, color=colour, alpha=0.5, linewidth=1.5)
        for x, setting in zip(at, there, strict=True):
            _draw_dots(ax, x, found[setting].to_numpy(), colour)
    labels = [_KINDS.get(setting) or _short(setting) for setting in settings]
    common.name_columns(ax, labels, fontsize="small")
    ax.set_title(_SWEEPS[name], fontsize="small" if common.narrow() else None)
    _accuracy_axis(ax, len(settings) - 0.5)


def _cloning_panel(ax: Axes, rows: pd.DataFrame) -> None:
    for kind, (label, colour) in _CLONED.items():
        line = rows[(rows.start == kind) | ((rows.start == "other") & (rows.epochs == 0))]
        draws = line.pivot(index="draw", columns="epochs", values="accuracy")
        common.draw_line(ax, list(draws.columns), draws, colour, label)
    same = rows[rows.start == "same"].accuracy.mean()
    ax.axhline(same, color=palette.BLUE, linestyle="--", linewidth=1.5, label="teacher's own start")
    _accuracy_axis(ax, rows.epochs.max() + 0.2)
    ax.plot([], [], color=palette.GREY, linestyle=":", label="chance")
    ax.set(xlim=(-0.2, rows.epochs.max() + 0.2), xlabel="Passes of cloning")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_dots(ax: Axes, x: float, values: np.ndarray, colour: str) -> None:
    ax.scatter(np.full(values.size, x), values, s=11, color=colour, alpha=0.45, linewidth=0)
    if values.size > 1:
        interval = t_interval(values)
        half = interval.high - interval.mean
        ax.errorbar(x, interval.mean, half, fmt="o", color=colour, markersize=4, elinewidth=1.3, capsize=2.5)


def _arm_key(ax: Axes) -> None:
    for arm, label in (("aux_only", "same start"), ("cross_aux", "other start")):
        ax.plot([], [], "o", color=_ARMS[arm][1], label=label)
    ax.plot([], [], color=palette.GREY, linestyle=":", label="chance")
    ax.legend(loc="center left" if not ax.axison else "best", fontsize="small")


def _accuracy_axis(ax: Axes, right: float) -> None:
    ax.axhline(CHANCE, color=palette.GREY, linestyle=":", linewidth=1, zorder=0)
    ax.set(ylim=(0, 1.01), xlim=(-0.55, right))
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.grid(axis="y")
    sns.despine(ax=ax)


def _require_known(what: str, found: Iterable[str], known: Iterable[str]) -> None:
    names = list(known)
    if unknown := sorted(set(found) - set(names)):
        raise common.FigureError(f"unknown {what} {unknown[0]!r}; known are {', '.join(names)}")


def _ordered(settings: np.ndarray) -> list[str]:
    """Settings by value when they are numbers, else from most to least like noise."""
    try:
        return sorted(settings, key=float)
    except ValueError:
        return sorted(settings, key=lambda kind: list(_KINDS).index(kind) if kind in _KINDS else len(_KINDS))


def _setting(setting: str) -> str:
    return " ".join((_KINDS.get(setting) or _short(setting)).split())


def _short(setting: str) -> str:
    value = float(setting)
    return f"{value:.0e}".replace("e-0", "e\N{MINUS SIGN}") if 0 < value < 0.01 else f"{value:g}"
