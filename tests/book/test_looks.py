"""Every page as people see it: on a wide screen and on a phone, light and dark; by axe-core's rules, and as pictures.

axe-core is asked where it is installed: `npm install axe-core@4.14.1` in a folder, AXE_CORE=.../axe.min.js. Pictures
are kept where SCREENSHOTS names a folder; continuous integration keeps them with each run.
"""

import base64
import os
import re
from pathlib import Path

import pytest
from test_pages import open_page, pages

pytestmark = pytest.mark.browser
AXE = Path(os.environ.get("AXE_CORE", "node_modules/axe-core/axe.min.js"))
SCREENSHOTS = os.environ.get("SCREENSHOTS")
SCREENS = {"wide": (1280, 900), "phone": (390, 844)}
LOOKS = [(screen, theme) for screen in SCREENS for theme in ("light", "dark")]
LONGEST, SMALLEST = 16_000, 9  # CSS pixels: of a picture from top to bottom, of a letter in a figure
# what can be moved sideways and is no code
SIDEWAYS = """
const found = [...document.querySelectorAll('article *')].filter(e => e.clientWidth > 0
  && e.scrollWidth > e.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(e).overflowX)
  && !e.closest('pre, .highlight'))
  .map(e => `${e.tagName}.${e.className} is ${e.scrollWidth} wide in ${e.clientWidth}`);
const page = document.documentElement;
return page.scrollWidth > page.clientWidth ? [`the page is ${page.scrollWidth} wide`, ...found] : found"""
# colours that move from one theme to the other would be judged on their way
AT_ONCE = """
const style = document.createElement('style');
style.textContent = '*, *::before, *::after { transition: none !important }';
document.head.append(style)"""
REACHED = """
return [...document.querySelectorAll('pre, .cell_output > .output')].every(e =>
  (e.tabIndex === 0) === (e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight))"""
LETTERS = """
return [...document.querySelectorAll('.picture svg text')].filter(t => t.getBoundingClientRect().width > 0)
  .map(t => parseFloat(getComputedStyle(t).fontSize) * t.ownerSVGElement.getBoundingClientRect().width
    / t.ownerSVGElement.viewBox.baseVal.width)"""
VERDICTS = """
const right = (part) => part.getBoundingClientRect().right;
return [...document.querySelectorAll('.verdict')]
  .filter(v => right(v) > right(v.closest('.output, article') ?? document.body) + 1).length"""


@pytest.fixture
def screen(browser):
    """A function that makes the browser's page as wide as a screen, in a theme."""
    from selenium.webdriver.support.ui import WebDriverWait

    def show(name, theme):
        width, height = SCREENS[name]
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": name == "phone"}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.execute_script(AT_ONCE)
        browser.execute_script(f"document.documentElement.dataset.theme = '{theme}'")
        # the theme lets the keyboard reach what scrolls, three tenths of a second after the page has its new width
        WebDriverWait(browser, 5).until(lambda page: page.execute_script(REACHED))

    yield show
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_no_page_breaks_a_rule_of_axe(browser, address, built_book, screen):
    if not AXE.exists():
        pytest.skip(f"no axe-core at {AXE} (npm install axe-core@4.14.1, or set AXE_CORE)")
    browser.set_script_timeout(300)  # the longest pages take their time on a busy machine
    asked = "axe.run(document, { resultTypes: ['violations'] }).then(found => arguments[0](found.violations))"
    problems = []
    for name in pages(built_book):
        open_page(browser, address, name)
        browser.execute_script(AXE.read_text(encoding="utf-8"))
        for look in LOOKS:
            screen(*look)
            for broken in browser.execute_async_script(asked):
                problems.append(f"{name} {look}: {broken['id']}, first {broken['nodes'][0]['html'][:120]}")
    assert problems == []


def test_on_a_phone_nothing_but_code_is_moved_sideways_and_figures_can_be_read(browser, address, built_book, screen):
    problems = []
    for name in pages(built_book):
        open_page(browser, address, name)
        screen("phone", "light")
        problems += [f"{name}: {sideways}" for sideways in browser.execute_script(SIDEWAYS)]
        letters = browser.execute_script(LETTERS)
        problems += [f"{name}: letters of {min(letters):.1f} pixels"] if min(letters, default=99) < SMALLEST else []
    assert problems == []


def test_verdicts_can_be_seen_on_a_wide_page(browser, address, built_book, screen):
    hidden = {}
    for name in pages(built_book):
        open_page(browser, address, name)
        screen("wide", "light")
        hidden[name] = browser.execute_script(VERDICTS)
    assert {name: number for name, number in hidden.items() if number} == {}


@pytest.mark.skipif(not SCREENSHOTS, reason="SCREENSHOTS names no folder to keep pictures in")
def test_every_page_has_its_picture_taken(browser, address, built_book, screen):
    folder = Path(SCREENSHOTS)
    folder.mkdir(parents=True, exist_ok=True)
    for name in pages(built_book):
        open_page(browser, address, name)
        for look in LOOKS:
            screen(*look)
            path = folder / f"{re.sub('[/.]', '_', name)}_{'_'.join(look)}.png"
            path.write_bytes(base64.b64decode(whole_page(browser)))
    assert len(list(folder.glob("*.png"))) >= 4 * len(pages(built_book))


def whole_page(browser):
    """The picture of a page from top to bottom, as base64; of very long ones the first 16,000 pixels."""
    size = browser.execute_script("return [innerWidth, document.documentElement.scrollHeight]")
    clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], LONGEST), "scale": 1}
    asked = {"format": "png", "captureBeyondViewport": True, "clip": clip}
    return browser.execute_cdp_cmd("Page.captureScreenshot", asked)["data"]
