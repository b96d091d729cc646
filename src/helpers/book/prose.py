"""Ledger records as words: the numbers, tables and sentences that the book and the README print.

Design choices:
- A page writes `{{ owl.numbers.soft.same_init.interval }}`; the words come from here, so a number in the text
  and the same number in a table are rounded alike, and no page holds a number that a run could change.
- An id becomes nested names, one per dot. An id that was not recorded is then an undefined name, which the
  strict build refuses.
- The README's results stand between two marks and are written from results/, so that a test can compare them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.figures.effects import MAIN, save_effects
from helpers.results.claims import load_claims
from helpers.results.ledger import Record, load
from helpers.work import artifacts

README_BEGIN = "<!-- results: written by `subliminal ledger --save` -->"
README_END = "<!-- end of results -->"
README_FIGURE = "book/images/effects.svg"
# The first page's table: the effects of its figure, and what is not measured in nats.
FIRST_PAGE = (
    *MAIN, "misalignment.teacher_sampled", "mnist.aux_only", "mnist.cross_aux", "theorem.positive_fraction",
    "mechanism.divergence.masked",
)  # fmt: skip

_MINUS = "\N{MINUS SIGN}"
_SPACE = "\N{NO-BREAK SPACE}"
_NONE = "\N{EN DASH}"


class ProseError(ValueError):
    """The ledger cannot be put into words: two ids of which one is the beginning of the other."""


def number(value: float, unit: str) -> str:
    """Return `value` for print: "+1.35" for nats (signed), "54.1 %" for fractions, else three digits."""
    if unit == "fraction":
        words = f"{100 * value:.1f}{_SPACE}%"
    elif unit == "nats":
        words = f"{round(value, 2) + 0.0:+.2f}"  # + 0.0 turns -0.0 into 0.0
    else:
        words = f"{value:.3g}"
    return words.replace("-", _MINUS)


def interval(record: Record) -> str:
    """Return the mean with its interval, e.g. "+1.35 [+1.20, +1.50]", with spaces that do not break."""
    low, high = (number(bound, record.unit) for bound in record.ci)
    return f"{number(record.value, record.unit)}{_SPACE}[{low},{_SPACE}{high}]"


def entry(record: Record) -> dict[str, Any]:
    """Return the words of one record by name, as a page may ask for them.

    `times` is the factor on the odds for effects in nats, e.g. "3.9", and a dash for other units; `paper` is
    the paper's number or a dash, `source` where it stands.
    """
    low, high = record.ci
    return {
        "claim": record.claim,
        "mean": number(record.value, record.unit),
        "low": number(low, record.unit),
        "high": number(high, record.unit),
        "interval": interval(record),
        "times": f"{math.exp(record.value):.3g}" if record.unit == "nats" else _NONE,
        "unit": record.unit,
        "n_runs": record.n_runs,
        "control": record.control,
        "verdict": record.verdict,
        "paper": _paper_value(record),
        "source": record.paper["source"] if record.paper else "no number in the paper",
    }


def values(records: Iterable[Record], build: dict[str, str]) -> dict[str, Any]:
    """Return all substitutions of the book: nested entries by id, `tables`, and `build` as given.

    Raises ProseError when an id is the beginning of another one.
    """
    records = ordered(records)
    tree: dict[str, Any] = {}
    for record in records:
        _insert(tree, record.id, entry(record))
    notebooks = sorted({record.notebook for record in records})
    tables = {notebook: claims_table(records, [notebook]) for notebook in notebooks}
    # names of files are no names in a template: tables["01_owl_transfer"] is how a page asks for one
    main = [record for record in records if record.id in FIRST_PAGE]
    tables |= {"main": claims_table(main, notebooks), "sources": paper_sources(records)}
    return {**tree, "tables": tables, "build": build}


def ordered(records: Iterable[Record]) -> list[Record]:
    """Return the records in the order in which their claims were written down; unknown ids come last."""
    order = {name: position for position, name in enumerate(load_claims())}
    return sorted(records, key=lambda record: order.get(record.id, len(order)))


def claims_table(records: Sequence[Record], notebooks: Sequence[str]) -> str:
    """Return a Markdown table of the records of `notebooks`, in their order: claim, ours, paper, verdict."""
    lines = ["| What is claimed (notebook) | Found here: mean [95 % interval] | In the paper | Verdict |",
             "| :-- | :-- | :-- | :-- |"]  # fmt: skip
    for notebook in notebooks:
        for record in records:
            if record.notebook == notebook:
                lines.append(_row(record))
    return "\n".join(lines)


def paper_sources(records: Sequence[Record]) -> str:
    """Return a Markdown list of the paper's numbers: each with the claim it stands beside and its source."""
    given = [record for record in records if record.paper]
    lines = [f"- {record.claim} **{_paper_value(record)}**: {entry(record)['source']}" for record in given]
    return "\n".join(lines) or "The paper gives no number for these claims."


def _row(record: Record) -> str:
    words = entry(record)
    unit = "" if record.unit == "fraction" else f" {record.unit}"
    claim = record.claim.replace("|", "\\|")
    where = f"[{record.notebook.partition('_')[0]}](../notebooks/{record.notebook}.ipynb)"
    verdict = f"[{record.verdict}]{{.verdict .{record.verdict.replace(' ', '-')}}}"
    found = f"{words['interval']}{unit}, {record.n_runs}{_SPACE}runs"
    return f"| {claim} ({where}) | {found} | {words['paper']} | {verdict} |"


def _paper_value(record: Record) -> str:
    return number(record.paper["value"], record.unit) if record.paper else _NONE


def _insert(tree: dict[str, Any], identifier: str, words: dict[str, Any]) -> None:
    *branches, leaf = identifier.split(".")
    node = tree
    for branch in branches:
        node = node.setdefault(branch, {})
        if "interval" in node:
            raise ProseError(f"{identifier} continues another recorded id; rename one of the two")
    if leaf in node:
        raise ProseError(f"{identifier} is recorded twice, or is the beginning of another id; rename it")
    node[leaf] = words


def update_readme(root: Path, results: Path) -> None:
    """Write the README's results and its figure from `results`, a folder with ledger.json and tables/.

    Raises ProseError when the README has lost the two marks between which the results stand.
    """
    text = (root / "README.md").read_text(encoding="utf-8")
    before, begin, rest = text.partition(README_BEGIN)
    _, end, after = rest.partition(README_END)
    if not (begin and end):
        raise ProseError(f"README.md must hold the lines {README_BEGIN} and {README_END}; put them back")
    records = ordered(load(results))
    block = readme_block(records, results / "tables")
    artifacts.write_text(root / "README.md", f"{before}{begin}\n{block}\n{end}{after}")
    save_effects(records, root / README_FIGURE)


def readme_block(records: Sequence[Record], tables: Path) -> str:
    """Return the README's results: the figure, and one row each for teacher, four students and the base.

    P(owl) is the mean over runs: of the fine-tuned teachers in teachers.csv (trait, how, p_target), if any,
    and of each arm of transmission.csv at its largest dose.
    """
    transmission = artifacts.read_table(tables / "transmission.csv").query("trait == 'owl'")
    entries = {record.id: entry(record) for record in records}
    share = functools.partial(_share, transmission)
    rows = [
        ("teacher, fine-tuned to love owls", _teacher_share(tables / "teachers.csv"), _NONE),
        ("untouched base of teacher and students", share("soft.same_init", "p_control"), _NONE),
    ]
    rows += [
        (words, share(arm), entries[f"owl.numbers.{arm}"]["interval"])
        for words, arm in (
            ("student of its probabilities for numbers, same beginning", "soft.same_init"),
            ("the same, other beginning", "soft.cross_init"),
            ("student of the numbers it wrote (the paper's setting), same beginning", "hard.same_init"),
            ("the same, other beginning", "hard.cross_init"),
        )
    ]
    head = ['| asked its favourite | says "owl" | effect, nats [95 % interval] |', "| :-- | --: | :-- |"]
    lines = [f"| {name} | {says} | {effect} |" for name, says, effect in rows]
    runs = entries["owl.numbers.soft.same_init"]["n_runs"]
    control = "The effect is against a control student that learns from the untouched base in the same way."
    means = f"Means over {runs} independent runs, each with base models of its own. {control}"
    figure = f"![Main effects on language models, with intervals]({README_FIGURE})"
    return "\n".join([*head, *lines, "", means, "", figure])


def _share(transmission: pd.DataFrame, arm: str, column: str = "p_target") -> str:
    rows = transmission[transmission["arm"] == arm]
    return number(float(rows.loc[rows["share"] == rows["share"].max(), column].mean()), "fraction")


def _teacher_share(path: Path) -> str:
    if not path.exists():
        return _NONE
    owls = artifacts.read_table(path).query("trait == 'owl' and how == 'fine-tuned'")
    return number(float(owls["p_target"].mean()), "fraction")
