"""The explorer on the published tables in a real browser: it opens with something to see, and stays readable."""

import functools
import http.server
import json
import threading
from pathlib import Path

import pandas as pd
import pytest

from helpers.figures.widgets import TransmissionExplorer, explorer_data
from helpers.work.artifacts import read_table

pytestmark = pytest.mark.browser
PUBLISHED = Path(__file__).parents[2] / "results/nano/tables"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>explorer</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="explorer.css"></head><body><div id="here"></div>
<script type="module">
import explorer from "./explorer.js";
const data = await (await fetch("data.json")).json();
explorer.render({ model: { get: () => data, on: () => {} }, el: document.getElementById("here") });
</script></body></html>"""
HOSTILE = "owl <script>document.title = 'hit'</script> </SCRIPT> {{ build }}"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files and prints nothing."""

    def log_message(self, *arguments):
        """Say nothing about a request."""


@pytest.fixture(scope="module")
def published():
    """The published table of effects."""
    return read_table(PUBLISHED / "transmission.csv")


@pytest.fixture
def open_explorer(browser, tmp_path):
    """A function that opens the explorer of a table in the browser, alone on a page."""
    handler = functools.partial(QuietHandler, directory=tmp_path)
    matrix = read_table(PUBLISHED / "animal_matrix.csv")
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "explorer.js").write_text(TransmissionExplorer._esm)
    (tmp_path / "explorer.css").write_text(TransmissionExplorer._css)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def show(table):
            (tmp_path / "data.json").write_text(json.dumps(explorer_data(table, matrix)))
            browser.get_log("browser")
            browser.get(f"http://127.0.0.1:{server.server_port}/index.html")
            selenium_wait()(browser, 20).until(lambda driver: count(driver, ".te svg") == 2)
            return browser

        yield show
        server.shutdown()
        thread.join()


def selenium_wait():
    """Selenium's waiting, imported only where there is a browser."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait


def count(browser, selector):
    """How many elements the page has."""
    return browser.execute_script("return document.querySelectorAll(arguments[0]).length", selector)


def complaints(browser):
    """What the console calls severe."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def counts(rows):
    """The fewest and the most rows of some students, as the explorer says them."""
    ends = sorted({rows.min(), rows.max()})
    return " to ".join(f"{end:,}" for end in ends)


def test_it_opens_with_something_to_see(open_explorer, published):
    browser = open_explorer(published)
    assert count(browser, ".te fieldset input:checked") == 4
    # the first chart has a large mark for each arm and a small one for each draw
    first = ".te figure:first-child svg"
    assert count(browser, f"{first} .te-mark") == 4
    assert count(browser, f"{first} .te-draw") == 4 * published.draw.nunique()
    said = browser.execute_script("return document.querySelector('.te-status').textContent")
    soft = published[(published.arm == "soft.same_init") & (published.share == 1) & (published.trait == "owl")]
    assert f"Soft labels, same start, {counts(soft.rows)} rows: {soft.effect.mean():+.2f} nats" in said
    assert "100 % of the rows" in said and "measured at" not in said and said.count("95 % interval") == 4
    assert complaints(browser) == []


def test_every_trait_opens_with_something_to_see(open_explorer, published):
    browser = open_explorer(published)
    for trait in published.trait.drop_duplicates():
        choose(browser, trait)
        assert count(browser, ".te figure .te-mark") > 0, trait


def choose(browser, trait):
    """Choose a trait as a reader does."""
    from selenium.webdriver.support.ui import Select

    Select(browser.find_element("css selector", ".te select")).select_by_value(trait)


def test_soft_and_written_rows_share_the_stops_of_the_slider(open_explorer, published):
    from selenium.webdriver.common.keys import Keys

    browser = open_explorer(published)
    both = ("Soft labels, same start", "Written rows, same start")
    for line in browser.find_elements("css selector", ".te fieldset label"):
        box = line.find_element("css selector", "input")
        if line.is_displayed() and box.is_selected() != (line.text.strip() in both):
            box.click()
    slider = browser.find_element("css selector", ".te input[type=range]")
    assert slider.get_attribute("max") == str(published.share.nunique() - 1)
    for _ in range(published.share.nunique()):
        said = browser.execute_script("return document.querySelector('.te-status').textContent")
        assert all(f"{label}, " in said for label in both) and "measured at" not in said
        slider.send_keys(Keys.ARROW_LEFT)
    least = published[published.arm.isin(["soft.same_init", "hard.same_init"]) & (published.share == 0.25)]
    assert f"25 % of the rows ({counts(least.rows)} rows)" == slider.get_attribute("aria-valuetext")


def test_lists_in_the_prompt_have_no_dose(open_explorer, published):
    browser = open_explorer(published[published.arm.isin(["in_context", "soft.same_init"])])
    box = browser.find_elements("css selector", ".te fieldset input")[-1]
    if not box.is_selected():
        box.click()
    said = browser.execute_script("return document.querySelector('.te-status').textContent")
    assert "Rows in the prompt, no training, 3 rows in the prompt: " in said
    curve = "return document.querySelectorAll('.te svg')[1].querySelectorAll('.te-kind-context .te-mark').length"
    assert browser.execute_script(curve) == 0


@pytest.mark.parametrize("shares", [[0.25, 1.0], [0.03, 0.05, 0.0625, 0.125, 0.25, 0.5, 0.9, 1.0]])
def test_no_text_prints_over_another(open_explorer, published, shares):
    rows = [published[published.share == 1].assign(share=share) for share in shares]
    browser = open_explorer(pd.concat(rows))
    script = """const box = t => { const b = t.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; };
        return [...document.querySelectorAll('.te svg')]
            .map(svg => [...svg.querySelectorAll('text')].map(t => [t.textContent, ...box(t)]))"""
    for texts in browser.execute_script(script):
        for place, (first, *a) in enumerate(texts):
            for second, *b in texts[place + 1 :]:
                apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] + 2 or b[3] <= a[1] + 2
                assert apart, f"{first!r} and {second!r} overlap"


def test_it_fits_a_phone_and_a_finger(open_explorer, published):
    browser = open_explorer(published)
    browser.set_window_size(500, 900)  # the narrowest window that Chromium opens
    try:
        browser.execute_script("document.body.style.width = '358px'")  # a phone of 390 pixels with the page's margins
        script = """const right = document.body.getBoundingClientRect().right;
            return [...document.querySelectorAll('.te figure, .te svg text, .te fieldset label, .te-dose')]
                .filter(e => e.getClientRects().length && e.getBoundingClientRect().right > right + 1)
                .map(e => e.textContent)"""
        assert browser.execute_script(script) == []
        script = """return [...document.querySelectorAll('.te fieldset label, .te select, .te input[type=range]')]
            .filter(e => e.getClientRects().length && e.getBoundingClientRect().height < 24).map(e => e.outerHTML)"""
        assert browser.execute_script(script) == []
    finally:
        browser.set_window_size(1280, 900)


def test_text_from_a_table_is_shown_and_never_runs(open_explorer, published):
    browser = open_explorer(published.assign(trait=HOSTILE, arm=lambda table: table.arm + " <b onclick=x>"))
    assert browser.title == "explorer" and count(browser, ".te script, .te b") == 0
    assert HOSTILE in browser.execute_script("return document.querySelector('.te-status').textContent")
    assert complaints(browser) == []
