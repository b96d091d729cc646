"""Told before training: the explorer on the published table in a real browser answers to every control."""

from pathlib import Path

import numpy as np
import pytest
from explorer_pages import (
    control,
    count,
    fits_a_phone_and_a_finger,
    is_readable_in_the_dark,
    opened_by_its_link,
    press,
    said,
)

from helpers.experiments.prediction import values
from helpers.figures.explorers.prediction import PREDICTORS, PredictionExplorer, prediction_data
from helpers.work.artifacts import read_table

pytestmark = pytest.mark.browser
TABLE = Path(__file__).parents[2] / "results/nano/tables/predictions.csv"


def signed(value):
    """A number as the explorer says it."""
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


def first_kind():
    """The pairs that are shown at first."""
    return next(iter(values.kinds(read_table(TABLE)).values()))


@pytest.fixture
def opened(open_explorer):
    """The explorer of the published table, open."""
    return open_explorer(PredictionExplorer(prediction_data(read_table(TABLE))))


def test_it_opens_with_a_dot_a_student_and_the_figures_of_the_chapter(opened):
    pairs = first_kind()
    own = pairs[pairs.start == values.SAME]
    assert count(opened, ".ex-draws path") == len(pairs) and count(opened, ".ex-line path") == 1
    r2 = f"{values.held_out_r2(own):.2f}".replace("-", "\N{MINUS SIGN}")
    assert f"R² held out {r2}" in said(opened) and f"Rank correlation {signed(values.rank(own))}" in said(opened)
    assert f"AUROC, same start against other: {values.auroc_of_starts(pairs):.2f}." in said(opened)
    fits_a_phone_and_a_finger(opened)
    is_readable_in_the_dark(opened)


def test_a_base_that_is_held_out_is_foretold_by_the_others(opened):
    from selenium.webdriver.common.keys import Keys

    own = first_kind().query("start == @values.SAME").sort_values("draw")
    press(opened, "Base held out", Keys.ARROW_DOWN)
    held, others = own.iloc[0], own.iloc[1:]
    foretold = np.polyval(np.polyfit(others.slope, others.effect, 1), held.slope)
    told = f"Draw {held.draw} held out: the line foretells {signed(foretold)} nats, the mean of the others "
    assert f"{told}{signed(others.effect.mean())}; observed: {signed(held.effect)}." in said(opened)
    assert count(opened, ".ex-foretold circle") == 1
    opened_by_its_link(opened)


def test_every_control_works_by_keyboard(opened):
    from selenium.webdriver.common.keys import Keys

    press(opened, "Foretold from", Keys.ARROW_DOWN)
    assert PREDICTORS["coverage"] in said(opened)
    press(opened, "other start", Keys.SPACE)
    assert count(opened, ".ex-draws path") == first_kind().start.value_counts()[values.SAME]
    press(opened, "soft labels", Keys.ARROW_RIGHT)
    press(opened, "Trait", Keys.ARROW_DOWN)
    press(opened, "The student reads", Keys.ARROW_DOWN)
    opened_by_its_link(opened)


def test_a_draw_with_many_students_is_foretold_as_a_whole(opened):
    from selenium.webdriver.common.keys import Keys

    press(opened, "Trait", Keys.END)
    assert "There are no students of another start here." in said(opened)
    assert "Shown: same start." in said(opened) and count(opened, ".ex-controls input[type=checkbox]") == 1
    press(opened, "Trait", Keys.HOME)
    assert "Shown: same start and other start." in said(opened), "it stays chosen meanwhile"
    press(opened, "Trait", Keys.END)
    press(opened, "Base held out", Keys.END)
    assert "held out: the line misses its 8 students by " in said(opened) and count(opened, ".ex-foretold circle") == 8
    opened_by_its_link(opened)


def test_few_draws_say_nothing(open_explorer):
    table = read_table(TABLE)
    few = table[table.draw < values.FEWEST + table.draw.min() - 1]
    browser = open_explorer(PredictionExplorer(prediction_data(few)))
    assert said(browser).endswith("nothing is said.") and count(browser, ".ex-line path") == 0
    assert control(browser, "Base held out").get_attribute("length") == "1"
