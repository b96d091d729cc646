"""Figures of the cross-model notebook show what the tables say."""

import itertools

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from helpers.figures import arms, common, palette
from helpers.figures import cross_model as figures
from helpers.figures.arms import pair_colour
from helpers.figures.common import FigureError
from helpers.results.stats import t_interval
from helpers.work.seeds import numpy_stream

matplotlib.use("agg")
BASES = ["nano-a", "nano-b", "nano-a-more"]
WORDS = {"nano-a": "same base", "nano-a-more": "trained on"}
RELATIONS = {frozenset(["nano-a", "nano-a-more"]): "one trained on", frozenset(["nano-a"]): "same model"}
SHARES = {0.25: 6, 0.5: 12, 1.0: 25}


def cells_table(teachers=BASES, students=BASES, draws=5):
    """A table in the layout of tables/cross_model.csv."""
    rng = numpy_stream(0, "cross-model figures")
    rows = []
    for draw, teacher, student, (share, step) in itertools.product(range(draws), teachers, students, SHARES.items()):
        relation = RELATIONS.get(frozenset([teacher, student]), "other start")
        words = WORDS.get(student, "other start")
        rows.append((draw, draw + 30, teacher, student, relation, words, share, step, share + rng.normal(0, 0.1)))
    columns = ["draw", "seed", "teacher", "student", "relation", "words", "share", "step", "effect"]
    return pd.DataFrame(rows, columns=columns)


def judged_table():
    """A table in the layout of `cell_tests`: the first cell is marked."""
    cells = list(itertools.product(BASES, BASES))
    rows = [(t, s, 0.5 - i / 9, 0.4 - i / 9, 0.6 - i / 9, 0.04 + i / 50) for i, (t, s) in enumerate(cells)]
    return pd.DataFrame(rows, columns=["teacher", "student", "mean", "low", "high", "p_holm"])


SIX = [f"base-{i}" for i in range(6)]
FIGURES = {
    "heat_map": lambda: figures.heat_map(judged_table()).wide,
    "relative_bars": lambda: figures.relative_bars(cells_table(["nano-a"])).wide,
    "dose_curves": lambda: figures.dose_curves(cells_table()).wide,
    "dose_curves, one teacher": lambda: figures.dose_curves(cells_table(["nano-a"], SIX)).wide,
    "one draw": lambda: figures.dose_curves(cells_table(draws=1)).wide,
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_the_books_width_and_is_shown_once(name):
    figure = FIGURES[name]()
    assert figure.get_size_inches()[0] == common.WIDE.width and plt.get_fignums() == []
    figure.draw_without_rendering()


def test_the_heat_map_gives_intervals_and_marks_what_the_corrected_test_rejects():
    ax = figures.heat_map(judged_table()).wide.axes[0]
    words = [text.get_text() for text in ax.texts]
    assert words[0] == "+0.50 *\n+0.40 to +0.60"
    assert ["*" in text for text in words] == [True] + [False] * 8
    assert words[-1].startswith("\N{MINUS SIGN}0.39\n")
    assert [label.get_text() for label in ax.get_yticklabels()] == list(map(arms.base_label, BASES))
    outlined = {(patch.get_x(), patch.get_y()) for patch in ax.patches if not patch.get_fill()}
    assert outlined == {(0, 0), (1, 1), (2, 2)}


def test_the_bars_show_the_end_of_the_training():
    table = cells_table(["nano-a"])
    ax = figures.relative_bars(table).wide.axes[0]
    final = table[table.share == 1]
    for place, student in enumerate(BASES):
        effects = final[final.student == student].effect
        assert ax.patches[place].get_width() == pytest.approx(effects.mean())
        assert sorted(ax.collections[2 * place].get_offsets()[:, 0]) == pytest.approx(sorted(effects))
    assert [label.get_text() for label in ax.get_yticklabels()][1] == "Other start"


def test_a_panel_follows_one_cell_from_zero_in_the_colour_of_its_relation():
    table = cells_table()
    axes = figures.dose_curves(table).wide.axes
    assert len(axes) == 9 and [ax.get_title(loc="left") for ax in axes[:3]] == list(map(arms.base_label, BASES))
    cell = table[(table.teacher == "nano-a") & (table.student == "nano-b")]
    line = next(line for line in axes[1].lines if len(line.get_xdata()) == 4)
    assert line.get_ydata() == pytest.approx([0, *cell.groupby("step").effect.mean()])
    assert list(line.get_xdata()) == [0, *SHARES.values()]
    colours = [next(line for line in ax.lines if len(line.get_xdata()) == 4).get_color() for ax in axes[:3]]
    assert [to_rgba(colour) for colour in colours] == [to_rgba(c) for c in (palette.BLUE, palette.ORANGE, palette.MOSS)]
    assert t_interval(cell[cell.share == 1].effect).low < line.get_ydata()[-1]


def test_the_teachers_of_one_draw_count_as_one():
    table = cells_table(["nano-a"], ["nano-b"], draws=10).assign(draw=lambda table: table.draw % 5)
    means = table.groupby(["draw", "teacher", "student", "relation", "words", "share", "step"], as_index=False).mean()
    shown, expected = (figures.dose_curves(one).wide.axes[0].collections[0] for one in (table, means))
    assert shown.get_paths()[0].vertices == pytest.approx(expected.get_paths()[0].vertices)


def test_students_of_one_teacher_fill_rows_of_four_by_the_words_of_their_relation():
    names = [f"base-{i}" for i in range(6)]
    table = cells_table(["nano-a"], names)
    axes = figures.dose_curves(table.assign(words=table.student.str.replace("base", "relative"))).wide.axes
    assert [ax.get_visible() for ax in axes] == [True] * 6 + [False] * 2
    assert [ax.get_title(loc="left") for ax in axes[:6]] == [name.replace("base", "Relative") for name in names]


@pytest.mark.parametrize(
    "call",
    [
        lambda: figures.heat_map(judged_table().drop(columns="p_holm")),
        lambda: figures.relative_bars(cells_table().drop(columns="words")),
        lambda: figures.dose_curves(cells_table().drop(columns="step")),
    ],
)
def test_tables_that_lack_a_column_are_refused(call):
    with pytest.raises(FigureError, match="the table lacks"):
        call()


def test_draws_of_fewer_steps_share_the_points_of_their_cell():
    table = cells_table(["nano-a"], ["nano-b"], draws=2)
    table.loc[table.draw == 1, "step"] = [5, 11, 23]
    mean = figures.dose_curves(table).wide.axes[0].lines[0]
    assert list(mean.get_xdata()) == [0, 6, 12, 24]


def test_a_base_has_one_colour_in_every_figure():
    table = cells_table(["nano-a"], ["nano-a", "nano-b", "nano-a-half"])
    table.loc[table.student == "nano-a-half", "words"] = "same start and first half"
    bars = figures.relative_bars(table).wide.axes[0].patches
    curves = figures.dose_curves(table).wide.axes
    expected = [palette.BLUE, palette.ORANGE, palette.MOSS]
    assert [to_rgba(bar.get_facecolor(), 1) for bar in bars] == [to_rgba(colour) for colour in expected]
    for ax, colour in zip(curves, expected, strict=False):
        line = next(line for line in ax.lines if len(line.get_xdata()) == 4)
        assert to_rgba(line.get_color()) == to_rgba(colour)


def test_a_base_trained_on_is_a_stranger_to_a_teacher_of_another_start():
    assert pair_colour("other start", "trained on") == pair_colour("other start", "other start") == palette.ORANGE
    assert pair_colour("one trained on", "other start") == palette.MOSS
