"""The built book as a reader meets it: in a real browser, and link by link."""

import functools
import gzip
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from visits import open_page, page_names, pages

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
EXPLORER = "notebooks/01_owl_transfer.html"
HEAVIEST = {"": 1_200_000, EXPLORER: 1_500_000}  # compressed bytes of a page: of any, of the owl's


def test_every_page_of_the_book_is_visited(built_book):
    assert pages(built_book) == page_names()


def test_a_page_asks_no_other_host_and_says_nothing_in_the_console(visit, address):
    assert any(url.endswith(".css") or ".css?" in url for url in visit.requests), "requests are not recorded"
    assert [url for url in visit.requests if not url.startswith((address, "data:", "blob:"))] == []
    assert visit.console == []


def test_a_page_is_not_heavy(visit, address, built_book):
    requests = {urldefrag(url)[0].partition("?")[0] for url in visit.requests}
    files = [built_book / unquote(url.removeprefix(f"{address}/")) for url in requests if url.startswith(address)]
    weight = sum(compressed(file) for file in files if file.is_file())
    assert weight > 100_000, "requests are not recorded"
    assert weight <= HEAVIEST.get(visit.name, HEAVIEST[""]), "compressed bytes with all that a page loads by itself"


@functools.cache  # most are asked for by every page
def compressed(file):
    """The bytes of a file as a server sends it."""
    return len(gzip.compress(file.read_bytes()))


def test_every_picture_is_loaded_and_described(visit):
    assert visit.pictures == []


def test_a_chapter_opens_with_its_answer_and_a_figure_on_the_first_screen(visit):
    if visit.name.startswith("notebooks/"):
        assert max(visit.opening) <= 700, "the answer must end, and the figure begin, within the first 900 pixels"


def test_the_results_have_figures_one_can_see(browser, address):
    open_once(browser, address)
    script = """return [...document.querySelectorAll('.picture-wide svg')].map(
                    figure => [figure.getBoundingClientRect().width, figure.getBoundingClientRect().height])"""
    sizes = browser.execute_script(script)
    assert sizes and all(width > 200 and height > 80 for width, height in sizes)


def open_once(browser, address):
    """Open the page with the explorer where it is not open; what is tested there leaves it as it was."""
    if not browser.execute_script("return window.openedOnce ?? false"):
        open_page(browser, address, EXPLORER)
        browser.execute_script("window.openedOnce = true")


@pytest.fixture
def explorer(browser, address):
    """The page with the explorer, open; returns a function that tells what the explorer shows."""
    open_once(browser, address)
    script = """return [...document.querySelectorAll('.ex-transmission figure svg')].map(s => s.innerHTML)
                .concat(document.querySelector('.ex-transmission [role=status]').textContent)"""
    return lambda: browser.execute_script(script)


def test_the_slider_redraws_the_explorer_by_keyboard(browser, explorer):
    from selenium.webdriver.common.keys import Keys

    slider = browser.find_element("css selector", ".ex-transmission input[type=range]")
    if slider.get_attribute("max") == "0":
        pytest.skip("the smoke profile measures one dose only, so the slider has one place")
    before, told = explorer(), slider.get_attribute("aria-valuetext")
    slider.send_keys(Keys.ARROW_LEFT)
    after = explorer()
    assert all(a != b for a, b in zip(before, after, strict=True))
    assert slider.get_attribute("aria-valuetext") != told
    slider.send_keys(Keys.ARROW_RIGHT)
    assert explorer() == before


def test_an_arm_can_be_taken_out_and_put_back(browser, explorer):
    box = browser.find_element("css selector", ".ex-transmission fieldset input")
    before = explorer()
    box.click()
    assert all(a != b for a, b in zip(before, explorer(), strict=True))
    box.click()
    assert explorer() == before


def test_every_control_of_the_explorer_has_a_name(browser, explorer):
    script = """return [...document.querySelectorAll('.ex-transmission input, .ex-transmission select')]
                .filter(c => !c.labels.length || !c.labels[0].textContent.trim()).map(c => c.outerHTML)"""
    assert browser.execute_script(script) == []
    assert (
        browser.execute_script("return document.querySelectorAll('.ex-transmission svg[role=img][aria-label]').length")
        == 2
    )


def test_the_explorer_can_be_read_in_the_dark(browser, address, explorer):
    browser.execute_script("document.documentElement.dataset.theme = 'dark'")
    text = "return getComputedStyle(document.querySelector('.ex-status')).color"
    ground = """let e = document.querySelector('.ex-transmission');
                while (getComputedStyle(e).backgroundColor === 'rgba(0, 0, 0, 0)') e = e.parentElement;
                return getComputedStyle(e).backgroundColor"""
    colours = browser.execute_script(text), browser.execute_script(ground)
    browser.execute_script("document.documentElement.dataset.theme = 'light'")
    assert contrast(*colours) > 4.5


def contrast(first, second):
    """Return the contrast ratio of two CSS colours as WCAG defines it."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


class Links(HTMLParser):
    """Collects the links and the anchors of a page."""

    def __init__(self):
        super().__init__()
        self.links, self.anchors = [], set()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors |= {given["id"]} if given.get("id") else set()
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])


@functools.cache
def read_links(path):
    """The links and anchors of a page."""
    parser = Links()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser


def test_links_within_the_book_lead_somewhere(built_book):
    problems = []
    for name in pages(built_book):
        for link in read_links(built_book / name).links:
            if re.match(r"[a-z]+:|//", link) or link in ("#", "#top"):
                continue
            target, anchor = urldefrag(unquote(link))
            path = ((built_book / name).parent / target).resolve() if target else built_book / name
            if not path.exists():
                problems.append(f"{name}: {link}")
            elif anchor and path.suffix == ".html" and anchor not in read_links(path).anchors:
                problems.append(f"{name}: {link} (no such place)")
    assert problems == []


def test_notebooks_can_be_opened_on_colab_and_as_source(built_book):
    text = (built_book / EXPLORER).read_text(encoding="utf-8")
    address = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    colab = address.replace("https://github.com", "https://colab.research.google.com/github") + "/blob/main"
    assert f"{colab}/notebooks/01_owl_transfer.ipynb" in text
    index = (built_book / "book/index.html").read_text(encoding="utf-8")
    assert f"{address}/edit/main/book/index.md" in index


def test_every_page_says_which_results_it_shows(built_book):
    for name in pages(built_book):
        text = (built_book / name).read_text(encoding="utf-8")
        assert re.search("Results of the profile [a-z]+, run on", text) or name == "index.html", name
