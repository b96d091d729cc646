"""How a chapter opens in the book: its question, the answer of this run, its main figure, then how it was done.

Design choices:
- A notebook runs from top to bottom, so its answer exists only at its end. The book takes answer and figure from the
  finished run and puts them first; a notebook on its own shows the published answer in the same place.
- The figure is the notebook's own output, moved: it stands in the page once, and a link stands where it was drawn.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers.book.prose import mark
from helpers.results.answers import Answer, Tables, Told, answer, words
from helpers.results.records import Record
from helpers.results.tables import shown_table
from helpers.work.artifacts import RESULTS

CELL = "answer"  # id of the cell that shows the published answer in a notebook
_Cell = dict[str, Any]


def opened(notebook: dict[str, Any], name: str, records: Sequence[Record], tables: Tables) -> dict[str, Any]:
    """Return a cleaned notebook with its question, answer and main figure after the title.

    Args:
        notebook: as `staging.clean` leaves it; its first cell holds the title, and perhaps an introduction.
        name: of the notebook, without ending.
        records: of the run.
        tables: of the run, see `tables_of`.

    Returns:
        The notebook as it was where the chapter has no answer.
    """
    found = answer(name, records, tables, "")
    if found is None:
        return notebook
    title, introduction = _parted(notebook["cells"][0])
    rest = [cell for cell in notebook["cells"][1:] if cell.get("id") != CELL]
    opening, rest = _moved_figure(rest, words()[name].figure)
    draws = {record.n_runs for record in records if record.notebook == name}
    return {**notebook, "cells": [title, _markdown(CELL, block(found, draws)), *opening, *introduction, *rest]}


def block(found: Answer, draws: set[int]) -> str:
    """Return question and answer as one MyST block, a line a sentence, each with the mark of its verdict."""
    lines = [f"**{found.question}**", "", *map(_marked, found.sentences)]
    if draws:
        counted = f"{min(draws)}" if len(draws) == 1 else f"{min(draws)} to {max(draws)}"
        units = "Brackets are 95 % intervals over draws; nats count log-odds against the control student."
        lines += ["", f"[{counted} independent draws. {units}]{{.provenance}}"]
    return "\n".join([":::{div} opening", *lines, ":::"])


def _marked(sentence: Told) -> str:
    return f"- {sentence.text} {mark(sentence.verdict)}" if sentence.verdict else f"- {sentence.text}"


def _parted(cell: _Cell) -> tuple[_Cell, list[_Cell]]:
    """Return the title of the first cell alone, and what follows it in that cell, if anything does."""
    title, _, introduction = "".join(cell["source"]).partition("\n")
    after = [_markdown("introduction", introduction.strip())] if introduction.strip() else []
    return {**cell, "source": title}, after


def _moved_figure(cells: list[_Cell], figure: str) -> tuple[list[_Cell], list[_Cell]]:
    """Return the main figure as a cell without code, and the cells with a link to it where it was drawn."""
    named = [cell for cell in cells if _figure_name(cell) == figure]
    if not named or not named[0]["outputs"]:
        return [], cells
    drawn = named[0]
    place = cells.index(drawn)
    metadata = {key: value for key, value in drawn["metadata"].items() if key != "mystnb"}
    left = {**drawn, "outputs": [], "metadata": metadata}
    link = _markdown("opening-link", f"The figure opens this chapter: {{numref}}`{figure}`.")
    tags = [*drawn["metadata"].get("tags", []), "remove-input"]
    first = {**drawn, "id": "opening-figure", "metadata": {**drawn["metadata"], "tags": tags}}
    return [first], [*cells[:place], left, link, *cells[place + 1 :]]


def _figure_name(cell: _Cell) -> str:
    return cell["metadata"].get("mystnb", {}).get("figure", {}).get("name", "")


def _markdown(name: str, source: str) -> _Cell:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}


def tables_of(root: Path, run_dir: Path) -> Tables:
    """Return what gives a table of a run by name: its own rows, and the published ones of draws it did not compute."""
    return functools.partial(shown_table, run_dir=run_dir, published=root / RESULTS / run_dir.name)
