"""The page "Your machine" in words: what was recomputed for this book, and how it compares with what is published.

`check.json` in the run folder holds what `helpers.chain.check` found; a book without it was built from a run that
was compared with nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers.work import artifacts
from helpers.work.escaping import markdown

CHECK = "check.json"
SHOWN = 12  # differing values of a chapter that are named; the others are counted
NOTHING = (
    "Nothing was compared for these pages: either every number in them is the published one, or nothing is published "
    "for the profile named at their foot."
)
_SPACE = "\N{NO-BREAK SPACE}"
_NONE = "\N{EN DASH}"
_COLUMNS = (
    "*Agree* counts the numbers and words in the tables of a chapter that have a published counterpart, *new, inside* "
    "the numbers of new draws that lie in the interval. *Seconds* are those of the whole notebook; what was there "
    "already from an earlier run took none."
)
_HEAD = """\
| Chapter | Draws | Agree | Largest difference | New, inside | Seconds |
| :-- | :-- | --: | --: | --: | --: |
"""


def load(run_dir: Path) -> list[dict[str, Any]]:
    """Return what the check of a run found, a row a notebook; nothing where no check was kept."""
    file = run_dir / CHECK
    return artifacts.read_json(file) if file.exists() else []


def words(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the substitutions of the page, escaped for Markdown.

    Args:
        rows: of `helpers.chain.check.table`.

    Returns:
        ``machine``: the table; ``machine_values``: the values that do not agree, and those of new draws that lie
        outside.
    """
    if not rows:
        return {"machine": NOTHING, "machine_values": "There is nothing to compare."}
    lines = [_row(row) for row in rows]
    table = f"{_HEAD}{chr(10).join(lines)}\n\n{_COLUMNS}\n\n{_processors(rows)}"
    return {"machine": table, "machine_values": _values(rows)}


def _row(row: dict[str, Any]) -> str:
    chapter = f"[{row['notebook'].partition('_')[0]}](../notebooks/{row['notebook']}.ipynb)"
    draws = ", ".join(map(str, row["draws"])) or _NONE
    cells = [chapter, draws]
    if row["skipped"]:
        cells += [_NONE] * 3
    else:
        largest = f"{row['largest']:.1g}" if row["values"] else _NONE
        cells += [_share(row["agree"], row["values"]), largest, _share(row["inside"], row["new_values"])]
    cells.append(f"{row['seconds']:.0f}")
    return f"| {' | '.join(cells)} |"


def _share(some: int, all_values: int) -> str:
    return f"{_count(some)} of {_count(all_values)}" if all_values else _NONE


def _count(number: int) -> str:
    return f"{number:,}".replace(",", _SPACE)


def _processors(rows: Sequence[dict[str, Any]]) -> str:
    """Return a sentence on what computed the chapters; one processor for all of them is named once."""
    chapters: dict[str, list[str]] = {}
    for row in rows:
        chapters.setdefault(row["processor"], []).append(row["notebook"].partition("_")[0])
    chapters.pop("", None)  # a chapter that was computed before its processor was noted
    if len(chapters) == 1:
        return f"Processor: {markdown(next(iter(chapters)))}."
    named = [f"{markdown(name)} (chapters {', '.join(of)})" for name, of in chapters.items()]
    return f"Processors: {'; '.join(named)}." if named else "The processor is not known."


def _values(rows: Sequence[dict[str, Any]]) -> str:
    parts = []
    for row in rows:
        name = markdown(row["notebook"])
        if row["skipped"]:
            parts.append(f"**{name}**: nothing is compared. {markdown(row['skipped'])}")
        if row["unlike"]:
            parts.append(_listed(f"**{name}**, values that do not agree:", row["unlike"]))
        if row["outside"]:
            expected = f"{_count(len(row['outside']))} of {_count(row['new_values'])}; one in twenty is expected"
            parts.append(_listed(f"**{name}**, values of new draws outside the interval ({expected}):", row["outside"]))
    return "\n\n".join(parts) or "All values that can be compared agree."


def _listed(title: str, values: Sequence[str]) -> str:
    lines = [f"- {markdown(value)}" for value in values[:SHOWN]]
    if len(values) > SHOWN:
        lines.append(f"- and {len(values) - SHOWN} more, which `subliminal check` counts")
    return "\n".join([title, "", *lines])
