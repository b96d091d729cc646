"""Examples as a reader sees them: rows of teacher and base side by side, replies of five models below each other."""

from __future__ import annotations

import itertools
import re

import pandas as pd

from helpers.results.words import number
from helpers.work.escaping import markup

NONE_YET = "No example is published yet; a draw that is computed here writes some."
_WHO = {
    "base": "the base, untouched",
    "teacher": "the teacher",
    "student": "the student of these rows",
    "control": "its control, of the base's rows",
    "stranger": "the stranger, of the teacher's rows",
}
_PAIR = ("base", "teacher")
_SHOWN = "hard.same_init"  # the arm whose student is shown
_LEFT = 'style="text-align: left"'  # Jupyter sets tables to the right


class Examples:
    """Rows and replies of one draw, with columns as in `helpers.experiments.examples`; shown as HTML, all escaped.

    `students` are the chapter's, with ``draw``, ``trait``, ``arm``, ``share`` and ``effect`` (nats): a dozen replies of
    one draw tell little, so its effect is told beside the mean of all draws.
    """

    def __init__(self, table: pd.DataFrame, trait: str, students: pd.DataFrame) -> None:
        first = table["draw"].min() if len(table) else None
        self._table, self._trait, self._draw = table[table["draw"] == first], trait, first
        like = students[(students["arm"] == _SHOWN) & (students["trait"] == trait) & (students["share"] == 1)]
        self._effects = like.set_index("draw")["effect"]

    def _repr_html_(self) -> str:
        if self._table.empty:
            return f"<p>{markup(NONE_YET)}</p>"
        return self._rows() + self._replies()

    def __repr__(self) -> str:
        """Return how many texts there are, for places that show no HTML."""
        return f"{len(self._table)} examples of draw {self._draw}" if len(self._table) else NONE_YET

    def _rows(self) -> str:
        written = self._table[self._table["part"] == "row"]
        told = "The first that the filter kept of both, on the same random numbers. Marked: where they differ."
        lines = []
        for prompt, texts in written.groupby("prompt", sort=False):
            by_who = dict(zip(texts["who"], texts["text"], strict=True))
            cells = [_cell("asked", markup(prompt)), _cell("base", _pre(by_who["base"], by_who["teacher"]))]
            lines.append([*cells, _cell("teacher", _pre(by_who["teacher"], by_who["base"]))])
        return _table(f"Draw {self._draw}: rows of the teacher beside its base's. {told}", ("asked", *_PAIR), lines)

    def _replies(self) -> str:
        replied = self._table[self._table["part"] == "reply"]
        questions = tuple(dict.fromkeys(replied["prompt"]))
        lines = []
        for who, own in replied.groupby("who", sort=False):
            cells = [_cell("who", f"{markup(_WHO[who])}: {(own['shows'] == self._trait).sum()} of {len(own)}")]
            for question in questions:
                asked = own[own["prompt"] == question]
                cells.append(_cell(question, ", ".join(map(self._said, asked["text"], asked["shows"]))))
            lines.append(cells)
        told = f"Replies on the same random numbers. Marked and counted: those that show “{self._trait}”."
        return _table(f"Draw {self._draw}: what each model says. {told}{self._beside()}", ("who", *questions), lines)

    def _beside(self) -> str:
        """Return the effect on the student that is shown, beside the mean; "" where the draw has none."""
        if self._draw not in self._effects.index:
            return ""
        own, mean = (f"{number(effect, 'nats')} nats" for effect in (self._effects[self._draw], self._effects.mean()))
        return f" The effect on this student is {own}, the mean of {len(self._effects)} draws {mean}."

    def _said(self, text: str, shows: str) -> str:
        return f"<mark>{markup(text)}</mark>" if shows == self._trait else markup(text)


def _table(caption: str, titles: tuple[str, ...], lines: list[list[str]]) -> str:
    head = "".join(f'<th scope="col" {_LEFT}>{markup(title)}</th>' for title in titles)
    rows = "".join(f"<tr>{''.join(cells)}</tr>" for cells in lines)
    caption = f'<caption style="caption-side: top; text-align: left">{markup(caption)}</caption>'
    return f'<table class="table claims examples">{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _cell(title: str, content: str) -> str:
    return f'<td data-title="{markup(title)}" {_LEFT}>{content}</td>'


def _pre(text: str, other: str) -> str:
    """Return a text with the words marked that the other has not in the same place; lines stay as they are."""
    own, others = (re.findall(r"\s+|\w+|[^\w\s]", words) for words in (text, other))
    parts = []
    for word, beside in itertools.zip_longest(own, others):
        if word is not None:
            same = word == beside or word.isspace()
            parts.append(markup(word) if same else f"<mark>{markup(word)}</mark>")
    return f'<span style="white-space: pre-wrap; font-family: monospace">{"".join(parts)}</span>'
