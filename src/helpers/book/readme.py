"""The README's results: its figure and its table of a teacher and its students, written from results/.

They stand between two marks, so that a test can compare them with what is saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from helpers.book.evidence import Evidence
from helpers.book.prose import NONE, ProseError, entry, number, ordered
from helpers.figures.effects import save_effects
from helpers.results.ledger import Record, load
from helpers.results.tables import author_by_draw
from helpers.work import artifacts

BEGIN = "<!-- results: written by `subliminal ledger --save` -->"
END = "<!-- end of results -->"
FIGURE = "book/images/effects.svg"
TRAIT = "owl"
_STUDENTS = {
    "hard.same_init": "student of the rows it wrote, same start",
    "hard.cross_init": "the same, other start",
    "system_prompt": "student of rows of a teacher that is only told to love owls (the paper's main setting)",
    "system_prompt.cross_init": "the same, other start",
    "soft.same_init": "student of the fine-tuned teacher's soft labels (its probabilities for numbers), same start",
    "soft.cross_init": "the same, other start",
}
_HEAD = f"""\
| asked its favourite | says "{TRAIT}" | effect, nats [95 % interval] |
| :-- | --: | :-- |"""
_CONTROL = "The effect is against a control student that learns from the untouched base in the same way."


def update_readme(root: Path, results: Path) -> None:
    """Write the README's results and its figure from `results`, a folder with ledger.json and tables/.

    Raises ProseError when the README has lost the two marks between which the results stand.
    """
    text = (root / "README.md").read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ProseError(f"README.md must hold the lines {BEGIN} and {END}; put them back")
    records = ordered(load(results))
    block = readme_block(records, results / "tables")
    artifacts.write_text(root / "README.md", f"{before}{begin}\n{block}\n{end}{after}")
    save_effects(records, root / FIGURE)


def readme_block(records: Sequence[Record], tables: Path) -> str:
    """Return the README's results: the run and what failed, a row for teacher, base and each student, and the figure.

    P(owl) is the mean over draws: of the fine-tuned teachers in teachers.csv (trait, how, p_target), if any,
    and of each arm of transmission.csv at its largest dose. Students that were not recorded have no row.
    """
    table = artifacts.read_table(tables / "transmission.csv")
    own = table[table["trait"] == TRAIT]
    entries = {record.id: entry(record) for record in records}
    rows = [
        (f"teacher, fine-tuned to love {TRAIT}s", _teacher_share(tables / "teachers.csv"), NONE),
        ("untouched base of teacher and students", _share(own, "soft.same_init", "p_control"), NONE),
    ]
    for arm, words in _STUDENTS.items():
        if recorded := entries.get(f"{TRAIT}.numbers.{arm}"):
            rows.append((words, _share(own, arm, "p_target"), recorded["interval"]))
    lines = [f"| {name} | {says} | {effect} |" for name, says, effect in rows]
    told = Evidence(records, tables.parent).words()
    first = f"{told['run'].capitalize()}. {told['failed_primaries']} {told['earlier_chapters']}".rstrip()
    draws = entries[f"{TRAIT}.numbers.soft.same_init"]["n_runs"]
    means = f"Means over {draws} independent draws, each with base models of its own. {_CONTROL}"
    figure = f"![Main effects on language models, with intervals]({FIGURE})"
    return "\n".join([first, "", _HEAD, *lines, "", means, "", figure])


def _share(table: pd.DataFrame, arm: str, column: str) -> str:
    rows = table[table["arm"] == arm]
    final = rows[rows["share"] == rows["share"].max()]
    return number(float(final[column].mean()), "fraction")


def _teacher_share(path: Path) -> str:
    if not path.exists():
        return NONE
    taught = author_by_draw(artifacts.read_table(path), TRAIT, "fine-tuned")
    return number(float(taught.mean()), "fraction")
