"""The theorem's figures show both networks and both starts, and survive small tables."""

import pandas as pd
import pytest

from helpers.figures import theorem as figures
from helpers.figures.common import FigureError

INPUTS = {"digits": ["uniform", "sparse"], "language": ["numbers"]}


def steps_table(runs=(1, 2)):
    """Return a table as run_steps makes it, in which the same start passes every test and the other none."""
    rows = [
        (network, run, kind, start, step < 0.1, loss, step, sign * step, sign * 0.1, step, sign * 0.2)
        for network, kinds in INPUTS.items()
        for run in runs
        for kind in kinds
        for start, sign in (("same", 1), ("other", -1))
        for loss in ("squared error", "cross-entropy")
        for step in (1e-3, 1e-2, 1.0)
    ]
    columns = "network run inputs start small loss step inner cosine predicted fall".split()
    return pd.DataFrame(rows, columns=columns)


def alignment_table(runs=(1, 2)):
    """Return a table as run_alignment makes it."""
    rows = [
        (run, optimizer, start, step, 0.1 * run, 0.2 * run, 1 - 0.2 * step, 0.5)
        for run in runs for optimizer in ("Adam", "SGD") for start in ("same", "other") for step in (1, 2, 4)
    ]  # fmt: skip
    columns = "run optimizer start step step_cosine total_cosine loss_left accuracy".split()
    return pd.DataFrame(rows, columns=columns)


def dots(ax):
    """Return how many dots the scatter plots of an axes hold."""
    return sum(len(part.get_offsets()) for part in ax.collections)


def test_slopes_have_a_line_for_every_input_and_loss():
    figure = figures.slope_ratios(steps_table())
    assert [len(ax.lines) for ax in figure.axes] == [4, 2]
    assert all(line.get_ydata() == pytest.approx([1, 1, 1]) for ax in figure.axes for line in ax.lines)


def test_cosines_have_a_row_for_every_input_and_a_dot_for_every_student():
    first, second = figures.cosines(steps_table()).axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["uniform noise", "sparse images"]
    assert (dots(first), dots(second)) == (16, 8)


def test_passed_tests_are_shares_of_runs():
    first, _ = figures.passed_tests(steps_table()).axes
    means = [line.get_ydata() for line in first.lines if len(line.get_xdata()) == 3]
    assert [list(values) for values in means] == [[1, 1, 1], [0, 0, 0]]
    assert first.get_ylim()[0] == 0


def test_alignment_has_three_views_of_four_students():
    figure = figures.alignment(alignment_table())
    assert len(figure.axes) == 3
    assert [len(ax.lines) for ax in figure.axes] == [5, 5, 5]
    left, right = figure.axes[2].get_xlim()
    assert left > right  # progress goes to the right


def test_one_run_has_no_interval():
    assert not figures.alignment(alignment_table(runs=[1])).axes[0].collections
    assert len(figures.passed_tests(steps_table(runs=[1])).axes) == 2


def test_missing_columns_are_named():
    with pytest.raises(FigureError, match="lacks cosine"):
        figures.cosines(steps_table().drop(columns="cosine"))
    with pytest.raises(FigureError, match="no rows"):
        figures.alignment(alignment_table().iloc[:0])
