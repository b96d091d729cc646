"""Tables that pandas showed in a notebook, made fit for screen readers and for phones.

Pandas leaves header cells empty, does not say which of them head columns, and lets a wide table run off the page. Here
empty ones become data cells, the others get a scope, and every value carries the titles of its column, so that the
style sheet can set the cells of a row below each other where there is no room; a row then has the names of its group
with it. A table of many columns is set smaller. Names such as ``owl.numbers`` may break at their dots, words stand to
the left, and a number has a true minus, but no zero has one; one with an exponent has three digits.
"""

from __future__ import annotations

import re

from bs4 import BeautifulSoup, Tag

_MARK = 'class="dataframe"'
_NUMBER = re.compile(r"-?(?:\d[\d.,]*(?:e[-+]?\d+)?|inf)")
# columns, those that name the rows counted -> class of a table that is set smaller, and smaller still
_CLASSES = {6: "many", 11: "crowded"}
_MISSING = ("NaN", "None", "<NA>")
_BREAK = re.compile(r"(?<=[._/])(?=[A-Za-z])")  # within a name


def readable(html: str) -> str:
    """Return an output with its pandas tables mended; any other HTML comes back as it is."""
    if _MARK not in html:
        return html
    page = BeautifulSoup(html, "html.parser")
    for style in page.find_all("style"):
        style.decompose()  # pandas sets the cells of its own tables with it; the book's sheet does that
    for table in page.select("table.dataframe"):
        _mend(table)
    return str(page)


def _mend(table: Tag) -> None:
    del table["border"]
    titles = _titles(table)
    smaller = [name for columns, name in _CLASSES.items() if len(titles) >= columns]
    table["class"] = [*table.get("class", []), *smaller]
    _name_groups(table)
    for head in table.select("thead th"):
        head["scope"] = "colgroup" if int(head.get("colspan", 1)) > 1 else "col"
    for head in table.select("tbody th"):
        head["scope"] = "rowgroup" if int(head.get("rowspan", 1)) > 1 else "row"
    for row in table.select("tbody tr"):
        for cell, title in zip(reversed(row.find_all("td")), reversed(titles), strict=False):
            cell["data-title"] = title
            _mend_value(cell)
    _align(table, titles)
    for head in table.select("th"):
        _let_break(head)
        if not head.get_text(strip=True):
            head.name = "td"
            del head["scope"]


def _name_groups(table: Tag) -> None:
    """Give each row the names of the groups it is in that stand in a row above, as ``data-groups``."""
    open_groups: list[tuple[str, int]] = []  # name, and the rows that it still names
    for row in table.select("tbody tr"):
        above = [name for name, _ in open_groups]
        if above:
            row["data-groups"] = "  ".join(above)
        heads = [(head.get_text(strip=True), int(head.get("rowspan", 1))) for head in row.find_all("th")]
        open_groups = [(name, left - 1) for name, left in [*open_groups, *heads] if left > 1]


def _mend_value(cell: Tag) -> None:
    """Write a number as the book does, and mark words."""
    text = cell.get_text(strip=True)
    if text in _MISSING:
        cell.string = "\N{EN DASH}"
    elif _NUMBER.fullmatch(text):
        cell.string = _number(text)
    elif text:
        cell["class"] = [*cell.get("class", []), "words"]
        _let_break(cell)


def _number(text: str) -> str:
    """Return a number as the book writes it; a line never breaks at a true minus, which a hyphen lets it do."""
    if "e" in text:
        text = f"{float(text.replace(',', '')):.3g}"
    if text.startswith("-") and not re.search("[1-9i]", text):
        text = text.lstrip("-")
    return text.replace("-", "\N{MINUS SIGN}")


def _align(table: Tag, titles: list[str]) -> None:
    """Let the titles of words stand where the words do."""
    wordy = {cell["data-title"] for cell in table.select("tbody td.words")}
    for head in table.select("thead th"):
        if head.get_text(" ", strip=True) in wordy & {*titles}:
            head["class"] = [*head.get("class", []), "words"]


def _let_break(cell: Tag) -> None:
    """Let names in a cell break after their dots, underscores and strokes, where there is no room."""
    for text in cell.find_all(string=_BREAK):
        first, *others = _BREAK.split(text)
        parts: list[Tag | str] = [first]
        for part in others:
            parts += [Tag(name="wbr", can_be_empty_element=True), part]
        text.replace_with(*parts)


def _titles(table: Tag) -> list[str]:
    """Return the title of each column from left to right, the lines of the head together."""
    lines = [_spread(row) for row in table.select("thead tr")]
    width = max(map(len, lines), default=0)
    whole = [line for line in lines if len(line) == width]
    return [" ".join(filter(None, parts)) for parts in zip(*whole, strict=True)]


def _spread(row: Tag) -> list[str]:
    """Return the texts of a row of the head, one a column."""
    texts: list[str] = []
    for cell in row.find_all(["th", "td"]):
        texts += [cell.get_text(" ", strip=True)] * int(cell.get("colspan", 1))
    return texts
