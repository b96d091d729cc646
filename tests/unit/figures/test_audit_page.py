"""The page of an audit stands alone: it asks nobody for anything, and text of the data never acts as markup."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from helpers.figures import audit_page

ASKS = re.compile(r"https?://(?!www\.w3\.org/)|src=|url\((?!#)|@import|<script|<link")
SCORE = {"of": "rows", "unit": "AUROC", "value": 0.6, "low": 0.5, "high": 0.7, "within": "95 % interval"}
FILE = {
    "role": "data", "name": "<b>d</b>.jsonl", "rows": 1200, "sampled": 5, "layouts": {"messages": 5},
    "problems": {"not JSON": 2}, "shown": [{"line": 7, "why": "not JSON"}], "prompts": 4, "repeated_prompts": 1,
    "repeated_rows": 0, "numbers": [3, 1] * 500 + [9],
}  # fmt: skip
FOUND = {
    "files": [FILE, {**FILE, "role": "reference", "problems": {}, "shown": []}],
    "shared_prompts": 3,
    "shared_rows": 1,
    "findings": [
        {"name": "naive Bayes", "knows": "a reference", "tells": "It tells.", "notes": ["<i>"], "scores": [
            SCORE, {**SCORE, "of": "bags of 8", "within": "95 % of swaps"}]},
        {"name": "words", "knows": "nothing", "tells": "It tells.", "notes": [], "scores": []},
    ],
    "ranking": {"what": "gain", "lines": [1200], "scores": [0.25]},
    "wanting": ["--base: more"],
    "limits": "No score shows it.",
}  # fmt: skip


class Balance(HTMLParser):
    """The elements that are open at the end of a page."""

    VOID = {"meta", "br"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        """Open an element."""
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the last one, which must be this one."""
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page() -> str:
    """The page of an audit with everything in it."""
    return audit_page.page(FOUND)


def test_it_stands_alone(page: str) -> None:
    assert not ASKS.findall(page.replace('content="default-src', "")) and "default-src 'none'" in page
    reader = Balance()
    reader.feed(page)
    assert reader.open == []


def test_it_tells_everything(page: str) -> None:
    for text in ("1,200", "not JSON: 2", "first lines: 7", "0.600 [0.500, 0.700]", "interval: 95 % of swaps", "+0.250",
                 "3 prompts are in both files, and 1 rows word", "--base: more", "No score shows it.", "no score"):
        assert text in page, text


def test_text_of_the_data_is_no_markup(page: str) -> None:
    assert "<b>" not in page and "&lt;b&gt;d&lt;/b&gt;.jsonl" in page and "<i>" not in page


def test_figures_are_told_in_words_and_take_the_colours_of_the_page(page: str) -> None:
    assert len(re.findall(r'<svg role="img" aria-label="[^"]{40,}"', page)) == page.count("<svg") == 2
    assert "prefers-color-scheme: dark" in page and "currentColor" in page and "#222222" not in page


def test_equal_audits_give_equal_pages(page: str) -> None:
    assert audit_page.page(copy.deepcopy(FOUND)) == page


def test_what_is_not_there_leaves_no_gap() -> None:
    nothing: dict[str, Any] = {"findings": [], "ranking": None, "wanting": [], "shared_prompts": None}
    bare = FOUND | nothing | {"files": [{**FILE, "numbers": [0] * 1001}]}
    page = audit_page.page(bare)
    assert "<svg" not in page and "Lines by" not in page and "for want of" not in page
