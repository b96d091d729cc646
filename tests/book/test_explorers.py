"""Explorers on the published results in a real browser: each opens with data, and every control changes it."""

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
)

from helpers.book.prose import ordered
from helpers.figures.explorers.claims import ClaimsExplorer, claims_data
from helpers.figures.explorers.damage import DamageExplorer, damage_data
from helpers.figures.explorers.guess import GuessExplorer, guess_data
from helpers.figures.explorers.teaching import TeachingExplorer, teaching_data
from helpers.results.ledger import load
from helpers.work.artifacts import read_table

pytestmark = pytest.mark.browser
NANO = Path(__file__).parents[2] / "results/nano"


def table(name):
    """A published table."""
    return read_table(NANO / f"tables/{name}.csv")


def guess():
    """Guess, then see."""
    return GuessExplorer(guess_data(table("transmission"), table("teachers")))


def claims():
    """The ledger browser."""
    return ClaimsExplorer(claims_data(ordered(load(NANO)), NANO))


def damage():
    """Trait or damage?"""
    return DamageExplorer(damage_data({channel: table(f"risky_{channel}") for channel in ("numbers", "code", "cot")}))


def teaching():
    """Who can teach whom, with relatives as earlier runs had them."""
    matrix = table("cross_model")
    others = matrix[(matrix.teacher == "nano-a") & (matrix.student == "nano-c")]
    relatives = others.assign(student="nano-a-half", relation="one trained on", words="same start, first half")
    return TeachingExplorer(teaching_data(matrix, table("base_distances"), relatives))


@pytest.mark.parametrize("make", [guess, claims, damage, teaching])
def test_it_fits_a_phone_a_finger_and_the_dark_and_opens_by_its_link(open_explorer, make):
    browser = open_explorer(make())
    assert count(browser, ".ex figure svg path, .ex figure svg circle") > 0
    fits_a_phone_and_a_finger(browser)
    is_readable_in_the_dark(browser)
    opened_by_its_link(browser)


def test_one_guesses_before_one_sees(open_explorer):
    from selenium.webdriver.common.keys import Keys

    browser = open_explorer(guess())
    full = table("transmission").query("arm == 'soft.same_init' and share == 1 and trait == 'owl'")
    measured = f"{100 * full.p_target.mean():.3g} %"
    assert measured not in said(browser) and measured not in shown(browser)
    press(browser, "Your guess: it says “owl” in", Keys.ARROW_RIGHT)
    assert said(browser).endswith("Your guess: 26 %.")
    press(browser, "See what was measured", Keys.ENTER)
    assert measured in said(browser) and f"Its {len(full)} draws go" in said(browser)
    press(browser, "that of the teacher", Keys.ARROW_RIGHT)
    assert "Your guess: 26 %." in said(browser)  # another setting is another guess
    press(browser, "the teacher's probabilities for numbers (soft labels)", Keys.ARROW_LEFT)
    press(browser, "fine-tuned to love the owl", Keys.ARROW_RIGHT)
    opened_by_its_link(browser)


def test_claims_are_filtered_and_opened_by_keyboard(open_explorer):
    from selenium.webdriver.common.keys import Keys

    browser, records = open_explorer(claims()), load(NANO)
    primary = [record for record in records if record.kind == "primary"]
    assert said(browser).startswith(f"{len(primary)} of {len(records)} claims: ")
    first = browser.find_element("css selector", ".ex-claim button")
    before = said(browser)
    first.send_keys(Keys.ENTER)
    assert "Open: " in said(browser) and said(browser) != before
    assert browser.execute_script("return document.activeElement.getAttribute('aria-expanded')") == "true"
    assert count(browser, ".ex-details dd") > 5
    opened_by_its_link(browser)
    for label in ("Which claims", "Chapter", "Verdict", "What the student reads"):
        press(browser, label, Keys.ARROW_DOWN)
        control(browser, label).send_keys(Keys.HOME)
    press(browser, "Words in the claim", "owl")
    assert said(browser).startswith(f"{sum('owl' in f'{r.claim} {r.id}'.lower() for r in records)} of ")


def test_trait_and_damage_answer_to_every_control(open_explorer):
    from selenium.webdriver.common.keys import Keys

    browser = open_explorer(damage())
    numbers = table("risky_numbers").query("arm == 'hard.same_init' and share == 1 and trait == 'misaligned'")
    lost = 100 * (numbers.right_answers_control - numbers.right_answers).mean()
    assert f"Written rows, same start: {numbers.effect.mean():+.2f} nats".replace("-", "\N{MINUS SIGN}") in said(
        browser
    )
    assert f"{abs(lost):.1f} points of sums {'lost' if lost > 0 else 'gained'}" in said(browser)
    press(browser, "Dose", Keys.ARROW_LEFT)
    press(browser, "Draw", Keys.ARROW_DOWN)
    assert f"draw {numbers.draw.min()}" in said(browser)
    opened_by_its_link(browser)
    press(browser, "log-odds of misaligned answers (nats)", Keys.ARROW_RIGHT)
    press(browser, "Written rows, same start", Keys.SPACE)
    press(browser, "number lists", Keys.ARROW_RIGHT)
    opened_by_its_link(browser)


def test_teachers_and_students_answer_to_every_control(open_explorer):
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    browser, matrix = open_explorer(teaching()), table("cross_model")
    first = matrix.query("teacher == 'nano-a' and student == 'nano-a' and share == 1").groupby("draw").effect.mean()
    assert f"After 100 % of the training: {first.mean():+.2f} nats" in said(browser)
    press(browser, "Trained so far", Keys.ARROW_LEFT)
    press(browser, "Base of the student", Keys.ARROW_DOWN)
    press(browser, "Base of the teacher", Keys.ARROW_DOWN)
    opened_by_its_link(browser)
    # a relative was taught by the first base alone: that teacher comes with it, and another has another student
    Select(control(browser, "Base of the student")).select_by_visible_text("nano-a-half: same start, first half")
    assert Select(control(browser, "Base of the teacher")).first_selected_option.get_attribute("value") == "0"
    press(browser, "Base of the teacher", Keys.ARROW_DOWN)
    before = said(browser)
    browser.find_elements("css selector", ".ex-cells rect")[1].click()
    assert (
        said(browser) != before and count(browser, ".ex-cells rect") == matrix.groupby(["teacher", "student"]).ngroups
    )
