"""The theorem's figures show both networks and both starts, and survive small tables."""

import itertools

import pandas as pd
import pytest

from helpers.figures import theorem as figures
from helpers.figures.common import FigureError

INPUTS = {"digits": ["uniform", "sparse"], "language": ["numbers"]}


def steps_table(draws=(1, 2)):
    """Return a table as run_steps makes it, in which the same start passes every test and the other none."""
    kinds = [(network, kind) for network, kinds in INPUTS.items() for kind in kinds]
    starts, losses, steps = [("same", 1), ("other", -1)], ("squared error", "cross-entropy"), (1e-3, 1e-2, 1.0)
    rows = []
    for (network, kind), draw, (start, sign), loss, step in itertools.product(kinds, draws, starts, losses, steps):
        measured = {"inner": sign * step, "cosine": sign * 0.1, "predicted": step, "fall": sign * 0.2}
        about = {"network": network, "draw": draw, "inputs": kind, "start": start, "small": step < 0.1}
        rows.append(about | {"loss": loss, "step": step} | measured)
    return pd.DataFrame(rows)


def alignment_table(draws=(1, 2)):
    """Return a table as run_alignment makes it."""
    rows = []
    for draw, optimizer, start, step in itertools.product(draws, ("Adam", "SGD"), ("same", "other"), (1, 2, 4)):
        about = {"draw": draw, "optimizer": optimizer, "start": start, "step": step}
        cosines = {"step_cosine": 0.1 * draw, "total_cosine": 0.2 * draw}
        rows.append(about | cosines | {"loss_left": 1 - 0.2 * step, "accuracy": 0.5})
    return pd.DataFrame(rows)


def dots(ax):
    """Return how many dots the scatter plots of an axes hold."""
    return sum(len(part.get_offsets()) for part in ax.collections)


def test_slopes_have_a_line_for_every_input_and_loss():
    figure = figures.slope_ratios(steps_table()).wide
    assert [len(ax.lines) for ax in figure.axes] == [4, 2]
    assert all(line.get_ydata() == pytest.approx([1, 1, 1]) for ax in figure.axes for line in ax.lines)


def test_cosines_have_a_row_for_every_input_and_a_dot_for_every_student():
    first, second = figures.cosines(steps_table()).wide.axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["uniform noise", "sparse images"]
    assert (dots(first), dots(second)) == (16, 8)


def test_passed_tests_are_shares_of_draws():
    first, _ = figures.passed_tests(steps_table()).wide.axes
    means = [line.get_ydata() for line in first.lines if len(line.get_xdata()) == 3]
    assert [list(values) for values in means] == [[1, 1, 1], [0, 0, 0]]
    assert first.get_ylim()[0] == 0


def test_alignment_has_three_views_of_four_students():
    figure = figures.alignment(alignment_table()).wide
    assert len(figure.axes) == 3
    assert [len(ax.lines) for ax in figure.axes] == [5, 5, 5]
    left, right = figure.axes[2].get_xlim()
    assert left > right  # progress goes to the right


def test_one_draw_has_no_interval():
    assert not figures.alignment(alignment_table(draws=[1])).wide.axes[0].collections
    assert len(figures.passed_tests(steps_table(draws=[1])).wide.axes) == 2


def test_missing_columns_are_named():
    with pytest.raises(FigureError, match="lacks cosine"):
        figures.cosines(steps_table().drop(columns="cosine"))
    with pytest.raises(FigureError, match="no rows"):
        figures.alignment(alignment_table().iloc[:0])
