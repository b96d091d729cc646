"""Figures of the transmission experiments, from tables/transmission.csv and tables/animal_matrix.csv."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from helpers.figures.common import (
    BLUE,
    EFFECT_LABEL,
    GREY,
    SHORT_EFFECT_LABEL,
    FigureError,
    arm_colour,
    arm_label,
    draw_line,
    draw_runs,
    house_style,
    new_figure,
    outlined_map,
    require_columns,
    signed,
    zero_line,
)

_LOG_FROM = 8  # doses that differ by this factor get a logarithmic axis


def effect_bars(transmission: pd.DataFrame, arms: Sequence[str] | None = None) -> Figure:
    """Draw each arm's effect (nats) at its final dose: a dot per run, the mean, its 95 % t-interval.

    `transmission` has columns run, arm, rows, effect; several traits are averaged within a run.
    `arms` chooses and orders the arms, default as in the table. Raises FigureError for an unknown arm.
    """
    arms = _arms(transmission, arms)
    runs = _final(transmission)
    with house_style():
        figure, (ax,) = new_figure(0.9 + 0.56 * len(arms))
        for place, arm in enumerate(arms):
            draw_runs(ax, place, runs.loc[arm], arm_colour(arm))
            mean = signed(runs.loc[arm].mean())
            ax.text(1.02, place, mean, transform=ax.get_yaxis_transform(), va="center", size="small")
        zero_line(ax)
        ax.set(xlabel=EFFECT_LABEL, ylim=(len(arms) - 0.5, -0.6))
        ax.set_yticks(range(len(arms)), [arm_label(arm) for arm in arms], linespacing=1.15)
        ax.text(1.02, -0.62, "mean", transform=ax.get_yaxis_transform(), color=GREY, size="small")
        _horizontal(ax)
    return figure


def dose_curve(transmission: pd.DataFrame, arms: Sequence[str] | None = None) -> Figure:
    """Draw the effect (nats) against the number of unique training rows, one line with a 95 % band per arm.

    Columns and `arms` as in `effect_bars`; an arm measured at one dose is a point. Hard labels are dashed.
    """
    arms = _arms(transmission, arms)
    with house_style():
        figure, (ax,) = new_figure(3.9)
        for arm in arms:
            runs = _arm(transmission, arm).pivot_table(index="run", columns="rows", values="effect")
            label = arm_label(arm).replace("\n", " ")
            draw_line(ax, list(runs.columns), runs, arm_colour(arm), label, arm.startswith("hard"))
        zero_line(ax, horizontal_bars=False)
        ax.set(xlabel="Unique training rows", ylabel=SHORT_EFFECT_LABEL)
        _dose_axis(ax, transmission[transmission.arm.isin(arms)].rows)
        handles, labels = ax.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2, columnspacing=1.6, fontsize="small")
        sns.despine(ax=ax)
        ax.grid(axis="y")
    return figure


def matrix_heatmap(animal_matrix: pd.DataFrame) -> Figure:
    """Draw the mean effect (nats) of each animal's teacher on each animal asked about, diagonal outlined.

    `animal_matrix` has columns run, teacher, target, effect; cells are means over runs.
    """
    require_columns(animal_matrix, "run", "teacher", "target", "effect")
    teachers, targets = list(dict.fromkeys(animal_matrix.teacher)), list(dict.fromkeys(animal_matrix.target))
    shared = [animal for animal in teachers if animal in targets]
    mean = animal_matrix.pivot_table(index="teacher", columns="target", values="effect")
    mean = mean.loc[teachers, shared + [animal for animal in targets if animal not in shared]]
    wide = mean.shape[1] > 8
    with house_style():
        figure, (ax,) = new_figure(1.2 + (0.32 if wide else 0.46) * len(teachers))
        outlined_map(ax, mean, mean.map(signed, digits=1 if wide else 2), size=6.5 if wide else 9)
        ax.set(xlabel="Animal asked about", ylabel="Teacher's favourite animal")
        if wide:
            ax.set_xticks(ax.get_xticks(), mean.columns, rotation=40, ha="right", rotation_mode="anchor")
    return figure


def prior_figure(prior: pd.DataFrame, highlight: Sequence[str] = ()) -> Figure:
    """Draw how often the base model names each animal, most frequent first, in per cent of its answers.

    `prior` has columns animal and probability (0 to 1), and may have run: then a dot per run, the mean
    and its 95 % t-interval are shown. `highlight` animals are blue, the others grey.
    """
    require_columns(prior, "animal", "probability")
    percent = 100 * prior.set_index("animal").probability
    order = percent.groupby(level=0).mean().sort_values(ascending=False, kind="stable").index
    with house_style():
        figure, (ax,) = new_figure(0.8 + 0.27 * len(order))
        for place, animal in enumerate(order):
            draw_runs(ax, place, percent.loc[[animal]], BLUE if animal in highlight else GREY)
        ax.set_yticks(range(len(order)), order)
        ax.set(xlabel="Share of the base model's answers (%)", ylim=(len(order) - 0.4, -0.6))
        ax.set_xlim(left=0)
        _horizontal(ax)
    return figure


def _arms(table: pd.DataFrame, arms: Sequence[str] | None) -> list[str]:
    require_columns(table, "run", "arm", "rows", "effect")
    present = list(dict.fromkeys(table.arm))
    if unknown := [arm for arm in arms or () if arm not in present]:
        raise FigureError(f"no rows for {', '.join(unknown)}; the table has {', '.join(present)}")
    return list(arms or present)


def _arm(table: pd.DataFrame, arm: str) -> pd.DataFrame:
    return table[table.arm == arm]


def _final(table: pd.DataFrame) -> pd.Series:
    """Return the effect at each arm's largest dose, indexed by arm and run, averaged over traits."""
    largest = table.rows == table.groupby("arm").rows.transform("max")
    return table[largest].groupby(["arm", "run"]).effect.mean()


def _horizontal(ax: Axes) -> None:
    sns.despine(ax=ax, left=True)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")


def _dose_axis(ax: Axes, rows: pd.Series) -> None:
    doses = sorted(dose for dose in rows.unique() if dose > 0)
    if not doses or doses[-1] < _LOG_FROM * doses[0]:
        return
    ticks = [dose for dose, before in zip(doses, [0, *doses], strict=False) if dose > 1.5 * before]
    ax.set_xscale("log")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(ticks, [f"{dose:,}" for dose in ticks])
