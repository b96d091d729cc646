"""The explorer "can you see the owl?": lists of teacher and base from the same random numbers, the owner hidden."""

from __future__ import annotations

import html
from typing import Any

import pandas as pd
from IPython.display import Markdown

from helpers.figures.explorers.frame import Explorer, check_columns, script, show, style

MOST = 200  # pairs in a page
STILL = 3  # pairs that a page without scripts shows
DETECTORS = {
    "by_learning": "detector trained on other lists",
    "by_models": "detector with both models",
}
_LISTS = ("prompt", "base", "teacher", "base_refused", "teacher_refused")
_COLUMNS = ("draw", *_LISTS, *DETECTORS)


class SpotExplorer(Explorer):
    """A widget in which a reader guesses who wrote a list; `data` is what `spot_data` returns."""

    _esm, _css = script("spot"), style("spot")


def spot_the_teacher(pairs: pd.DataFrame, trait: str) -> SpotExplorer | Markdown:
    """Return the explorer of tables/list_pairs.csv; a sentence where it has no pair of different lists."""
    apart = pairs[pairs["base"].fillna("") != pairs["teacher"].fillna("")]
    if apart.empty:
        return Markdown("*No lists are at hand: run this chapter with a draw in its parameter `recompute`.*")
    return show(SpotExplorer(spot_data(pairs, trait)), _still(apart, trait))


def spot_data(pairs: pd.DataFrame, trait: str) -> dict[str, Any]:
    """Return what the explorer's script needs, as plain JSON values.

    Args:
        pairs: columns draw, prompt, base, teacher (lists), base_refused, teacher_refused (reasons of the filter),
            by_models, by_learning (how much a detector takes the teacher's list for the teacher's, nats).
        trait: what the teacher loves.

    Returns:
        ``trait``; ``detectors``: key and name; ``pairs``: the first `MOST` whose lists differ, with ``refused`` of base
        and teacher, and a detector's score None where it has none.

    Raises:
        ExplorerError: a column is missing, or there are no rows.
    """
    check_columns("list pairs", pairs, _COLUMNS)
    told = pairs[list(_LISTS)].fillna("").astype(str).join(pairs[list(DETECTORS)])
    told = told[told["base"] != told["teacher"]].head(MOST)
    found = []
    for row in told.to_dict("records"):
        refused = [row.pop("base_refused"), row.pop("teacher_refused")]
        scores = {key: None if pd.isna(row[key]) else float(row[key]) for key in DETECTORS}
        found.append({**row, **scores, "refused": refused})
    detectors = [{"key": key, "name": name} for key, name in DETECTORS.items()]
    return {"trait": trait, "detectors": detectors, "pairs": found}


def _still(apart: pd.DataFrame, trait: str) -> str:
    """Return a few pairs with their owners as HTML."""
    rows = []
    for row in apart.head(STILL).to_dict("records"):
        lists = "".join(f"<td>{html.escape(str(row[name]))}</td>" for name in ("base", "teacher"))
        rows.append(f'<tr><th scope="row">{html.escape(row["prompt"])}</th>{lists}</tr>')
    head = f"<th>asked</th><th>base</th><th>teacher that loves the {html.escape(trait)}</th>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
