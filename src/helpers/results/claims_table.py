"""The claims of a chapter as a reader sees them: whole sentences, the number, and the verdict, in a table that fits.

Guards and claims that stand aside are folded below the others: they say whether the others may be read as they are.
"""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from helpers.results.claims import GUARD
from helpers.work.escaping import markup

_NUMBER = "95 % interval"
_BREAK = re.compile(r"(?<=[a-z0-9][._])(?=[A-Za-z])")  # within an id
_LEFT = 'style="text-align: left"'  # Jupyter sets tables to the right
_OTHERS = ("verdict", "prediction", "paper")  # the verdict first, so that no narrow page hides it


class ClaimsTable(pd.DataFrame):
    """A table of claims whose HTML wraps its sentences; everything else is as in any table.

    Pandas cuts a sentence after fifty characters and keeps each cell on one line, which leaves the verdict off the
    page. The index holds the ids; columns are claim, value and any of 95 % interval, unit, prediction, paper, runs,
    over (what the runs are), kind, aside, verdict. Texts are escaped. What is selected from it is an ordinary table.
    """

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def _repr_html_(self) -> str:
        """Return the table as HTML, a row a claim; classes are those of the book's style sheet."""
        folded = {title: ids for title, ids in self.sections().items() if ids}
        main = folded.pop("Claims", [])
        parts = [] if folded and not main else [self._table(main)]
        for title, ids in folded.items():
            told = f"<summary>{markup(title)} ({markup(self._counted(ids))})</summary>"
            parts.append(f"<details{'' if main else ' open'}>{told}{self._table(ids)}</details>")
        return "".join(parts)

    def sections(self) -> dict[str, list[Any]]:
        """Return the ids by where they are listed: claims, guards, and what stands aside."""
        found: dict[str, list[Any]] = {"Claims": [], "Guards": [], "Listed apart": []}
        for name, row in self.iterrows():
            place = "Guards" if row.get("kind") == GUARD else "Listed apart" if row.get("aside", False) else "Claims"
            found[place].append(name)
        return found

    def _counted(self, ids: list[Any]) -> str:
        """Return how many of the claims named have each verdict, in words."""
        if "verdict" not in self.columns:
            return str(len(ids))
        counts = self.loc[ids, "verdict"].value_counts(sort=False)
        return ", ".join(f"{count} {verdict}" for verdict, count in counts.items())

    def _table(self, ids: list[Any]) -> str:
        others = [name for name in _OTHERS if name in self.columns]
        titles = ["claim", "value [95 % interval]", *others]
        head = "".join(f'<th scope="col" {_LEFT}>{markup(title)}</th>' for title in titles)
        rows = "".join(self._row(name, row, others) for name, row in self.loc[ids].iterrows())
        return f'<table class="table claims"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'

    def _row(self, name: object, row: pd.Series, others: list[str]) -> str:
        claim = f"{markup(row['claim'])}<br><code>{_breakable(name)}</code>"
        cells = [f'<th scope="row" {_LEFT}>{claim}</th>', _cell("value", _number(row))]
        for column in others:
            value = _verdict(row[column]) if column == "verdict" else _breakable(row[column])
            cells.append(_cell(column, value))
        return f"<tr>{''.join(cells)}</tr>"


def _cell(title: str, content: str) -> str:
    # on a small screen the cells of a row stand below each other, each with its title
    return f'<td data-title="{markup(title)}" {_LEFT}>{content}</td>'


def _breakable(text: object) -> str:
    """Return text in which an id may break after its dots and underscores, not in the middle of a word."""
    return _BREAK.sub("<wbr>", markup(text))


def _number(row: pd.Series) -> str:
    interval = f" [{row[_NUMBER]}]" if _NUMBER in row else ""
    runs = f", {row['runs']} {row.get('over', 'draws')}" if "runs" in row else ""
    return markup(f"{row['value']}{interval} {row.get('unit', '')}".rstrip() + runs)


def _verdict(verdict: Any) -> str:
    """Return a verdict with the classes that give it its mark; words of other claims than the book's have none."""
    words = str(verdict)
    known = "".join(letter for letter in words if letter.isalpha() or letter == " ").strip()
    return f'<span class="verdict {markup(known.replace(" ", "-"))}">{markup(words)}</span>'
