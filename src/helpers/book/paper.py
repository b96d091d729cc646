"""The book on paper: the articles of all pages, in the order of the contents, as one page that Chromium prints to PDF.

Design choices:
- It is made from the built pages, so paper and screen cannot differ; menus stay behind, scripts run only for formulas.
- An explorer becomes the picture that pages show where scripts are off.
- Anchors get the name of their page, so that a link to another page leads there on paper too.
"""

from __future__ import annotations

import posixpath
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urldefrag

from bs4 import BeautifulSoup, Tag

from helpers.work import artifacts
from helpers.work.errors import CurableError

NAME = "subliminal-learning.pdf"
FIRST = "book/index.html"
_WHOLE = "whole.html"
_BROWSERS = ("chromium", "google-chrome", "chromium-browser", "chrome")
_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", "--virtual-time-budget=60000")
_SECONDS = 600
_STYLE = """
body { background: white; } main { max-width: 46rem; margin: 0 auto; }
article.bd-article { break-before: page; padding: 0; } article.bd-article:first-child { break-before: avoid; }
article pre { white-space: pre-wrap; } figure, tr, .admonition { break-inside: avoid; }
.headerlink, .copybtn, .cell_input summary { display: none; }
"""


class PaperError(CurableError, RuntimeError):
    """The book cannot be printed; the message says what is missing."""


def print_book(html: Path) -> Path:
    """Print the built book in `html` and return `html`/subliminal-learning.pdf.

    Raises PaperError where there is no Chromium, or where it wrote nothing.
    """
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        raise PaperError("the PDF is printed by Chromium, which was not found; install it (apt-get install chromium)")
    whole, printed = html / _WHOLE, html / NAME
    artifacts.write_text(whole, assembled(html))
    printed.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        given = [f"--user-data-dir={profile}", f"--print-to-pdf={printed}", whole.resolve().as_uri()]
        done = subprocess.run([browser, *_OPTIONS, *given], capture_output=True, text=True, timeout=_SECONDS)
    whole.unlink()
    if not printed.exists():
        raise PaperError(f"Chromium printed nothing: {done.stderr.strip()[-300:]}; try it on {html / FIRST}")
    return printed


def assembled(html: Path) -> str:
    """Return all articles of the built book in `html` as one page."""
    names = _in_order(html)
    first = _read(html, FIRST)
    articles = [_article(_read(html, name), name, set(names)) for name in names]
    head = "".join(str(sheet) for sheet in first.select('head link[rel="stylesheet"]')).replace("../", "")
    math = '<script defer src="_static/mathjax/tex-mml-chtml.js"></script>'
    shown = f"<style>{_STYLE}</style>{math}"
    return (
        f'<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">'
        f"<title>{first.title.get_text(strip=True)}</title>{head}{shown}</head><body><main>"
        f"{''.join(articles)}</main></body></html>"
    )


def _in_order(html: Path) -> list[str]:
    """Return the pages in the order in which "next" leads through them."""
    names, found = [], FIRST
    while found and found not in names:
        names.append(found)
        following = _read(html, found).select_one("a.right-next")
        found = _target(following["href"], found)[0] if following else ""
    return names


def _read(html: Path, name: str) -> BeautifulSoup:
    return BeautifulSoup((html / name).read_text(encoding="utf-8"), "html.parser")


def _article(page: BeautifulSoup, name: str, names: set[str]) -> str:
    """Return the article of a page, with links and pictures as they are from the folder above."""
    article = page.select_one("article.bd-article")
    for unwanted in article.select("script, .d-print-none"):
        unwanted.decompose()
    for still in article.select("noscript"):
        still.unwrap()
    article["id"] = _anchor(name, "")
    for part in article.select("[id]"):
        if not part.find_parent("svg"):  # there they are the names of marks, which the drawing itself uses
            part["id"] = _anchor(name, part["id"])
    for link in article.select("a[href]"):
        _relink(link, name, names)
    for image in article.select("img[src]"):
        image["src"] = posixpath.normpath(posixpath.join(posixpath.dirname(name), image["src"]))
    return str(article)


def _relink(link: Tag, name: str, names: set[str]) -> None:
    if ":" in link["href"].partition("#")[0]:
        return
    target, anchor = _target(link["href"], name)
    link["href"] = f"#{_anchor(target, anchor)}" if target in names else f"{target}{'#' * bool(anchor)}{anchor}"


def _target(href: str, name: str) -> tuple[str, str]:
    """Return the page that a link of page `name` leads to, as its path below the book's folder, and the anchor."""
    path, anchor = urldefrag(href)
    return (posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name), anchor


def _anchor(name: str, anchor: str) -> str:
    page = posixpath.splitext(name)[0].replace("/", "-")
    return f"{page}--{anchor}" if anchor else page
