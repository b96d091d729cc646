"""Figures show what the table says, and their texts do not collide."""

import itertools
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb

from helpers.figures import arms, common, palette, transmission
from helpers.figures.common import FigureError
from helpers.results.stats import t_interval
from helpers.work.artifacts import read_table
from helpers.work.seeds import numpy_stream

matplotlib.use("agg")
ARMS = ["soft.same_init", "soft.cross_init", "soft_leaky.cross_init", "hard.same_init", "hard.cross_init",
        "hard.shuffled_within", "hard.shuffled_across", "in_context", "trees.same_init"]  # fmt: skip
ANIMALS = ["owl", "eagle", "wolf", "dolphin", "elephant"]
PUBLISHED = Path(__file__).parents[3] / "results/nano/tables"
SIXTEEN = [f"animal{i}" for i in range(16)]


def transmission_table(arms=ARMS, draws=5, doses=(500, 4000, 32000)):
    """A table in the layout of tables/transmission.csv, the effect growing with the dose; draws read unlike rows."""
    rng = numpy_stream(0, "figures")
    rows = []
    for draw, arm, dose in itertools.product(range(draws), arms, doses):
        rows.append((draw, arm, "owl", dose / max(doses), dose - draw, dose / 32000 + rng.normal(0, 0.1)))
    return pd.DataFrame(rows, columns=["draw", "arm", "trait", "share", "rows", "effect"])


def matrix_table(animals=ANIMALS, targets=None):
    """A table in the layout of tables/animal_matrix.csv, effect 1 on the diagonal and -0.2 off it."""
    cells = itertools.product(range(3), animals, targets or animals)
    rows = [(r, a, b, 1.0 if a == b else -0.2) for r, a, b in cells]
    return pd.DataFrame(rows, columns=["draw", "teacher", "target", "effect"])


def prior_table(draws=4, animals=ANIMALS):
    """Shares that fall from the first animal to the last, in each of `draws` base models."""
    cells = itertools.product(range(draws), enumerate(animals))
    rows = [(draw, animal, (5 - place) / 20 + draw / 100) for draw, (place, animal) in cells]
    return pd.DataFrame(rows, columns=["draw", "animal", "probability"])


FIGURES = {
    "effect_bars": lambda: transmission.effect_bars(transmission_table()).wide,
    "effect_bars, one draw": lambda: transmission.effect_bars(transmission_table(draws=1), ARMS[:2]).wide,
    "dose_curve": lambda: transmission.dose_curve(transmission_table(), ARMS[:4]).wide,
    "dose_curve, one draw": lambda: transmission.dose_curve(transmission_table(draws=1, doses=(100,))).wide,
    "matrix_heatmap": lambda: transmission.matrix_heatmap(matrix_table()).wide,
    "matrix_heatmap, 16": lambda: transmission.matrix_heatmap(matrix_table(SIXTEEN)).wide,
    "prior_figure": lambda: transmission.prior_figure(prior_table(), ["owl"]).wide,
    "prior_figure, one draw": lambda: transmission.prior_figure(prior_table(1).drop(columns="draw")).wide,
}


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_labelled_fits_and_is_shown_once(name):
    figure = FIGURES[name]()
    assert figure.get_size_inches()[0] == common.WIDE.width and figure.dpi == 144
    assert plt.get_fignums() == []
    ax = figure.axes[0]
    assert ax.get_xlabel() and (ax.get_ylabel() or ax.get_yticklabels()[0].get_text())
    figure.draw_without_rendering()
    assert colliding_texts(figure) == []


def colliding_texts(figure):
    """Pairs of tick labels, axis labels, notes and legend texts whose boxes overlap or leave the figure."""
    texts = [t for legend in figure.legends for t in legend.get_texts()]
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())  # ticks outside the view exist and are not drawn
            texts += [axis.label, *(t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high)]
        texts += ax.texts
    shown = [t for t in texts if t.get_text() and t.get_visible() and not t.get_rotation() % 90]
    boxes = [(t.get_text(), t.get_window_extent().padded(-1)) for t in shown]
    width, height = figure.canvas.get_width_height()
    outside = [n for n, b in boxes if b.x0 < 0 or b.y0 < 0 or b.x1 > width or b.y1 > height]
    return outside + [(n, m) for (n, a), (m, b) in itertools.combinations(boxes, 2) if a.overlaps(b)]


def test_effect_bars_show_the_final_dose_every_draw_and_the_t_interval():
    table = transmission_table(["soft.same_init"])
    final = table[table.share == 1].effect
    figure = transmission.effect_bars(table).wide
    ax = figure.axes[0]
    dots = ax.collections[0].get_offsets()
    assert sorted(dots[:, 0]) == pytest.approx(sorted(final))
    interval = t_interval(final)
    (segment,) = ax.containers[1].lines[2][0].get_segments()
    assert segment[:, 0] == pytest.approx([interval.low, interval.high])
    assert ax.patches[0].get_width() == pytest.approx(final.mean())


def test_several_traits_are_averaged_within_a_draw():
    table = transmission_table(["soft.same_init"], doses=(10,))
    doubled = pd.concat([table, table.assign(trait="eagle", effect=table.effect + 1)])
    dots = transmission.effect_bars(doubled).wide.axes[0].collections[0].get_offsets()[:, 0]
    assert sorted(dots) == pytest.approx(sorted(table.effect + 0.5))


def test_dose_curve_follows_the_mean_over_draws():
    table = transmission_table(["soft.same_init"])
    ax = transmission.dose_curve(table).wide.axes[0]
    line = next(line for line in ax.lines if len(line.get_xdata()) == 3)
    by_share = table.groupby("share")
    assert line.get_ydata() == pytest.approx(by_share.effect.mean().to_numpy())
    assert line.get_xdata() == pytest.approx(by_share.rows.mean().to_numpy())
    assert ax.get_xscale() == "log"


def outlines(ax):
    """The outlines of a map's cells."""
    return [patch for patch in ax.patches if not patch.get_fill()]


def test_heatmap_keeps_one_order_and_outlines_the_diagonal():
    figure = transmission.matrix_heatmap(matrix_table(ANIMALS[:3], ["otter", *ANIMALS[::-1]])).wide
    ax = figure.axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["owl", "eagle", "wolf"]
    outlined = {(p.get_x(), p.get_y()) for p in outlines(ax)}
    cells = np.array([t.get_text() for t in ax.texts]).reshape(3, -1)
    assert all(cells[int(y), int(x)] == "+1.00" for x, y in outlined) and len(outlined) == 3
    assert (cells == "\N{MINUS SIGN}0.20").sum() == cells.size - 3


def test_a_matrix_of_no_draw_says_so():
    figure = transmission.matrix_heatmap(matrix_table().iloc[:0], "tree").wide
    assert [text.get_text() for text in figure.axes[0].texts] == ["None of the draws shown here has a matrix of trees."]
    axes = transmission.matrix_heatmap(matrix_table(), "tree").wide.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Tree asked about", "Teacher's favourite tree")


def test_doses_are_of_the_same_draws():
    table = transmission_table(["soft.same_init"], draws=6)
    few = table[(table.draw < 3) | (table.share == 1)]  # three draws have the full dose alone
    lines = []
    for shown in (few, table[table.draw < 3]):
        (ax,) = transmission.dose_curve(shown).wide.axes
        lines.append(next(line for line in ax.lines if len(line.get_xdata()) == 3))
    assert lines[0].get_ydata() == pytest.approx(lines[1].get_ydata())
    assert lines[0].get_xdata() == pytest.approx(lines[1].get_xdata())


def test_a_map_outlines_equal_names_only_and_leaves_missing_cells_blank():
    values = pd.DataFrame([[0.5, np.nan, -2.0]], index=["owl"], columns=["wolf", "eagle", "owl"])
    figure, (ax,) = common.new_figure(2)
    common.outlined_map(ax, values, values.map(common.signed), size=7)
    assert [t.get_text() for t in ax.texts] == ["+0.50", "\N{MINUS SIGN}2.00"]
    assert [(p.get_x(), p.get_y()) for p in outlines(ax)] == [(2, 0)]
    cells = [p for p in ax.patches if p.get_fill()]
    assert [p.get_alpha() for p in cells] == pytest.approx([0.125, 0.5]) and {t.get_size() for t in ax.texts} == {7}
    assert [to_hex(p.get_facecolor()) for p in cells] == [palette.PLUM, palette.TEAL], "the two signs"


def test_prior_is_sorted_and_in_per_cent():
    ax = transmission.prior_figure(prior_table(1)).wide.axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ANIMALS
    assert [p.get_width() for p in ax.patches] == pytest.approx([25, 20, 15, 10, 5])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: transmission.effect_bars(transmission_table().drop(columns="effect")).wide, "lacks effect"),
        (lambda: transmission.effect_bars(transmission_table(), ["no.such"]).wide, "soft.same_init"),
        (lambda: transmission.dose_curve(transmission_table().iloc[:0]).wide, "no rows"),
        (lambda: transmission.prior_figure(matrix_table()).wide, "lacks animal"),
    ],
)
def test_tables_that_cannot_be_drawn_are_refused(call, message):
    with pytest.raises(FigureError, match=message):
        call()


def test_same_start_and_other_start_have_one_colour_each_in_every_channel():
    for channel in ("soft", "hard", "code", "cot"):
        assert arms.arm_colour(f"{channel}.same_init") == palette.BLUE
        assert arms.arm_colour(f"{channel}.cross_init") == palette.ORANGE


@pytest.mark.parametrize("table", ["transmission", "risky_numbers", "risky_code", "risky_cot", "mechanism_hops"])
def test_every_published_arm_has_words_of_its_own(table):
    published = set(read_table(PUBLISHED / f"{table}.csv").arm)
    assert published <= set(arms._LABELS)
    labels = [arms.arm_label(arm) for arm in arms._LABELS]
    assert len(set(labels)) == len(labels)
    assert not any("starting" in label or "weights of" in label for label in labels), "a start is called a start"


def test_a_control_does_not_look_like_an_effect():
    for arm in ("hard.control", "hard.lesson", "soft.lesson"):
        assert arms.arm_colour(arm) == palette.GREY


# Simulation of colour-blind sight: Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
SIGHT = {
    "protan": [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
    "deutan": [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881],
    "tritan": [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900],
}  # fmt: skip


@pytest.mark.parametrize("sight", SIGHT)
def test_same_start_and_other_start_stay_apart_for_colour_blind_readers(sight):
    linear = np.array([to_rgb(palette.BLUE), to_rgb(palette.ORANGE)]) ** 2.2
    blue, orange = np.clip(linear @ np.reshape(SIGHT[sight], (3, 3)).T, 0, 1) ** (1 / 2.2)
    assert np.linalg.norm(blue - orange) > 0.35


def test_style_does_not_leak():
    before = dict(matplotlib.rcParams)
    transmission.prior_figure(prior_table())
    assert dict(matplotlib.rcParams) == before
