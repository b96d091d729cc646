"""The explorers of pages that are no notebooks: a page writes ``{{ explorers.guess }}``, say."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from helpers.figures.explorers.claims import claims_block
from helpers.figures.explorers.frame import ExplorerError
from helpers.figures.explorers.guess import guess_block
from helpers.results.records import Record
from helpers.results.tables import shown_table

SHOWN = ("transmission", "teachers")  # the tables that they show


def page_explorers(records: Sequence[Record], run_dir: Path, published: Path) -> dict[str, str]:
    """Return the explorers of pages as MyST by name; one that the run has nothing for is a sentence that says so.

    Args:
        records: of the run, in the order in which they are listed.
        run_dir: the run, whose own tables come first.
        published: results/<profile>, for the rows of draws that it did not compute, and for earlier runs.
    """
    table = functools.partial(shown_table, run_dir=run_dir, published=published)
    transmission, teachers = map(table, SHOWN)
    made = {"guess": "", "claims": ""}
    if transmission is not None:
        made["guess"] = _or_nothing(guess_block, transmission, teachers)
    if records:
        made["claims"] = _or_nothing(claims_block, records, published)
    return {name: block or "*This run has nothing that could be explored here.*" for name, block in made.items()}


def _or_nothing(block: Callable[..., str], *given: object) -> str:
    try:
        return block(*given)
    except ExplorerError:
        return ""
