"""Which small model takes it over: the explorer on the published tables in a real browser answers to every control."""

from pathlib import Path

import pandas as pd
import pytest
from explorer_pages import (
    OVERLAPS,
    control,
    count,
    fits_a_phone_and_a_finger,
    is_readable_in_the_dark,
    opened_by_its_link,
    press,
    said,
    shown,
)

from helpers.experiments.small.values import with_arms
from helpers.figures.explorers.small import SmallExplorer, small_data
from helpers.work.artifacts import read_table

pytestmark = pytest.mark.browser
TABLES = Path(__file__).parents[2] / "results/nano/tables"
LARGER, TEACHER = "The larger base itself, not made smaller", "The teacher itself, not made smaller"
EFFECT = "effect against the control (nats)"


def tables():
    """Students, compressed teachers and authors, as published."""
    students, compressed, authors = (
        read_table(TABLES / f"small_{name}.csv") for name in ("students", "compressed", "authors")
    )
    return with_arms(students), compressed, authors


@pytest.fixture
def opened(open_explorer):
    """The explorer of the published tables, open."""
    return open_explorer(SmallExplorer(small_data(*tables())))


def test_it_opens_with_every_way_and_its_draws(opened):
    students = tables()[0].query("arm == 'owl_soft'")
    assert count(opened, ".ex-means path") == students.way.nunique()
    assert count(opened, ".ex-draws path") == len(students)
    mean = students.query("way == 'same'").effect.mean()
    assert f"{LARGER}: {mean:+.2f} nats (" in said(opened)
    assert f"of {students.way.nunique()} models the whole interval lies above zero" in said(opened)
    fits_a_phone_and_a_finger(opened)
    is_readable_in_the_dark(opened)


def test_every_control_works_by_keyboard(opened):
    from selenium.webdriver.common.keys import Keys

    press(opened, EFFECT, Keys.ARROW_RIGHT)
    assert f"{LARGER}: 100 % (100 % to 100 %)" in said(opened)
    press(opened, LARGER, Keys.SPACE)
    assert LARGER not in said(opened)
    opened_by_its_link(opened)
    press(opened, "What passes", Keys.ARROW_DOWN)
    assert said(opened).startswith("Owl, written numbers: ") and LARGER not in said(opened)
    opened_by_its_link(opened)


def test_teachers_made_small_are_shares_of_the_teacher_and_other_ways_stay_chosen(opened):
    from selenium.webdriver.common.keys import Keys

    before = said(opened)
    press(opened, "What passes", Keys.END)
    assert TEACHER in said(opened) and LARGER not in said(opened)
    press(opened, "Weights in eight bits", Keys.SPACE)
    press(opened, EFFECT, Keys.ARROW_RIGHT)
    assert f"{TEACHER}: 100 %" in said(opened) and "share of the effect in the teacher itself" in shown(opened)
    opened_by_its_link(opened)
    press(opened, "Weights in eight bits", Keys.SPACE)
    press(opened, "share of what the whole teacher has", Keys.ARROW_LEFT)
    press(opened, "What passes", Keys.HOME)
    assert said(opened) == before


def test_it_says_where_nothing_is_chosen(opened):
    for line in opened.find_elements("css selector", ".ex fieldset:last-of-type label"):
        control(opened, line.text.strip()).click()
    assert said(opened).endswith("No model is chosen.")


def test_ways_without_a_name_and_draws_without_shares_are_shown(open_explorer):
    from selenium.webdriver.common.keys import Keys

    students, compressed, _ = tables()
    added = students.query("way == 'width'").assign(way="pruned_unit_by_unit", p_any=0.2)
    browser = open_explorer(SmallExplorer(small_data(pd.concat([students, added]), compressed)))
    assert "Pruned unit by unit: " in said(browser)
    assert "all answers together have 20 % in its lowest draw" in said(browser)
    assert browser.execute_script(OVERLAPS) == []
    press(browser, EFFECT, Keys.ARROW_RIGHT)
    press(browser, "What passes", Keys.END)  # without authors, a teacher's own trait is not known
    assert "nats" in said(browser) and count(browser, ".ex input[type=radio]") == 1
