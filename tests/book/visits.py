"""One visit to a page of the built book: opened once, looked at on two screens in two themes, and noted.

What a page asks for, shows and breaks is noted in one visit, because opening it is what takes the time; the tests of
`test_pages` and `test_looks` judge the notes. axe-core is asked where it is installed: `npm install axe-core@4.14.1` in
a folder, AXE_CORE=.../axe.min.js. Pictures are kept where SCREENSHOTS names a folder; continuous integration keeps them
with each run.
"""

import base64
import json
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from helpers.chain.profiles import load_profile

ROOT = Path(__file__).parents[2]
BOOK = os.environ.get("BOOK")  # a built book to look at, such as _build/html; the smoke run's where it is not set
AXE = Path(os.environ.get("AXE_CORE", "node_modules/axe-core/axe.min.js"))
SCREENSHOTS = os.environ.get("SCREENSHOTS")
SCREENS = {"wide": (1280, 900), "phone": (390, 844)}
THEMES = ("light", "dark") if AXE.exists() or SCREENSHOTS else ("light",)  # only these two look at the dark
LOOKS = [(screen, theme) for screen in SCREENS for theme in THEMES]
LONGEST = 16_000  # CSS pixels of a picture from top to bottom
SHOWN = {  # what a page names -> what is there, twice or more, once it is drawn
    "TransmissionExplorer": ".ex-transmission svg",
    "DamageExplorer": ".ex svg g",
    "TeachingExplorer": ".ex svg",
    "SmallExplorer": ".ex-small svg g",
    "PredictionExplorer": ".ex-prediction svg g",
    "AskTheModels": ".ask td",
    'id="explorer-guess"': ".ex svg g",
    'id="explorer-claims"': ".ex svg",
}
OPENING = """
const seen = (found) => found ? found.getBoundingClientRect() : {top: 1e9, bottom: 1e9};
const figure = document.querySelector('.bd-article .cell_output :is(img, svg)');
return [seen(document.querySelector('.bd-article .opening')).bottom, seen(figure).top]"""
PICTURES = """
return [...document.querySelectorAll('.bd-article img')]
  .filter(i => !(i.complete && i.naturalWidth > 0 && i.alt.trim().length > 5)).map(i => i.src + ' ' + i.alt)"""
VERDICTS = """
const right = (part) => part.getBoundingClientRect().right;
return [...document.querySelectorAll('.verdict')]
  .filter(v => right(v) > right(v.closest('.output, article') ?? document.body) + 1).length"""
# what can be moved sideways and is no code
SIDEWAYS = """
const found = [...document.querySelectorAll('article *')].filter(e => e.clientWidth > 0
  && e.scrollWidth > e.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(e).overflowX)
  && !e.closest('pre, .highlight'))
  .map(e => `${e.tagName}.${e.className} is ${e.scrollWidth} wide in ${e.clientWidth}`);
const page = document.documentElement;
return page.scrollWidth > page.clientWidth ? [`the page is ${page.scrollWidth} wide`, ...found] : found"""
LETTERS = """
return [...document.querySelectorAll('.picture svg text')].filter(t => t.getBoundingClientRect().width > 0)
  .map(t => parseFloat(getComputedStyle(t).fontSize) * t.ownerSVGElement.getBoundingClientRect().width
    / t.ownerSVGElement.viewBox.baseVal.width)"""
# texts of figures that lie beyond their picture
CUT = """
const box = (part) => part.getBoundingClientRect();
const within = (text, svg) => text.left > svg.left - 2 && text.right < svg.right + 2 && text.top > svg.top - 2
  && text.bottom < svg.bottom + 2;
return [...document.querySelectorAll('.picture svg text')].filter(t => box(t).width > 0)
  .filter(t => !within(box(t), box(t.ownerSVGElement))).map(t => t.textContent)"""
# colours that move from one theme to the other would be judged on their way
AT_ONCE = """
const style = document.createElement('style');
style.textContent = '*, *::before, *::after { transition: none !important }';
document.head.append(style)"""
REACHED = """
return [...document.querySelectorAll('pre, .cell_output > .output')].every(e =>
  (e.tabIndex === 0) === (e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight))"""
# a theme changes colours alone, so all other rules are asked once a screen
RULES = {"light": "{}", "dark": "{ runOnly: ['color-contrast', 'link-in-text-block'] }"}


@dataclass
class Visit:
    """What one visit to a page found.

    Attributes:
        name: of the page, as its address ends.
        requests: addresses that it asked for.
        console: what it said there.
        pictures: that are not loaded or not described.
        opening: where the answer ends and where the first figure begins (CSS pixels).
        hidden_verdicts: how many lie outside their box on a wide screen.
        sideways: what can be moved sideways and is no code, the page among it, by screen.
        letters: smallest in a figure on a phone (CSS pixels).
        cut: texts of figures that are cut off, by screen.
        broken: rules of axe-core, by screen and theme.
    """

    name: str
    requests: list = field(default_factory=list)
    console: list = field(default_factory=list)
    pictures: list = field(default_factory=list)
    opening: tuple = ()
    hidden_verdicts: int = 0
    sideways: list = field(default_factory=list)
    letters: float = 99.0
    cut: list = field(default_factory=list)
    broken: list = field(default_factory=list)


def page_names():
    """The pages of the book: of BOOK those that it has, else those that the smoke run's will have."""
    if BOOK:
        return pages(Path(BOOK))
    stems = [f"book/{path.stem}" for path in (ROOT / "book").glob("*.md")]
    stems += [f"notebooks/{stem}" for stem in load_profile("smoke").notebooks]
    return sorted([*(f"{stem}.html" for stem in stems), "index.html"])


def pages(built_book):
    """The pages that a built book has for its readers."""
    names = [path.relative_to(built_book).as_posix() for path in sorted(built_book.rglob("*.html"))]
    return [name for name in names if not name.startswith("_") and name not in ("genindex.html", "search.html")]


def open_page(browser, address, name):
    """Open a page, wait until it and its widgets are there, and return the requests it made."""
    browser.get_log("performance"), browser.get_log("browser")
    browser.get(f"{address}/{name}")
    wait_for(browser, "return document.readyState === 'complete'")
    source = browser.page_source
    for widget, drawn in SHOWN.items():
        if widget in source:
            wait_for(browser, f"return document.querySelectorAll('{drawn}').length >= 2")
    time.sleep(0.3)  # requests that a script makes once everything is there
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


def wait_for(browser, script, seconds=20):
    """Wait until a script returns something true."""
    deadline = time.monotonic() + seconds
    while not browser.execute_script(script):
        assert time.monotonic() < deadline, f"{browser.current_url}: not within {seconds} s: {script}"
        time.sleep(0.05)


def visit(browser, address, name):
    """Open a page, look at it from all sides, and return what was found."""
    found = Visit(name)
    found.requests = open_page(browser, address, name)
    found.console = [entry["message"] for entry in browser.get_log("browser")]
    found.pictures = browser.execute_script(PICTURES)
    browser.execute_script(AT_ONCE)
    if AXE.exists():
        browser.execute_script(AXE.read_text(encoding="utf-8"))
    try:
        for screen, theme in LOOKS:
            show(browser, screen, theme)
            look(browser, found, screen, theme)
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    return found


def show(browser, screen, theme):
    """Make the open page as wide as a screen, in a theme."""
    width, height = SCREENS[screen]
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": screen == "phone"}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_script(f"document.documentElement.dataset.theme = '{theme}'")
    # after a picture the page is wider or narrower by its scroll bar, of which nothing tells the theme
    browser.execute_script("window.dispatchEvent(new Event('resize'))")
    # the theme lets the keyboard reach what scrolls, three tenths of a second after the page has its new width
    wait_for(browser, REACHED)


def look(browser, found, screen, theme):
    """Note what the open page shows on a screen in a theme."""
    if (screen, theme) == ("wide", "light"):
        found.opening = tuple(browser.execute_script(OPENING))
        found.hidden_verdicts = browser.execute_script(VERDICTS)
    if theme == "light":
        found.sideways += [f"{screen}: {part}" for part in browser.execute_script(SIDEWAYS)]
    if (screen, theme) == ("phone", "light"):
        found.letters = min(browser.execute_script(LETTERS), default=99.0)
    if theme == "light":
        found.cut += [f"{screen}: {text}" for text in browser.execute_script(CUT)]
    if AXE.exists():
        found.broken += [f"{screen}, {theme}: {rule}" for rule in broken_rules(browser, theme)]
    if SCREENSHOTS:
        path = Path(SCREENSHOTS, f"{re.sub('[/.]', '_', found.name)}_{screen}_{theme}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(whole_page(browser)))


def broken_rules(browser, theme):
    """Ask axe-core about the open page; return each rule that is broken, and where it is first."""
    browser.set_script_timeout(300)  # the longest pages take their time on a busy machine
    asked = f"Object.assign({{ resultTypes: ['violations'] }}, {RULES[theme]})"
    answer = "then(found => arguments[0](found.violations))"
    broken = browser.execute_async_script(f"axe.run(document, {asked}).{answer}")
    return [f"{rule['id']}, first {rule['nodes'][0]['html'][:120]}" for rule in broken]


def whole_page(browser):
    """The picture of a page from top to bottom, as base64; of very long ones the first 16,000 pixels."""
    size = browser.execute_script("return [innerWidth, document.documentElement.scrollHeight]")
    clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], LONGEST), "scale": 1}
    asked = {"format": "png", "captureBeyondViewport": True, "clip": clip}
    return browser.execute_cdp_cmd("Page.captureScreenshot", asked)["data"]
