"""A page with one explorer alone, as the book has it, and ways to use it as a reader does.

The picture for readers without scripts is not made here: it takes longer to draw than a page to open.
"""

import contextlib
import json
import time

from helpers.figures.explorers.frame import CHARTS_PLACE, charts_script

PAGE = """<!doctype html><html lang="en" ROOT><head><meta charset="utf-8"><title>explorer</title>
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><link rel="stylesheet" href="explorer.css"></head><body><div id="here"></div>
<script type="module">
import explorer from "./explorer.js";
const data = await (await fetch("data.json")).json(), heard = [];
const model = {
  get: () => data, on: (_, hear) => heard.push(hear), off: (_, hear) => heard.splice(heard.indexOf(hear), 1),
  send: async () => {  // as a kernel answers
    const text = await (await fetch("_static/explorers/charts.js")).text();
    heard.forEach((hear) => hear({ charts: text }));
  },
};
explorer.render({ model, el: document.getElementById("here") });
</script></body></html>"""
STATUS = "return document.querySelector('.ex-status')?.textContent ?? ''"
PICTURES = "return document.querySelector('.ex-pictures').innerHTML"
TOO_WIDE = """const right = document.body.getBoundingClientRect().right;
    return [...document.querySelectorAll('.ex *')].filter((e) => e.getClientRects().length && !e.closest('.ex-scroll'))
        .filter((e) => e.getBoundingClientRect().right > right + 1).map((e) => e.outerHTML)"""
TOO_SMALL = """const reached = '.ex :is(button, select, input, summary, a, [tabindex], fieldset label)';
    return [...document.querySelectorAll(reached)]
    .filter((e) => e.getClientRects().length && !(e.matches('fieldset input')))
    .filter((e) => Math.min(e.getBoundingClientRect().height, e.getBoundingClientRect().width) < 24)
    .map((e) => e.outerHTML)"""
UNNAMED = """return [...document.querySelectorAll('.ex :is(select, input)')]
    .filter((e) => !e.labels[0]?.textContent.trim()).map((e) => e.outerHTML)
    .concat([...document.querySelectorAll('.ex svg[role=img]:not([aria-label])')].map((e) => e.outerHTML))"""
OVERLAPS = """const shown = [...document.querySelectorAll('.ex svg')].filter((svg) => !svg.closest('.ex-scroll'));
    const box = (text) => text.getBoundingClientRect();
    const touch = (a, b) => a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom;
    return shown.flatMap((svg) => {
      const texts = [...svg.querySelectorAll('text')].filter((text) => text.textContent.trim());
      return texts.flatMap((a, i) => texts.slice(i + 1).filter((b) => touch(box(a), box(b)))
        .map((b) => a.textContent + ' | ' + b.textContent));
    })"""
CONTROLS = ".ex-controls :is(select, input, button)"


def write_page(folder, explorer, root='data-content_root=""'):
    """Write an explorer's page, its data and the charts beside it."""
    files = {
        "index.html": PAGE.replace("ROOT", root),
        "explorer.js": explorer._esm,
        "explorer.css": explorer._css,
        "data.json": json.dumps(explorer.data),
        f"_static/{CHARTS_PLACE}": charts_script(),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def wait_for(browser, condition, seconds=20):
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, browser.get_log("browser")
        time.sleep(0.05)


def said(browser):
    """The sentence of the explorer."""
    return browser.execute_script(STATUS)


def shown(browser):
    """Everything its pictures hold."""
    return browser.execute_script(PICTURES)


def count(browser, selector):
    """How many elements the page has."""
    return browser.execute_script("return document.querySelectorAll(arguments[0]).length", selector)


def control(browser, label):
    """The control with a label, or the group of them with a legend."""
    script = """const text = (e) => e.textContent.trim();
        const labelled = [...document.querySelectorAll('.ex label')].find((e) => text(e) === arguments[0]);
        const group = [...document.querySelectorAll('.ex legend')].find((e) => text(e) === arguments[0]);
        const button = [...document.querySelectorAll('.ex button')].find((e) => text(e) === arguments[0]);
        return labelled?.control ?? group?.parentElement ?? button"""
    found = browser.execute_script(script, label)
    assert found is not None, label
    return found


def press(browser, label, *keys):
    """Press keys on a control; picture and sentence must change."""
    before = shown(browser), said(browser)
    control(browser, label).send_keys(*keys)
    wait_for(browser, lambda: said(browser) != before[1])
    assert shown(browser) != before[0], label


def opened_by_its_link(browser):
    """Open the page again by the link of the explorer; it must show the same."""
    before = shown_words(browser), said(browser)
    link = browser.find_element("css selector", ".ex-link").get_attribute("href")
    browser.get("about:blank")  # an address that differs in its end alone would not load the page again
    browser.get(link)
    wait_for(browser, lambda: said(browser))
    wait_for(browser, lambda: (shown_words(browser), said(browser)) == before)


def shown_words(browser):
    """The texts of the pictures, without what differs from one copy of an explorer to the next."""
    return browser.execute_script("return document.querySelector('.ex-pictures').textContent")


@contextlib.contextmanager
def phone(browser):
    """The browser as a phone, 390 pixels wide."""
    size = {"width": 390, "height": 900, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        time.sleep(0.3)  # the explorer hears of the new width
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def fits_a_phone_and_a_finger(browser):
    """Check an open explorer on a phone: nothing too wide, targets large enough, controls with names, texts apart."""
    with phone(browser):
        for script in (TOO_WIDE, TOO_SMALL, UNNAMED, OVERLAPS):
            assert browser.execute_script(script) == [], script


def is_readable_in_the_dark(browser):
    """Check that a dark theme changes the colours of an open explorer."""
    colour = "return getComputedStyle(document.querySelector('.ex')).getPropertyValue('--ex-same')"
    light = browser.execute_script(colour)
    browser.execute_script("document.documentElement.dataset.theme = 'dark'")
    assert browser.execute_script(colour) != light
    browser.execute_script("delete document.documentElement.dataset.theme")
