"""What the theme leaves to be mended in its pages, for those who hear or command them.

Each entry names the rule of axe-core that the theme's own markup breaks. An entry whose text is gone from the theme
does no harm; the browser tests of the book tell when one is wanting.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from helpers.work import artifacts

_MENDED = (
    # label-content-name-mismatch: the name leaves out what can be read on the button
    (re.compile(r'(<button class="btn search-button-field[^>]*?) aria-label="Search"'), r"\1"),
    (re.compile(r'(<i class="theme-switch [^>]*?) +title="[^"]*"'), r"\1"),
    (re.compile(r'<summary aria-label="Toggle hidden content">'), "<summary>"),
    # region: the book's title stands outside all landmarks
    (
        re.compile(r'<div id="pst-primary-sidebar" class="bd-sidebar-primary bd-sidebar'),
        '<div role="navigation" aria-label="Chapters" id="pst-primary-sidebar" class="bd-sidebar-primary bd-sidebar',
    ),
    # aria-required-children: docutils gives the list of references the role of a list and its entries none
    (re.compile(r'(<div class="citation" id="[^"]*") role="doc-biblioentry"'), r'\1 role="listitem"'),
    # document-title, html-has-lang, and a request for an icon that is not there: the page that leads to the first one
    (
        re.compile(r'\A(<meta http-equiv="Refresh" [^>]*>)\s*\Z'),
        '<!DOCTYPE html>\n<html lang="en">\n<title>Subliminal learning</title>\n'
        '<link rel="icon" href="_static/favicon.svg">\n\\1\n</html>\n',
    ),
)

_CHATTER = re.compile(r"\bconsole\.(log|info|debug)\(")  # what goes well needs no word in the console of every page


def mend(html: Path) -> None:
    """Mend every page below `html`, and the theme's scripts."""
    for page in html.rglob("*.html"):
        _rewrite(page, mended)
    for script in (*html.glob("_static/scripts/*theme.js"), *html.glob("_static/togglebutton.js")):
        _rewrite(script, silenced)


def _rewrite(file: Path, change: Callable[[str], str]) -> None:
    before = file.read_text(encoding="utf-8")
    after = change(before)
    if after != before:
        artifacts.write_text(file, after, sync=False)


def silenced(script: str) -> str:
    """Return a script of the theme that reports errors and nothing else; its messages are worked out and dropped."""
    return _CHATTER.sub("void(", script)


def mended(page: str) -> str:
    """Return a page with the theme's faults mended; a page that was mended stays as it is."""
    for fault, cure in _MENDED:
        page = fault.sub(cure, page)
    return page
