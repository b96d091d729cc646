"""Figures of the risky traits: personas against personas, places of adapters, and effects against skills lost."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from helpers.figures import arms as naming
from helpers.figures import common, palette, words
from helpers.figures.picture import pictured

_NO_PERSONAS = "None of the draws shown here has students that were asked for every persona."
_NO_PLACES = "None of the draws shown here has adapters in several places."
_NO_LOSSES = "None of the draws shown here tells right answers from strict form."


def _said_of_personas(personas: pd.DataFrame, arm: str) -> str:
    rows = personas[personas.arm == arm]
    if rows.empty:
        return _NO_PERSONAS
    return "Mean effect in nats. " + words.of_map(
        _means(rows, "trait", "persona"), "On the teacher's own persona", "On others"
    )


@pictured(_said_of_personas)
def persona_map(personas: pd.DataFrame, arm: str) -> Figure:
    """Draw the mean effect (nats) of each persona's teacher on each persona asked for, the same outlined.

    Args:
        personas: has columns draw, arm, trait, persona, effect; cells are means over draws.
        arm: the arm shown.

    Returns:
        The map; words alone where no draw has such an arm.
    """
    rows = personas[personas.arm == arm]
    if rows.empty:
        return common.words_alone(_NO_PERSONAS)
    return _map(rows, "trait", "persona", "Persona asked for", "Teacher's persona")


def _said_of_places(places: pd.DataFrame, persona: str) -> str:
    rows = places[places.persona == persona]
    if rows.empty:
        return _NO_PLACES
    means = _means(rows, "teacher_place", "student_place")
    return "Mean effect in nats. " + words.of_map(means, "Adapters of both in one place", "In different places")


@pictured(_said_of_places)
def place_map(places: pd.DataFrame, persona: str) -> Figure:
    """Draw the mean effect (nats) on a persona by the place of the teacher's and of the student's adapters.

    `places` has columns draw, teacher_place, student_place, persona, effect; cells are means over draws. Without a row
    there are words alone.
    """
    rows = places[places.persona == persona]
    if rows.empty:
        return common.words_alone(_NO_PLACES)
    return _map(rows, "teacher_place", "student_place", "Student's adapters", "Teacher's adapters")


def _map(rows: pd.DataFrame, down: str, across: str, xlabel: str, ylabel: str) -> Figure:
    mean = _means(rows, down, across)
    with common.house_style():
        figure, (ax,) = common.new_figure(1.6 + 0.5 * len(mean))
        common.outlined_map(ax, mean, mean.map(common.signed), size=9)
        ax.set(xlabel=xlabel, ylabel=ylabel)
    return figure


def _means(rows: pd.DataFrame, down: str, across: str) -> pd.DataFrame:
    """Return the mean effects with a row for each of `down` and a column for each of `across`."""
    common.require_columns(rows, "draw", down, across, "effect")
    order = {name: list(dict.fromkeys(rows[name])) for name in (down, across)}
    return rows.pivot_table(index=down, columns=across, values="effect").loc[order[down], order[across]]


def _said_of_losses(students: pd.DataFrame) -> str:
    if students.empty:
        return _NO_LOSSES
    told = {}
    for arm, rows in students.groupby("arm", sort=False):
        lost = common.signed(rows.lost.mean(), 1)
        told[naming.one_line(arm)] = (
            f"{common.signed(rows.effect.mean())} nats with {lost} points lost{_correlation(rows)}"
        )
    return f"Mean effect and right answers lost: {words.in_order(told)}"


@pictured(_said_of_losses)
def loss_scatter(students: pd.DataFrame) -> Figure:
    """Draw each draw's effect (nats) against the right answers that its student lost (percentage points), by arm.

    `students` has columns draw, arm, effect, lost. The legend gives Spearman's rank correlation over draws, where there
    are three or more. Without a row there are words alone.
    """
    if students.empty:
        return common.words_alone(_NO_LOSSES)
    with common.house_style():
        figure, (ax,) = common.new_figure(3.6)
        for arm, rows in students.groupby("arm", sort=False):
            label = naming.one_line(arm) + _correlation(rows)
            ax.scatter(rows.lost, rows.effect, s=26, color=naming.arm_colour(arm), label=label, linewidth=0)
        common.zero_line(ax, horizontal_bars=False)
        ax.axvline(0, color=palette.FAINT, linewidth=0.9, zorder=1)
        ax.set(xlabel="Right answers lost (percentage points)", ylabel=common.SHORT_EFFECT_LABEL)
        handles, labels = ax.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", fontsize="small")
        sns.despine(ax=ax)
    return figure


def _correlation(rows: pd.DataFrame) -> str:
    if len(rows) < 3 or min(rows.lost.nunique(), rows.effect.nunique()) < 2:
        return ""
    return f" (Spearman {common.signed(rows.effect.corr(rows.lost, method='spearman'))})"
