"""Figures of the chapter on a real model, from tables/real_students.csv."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from helpers.figures import common, palette, words
from helpers.figures.picture import pictured

EFFECT = "Own animal minus other teachers' animals (nats)"
ARMS = {
    "soft": ("Soft labels", palette.BLUE),
    "written": ("Written rows", palette.INDIGO),
    "prompted": ("Teacher only prompted", palette.OLIVE),
    "other start": ("Other start", palette.ORANGE),
    "other start, own teacher": ("Other start, a teacher of its own", palette.BROWN),
}
_COLUMNS = ("arm", "draw", "step", "animal", "effect")


def _at_the_end(effects: pd.DataFrame) -> pd.DataFrame:
    common.require_columns(effects, *_COLUMNS)
    return effects[effects["step"] == effects["step"].max()]


def _by_arm(effects: pd.DataFrame) -> dict[str, pd.Series]:
    """Return by arm, in the order of `ARMS`, one value a draw, the mean over animals."""
    means = _at_the_end(effects).groupby(["arm", "draw"])["effect"].mean()
    return {arm: means[arm] for arm in ARMS if arm in means.index.get_level_values("arm")}


def _by_animal(effects: pd.DataFrame) -> dict[str, pd.Series]:
    """Return by animal one value a draw, soft labels, the largest mean first."""
    last = _at_the_end(effects)
    soft = last[last["arm"] == "soft"].groupby(["animal", "draw"])["effect"].mean()
    order = soft.groupby("animal").mean().sort_values(ascending=False).index
    return {animal: soft[animal] for animal in order}


def _said_of_arms(effects: pd.DataFrame) -> str:
    told = {ARMS[arm][0]: words.mean_and_interval(draws) for arm, draws in _by_arm(effects).items()}
    return f"{EFFECT}: {words.in_order(told)}"


@pictured(_said_of_arms)
def arms(effects: pd.DataFrame) -> Figure:
    """Draw the effect at the end of the training by arm: a dot a draw, the mean over animals.

    `effects` is what `values.own_minus_others` makes of the table of students.
    """
    bars = {ARMS[arm][0]: (draws, ARMS[arm][1]) for arm, draws in _by_arm(effects).items()}
    return _bars(bars)


def _said_of_animals(effects: pd.DataFrame) -> str:
    told = {animal: words.mean_and_interval(draws) for animal, draws in _by_animal(effects).items()}
    return f"{EFFECT}, soft labels: {words.in_order(told)}"


@pictured(_said_of_animals)
def animals(effects: pd.DataFrame) -> Figure:
    """Draw the effect of soft labels at the end of the training by animal: a dot a draw."""
    return _bars({animal: (draws, palette.BLUE) for animal, draws in _by_animal(effects).items()})


def _bars(bars: dict[str, tuple[pd.Series, str]]) -> Figure:
    with common.house_style():
        figure, (ax,) = common.new_bars(len(bars), 0.45)
        for place, (draws, colour) in enumerate(bars.values()):
            common.draw_runs(ax, place, draws, colour)
        common.zero_line(ax)
        common.name_rows(ax, list(bars))
        common.note_means(ax, [float(draws.mean()) for draws, _ in bars.values()])
        ax.set_xlabel(EFFECT)
    return figure


def _curves(effects: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return by arm a table of draws (rows) and steps (columns), each begins at zero."""
    common.require_columns(effects, *_COLUMNS)
    found = {}
    for arm in ARMS:
        rows = effects[effects["arm"] == arm]
        if len(rows):
            later = rows.pivot_table(index="draw", columns="step", values="effect")
            found[arm] = pd.concat([pd.DataFrame(0.0, index=later.index, columns=[0]), later], axis=1)
    return found


def _said_of_doses(effects: pd.DataFrame) -> str:
    told = {ARMS[arm][0]: words.along(draws, list(draws.columns)) for arm, draws in _curves(effects).items()}
    return f"{EFFECT}, from the first step to the last: {words.in_order(told)}"


@pictured(_said_of_doses)
def dose(effects: pd.DataFrame) -> Figure:
    """Draw the effect over the optimizer steps of students by arm: dots are draws, bands 95 % t-intervals."""
    with common.house_style():
        figure, (ax,) = common.new_figure(3.2)
        for arm, draws in _curves(effects).items():
            name, colour = ARMS[arm]
            common.draw_line(ax, list(draws.columns), draws, colour, name, dashed=arm != "soft")
        common.zero_line(ax, horizontal_bars=False)
        ax.set(xlabel="Optimizer steps of the student", ylabel=EFFECT.replace(" minus ", "\nminus "))
        ax.grid(axis="y")
        ax.legend(fontsize="small")
        sns.despine(ax=ax)
    return figure
