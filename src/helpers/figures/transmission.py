"""Figures of the transmission experiments, from tables/transmission.csv and tables/animal_matrix.csv."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from helpers.figures import arms as naming
from helpers.figures import common

_LOG_FROM = 8  # doses that differ by this factor get a logarithmic axis
_WIDE = 8  # a matrix with more columns than this has small text


def effect_bars(transmission: pd.DataFrame, arms: Sequence[str] | None = None) -> Figure:
    """Draw each arm's effect (nats) at its final dose: a dot per draw, the mean, its 95 % t-interval.

    Args:
        transmission: has columns draw, arm, share, rows, effect; several traits are averaged within a draw.
        arms: those shown, in this order; by default all, as in the table.

    Raises:
        FigureError: a column or an arm is missing.
    """
    shown = _arms(transmission, arms)
    effects = _final(transmission)
    with common.house_style():
        figure, (ax,) = common.new_figure(0.9 + 0.56 * len(shown))
        for place, arm in enumerate(shown):
            common.draw_runs(ax, place, effects.loc[arm], naming.arm_colour(arm))
        common.zero_line(ax)
        common.name_rows(ax, [naming.arm_label(arm) for arm in shown], linespacing=1.15)
        common.note_means(ax, [effects.loc[arm].mean() for arm in shown])
        ax.set_xlabel(common.EFFECT_LABEL)
    return figure


def dose_curve(transmission: pd.DataFrame, arms: Sequence[str] | None = None) -> Figure:
    """Draw the effect (nats) against the rows that students read, one line with a 95 % band per arm.

    Columns and `arms` as in `effect_bars`. A point stands at the mean over draws of the rows read; an arm with one dose
    is a point. Written rows are dashed.
    """
    shown = _arms(transmission, arms)
    doses: list[float] = []
    with common.house_style():
        figure, (ax,) = common.new_figure(3.9)
        for arm in shown:
            draws = _by_mean_rows(transmission[transmission.arm == arm])
            doses += list(draws.columns)
            dashed = arm.startswith("hard")
            common.draw_line(ax, list(draws.columns), draws, naming.arm_colour(arm), naming.one_line(arm), dashed)
        common.zero_line(ax, horizontal_bars=False)
        ax.set(xlabel="Rows that the student read (mean over draws)", ylabel=common.SHORT_EFFECT_LABEL)
        _dose_axis(ax, doses)
        handles, labels = ax.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2, columnspacing=1.6, fontsize="small")
        sns.despine(ax=ax)
        ax.grid(axis="y")
    return figure


def matrix_heatmap(animal_matrix: pd.DataFrame, kind: str = "animal") -> Figure:
    """Draw the mean effect (nats) of each animal's teacher on each animal asked about, diagonal outlined.

    `animal_matrix` has columns draw, teacher, target, effect; cells are means over draws. Names of another ``kind``
    than animals may stand in them. Without rows the figure says so.
    """
    if animal_matrix.empty:
        return common.words_alone(f"None of the draws shown here has a matrix of {kind}s.")
    common.require_columns(animal_matrix, "draw", "teacher", "target", "effect")
    teachers = list(dict.fromkeys(animal_matrix.teacher))
    targets = list(dict.fromkeys(animal_matrix.target))
    # an animal stands in the same place as a row and as a column, so that the diagonal reads as one
    shared = [animal for animal in teachers if animal in targets]
    others = [animal for animal in targets if animal not in shared]
    mean = animal_matrix.pivot_table(index="teacher", columns="target", values="effect")
    mean = mean.loc[teachers, shared + others]
    wide = mean.shape[1] > _WIDE
    words = mean.map(common.signed, digits=1 if wide else 2)
    with common.house_style():
        figure, (ax,) = common.new_figure(1.2 + (0.32 if wide else 0.46) * len(teachers))
        common.outlined_map(ax, mean, words, size=6.5 if wide else 9)
        ax.set(xlabel=f"{kind.capitalize()} asked about", ylabel=f"Teacher's favourite {kind}")
        if wide:
            ax.set_xticks(ax.get_xticks(), mean.columns, rotation=40, ha="right", rotation_mode="anchor")
    return figure


def prior_figure(prior: pd.DataFrame, highlight: Sequence[str] = ()) -> Figure:
    """Draw how often the base model names each animal, most frequent first, in per cent of its answers.

    `prior` has columns animal and probability (0 to 1), a row for each animal, or one for each animal and draw: then
    a dot per draw, the mean and its 95 % t-interval are shown. `highlight` animals are blue, the others grey.
    """
    common.require_columns(prior, "animal", "probability")
    percent = 100 * prior.set_index("animal").probability
    order = percent.groupby(level=0).mean().sort_values(ascending=False, kind="stable").index
    with common.house_style():
        figure, (ax,) = common.new_figure(0.8 + 0.27 * len(order))
        for place, animal in enumerate(order):
            colour = common.BLUE if animal in highlight else common.GREY
            common.draw_runs(ax, place, percent.loc[[animal]], colour)
        common.name_rows(ax, order)
        ax.set_xlabel("Share of the base model's answers (%)")
        ax.set_xlim(left=0)
    return figure


def _arms(table: pd.DataFrame, arms: Sequence[str] | None) -> list[str]:
    common.require_columns(table, "draw", "arm", "share", "rows", "effect")
    present = list(dict.fromkeys(table.arm))
    unknown = [arm for arm in arms or () if arm not in present]
    if unknown:
        raise common.FigureError(f"no rows for {', '.join(unknown)}; the table has {', '.join(present)}")
    return list(arms or present)


def _final(table: pd.DataFrame) -> pd.Series:
    """Return the effect at each arm's largest dose, indexed by arm and draw, averaged over traits."""
    largest = table.share == table.groupby("arm").share.transform("max")
    return table[largest].groupby(["arm", "draw"]).effect.mean()


def _by_mean_rows(arm: pd.DataFrame) -> pd.DataFrame:
    """Return an arm's effects, a row per draw and a column per dose, named by the mean of the rows read.

    Where only some draws have the smaller doses, these draws alone are shown, so that all doses are of the same ones.
    """
    by_share = arm.pivot_table(index="draw", columns="share", values="effect").dropna()
    shown = arm[arm.draw.isin(by_share.index)]
    return by_share.rename(columns=shown.groupby("share").rows.mean())


def _dose_axis(ax: Axes, doses: Sequence[float]) -> None:
    """Put ticks at the doses, leaving out those too near another, on a logarithmic axis where they lie far apart."""
    known = sorted({round(dose) for dose in doses if dose >= 1})
    if not known or known[-1] < _LOG_FROM * known[0]:
        return
    ticks = []
    for dose in known:
        if not ticks or dose > 1.5 * ticks[-1]:
            ticks.append(dose)
    ax.set_xscale("log")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(ticks, [f"{dose:,}" for dose in ticks])
