"""Figures of small models and of transfer foretold, from made-up tables."""

import itertools

import pandas as pd
import pytest
from matplotlib.text import Text

from helpers.figures import palette, prediction, small
from helpers.figures.common import FigureError


def students(ways=("same", "width", "independent"), column="arm", panels=("owl_soft", "misalignment_code")):
    """A table of effects by way and panel, three draws each; the mean is 1 for the first way, 0 for the last."""
    rows = []
    for (place, way), panel, draw in itertools.product(enumerate(ways), panels, (1, 2, 3)):
        effect = 1 - place / (len(ways) - 1) + (draw - 2) / 10
        likeness = {"representations": 1 - place / 4, "divergence": place / 10}
        rows.append({"draw": draw, "way": way, column: panel, "effect": effect, **likeness})
    return pd.DataFrame(rows)


def foretold():
    """A table of pairs in one channel, both starts, four draws; slope and effect agree in rank."""
    rows = []
    for draw, start in itertools.product(range(4), ("same start", "other start")):
        place = {"draw": draw, "family": "misalignment", "channel": "cot", "labels": "hard", "start": start}
        rows.append({**place, "slope": draw, "effect": draw**2 if start == "same start" else 0.0})
    return pd.DataFrame(rows)


def test_every_way_has_a_row_and_every_kind_of_rows_a_panel():
    picture = small.students_by_way(students())
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in picture.wide.axes]
    assert titles == ["Owl, soft labels", "Misaligned, code"]
    labels = [text.get_text() for text in picture.wide.axes[0].get_yticklabels()]
    assert labels == [small.way_label(way) for way in ("same", "width", "independent")]
    assert "Owl, soft labels, Cut narrower, healed +0.50 (" in picture.says


def test_ways_have_the_colour_of_what_they_share():
    assert small.way_colour("same") == palette.BLUE
    assert small.way_colour("four_bits") == palette.MOSS != small.way_colour("distilled") == palette.ORANGE


def test_compressed_teachers_have_a_panel_a_trait():
    picture = small.compressed_by_way(students(column="trait", panels=("owl", "misaligned")))
    assert len(picture.wide.axes) == 2 and "Misaligned, Cut narrower, healed +0.50" in picture.says


def test_likeness_is_told_with_the_effect():
    picture = small.effect_and_likeness(students(panels=("owl_soft",)))
    assert "+0.50 nats with likeness 0.75, divergence 0.100" in picture.says
    assert len(picture.narrow.axes) == 2


def test_names_beside_dots_do_not_cover_each_other():
    ways = ("same", "eight_bits", "four_bits", "low_rank", "layers", "width", "distilled", "independent", "stranger")
    close = students(ways, panels=("owl_soft",)).assign(representations=0.9)  # all dots one above the other
    for figure in (small.effect_and_likeness(close).wide, small.effect_and_likeness(close).narrow):
        figure.draw_without_rendering()
        for ax in figure.axes:
            boxes = [Text.get_window_extent(text) for text in ax.texts]
            assert len(boxes) == len(ways)
            assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def test_ways_that_begin_afresh_have_names_of_their_own():
    names = [text.get_text() for text in small.effect_and_likeness(students()).wide.axes[0].texts]
    assert names == ["The larger base itself", "Cut narrower", "Independent"]


def test_forecasts_have_a_panel_a_kind_of_pairs_and_rank_the_same_start_alone():
    picture = prediction.foretold(foretold())
    assert "Misalignment, reasoning, written +1.00" in picture.says
    assert len(picture.wide.axes[0].collections) == 2


def test_forecasts_without_an_effect_are_words_alone():
    assert prediction.foretold(foretold().assign(effect=float("nan"))).wide.axes[0].texts


@pytest.mark.parametrize("draw", [small.students_by_way, prediction.foretold])
def test_tables_that_lack_a_column_are_refused(draw):
    with pytest.raises(FigureError, match="the table lacks"):
        draw(pd.DataFrame({"draw": [1]}))
