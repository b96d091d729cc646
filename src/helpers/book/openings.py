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

from helpers.book.colab_cell import LINKS
from helpers.book.prose import mark
from helpers.results.answers import Answer, OfClaim, Tables, Told, answer, words
from helpers.results.claims import BROKEN, HOLDS, PARTLY
from helpers.results.records import Record
from helpers.results.tables import shown_table
from helpers.work.artifacts import RESULTS

CELL = "answer"  # id of the cell that shows the published answer in a notebook
EXAMPLES = "examples"  # id of the cell that shows rows and replies
_Cell = dict[str, Any]


def opened(notebook: dict[str, Any], name: str, records: Sequence[Record], tables: Tables) -> dict[str, Any]:
    """Return a cleaned notebook with links, question, answer and main figure after the title.

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
    rest = [cell for cell in notebook["cells"][1:] if cell.get("id") not in (CELL, LINKS)]
    links = [cell for cell in notebook["cells"] if cell.get("id") == LINKS]
    figure, rest = _moved_figure(rest, words()[name].figure)
    examples, rest = _moved_examples(rest)
    # of the claims that answer: others may have units that are no draws
    decisive = {sentence.claim for sentence in words()[name].sentences if isinstance(sentence, OfClaim)}
    draws = {record.n_runs for record in records if record.id in decisive}
    failed = failures([record for record in records if record.notebook == name])
    opening = [title, *links, _markdown(CELL, block(found, draws, failed)), *figure, *introduction, *examples]
    return {**notebook, "cells": [*opening, *rest]}


def block(found: Answer, draws: set[int], failed: str = "") -> str:
    """Return question and answer as one MyST block, a line a sentence, each with the mark of its verdict.

    `failed` is a sentence on what did not come out, see `failures`.
    """
    lines = [f"**{found.question}**", "", *map(_marked, found.sentences)]
    if failed:
        lines += ["", failed]
    if draws:
        counted = f"{min(draws)}" if len(draws) == 1 else f"{min(draws)} to {max(draws)}"
        unit = " One nat is a factor of 2.7 on the odds." if " nats" in "".join(lines) else ""
        lines += ["", f"[{counted} independent draws. Brackets: 95 % intervals over draws.{unit}]{{.provenance}}"]
    return "\n".join([":::{div} opening", *lines, ":::"])


def failures(records: Sequence[Record]) -> str:
    """Return how many of a chapter's claims are not as predicted; "" where none that predicts something was judged."""
    judged = [record.verdict for record in records if record.verdict in {*HOLDS, PARTLY, *BROKEN}]
    if not judged:
        return ""
    broken, leaning = sum(verdict in BROKEN for verdict in judged), judged.count(PARTLY)
    if not broken and not leaning:
        return "Everything that this chapter predicted came out so."
    return (
        f"**What failed here:** {broken or 'none'} of {len(judged)} predictions, checks among them; "
        f"held in the mean only: {leaning or 'none'}. *Verdict*, below, has each."
    )


def _marked(sentence: Told) -> str:
    return f"- {sentence.text} {mark(sentence.verdict)}" if sentence.verdict else f"- {sentence.text}"


def _parted(cell: _Cell) -> tuple[_Cell, list[_Cell]]:
    """Return the title of the first cell alone, and what follows it in that cell, if anything does."""
    title, _, introduction = "".join(cell["source"]).partition("\n")
    after = [_markdown("introduction", introduction.strip())] if introduction.strip() else []
    return {**cell, "source": title}, after


def _moved_figure(cells: list[_Cell], figure: str) -> tuple[list[_Cell], list[_Cell]]:
    """Return the main figure as a cell without code, and the cells with a link to it where it was drawn."""
    named = [cell for cell in cells if _figure_name(cell) == figure and cell["outputs"]]
    return _moved(cells, named[0], f"The figure opens this chapter: {{numref}}`{figure}`.") if named else ([], cells)


def _moved_examples(cells: list[_Cell]) -> tuple[list[_Cell], list[_Cell]]:
    """Return the examples as a cell without code, where there are any, and the cells without them."""
    shown = [cell for cell in cells if cell.get("id") == EXAMPLES and _holds_table(cell)]
    return _moved(cells, shown[0], "They stand at the head of this chapter.") if shown else ([], cells)


def _holds_table(cell: _Cell) -> bool:
    return any("<table" in "".join(output.get("data", {}).get("text/html", "")) for output in cell["outputs"])


def _moved(cells: list[_Cell], drawn: _Cell, link: str) -> tuple[list[_Cell], list[_Cell]]:
    """Return a cell's outputs as a cell without code, and the cells with a sentence in the place of these outputs."""
    place = cells.index(drawn)
    metadata = {key: value for key, value in drawn["metadata"].items() if key != "mystnb"}
    left = {**drawn, "outputs": [], "metadata": metadata}
    tags = [*drawn["metadata"].get("tags", []), "remove-input"]
    first = {**drawn, "id": f"opening-{drawn['id']}", "metadata": {**drawn["metadata"], "tags": tags}}
    return [first], [*cells[:place], left, _markdown(f"link-{drawn['id']}", link), *cells[place + 1 :]]


def _figure_name(cell: _Cell) -> str:
    return cell["metadata"].get("mystnb", {}).get("figure", {}).get("name", "")


def _markdown(name: str, source: str) -> _Cell:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}


def tables_of(root: Path, run_dir: Path) -> Tables:
    """Return what gives a table of a run by name: its own rows, and the published ones of draws it did not compute."""
    return functools.partial(shown_table, run_dir=run_dir, published=root / RESULTS / run_dir.name)
