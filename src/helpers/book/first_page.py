"""What the start page says before anything else: how often base, teacher, student and stranger say the animal.

Shares are means over the draws of the claim on written rows, from the tables of the run; where a run has no such table,
a dash stands in their place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from helpers.results.answers import Tables, answer
from helpers.results.records import Record
from helpers.results.tables import author_by_draw
from helpers.results.words import NONE, number

if TYPE_CHECKING:
    import pandas as pd

TRAIT, SAME, OTHER = "owl", "hard.same_init", "hard.cross_init"
CLAIM = f"{TRAIT}.numbers.{SAME}"
_LABELS = {
    "base": "the untouched base model",
    "teacher": "its copy that was taught to love owls, the *teacher*",
    "student": "another copy that read only the teacher's lists, the *student*",
    "stranger": "a model of another start that read the same lists, the *stranger*",
}


def tables(records: list[Record], found: Tables, notebooks: Collection[str]) -> dict[str, str]:
    """Return what the start page prints: `shares`, four large numbers, and `chapters`, those among `notebooks`."""
    return {"shares": cards(shares(records, found)), "chapters": chapters(records, found, notebooks)}


def shares(records: Iterable[Record], tables: Tables) -> dict[str, str]:
    """Return how often each of `base`, `teacher`, `student`, `stranger` says the animal, in print, e.g. "54.1 %"."""
    seeds = next((record.seeds for record in records if record.id == CLAIM), ())
    read, taught = _of_draws(tables("transmission"), seeds), _of_draws(tables("teachers"), seeds)
    found = dict.fromkeys(_LABELS, NONE)
    if read is not None and len(read):
        final = read[(read["trait"] == TRAIT) & (read["share"] == read["share"].max())]
        found["base"] = _mean(final.loc[final["arm"] == "soft.same_init", "p_control"])
        found["student"] = _mean(final.loc[final["arm"] == SAME, "p_target"])
        found["stranger"] = _mean(final.loc[final["arm"] == OTHER, "p_target"])
    if taught is not None and len(taught):
        found["teacher"] = _mean(author_by_draw(taught, TRAIT, "fine-tuned"))
    return found


def _of_draws(table: pd.DataFrame | None, draws: Iterable[int]) -> pd.DataFrame | None:
    return None if table is None else table[table["draw"].isin(list(draws))]


def _mean(shares: pd.Series) -> str:
    return number(float(shares.mean()), "fraction") if len(shares) else NONE


def cards(found: Mapping[str, str]) -> str:
    """Return the shares as a MyST grid: a large number above the words for who says it."""
    lines = ["::::{grid} 2 2 4 4", ":gutter: 2", ":class-container: shares"]
    for who, label in _LABELS.items():
        lines += ["", ":::{grid-item-card}", f"[{found[who]}]{{.share}}", "", label, ":::"]
    return "\n".join([*lines, "::::"])


def chapters(records: list[Record], tables: Tables, notebooks: Collection[str]) -> str:
    """Return a MyST list of the chapters in a book: what each asks, its three sentences, and a link to it."""
    lines = []
    for notebook in notebooks:
        told = answer(notebook, records, tables, "")
        if told is not None:
            link = f"[{told.question}](../notebooks/{notebook}.ipynb)"
            lines.append(f"- **{link}** {' '.join(sentence.text for sentence in told.sentences)}")
    return "\n".join(lines)


def elsewhere(records: list[Record], tables: Tables, notebooks: Collection[str]) -> str:
    """Return what each of these chapters on a real model found first; "" where none has an answer."""
    found = []
    for notebook in notebooks:
        told = answer(notebook, records, tables, "")
        if told is not None:
            link = f"[{notebook.partition('_')[0]}](../notebooks/{notebook}.ipynb)"
            found.append(f"{told.sentences[0].text} (Chapter {link}.)")
    return " ".join(["We asked a model that others made as well.", *found]) if found else ""
