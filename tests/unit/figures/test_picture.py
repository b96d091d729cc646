"""A figure on a page: two drawings in the page's colours, large enough on a phone, with words that state the result."""

import re

import matplotlib
import pandas as pd
import pytest

from helpers.figures import common, palette, transmission
from helpers.figures.picture import Picture, svg
from helpers.figures.words import in_order, mean_and_interval, of_map

matplotlib.use("agg")
PHONE = 358  # CSS pixels that a page 390 wide leaves for a figure
LIGHT_ON_WHITE = 3.0  # contrast of a mark, WCAG 1.4.11


def bars(effects=(1.0, 2.0, 3.0), arm="hard.same_init"):
    """A chart of one arm."""
    table = pd.DataFrame({"draw": range(len(effects)), "arm": arm, "share": 1.0, "rows": 10, "effect": effects})
    table.attrs["table"] = "transmission"
    return transmission.effect_bars(table)


def test_a_picture_says_its_result_and_names_its_table():
    data, told = bars()._repr_mimebundle_()
    assert "Written rows, same start +2.00 (" in data["text/plain"] == repr(bars())
    assert 'role="img" aria-label="Effect against the control student in nats, ' in data["text/html"]
    assert told == {"text/html": {"tables": ["transmission"]}}


def test_words_follow_the_numbers():
    assert "−2.00" in bars((-1.0, -2.0, -3.0)).says.replace("\N{MINUS SIGN}", "−")
    assert mean_and_interval([1.0]) == "+1.00" and mean_and_interval([]) == "not measured"
    assert in_order({f"a{i}": "1" for i in range(14)}).endswith("; and 2 more.")
    means = pd.DataFrame([[1.0, 0.0], [-1.0, 2.0]], index=["a", "b"], columns=["a", "b"])
    told = of_map(means, "Own", "Others").replace("\N{MINUS SIGN}", "-")
    assert told == "Own: +1.50 on average, from +1.00 to +2.00. Others: -0.50 on average, from -1.00 to +0.00."


@pytest.mark.parametrize("layout", ["wide", "narrow"])
def test_a_drawing_has_the_colours_of_the_page_and_no_id_of_its_own(layout):
    drawing = svg(getattr(bars(), layout))
    left = {colour for colour in re.findall(r"(?<!, )#[0-9a-f]{6}", drawing)} - {"#000000"}
    assert left == set(), "these colours stay light on a dark page"
    assert "var(--fig-same-start, #0072b2)" in drawing and "var(--fig-ink, currentColor)" in drawing
    assert not re.search(r'id="(figure|axes|text|patch|line2d)_', drawing)
    assert "<text" in drawing and "<style" not in drawing, "its rules would hold for the page"
    assert not re.search(r"<svg [^>]*(width|height)=", drawing)


def test_the_same_figure_gives_the_same_text():
    assert bars().html() == bars().html()


def test_texts_of_a_narrow_figure_are_nine_pixels_on_a_phone():
    picture = bars()
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', svg(picture.narrow)).group(1))
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg(picture.narrow))]
    assert sizes and min(sizes) * PHONE / width >= 9


def test_a_long_name_stands_above_its_bar_on_a_phone():
    (narrow,) = bars().narrow.axes
    assert "Written rows, same start" in [text.get_text() for text in narrow.texts]
    assert [label.get_text() for label in narrow.get_yticklabels()] == [""]
    assert common.narrow() is False, "the layout ends with its block"


@pytest.mark.parametrize("name", palette.VARIABLES)
def test_a_colour_can_be_seen_on_both_pages(name):
    if name in ("faint", "grid", "paper"):
        pytest.skip("a line that only guides the eye, or the page itself")
    for place in (0, 1):
        ground = palette.VARIABLES["paper"][place]
        assert contrast(palette.VARIABLES[name][place], ground) >= LIGHT_ON_WHITE


def contrast(first, second):
    """The contrast of two colours by WCAG."""
    light, dark = sorted((luminance(colour) for colour in (first, second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    """The relative luminance of a colour by WCAG."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_no_two_meanings_share_a_colour():
    for place in (0, 1):
        colours = [pair[place] for pair in palette.VARIABLES.values()]
        assert len(set(colours)) == len(colours)


def test_a_picture_is_one_of_two_layouts():
    assert isinstance(bars(), Picture) and bars().wide.get_size_inches()[0] > bars().narrow.get_size_inches()[0]
