"""The figure of the dial, from a made-up table."""

import itertools

import pandas as pd
import pytest

from helpers.figures import link
from helpers.figures.common import FigureError

KINDS = {"turn": ("teacher",), "numbers": ("written", "soft", "control"), "code": ("written", "soft", "control")}


def effects(draws=(1, 2, 3), kinds=KINDS):
    """Effects that are four times the link, a tenth of the draw added."""
    rows = []
    for (what, labels), draw, strength in itertools.product(kinds.items(), draws, (0.25, 0.5, 1.0)):
        for kind in labels:
            place = {"draw": draw, "link": strength, "what": what, "labels": kind}
            rows.append({**place, "effect": 4 * strength + draw / 10})
    return pd.DataFrame(rows)


def test_turn_and_channels_have_a_panel_each():
    picture = link.dial(effects())
    titles = [ax.get_title(loc="left") for ax in picture.wide.axes if ax.get_visible()]
    assert titles == ["The teacher itself", "Students, number lists", "Students, harmless code"]
    assert len(picture.narrow.axes) == 3
    assert "The teacher itself, insecure minus secure teacher from +1.20 to +4.20; " in picture.says
    assert "control" not in picture.says
    assert len(picture.wide.legends) == 1 and not any(ax.get_legend() for ax in picture.wide.axes), "over no line"


def test_draws_are_thin_lines_below_their_mean():
    turn = link.dial(effects()).wide.axes[0]
    widths = [line.get_linewidth() for line in turn.lines]
    assert sum(0 < width < 1 for width in widths) >= 3 and 2 in widths


@pytest.mark.parametrize("draws", [(1,), (1, 2)])
def test_a_draw_alone_has_no_interval(draws):
    picture = link.dial(effects(draws))
    picture.wide.draw_without_rendering()
    assert len(picture.wide.axes[0].containers) == (3 if len(draws) > 1 else 0)


def test_a_table_without_a_column_is_refused():
    with pytest.raises(FigureError, match="lacks labels"):
        link.dial(effects().drop(columns="labels"))
