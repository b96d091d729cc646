"""The explorer of the owl on the published tables in a real browser: it opens with something to see, and answers."""

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
    wait_for,
)

from helpers.figures.explorers.transmission import TransmissionExplorer, explorer_data
from helpers.work.artifacts import read_table

pytestmark = pytest.mark.browser
PUBLISHED = Path(__file__).parents[2] / "results/nano/tables"
HOSTILE = "owl <script>document.title = 'hit'</script> </SCRIPT> {{ build }}"
FIRST = ".ex figure:first-child"


@pytest.fixture(scope="module")
def published():
    """The published table of effects."""
    return read_table(PUBLISHED / "transmission.csv")


@pytest.fixture
def opened(open_explorer):
    """A function that opens the explorer of a table."""
    matrix = read_table(PUBLISHED / "animal_matrix.csv")
    return lambda table, **options: open_explorer(TransmissionExplorer(explorer_data(table, matrix)), **options)


def counts(rows):
    """The fewest and the most rows of some students, as the explorer says them."""
    ends = sorted({rows.min(), rows.max()})
    return " to ".join(f"{end:,}" for end in ends)


@pytest.mark.parametrize("root", ['data-content_root=""', ""])
def test_it_opens_with_something_to_see_in_the_book_and_beside_a_kernel(opened, published, root):
    browser = opened(published, root=root)
    assert count(browser, ".ex fieldset input:checked") == 4
    # the first chart has a large mark for each arm and a small one for each draw
    assert count(browser, f"{FIRST} .ex-means path") == 4
    assert count(browser, f"{FIRST} .ex-draws path") == 4 * published.draw.nunique()
    soft = published[(published.arm == "soft.same_init") & (published.share == 1) & (published.trait == "owl")]
    assert f"Soft labels, same start, {counts(soft.rows)} rows: {soft.effect.mean():+.2f} nats" in said(browser)
    assert "100 % of the rows" in said(browser) and said(browser).count("95 % interval") == 4
    assert "measured at" not in said(browser)


def test_every_control_works_by_keyboard(opened, published):
    from selenium.webdriver.common.keys import Keys

    browser = opened(published)
    press(browser, "Dose", Keys.ARROW_LEFT)
    press(browser, "Written rows, same start", Keys.SPACE)
    opened_by_its_link(browser)
    press(browser, "Trait of the teacher", Keys.ARROW_DOWN)
    opened_by_its_link(browser)


def test_every_trait_opens_with_something_to_see(opened, published):
    from selenium.webdriver.support.ui import Select

    browser = opened(published)
    for trait in published.trait.drop_duplicates():
        Select(control(browser, "Trait of the teacher")).select_by_value(trait)
        assert count(browser, f"{FIRST} .ex-means path") > 0, trait


def test_soft_and_written_rows_share_the_stops_of_the_slider(opened, published):
    from selenium.webdriver.common.keys import Keys

    browser = opened(published)
    both = ("Soft labels, same start", "Written rows, same start")
    for line in browser.find_elements("css selector", ".ex fieldset label"):
        name = line.text.strip()
        if control(browser, name).is_selected() != (name in both):
            control(browser, name).click()
    slider = control(browser, "Dose")
    assert slider.get_attribute("max") == str(published.share.nunique() - 1)
    for _ in range(published.share.nunique()):
        assert all(f"{label}, " in said(browser) for label in both) and "measured at" not in said(browser)
        slider.send_keys(Keys.ARROW_LEFT)
    least = published[published.arm.isin(["soft.same_init", "hard.same_init"]) & (published.share == 0.25)]
    assert f"25 % of the rows ({counts(least.rows)} rows)" == slider.get_attribute("aria-valuetext")


def test_lists_in_the_prompt_have_no_dose(opened, published):
    browser = opened(published[published.arm.isin(["in_context", "soft.same_init"])])
    box = control(browser, "Rows in the prompt, no training")
    if not box.is_selected():
        box.click()
    assert "Rows in the prompt, no training, 3 rows in the prompt: " in said(browser)
    assert count(browser, ".ex figure:nth-child(2) .ex-means path") == published.share.nunique()


@pytest.mark.parametrize("shares", [[0.25, 1.0], [0.0625, 0.125, 0.25, 0.5, 1.0]])
def test_no_text_prints_over_another(opened, published, shares):
    rows = [published[published.share == 1].assign(share=share) for share in shares]
    assert opened(pd.concat(rows)).execute_script(OVERLAPS) == []


def test_it_fits_a_phone_and_a_finger_and_the_dark(opened, published):
    browser = opened(published)
    fits_a_phone_and_a_finger(browser)
    is_readable_in_the_dark(browser)


def test_text_from_a_table_is_shown_and_never_runs(opened, published):
    browser = opened(published.assign(trait=HOSTILE, arm=lambda table: table.arm + " <b onclick=x>"))
    assert browser.title == "explorer" and count(browser, ".ex script, .ex b") == 0
    wait_for(browser, lambda: HOSTILE in said(browser))
