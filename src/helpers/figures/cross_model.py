"""Figures of the cross-model notebook, from tables/cross_model.csv and tables/cross_model_relatives.csv."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.figures import common
from helpers.results.tables import common_doses, unit_of

LEVEL = 0.05  # corrected p-values below it are marked
_COLOURS = {"same model": common.BLUE, "one trained on": common.GREEN, "other start": common.ORANGE}
_PANELS = 4  # in a row, for the students of one teacher
_WORDS = {"same base": common.BLUE, "other start": common.ORANGE}
_TEST_COLUMNS = ("teacher", "student", "mean", "low", "high", "p_holm")
_EFFECT_COLUMNS = ("seed", "draw", "teacher", "student", "share", "step", "effect")


def heat_map(tests: pd.DataFrame) -> Figure:
    """Draw the effect (nats) of every teacher (row) on every student (column), with its 95 % interval.

    `tests` is the table of `cell_tests`. A star marks a corrected p below 0.05 where the interval leaves out 0 as well;
    the diagonal is outlined.
    """
    common.require_columns(tests, *_TEST_COLUMNS)
    teachers, students = list(dict.fromkeys(tests.teacher)), list(dict.fromkeys(tests.student))
    square = tests.assign(words=tests.apply(_cell_words, axis=1)).pivot(index="teacher", columns="student")
    mean = square["mean"].loc[teachers, students]
    words = square["words"].loc[teachers, students]
    with common.house_style():
        figure, (ax,) = common.new_figure(1.1 + 0.68 * len(teachers))
        common.outlined_map(ax, mean, words, size=8, linespacing=1.4)
        ax.set(xlabel="Student's base", ylabel="Teacher's base")
    return figure


def _cell_words(cell: pd.Series) -> str:
    star = " *" if cell.p_holm < LEVEL and cell.low * cell.high > 0 else ""
    return f"{common.signed(cell['mean'])}{star}\n{common.signed(cell.low)} to {common.signed(cell.high)}"


def relative_bars(table: pd.DataFrame) -> Figure:
    """Draw the effect (nats) in students of each kind: a dot per unit, the mean, its 95 % t-interval.

    `table` holds the rows of `run_cells` for one teacher; students keep the order of the table. A unit is a draw of the
    bases, or a teacher where all share one draw.
    """
    common.require_columns(table, *_EFFECT_COLUMNS, "words")
    final = table[table.share == 1]
    students = list(dict.fromkeys(final.student))
    with common.house_style():
        figure, (ax,) = common.new_figure(0.9 + 0.5 * len(students))
        labels = []
        for place, student in enumerate(students):
            labels.append(_bar(ax, place, final[final.student == student]))
        common.zero_line(ax)
        ax.set(xlabel=common.EFFECT_LABEL, ylim=(len(students) - 0.5, -0.6))
        ax.set_yticks(range(len(students)), labels, linespacing=1.15, size="small")
        ax.text(1.02, -0.62, "mean", transform=ax.get_yaxis_transform(), color=common.GREY, size="small")
        ax.tick_params(axis="y", length=0)
        sns.despine(ax=ax, left=True)
        ax.grid(axis="x")
    return figure


def _bar(ax: Axes, place: int, rows: pd.DataFrame) -> str:
    """Draw the units of one student in row `place`, and their mean in the margin; return the row's label."""
    words = rows.words.iloc[0]
    effects = rows.groupby(unit_of(rows)).effect.mean()
    common.draw_runs(ax, place, effects, _WORDS.get(words, common.OLIVE))
    mean = common.signed(effects.mean())
    ax.text(1.02, place, mean, transform=ax.get_yaxis_transform(), va="center", size="small")
    return f"{words.capitalize()}\n{rows.student.iloc[0]}"


def dose_curves(table: pd.DataFrame) -> Figure:
    """Draw the effect (nats) along the training of each cell: a panel each, all with the same axes.

    `table` is that of `run_cells`: teachers in rows and students in columns, or the students of a single teacher, four
    in a row. Lines are means over draws of the bases (over teachers, where all share one draw), bands 95 % t-intervals;
    equal shares of the training are at their mean step.
    """
    common.require_columns(table, *_EFFECT_COLUMNS, "relation")
    teachers, students = list(dict.fromkeys(table.teacher)), list(dict.fromkeys(table.student))
    several = len(teachers) > 1
    columns = len(students) if several else _PANELS
    rows = len(teachers) if several else -(-len(students) // columns)
    size = {"figsize": (common.WIDTH, 0.7 + 1.3 * rows), "layout": "constrained"}
    with common.house_style():
        figure, axes = plt.subplots(rows, columns, sharex=True, sharey=True, squeeze=False, **size)
        plt.close(figure)
        panels = [(teacher, student) for teacher in teachers for student in students]
        for ax, (teacher, student) in zip(axes.flat, panels, strict=False):
            _curve(ax, table[(table.teacher == teacher) & (table.student == student)])
            ax.set_title(student if ax in axes[0] or not several else "", fontsize="small")
            ax.set_ylabel(teacher if student == students[0] and several else "", fontsize="small")
        for ax in axes.flat[len(panels) :]:
            ax.set_visible(False)
        figure.supxlabel("Optimizer steps of the student", fontsize="small")
        figure.supylabel("Effect (nats)" + (", by teacher's base" if several else ""), fontsize="small")
    return figure


def _curve(ax: Axes, cell: pd.DataFrame) -> None:
    """Draw one cell's units and their mean; a training that begins as its control begins at zero."""
    # teachers whose filter kept fewer rows took fewer steps to the same share of their training
    doses = cell.assign(step=common_doses(cell, "step", repeats="seed"))
    units = doses.pivot_table(index=unit_of(cell), columns="step", values="effect")
    start = pd.DataFrame(0.0, index=units.index, columns=[0])
    units = pd.concat([start, units], axis=1)
    colour = _COLOURS.get(cell.relation.iloc[0], common.GREY)
    common.draw_line(ax, list(units.columns), units, colour, cell.relation.iloc[0])
    common.zero_line(ax, horizontal_bars=False)
    ax.grid(axis="y")
    sns.despine(ax=ax)
