"""Figures of the cross-model notebook, from tables/cross_model.csv and tables/cross_model_relatives.csv."""

from __future__ import annotations

import itertools
import textwrap

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.figures import common, words
from helpers.figures.arms import base_label, pair_colour
from helpers.figures.picture import pictured
from helpers.results.tables import common_doses, unit_of

LEVEL = 0.05  # corrected p-values below it are marked
_TITLE_WIDTH = 18  # letters of a panel's title in a line
_PANELS, _PANELS_ON_A_PHONE = 4, 2  # in a row, for the students of one teacher
_PANEL_HEIGHT = 1.4  # inches
_TEST_COLUMNS = ("teacher", "student", "mean", "low", "high", "p_holm")
_EFFECT_COLUMNS = ("draw", "seed", "teacher", "student", "relation", "words", "share", "step", "effect")


def _said_of_cells(tests: pd.DataFrame) -> str:
    common.require_columns(tests, *_TEST_COLUMNS)
    means = tests.pivot(index="teacher", columns="student", values="mean")
    starred = [_pair(cell) for cell in tests.itertuples() if _passes(cell)]
    surely = f"Surely other than zero: {'; '.join(starred)}." if starred else "No cell is surely other than zero."
    return f"Effect in nats. {words.of_map(means, 'Each base to itself', 'From one base to another')} {surely}"


def _pair(cell: object) -> str:
    teacher, student = (" ".join(base_label(base).split()) for base in (cell.teacher, cell.student))
    return f"{teacher} to {student}"


def _passes(cell: object) -> bool:
    """Return whether a cell has a star: its corrected p is below 0.05 and its interval leaves out zero."""
    return cell.p_holm < LEVEL and cell.low * cell.high > 0


@pictured(_said_of_cells)
def heat_map(tests: pd.DataFrame) -> Figure:
    """Draw the effect (nats) of every teacher (row) on every student (column), with its 95 % interval where it has one.

    `tests` is the table of `cell_tests`. A star marks a corrected p below 0.05 where the interval leaves out 0 as well;
    the diagonal is outlined.
    """
    common.require_columns(tests, *_TEST_COLUMNS)
    teachers = list(dict.fromkeys(tests.teacher))
    students = list(dict.fromkeys(tests.student))
    cells = tests.assign(words=tests.apply(_cell_words, axis=1))
    square = cells.pivot(index="teacher", columns="student")
    mean = square["mean"].loc[teachers, students]
    told = square["words"].loc[teachers, students]
    with common.house_style():
        figure, (ax,) = common.new_figure(1.5 + 0.68 * len(teachers))
        common.outlined_map(ax, mean, told, size=8, linespacing=1.3)
        ax.set_xticks(ax.get_xticks(), map(base_label, students), fontsize="small")
        ax.set_yticks(ax.get_yticks(), map(base_label, teachers), fontsize="small")
        ax.set(xlabel="Student's base", ylabel="Teacher's base")
    return figure


def _cell_words(cell: pd.Series) -> str:
    mean = common.signed(cell["mean"])
    if np.isnan(cell.low):  # a single draw
        return mean
    star = " *" if _passes(cell) else ""
    to = " to\n" if common.narrow() else " to "
    return f"{mean}{star}\n{common.signed(cell.low)}{to}{common.signed(cell.high)}"


def _said_of_relatives(table: pd.DataFrame) -> str:
    common.require_columns(table, *_EFFECT_COLUMNS)
    final, told = table[table.share == 1], {}
    for _, rows in final.groupby("student", sort=False):
        effects = rows.groupby(unit_of(rows)).effect.mean()
        told[rows.words.iloc[0].capitalize()] = words.mean_and_interval(effects)
    return f"Effect in nats by what the student shares with the teacher's base: {words.in_order(told)}"


@pictured(_said_of_relatives)
def relative_bars(table: pd.DataFrame) -> Figure:
    """Draw the effect (nats) in students of each kind: a dot per independent unit, the mean, its 95 % t-interval.

    `table` holds the rows of `run_cells` for one teacher; students keep the order of the table. Units are draws, or
    the teachers' seeds where all share one draw.
    """
    common.require_columns(table, *_EFFECT_COLUMNS)
    final = table[table.share == 1]
    students = list(dict.fromkeys(final.student))
    with common.house_style():
        figure, (ax,) = common.new_bars(len(students), 0.5)
        labels, means = [], []
        for place, student in enumerate(students):
            rows = final[final.student == student]
            effects = rows.groupby(unit_of(rows)).effect.mean()
            common.draw_runs(ax, place, effects, _colour(rows))
            labels.append(rows.words.iloc[0].capitalize())
            means.append(effects.mean())
        common.zero_line(ax)
        common.name_rows(ax, labels, linespacing=1.15, size="small")
        common.note_means(ax, means)
        ax.set_xlabel(common.EFFECT_LABEL)
    return figure


def _title_look(alone: bool) -> dict[str, object]:
    """Return how titles of panels look: thin on a phone where each base has a column, or they would meet."""
    crowded = common.narrow() and not alone
    return {"fontsize": common.text_size(8), "fontweight": "normal"} if crowded else {"fontsize": "small"}


def _said_of_curves(table: pd.DataFrame) -> str:
    common.require_columns(table, *_EFFECT_COLUMNS)
    told = {}
    for relation, rows in table[table.share == 1].groupby("relation", sort=False):
        told[relation.capitalize()] = words.mean_and_interval(rows.groupby(unit_of(rows)).effect.mean())
    return f"Effect at the end of the training in nats, by what the two bases share: {words.in_order(told)}"


@pictured(_said_of_curves)
def dose_curves(table: pd.DataFrame) -> Figure:
    """Draw the effect (nats) along the training of each cell: a panel each, all with the same axes.

    `table` is that of `run_cells`: teachers in rows and students in columns, or the students of a single teacher, four
    in a row. Lines are means over draws of the bases (over the teachers' seeds, where all share one draw), bands 95 %
    t-intervals; equal shares of the training are at their mean step.
    """
    common.require_columns(table, *_EFFECT_COLUMNS)
    teachers = list(dict.fromkeys(table.teacher))
    students = list(dict.fromkeys(table.student))
    alone = len(teachers) == 1
    columns = (_PANELS_ON_A_PHONE if common.narrow() else _PANELS) if alone else len(students)
    rows = -(-len(students) // columns) if alone else len(teachers)
    panels = list(itertools.product(teachers, students))
    with common.house_style():
        figure, axes = common.grid_of_axes(rows, columns, _PANEL_HEIGHT, sharex=True, sharey=True)
        for ax, (teacher, student) in zip(axes.flat, panels, strict=False):
            cell = table[(table.teacher == teacher) & (table.student == student)]
            _curve(ax, cell)
            named = textwrap.fill(cell.words.iloc[0].capitalize(), _TITLE_WIDTH) if alone else base_label(student)
            ax.set_title(named if alone or teacher == teachers[0] else "", **_title_look(alone))
            ax.set_ylabel(base_label(teacher) if not alone and student == students[0] else "", fontsize="small")
        for ax in axes.flat[len(panels) :]:
            ax.set_visible(False)
        figure.supxlabel("Optimizer steps of the student (columns: the student's base)", fontsize="small")
        figure.supylabel("Effect (nats)" if alone else "Effect (nats), by teacher's base", fontsize="small")
    return figure


def _curve(ax: Axes, cell: pd.DataFrame) -> None:
    """Draw one cell's units and their mean; a training that begins as its control begins at zero."""
    # units whose filter kept fewer rows took fewer steps to the same share of their training
    doses = cell.assign(step=common_doses(cell, "step"))
    later = doses.pivot_table(index=unit_of(cell), columns="step", values="effect")
    start = pd.DataFrame(0.0, index=later.index, columns=[0])
    effects = pd.concat([start, later], axis=1)
    common.draw_line(ax, list(effects.columns), effects, _colour(cell), cell.relation.iloc[0])
    common.zero_line(ax, horizontal_bars=False)
    ax.grid(axis="y")
    sns.despine(ax=ax)


def _colour(cell: pd.DataFrame) -> str:
    return pair_colour(cell.relation.iloc[0], cell.words.iloc[0])
