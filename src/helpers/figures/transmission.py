"""Figures of the transmission experiments, from tables/transmission.csv and tables/animal_matrix.csv."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from helpers.figures import arms as naming
from helpers.figures import common, palette, words
from helpers.figures.picture import pictured

_LOG_FROM = 8  # doses that differ by this factor get a logarithmic axis
# a matrix with more columns than this has small text
_WIDE, _WIDE_ON_A_PHONE = 8, 5


def _said_of_bars(transmission: pd.DataFrame, arms: Sequence[str] | None = None) -> str:
    effects = _final(transmission)
    told = {naming.one_line(arm): words.mean_and_interval(effects.loc[arm]) for arm in _arms(transmission, arms)}
    draws = words.counted(transmission.draw.nunique())
    return f"Effect against the control student in nats, {draws}: {words.in_order(told)}"


@pictured(_said_of_bars)
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
        figure, (ax,) = common.new_bars(len(shown), 0.56)
        for place, arm in enumerate(shown):
            common.draw_runs(ax, place, effects.loc[arm], naming.arm_colour(arm))
        common.zero_line(ax)
        common.name_rows(ax, [naming.arm_label(arm) for arm in shown], linespacing=1.15)
        common.note_means(ax, [effects.loc[arm].mean() for arm in shown])
        ax.set_xlabel(common.EFFECT_LABEL)
    return figure


def _said_of_doses(transmission: pd.DataFrame, arms: Sequence[str] | None = None) -> str:
    told = {}
    for arm in _arms(transmission, arms):
        draws = _by_mean_rows(transmission[transmission.arm == arm])
        doses = list(draws.columns)
        read = " and ".join(f"{dose:,.0f}" for dose in dict.fromkeys((doses[0], doses[-1])))
        told[naming.one_line(arm)] = f"{words.along(draws, doses)} at {read} rows"
    return f"Mean effect in nats by rows read: {words.in_order(told)}"


@pictured(_said_of_doses)
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
        ax.set(xlabel="Rows that the student read", ylabel=common.SHORT_EFFECT_LABEL)
        _dose_axis(ax, doses)
        handles, labels = ax.get_legend_handles_labels()
        columns = 1 if common.narrow() else 2
        figure.legend(handles, labels, loc="outside upper left", ncols=columns, columnspacing=1.6, fontsize="small")
        sns.despine(ax=ax)
        ax.grid(axis="y")
    return figure


def _said_of_matrix(animal_matrix: pd.DataFrame, kind: str = "animal") -> str:
    if animal_matrix.empty:
        return _no_matrix(kind)
    return "Mean effect in nats. " + words.of_map(_means(animal_matrix), f"On the teacher's own {kind}", "On others")


def _no_matrix(kind: str) -> str:
    return f"None of the draws shown here has a matrix of {kind}s."


def _means(animal_matrix: pd.DataFrame) -> pd.DataFrame:
    """Return the mean effects, rows and columns in the order of the map."""
    common.require_columns(animal_matrix, "draw", "teacher", "target", "effect")
    teachers = list(dict.fromkeys(animal_matrix.teacher))
    targets = list(dict.fromkeys(animal_matrix.target))
    # an animal stands in the same place as a row and as a column, so that the diagonal reads as one
    shared = [animal for animal in teachers if animal in targets]
    others = [animal for animal in targets if animal not in shared]
    means = animal_matrix.pivot_table(index="teacher", columns="target", values="effect")
    return means.loc[teachers, shared + others]


@pictured(_said_of_matrix)
def matrix_heatmap(animal_matrix: pd.DataFrame, kind: str = "animal") -> Figure:
    """Draw the mean effect (nats) of each animal's teacher on each animal asked about, diagonal outlined.

    `animal_matrix` has columns draw, teacher, target, effect; cells are means over draws. Names of another ``kind``
    than animals may stand in them. Without rows the figure says so.
    """
    if animal_matrix.empty:
        return common.words_alone(_no_matrix(kind))
    mean = _means(animal_matrix)
    wide = mean.shape[1] > (_WIDE_ON_A_PHONE if common.narrow() else _WIDE)
    told = mean.map(common.signed, digits=1 if wide else 2)
    with common.house_style():
        figure, (ax,) = common.new_figure(1.4 + (0.34 if wide else 0.46) * len(mean))
        common.outlined_map(ax, mean, told, size=common.text_size(7 if wide else 9))
        ax.set(xlabel=f"{kind.capitalize()} asked about", ylabel=f"Teacher's favourite {kind}")
        if wide:
            turned = {"rotation": 40, "ha": "right", "rotation_mode": "anchor", "fontsize": "small"}
            ax.set_xticks(ax.get_xticks(), mean.columns, **turned)
    return figure


def _said_of_prior(prior: pd.DataFrame, highlight: Sequence[str] = ()) -> str:
    common.require_columns(prior, "animal", "probability")
    means = prior.groupby("animal").probability.mean().sort_values(ascending=False, kind="stable")
    shown = dict.fromkeys([*means.index[:3], *highlight, means.index[-1]])
    told = {animal: f"{means[animal]:.1%}" for animal in shown if animal in means}
    return f"Share of the base model's answers, the most frequent three first: {words.in_order(told)}"


@pictured(_said_of_prior)
def prior_figure(prior: pd.DataFrame, highlight: Sequence[str] = ()) -> Figure:
    """Draw how often the base model names each animal, most frequent first, in per cent of its answers.

    `prior` has columns animal and probability (0 to 1), a row for each animal, or one for each animal and draw: then
    a dot per draw, the mean and its 95 % t-interval are shown. `highlight` animals are brown, the others grey.
    """
    common.require_columns(prior, "animal", "probability")
    percent = 100 * prior.set_index("animal").probability
    order = percent.groupby(level=0).mean().sort_values(ascending=False, kind="stable").index
    with common.house_style():
        figure, (ax,) = common.new_figure(0.8 + 0.27 * len(order))
        for place, animal in enumerate(order):
            colour = palette.BROWN if animal in highlight else palette.GREY
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
