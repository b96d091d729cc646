"""Networks that train in a real browser: when asked, shown while they do, and beside what was recorded."""

from pathlib import Path

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
    wait_for,
)

from helpers.figures.explorers import digits
from helpers.mnist.dataset import load_mnist
from helpers.work.artifacts import read_table

pytestmark = pytest.mark.browser
SWEEPS = Path(__file__).parents[2] / "results/nano/tables/mnist_sweeps.csv"


@pytest.fixture(scope="module")
def few():
    """A hundred test digits and their labels."""
    images, labels = load_mnist("test")
    return images[:100], labels[:100]


@pytest.fixture
def opened(open_explorer, monkeypatch, few):
    """The explorer with networks small enough to train at once."""
    for name, value in {"TAUGHT": 60, "TESTED": 40, "WIDTH": 8, "STEPS": {"teacher": 6, "student": 8}}.items():
        monkeypatch.setattr(digits, name, value)
    data = digits.digits_data(digits.recorded(read_table(SWEEPS), 3), *few, 3)
    browser = open_explorer(digits.DigitsExplorer(data))
    wait_for(browser, lambda: count(browser, ".digits-row canvas") == 24)
    return browser


def trained(browser):
    """Train by keyboard and wait for the end."""
    from selenium.webdriver.common.keys import Keys

    control(browser, "Train").send_keys(Keys.ENTER)
    wait_for(browser, lambda: said(browser).startswith("With "), seconds=120)
    return browser


def test_it_opens_with_what_was_recorded_and_trains_when_asked(opened):
    sweeps = read_table(SWEEPS)
    paper = sweeps[(sweeps.sweep == "aux_logits") & (sweeps.setting == "3") & (sweeps.arm == "aux_only")]
    assert said(opened).startswith("3 auxiliary outputs, uniform noise, the same start: not trained yet.")
    assert f"{100 * paper.accuracy.mean():.3g} % on average over {len(paper)} draws" in said(opened)
    assert count(opened, ".ex-recorded circle") == len(paper)
    before = shown(opened)
    trained(opened)
    assert "of 40 test digits here" in said(opened) and "chance is 10 %" in said(opened)
    assert shown(opened) != before and count(opened, ".digits-row b") == 12


def test_every_control_works_by_keyboard(opened):
    from selenium.webdriver.common.keys import Keys

    trained(opened)
    opened.execute_script("document.querySelector('.ex fieldset input:checked').focus()")
    before = said(opened), shown(opened)
    opened.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    wait_for(opened, lambda: said(opened) != before[0])
    assert "10 auxiliary outputs" in said(opened) and shown(opened) != before[1]
    press(opened, "Images for the student", Keys.ARROW_DOWN)
    assert "The full networks were not trained with this combination." in said(opened)
    trained(opened)
    opened_seed = opened.find_element("css selector", ".ex-link").get_attribute("href")
    control(opened, "Other random numbers").send_keys(Keys.ENTER)
    assert "not trained yet" in said(opened)
    assert opened.find_element("css selector", ".ex-link").get_attribute("href") != opened_seed


def test_the_same_choice_trains_the_same_student(opened):
    first = said(trained(opened))
    control(opened, "Train").click()
    wait_for(opened, lambda: said(opened) == first, seconds=120)


def test_a_training_can_be_stopped(opened):
    script = """const button = document.querySelector('.ex button');
        button.click();
        return new Promise((done) => setTimeout(() => { button.click(); done(button.textContent); }))"""
    assert opened.execute_script(script) == "Train"
    assert "not trained yet" in said(opened)


def test_a_link_restores_the_choice(opened):
    from selenium.webdriver.common.keys import Keys

    press(opened, "Images for the student", Keys.ARROW_DOWN)
    opened_by_its_link(opened)


def test_it_fits_a_phone_and_a_finger_and_the_dark(opened):
    trained(opened)
    fits_a_phone_and_a_finger(opened)
    is_readable_in_the_dark(opened)
