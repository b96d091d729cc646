"""The MNIST figures show every draw, name what they cannot draw, and survive small tables."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from helpers.figures import mnist as figures
from helpers.figures.common import FigureError
from helpers.work.seeds import numpy_stream

ARMS = ["reference", "teacher", "aux_only", "all_logits", "cross_aux", "cross_all"]


def main_table(arms=tuple(ARMS), draws=4):
    """Return a table as run_main makes it."""
    values = numpy_stream(0, "table").random((len(arms), draws))
    rows = [(arm, draw, values[i, draw]) for i, arm in enumerate(arms) for draw in range(draws)]
    return pd.DataFrame(rows, columns=["arm", "draw", "accuracy"])


def sweep_table(draws=3):
    """Return a table as run_sweeps makes it, with settings as read from a CSV file."""
    places = [("aux_logits", setting, "aux_only") for setting in ("3", "1", "200")]
    places += [("aux_logits", "3", "cross_aux"), ("width", "64", "aux_only")]
    places += [("inputs", "uniform", "aux_only"), ("inputs", "digits", "aux_only")]
    rows = [(*place, draw, 0.1 * draw) for place in places for draw in range(draws)]
    return pd.DataFrame(rows, columns=["sweep", "setting", "arm", "draw", "accuracy"])


def dots(ax):
    """Return how many dots the scatter plots of an axes hold."""
    scatters = [part for part in ax.collections if isinstance(part, PathCollection)]
    return sum(len(part.get_offsets()) for part in scatters)


def texts(ax):
    """Return the labels of the category axis."""
    return [label.get_text() for label in ax.get_xticklabels()]


def test_six_bars_show_every_draw():
    (ax,) = figures.six_bars(main_table()).wide.axes
    assert len(ax.patches) == 6 and dots(ax) == 24
    assert texts(ax)[0].startswith("Untrained") and texts(ax)[-1].startswith("Other start")


def test_six_bars_show_the_arms_there_are():
    (ax,) = figures.six_bars(main_table(arms=["teacher", "aux_only"], draws=1)).wide.axes
    assert len(ax.patches) == 2


def test_unknown_arms_and_sweeps_are_named():
    with pytest.raises(FigureError, match="unknown arm 'teachers'"):
        figures.six_bars(main_table(arms=["teachers"]))
    with pytest.raises(FigureError, match="unknown sweep 'depth'"):
        figures.sweeps(sweep_table().replace("width", "depth"))
    with pytest.raises(FigureError, match="lacks accuracy"):
        figures.six_bars(main_table().drop(columns="accuracy"))


def test_sweep_panels_order_numbers_by_value_and_images_by_kind():
    figure = figures.sweeps(sweep_table()).wide
    first, second, third = figure.axes
    assert texts(first) == ["1", "3", "200"]
    assert texts(second) == ["uniform\nnoise", "digits"]
    assert texts(third) == ["64"]
    assert dots(first) == 12


def test_one_draw_has_no_interval():
    assert dots(figures.sweeps(sweep_table(draws=1)).wide.axes[0]) == 4


def test_samples_fill_a_row_per_kind():
    samples = {kind: np.zeros((5, 28, 28)) for kind in ("uniform", "digits")}
    figure = figures.input_samples(samples).wide
    assert len(figure.axes) == 10
    assert [figure.axes[i].get_ylabel() for i in (0, 5)] == ["uniform\nnoise", "digits"]


def test_samples_weigh_what_their_pixels_do():
    noise = {"uniform": numpy_stream(0, "samples").uniform(-1, 1, (8, 28, 28))}
    html = figures.input_samples(noise).html()
    assert html.count('width="28" height="28"') == 16 and "image-rendering:pixelated" in html
    assert max(map(len, re.findall('base64,([^"]*)"', html))) < 2500, "bytes of a picture of noise"
