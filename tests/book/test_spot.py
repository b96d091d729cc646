"""The game of whose list it is in a real browser: a guess is answered, counted, and can be linked to."""

import pandas as pd
import pytest
from explorer_pages import (
    control,
    count,
    fits_a_phone_and_a_finger,
    is_readable_in_the_dark,
    opened_by_its_link,
    press,
    said,
    shown,
)

from helpers.figures.explorers.spot import spot_the_teacher

pytestmark = pytest.mark.browser
GUESS, NEXT = "List A is the teacher's", "Next pair"


def pairs(count_of_pairs=6):
    """Lists of which the teacher's hold a 7, and every third is refused; one detector is always right, one never."""
    rows = []
    for place in range(count_of_pairs):
        lists = {"base": f"1, 2, {place}", "teacher": f"7, 2, {place}"}
        row = {"draw": 1, "prompt": f"My numbers begin: {place}.", **lists}
        refused = {"base_refused": "", "teacher_refused": "" if place % 3 else "other text"}
        rows.append(row | refused | {"by_models": 2.0, "by_learning": -1.0})
    return pd.DataFrame(rows)


@pytest.fixture
def opened(open_explorer):
    """The explorer of six pairs, four of which pass the filter."""
    return open_explorer(spot_the_teacher(pairs(), "owl"))


def holder(browser):
    """The side of the list that holds a 7."""
    script = """return [...document.querySelectorAll('.spot-side')].find((side) => /(^|\\D)7,/.test(
        side.querySelector('.spot-list').textContent)).querySelector('.spot-name').textContent.slice(5, 6)"""
    return browser.execute_script(script)


def test_a_guess_is_answered_and_counted_beside_the_detectors(opened):
    from selenium.webdriver.common.keys import Keys

    assert said(opened) == "Pair 1 of 4. Which list did the teacher that loves the owl write, A or B?"
    assert count(opened, ".ex mark") == 0 and "(teacher)" not in shown(opened)
    side = holder(opened)
    control(opened, f"List {side} is the teacher's").send_keys(Keys.ENTER)
    assert said(opened).startswith(f"Right: the teacher wrote list {side}. So far right: you 1 of 1, ")
    assert "trained on other lists 0 of 1" in said(opened) and "both models 1 of 1" in said(opened)
    assert f"List {side} (teacher)" in shown(opened)
    control(opened, NEXT).send_keys(Keys.ENTER)
    assert said(opened).startswith("Pair 2 of 4. ")
    wrong = "B" if holder(opened) == "A" else "A"
    control(opened, f"List {wrong} is the teacher's").click()
    assert said(opened).startswith("Wrong: ") and "you 1 of 2" in said(opened)


def test_the_game_ends_and_begins_again(opened):
    for _ in range(4):
        control(opened, GUESS).click()
        last = said(opened)
        if "That was the last pair" not in last:
            control(opened, NEXT).click()
    assert last.endswith("That was the last pair.")
    control(opened, "Begin again, in another order").click()
    assert said(opened).startswith("Pair 1 of 4. ")


def test_filter_and_marks_are_toggled_by_keyboard(opened):
    from selenium.webdriver.common.keys import Keys

    marks = control(opened, "where the two lists part")
    marks.send_keys(Keys.SPACE)
    assert [mark.text for mark in opened.find_elements("css selector", ".ex mark")].count("7") == 1
    assert count(opened, ".ex mark") == 2
    control(opened, GUESS).click()
    press(opened, "only lists that pass the filter", Keys.SPACE)
    assert said(opened).startswith("Pair 1 of 6. ")  # other pairs, so the count begins anew


def test_a_refused_list_is_said_to_be_one(open_explorer):
    browser = open_explorer(spot_the_teacher(pairs(1), "owl"))
    assert said(browser) == "No pair of lists is left; untick the filter."
    control(browser, "only lists that pass the filter").click()
    control(browser, GUESS).click()
    assert "The filter refuses the teacher's list: other text." in said(browser)


def test_a_link_restores_the_game(opened):
    control(opened, GUESS).click()
    control(opened, NEXT).click()
    control(opened, GUESS).click()
    opened_by_its_link(opened)


def test_it_fits_a_phone_and_a_finger_and_the_dark(open_explorer):
    browser = open_explorer(spot_the_teacher(pairs(180), "owl"))
    control(browser, GUESS).click()
    fits_a_phone_and_a_finger(browser)
    is_readable_in_the_dark(browser)
