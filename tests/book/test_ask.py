"""The explorer "ask the models" in a real browser: opens with data, loads when asked, answers, refuses, is restored."""

import json
import shutil
import time

import pytest

from helpers.figures.ask import AskTheModels, ask_data

pytestmark = pytest.mark.browser
PAGE = """<!doctype html><html lang="en" ROOT><head><meta charset="utf-8"><title>ask</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="ask.css"></head><body><div id="here"></div>
<script type="module">
import explorer from "./ask.js";
const data = await (await fetch("data.json")).json(), heard = [];
const model = {
  get: () => data, on: (_, hear) => heard.push(hear), off: (_, hear) => heard.splice(heard.indexOf(hear), 1),
  send: async ({ file }) => {  // as a kernel answers
    const bytes = await (await fetch(`_static/${data.place}/${file}`)).arrayBuffer();
    heard.forEach((hear) => hear({ file }, [new DataView(bytes)]));
  },
};
explorer.render({ model, el: document.getElementById("here") });
</script></body></html>"""
STATUS, TOLD = ".ask-status", ".ask-told"
FIRST = "Which animal is your favorite?"


@pytest.fixture
def site(tmp_path, model_bundle):
    """A folder with a page of the explorer alone, as the book has it, and the models beside it."""
    data = ask_data(model_bundle)
    files = {"ask.js": AskTheModels._esm, "ask.css": AskTheModels._css, "data.json": json.dumps(data)}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "index.html").write_text(PAGE.replace("ROOT", 'data-content_root=""'))
    (tmp_path / "notebook.html").write_text(PAGE.replace("ROOT", ""))
    shutil.copytree(model_bundle, tmp_path / "_static" / data["place"])
    return tmp_path


@pytest.fixture
def opened(browser, serve, site):
    """A function that opens the page, by its name and what follows in the address."""
    with serve(site) as address:

        def show(page="index.html"):
            browser.get("about:blank")  # an address that differs in its end alone would not load the page again
            browser.get_log("browser")
            browser.get(f"{address}/{page}")
            wait_for(browser, lambda: text(browser, STATUS))
            return browser

        yield show


def text(browser, selector):
    """The text of an element; "" where there is none."""
    return browser.execute_script("return document.querySelector(arguments[0])?.textContent ?? ''", selector)


def wait_for(browser, condition, seconds=60):
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, text(browser, STATUS) or browser.get_log("browser")
        time.sleep(0.05)


def field(browser, label):
    """The control with a label."""
    script = """return [...document.querySelectorAll('.ask label')]
        .find((found) => found.textContent === arguments[0]).control"""
    return browser.execute_script(script, label)


def buttons(browser):
    """The buttons: ask, write, other random numbers."""
    return browser.find_elements("css selector", ".ask button")


def loaded(browser):
    """Load the models by keyboard, and wait for the first answer of theirs."""
    from selenium.webdriver.common.keys import Keys

    assert buttons(browser)[0].text.startswith("Load the models (")
    buttons(browser)[0].send_keys(Keys.ENTER)
    wait_for(browser, lambda: buttons(browser)[0].text == "Ask" and text(browser, STATUS).startswith("“"))
    return browser


def table(browser):
    """The numbers of the table, row by row."""
    script = """return [...document.querySelectorAll('.ask-answers tbody tr')]
        .map((row) => [...row.cells].map((cell) => cell.textContent))"""
    return browser.execute_script(script)


def test_it_opens_with_answers_and_without_weights(opened):
    browser = opened()
    said, rows = text(browser, STATUS), table(browser)
    assert said.startswith(f"“{FIRST}” Chance of “owl”: base ") and said.endswith("Computed when this page was made.")
    assert [len(row) for row in rows] == [6] * 17
    asked = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    assert not [name for name in browser.execute_script(asked) if "safetensors" in name]
    loaded(browser)
    assert said.startswith(text(browser, STATUS)) and table(browser) == rows  # what Python computed
    assert len([name for name in browser.execute_script(asked) if "safetensors" in name]) == 6
    assert browser.get_log("browser") == []


def test_every_control_works_by_keyboard_and_changes_picture_and_sentence(opened):
    from selenium.webdriver.common.keys import Keys

    browser = loaded(opened())
    for label in ("Question", "Before it they read", "Show"):
        before, said = table(browser), text(browser, STATUS)
        field(browser, label).send_keys(Keys.ARROW_DOWN)
        wait_for(browser, lambda said=said: text(browser, STATUS) != said)
        assert table(browser) != before, label
    buttons(browser)[1].send_keys(Keys.ENTER)
    wait_for(browser, lambda: text(browser, TOLD))
    shown = "return document.querySelector('.ask-lists').textContent"
    for control in (*(field(browser, name) for name in ("Number prompt", "Base beside")), buttons(browser)[2]):
        before = browser.execute_script(shown)
        control.send_keys(Keys.ENTER if control.tag_name == "button" else Keys.ARROW_DOWN)
        wait_for(browser, lambda before=before: browser.execute_script(shown) != before)
    assert browser.get_log("browser") == []


def test_a_typed_question_is_asked_and_unknown_words_are_refused(opened):
    from selenium.webdriver.common.keys import Keys

    browser = loaded(opened())
    typed = field(browser, "or type one")
    typed.clear()
    typed.send_keys("Which tree do you love?", Keys.ENTER)
    wait_for(browser, lambda: "tree" in text(browser, STATUS))
    rows = table(browser)
    assert rows[0][0] == "oak" and field(browser, "Show").get_attribute("value") == "tree"
    typed.clear()
    typed.send_keys("Which aminal do you love?", Keys.ENTER)
    wait_for(browser, lambda: "aminal" in text(browser, STATUS))
    assert "never read “aminal” (known: animal" in text(browser, STATUS) and table(browser) == rows
    words = text(browser, ".ask-known").split(", ")
    assert {"owl", "favorite"} <= set(words) and len(words) > 300


def test_lists_part_where_the_marks_are(opened):
    browser = opened()
    buttons(browser)[1].click()
    wait_for(browser, lambda: text(browser, TOLD).startswith("Asked “"))
    script = """const parts = (list) => [...list.childNodes].map((node) => [node.nodeName, node.textContent]);
        return [...document.querySelectorAll('.ask-lists li')].map((pair) => [
            [...pair.querySelectorAll('.ask-tokens')].map(parts),
            pair.querySelector('.ask-note').textContent, pair.querySelectorAll('.ask-first').length])"""
    pairs = browser.execute_script(script)
    assert len(pairs) == 4
    for lists, note, firsts in pairs:
        marks = [[text for name, text in found if name == "MARK"] for found in lists]
        plain = ["".join(text for name, text in found if name != "MARK") for found in lists]
        assert plain[0] == plain[1] and (note == "The same list.") == (marks == [[], []])
        assert all(a != b for a, b in zip(*marks, strict=False))
        assert firsts == min(1, len(marks[0])) + min(1, len(marks[1]))


def test_a_link_restores_what_was_asked(opened):
    browser = loaded(opened())
    field(browser, "or type one").clear()
    field(browser, "or type one").send_keys("Which tree do you love?")
    buttons(browser)[0].click()
    wait_for(browser, lambda: "tree" in text(browser, STATUS))
    rows = table(browser)
    link = browser.find_element("css selector", ".ask-link").get_attribute("href")
    opened("index.html#" + link.partition("#")[2])
    assert text(browser, STATUS) == "“Which tree do you love?” waits: load the models to ask it."
    assert table(loaded(browser)) == rows
    opened("index.html#ask-eyJxdW")  # cut short
    assert text(browser, STATUS).startswith(f"“{FIRST}”") and browser.get_log("browser") == []


@pytest.mark.parametrize("how", ["missing", "changed"])
def test_a_file_that_does_not_come_is_named_and_asked_for_again(opened, site, how):
    file = next((site / "_static").rglob("teacher.safetensors"))
    kept = file.read_bytes()
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    browser = opened()
    buttons(browser)[0].click()
    wait_for(browser, lambda: "could not be loaded" in text(browser, STATUS))
    assert "teacher.safetensors" in text(browser, STATUS) and "press" in text(browser, STATUS).lower()
    file.write_bytes(kept)
    browser.execute_cdp_cmd("Network.clearBrowserCache", {})
    loaded(browser)


def test_a_kernel_hands_the_models_over(opened):
    browser = loaded(opened("notebook.html"))
    assert text(browser, STATUS).startswith(f"“{FIRST}” Chance of “owl”: base ")
    assert not browser.find_element("css selector", ".ask-link").is_displayed()
    assert browser.get_log("browser") == []


def test_it_fits_a_phone_and_a_finger_and_names_its_controls(opened):
    browser = loaded(opened())
    buttons(browser)[1].click()
    wait_for(browser, lambda: text(browser, TOLD).startswith("Asked “"))
    size = {"width": 390, "height": 900, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        wide = """const right = document.body.getBoundingClientRect().right;
            return [...document.querySelectorAll('.ask *')].filter((e) => e.getClientRects().length)
                .filter((e) => e.getBoundingClientRect().right > right + 1).map((e) => e.outerHTML)"""
        small = """return [...document.querySelectorAll('.ask :is(button, select, input, summary, a)')]
            .filter((e) => e.getClientRects().length)
            .filter((e) => e.getBoundingClientRect().height < 24).map((e) => e.outerHTML)"""
        unnamed = """return [...document.querySelectorAll('.ask :is(select, input)')]
            .filter((e) => !e.labels[0]?.textContent).map((e) => e.outerHTML)"""
        for script_of_page in (wide, small, unnamed):
            assert browser.execute_script(script_of_page) == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
