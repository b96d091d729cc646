"""Figures of detection: every detector and draw is shown against chance, in both layouts, and told in words."""

import pandas as pd
import pytest

from helpers.figures import detection
from helpers.figures.common import FigureError

COLUMNS = ["draw", "case", "against", "detector", "bag", "auroc", "scored"]


def table():
    """Two draws of three detectors on one case, single rows and four together."""
    rows = []
    for draw in (1, 2):
        for key, seen in (("optimal", 0.9), ("naive_bayes", 0.7), ("judge", 0.45)):
            rows += [(draw, "owl.numbers", "its base", key, bag, seen + 0.02 * draw, 100) for bag in (1, 4)]
    return pd.DataFrame([*rows, (1, "owl.numbers", "a control author", "judge", 1, 0.1, 100)], columns=COLUMNS)


def test_every_detector_has_a_row_in_each_panel_and_a_dot_a_draw():
    figure = detection.detectors(table(), "owl.numbers", (1, 4)).wide
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["Single rows", "4 rows together"]
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["naive Bayes", "the model as judge", "exact likelihood ratio"]
    dots = [len(found.get_offsets()) for found in figure.axes[0].collections if len(found.get_offsets()) == 2]
    assert len(dots) >= 3


@pytest.mark.parametrize("layout", ["wide", "narrow"])
def test_the_legend_tells_what_each_colour_knows(layout):
    (legend,) = getattr(detection.detectors(table(), "owl.numbers", (1, 4)), layout).legends
    told = [text.get_text() for text in legend.get_texts()]
    known = ["knows rows of one or both", "knows the base", "knows the base and the teacher"]
    assert told == [*known, "exact likelihood ratio"]
    assert detection._KNOWN.keys() == set(detection._COLOURS.values())


def test_means_are_told_in_words():
    says = detection.detectors(table(), "owl.numbers", (1, 4)).says
    assert "means over draws (2)" in says and "Single rows: " in says and "naive Bayes 0.73" in says
    says = detection.by_rows(table(), {"owl.numbers": "owl"}).says
    assert "owl, the model as judge: 0.48 with 1, 0.48 with 4." in says


def test_lines_are_drawn_for_the_cases_that_have_rows():
    figure = detection.by_rows(table(), {"owl.numbers": "owl", "another": "none"}).wide
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["owl"]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["1", "4"]


def test_draws_without_rows_get_words():
    empty = table().iloc[:0]
    for figure in (detection.detectors(empty, "owl.numbers", (1, 4)), detection.by_rows(empty, {"owl.numbers": "owl"})):
        assert any("None of the draws" in text.get_text() for text in figure.wide.axes[0].texts)


def test_a_missing_column_is_named():
    with pytest.raises(FigureError, match="lacks auroc"):
        detection.detectors(table().drop(columns="auroc"), "owl.numbers", (1, 4))
