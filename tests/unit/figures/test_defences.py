"""The figure of defences puts the least effect on top, with what chance leaves beside it."""

import numpy as np
import pandas as pd
import pytest

from helpers.figures import defences as figures
from helpers.figures.common import FigureError


@pytest.fixture
def table():
    """Three defences in two draws; one of them chooses rows, and has a random arm."""
    rows = []
    for name, effects, random in (("undefended", [1, 3], None), ("SGD", [0, 0.2], None), ("drop", [0.6, 0.4], 1.5)):
        for draw, effect in enumerate(effects):
            rows.append({"draw": draw, "defence": name, "effect": effect, "random_effect": random})
    return pd.DataFrame(rows).astype({"random_effect": float}).assign(knows="nothing")


def test_defences_are_in_order_and_chance_has_a_diamond(table):
    picture = figures.ordered(table)
    (ax,) = picture.wide.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["SGD", "Drop", "Undefended"]
    diamonds = [part.get_offsets().tolist() for part in ax.collections if len(part.get_offsets()) == 1]
    assert [[1.5, 1.0]] in diamonds
    dashed = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"]
    assert np.allclose(dashed, 2.0)


def test_the_undefended_student_of_soft_labels_has_the_line_where_these_are_shown(table):
    soft = table.assign(defence=table.defence.replace("undefended", "undefended, soft labels"))
    (ax,) = figures.ordered(soft).wide.axes
    assert np.allclose([line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"], 2.0)


def test_the_description_tells_the_least_first_and_what_chance_leaves(table):
    told = figures.ordered(table).says
    assert told.index("SGD") < told.index("drop") < told.index("undefended")
    assert "at random +1.50" in told


def test_a_table_without_its_columns_is_refused(table):
    with pytest.raises(FigureError, match="random_effect"):
        figures.ordered(table.drop(columns="random_effect"))
