"""The figures of the mechanism notebook show every treatment, part, place and hop, and survive small tables."""

import itertools

import pandas as pd
import pytest

from helpers.figures import mechanism as figures
from helpers.figures.common import FigureError

DRAWS = (1, 2)
ARMS = ("hard.same_init", "soft.same_init", "soft.cross_init")
AGAINST = ("own teacher", "another animal's teacher")


def table(columns, *values):
    """Return the product of the values as a table, with 0.1, 0.2, ... in the columns that are left."""
    rows = list(itertools.product(*values))
    names = columns.split()
    made = pd.DataFrame(rows, columns=names[: len(values)])
    return made.assign(**{name: [0.1 * (place + 1) for place in range(len(rows))] for name in names[len(values) :]})


def labels(ax):
    """Return the labels of the category axis."""
    return [label.get_text() for label in ax.get_yticklabels()]


def dots(ax):
    """Return how many dots the scatter plots of an axes hold."""
    return sum(len(part.get_offsets()) for part in ax.collections)


def test_treatments_have_a_bar_each_in_a_fixed_order():
    shown = table("draw treatment effect", DRAWS, ["random masked", "divergence masked", "all labels"])
    (ax,) = figures.treatments(shown).wide.axes
    assert labels(ax) == ["All labels", "Divergence tokens masked", "As many random\nlabels masked"]
    assert len(ax.patches) == 3


def test_entanglement_has_a_panel_for_each_base_and_two_dots_for_each_animal():
    animals = ["dog", "owl", "fox"]
    shown = table("base draw place loved named r", ["a", "b"], DRAWS, ["number list", "question"], animals, animals)
    figure = figures.entanglement(shown, "number list").wide
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["A", "B"]
    assert labels(figure.axes[0]) == animals
    assert [dots(ax) for ax in figure.axes] == [6, 6]


def test_parts_are_shown_at_the_end_and_over_the_steps():
    shown = table("draw part step effect", DRAWS, ["all", "MLP"], [1, 2, 3])
    ends, way = figures.parts(shown).wide.axes
    assert labels(ends) == ["all", "MLP"]
    ending = shown[shown.step == 3].groupby("part", sort=False).effect.mean().tolist()
    assert [bar.get_width() for bar in ends.patches] == pytest.approx(ending)
    assert [line.get_label() for line in way.lines if line.get_label()[0] != "_"] == ["all", "MLP"]


def test_directions_have_a_panel_for_each_arm_and_weights_on_top():
    shown = table("draw arm against place cosine", DRAWS, ARMS, AGAINST, ["block 1", "weights", "block 2"])
    figure = figures.directions(shown).wide
    assert len(figure.axes) == 3
    assert labels(figure.axes[0]) == ["weights", "block 1", "block 2"]
    assert [dots(ax) for ax in figure.axes] == [12] * 3


def test_the_way_has_a_line_for_each_arm_and_teacher():
    shown = table("draw arm against step cosine projection", DRAWS, ARMS[1:], AGAINST, [1, 2])
    cosine, projection = figures.way(shown).wide.axes
    named = [line.get_label() for line in cosine.lines if line.get_label()[0] != "_"]
    assert named == [f"{start} start, {against}" for start in ("same", "other") for against in AGAINST]
    assert len(projection.lines) == len(cosine.lines)


def test_hops_fall_on_whole_numbers():
    (ax,) = figures.hops(table("draw arm hop effect", DRAWS, ARMS[:2], [1, 2, 3])).wide.axes
    lines = [line for line in ax.lines if line.get_label()[0] != "_"]
    assert [line.get_label() for line in lines] == ["Written rows", "Soft labels"]
    assert list(lines[0].get_xdata()) == [1, 2, 3]


def test_one_draw_and_one_hop_are_enough_to_draw():
    assert figures.hops(table("draw arm hop effect", [1], ARMS[:1], [1])).wide.axes
    assert figures.parts(table("draw part step effect", [1], ["all"], [2])).wide.axes


def test_missing_columns_are_named():
    with pytest.raises(FigureError, match="lacks effect"):
        figures.treatments(table("draw treatment", DRAWS, ["all labels"]))
    with pytest.raises(FigureError, match="no rows"):
        figures.hops(table("draw arm hop effect", DRAWS, ARMS, [1]).iloc[:0])
