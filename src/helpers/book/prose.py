"""Ledger records as words: the numbers, tables and sentences that the pages of the book print.

Design choices:
- A page writes `{{ owl.numbers.soft.same_init.interval }}`; the words come from here, so a number in the text
  and the same number in a table are rounded alike, and no page holds a number that a run could change.
- An id becomes nested names, one per dot. An id that was not recorded is then an undefined name, which the
  strict build refuses; of a chapter that computed a single draw it has words instead.
- Every text that comes from a ledger is escaped: it is shown as it stands, whatever marks it holds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from helpers.book import machine
from helpers.results.claims import BROKEN, GUARD, PARTLY, PRIMARY, Claim, find_claim, load_claims
from helpers.results.ledger import Record
from helpers.results.words import NONE, SPACE, interval, number
from helpers.work import escaping
from helpers.work.errors import CurableError

# numbers are put into words below, and asked for here
__all__ = [
    "NONE", "ProseError", "claims_table", "entry", "failed", "found_words", "interval", "mark", "number", "ordered",
    "paper_sources", "stands_aside", "values", "verdict_mark",
]
# what a page prints of a claim whose chapter computed a single draw, which has no interval
UNRECORDED = "no value in this run"
NOTHING_RECORDED = "This run has no intervals of this chapter: they need two draws. The chapter shows the values."
# Names that a page asks for and that no claim has: an id may not begin with them.
RESERVED = ("tables", "build", "explorers")

_NOTEBOOK = re.compile(r"\w[\w-]*")
_ID = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")
_TABLE_HEAD = """\
:::{table}
:class: claims

| What is claimed (notebook) | Found here: mean [95 % interval] | In the paper | Verdict |
| :-- | :-- | :-- | :-- |
"""


class ProseError(CurableError, ValueError):
    """The ledger cannot be put into words; the message names the id or notebook and the cure."""


def entry(record: Record) -> dict[str, Any]:
    """Return the words of one record by name, as a page may ask for them, escaped for Markdown.

    `times` is the factor on the odds for effects in nats, e.g. "3.9", and a dash for other units; `paper` is
    the paper's number or a dash, `source` where it stands.
    """
    low, high = record.ci
    return {
        "claim": escaping.markdown(record.claim),
        "mean": number(record.value, record.unit),
        "low": number(low, record.unit),
        "high": number(high, record.unit),
        "interval": interval(record),
        "times": _times(record),
        "unit": escaping.markdown(record.unit),
        "n_runs": record.n_runs,
        "control": escaping.markdown(record.control),
        "verdict": escaping.markdown(record.verdict),
        "paper": _paper_value(record),
        "source": escaping.markdown(record.paper["source"] if record.paper else "no number in the paper"),
    }


def entry_without_record(claim: Claim) -> dict[str, Any]:
    """Return the words of a claim that this run did not record, by the names that `entry` has."""
    return {
        **dict.fromkeys(("mean", "low", "high", "interval", "times"), UNRECORDED),
        "claim": escaping.markdown(claim.claim),
        "unit": escaping.markdown(claim.unit),
        "n_runs": "too few",
        "control": escaping.markdown(claim.control),
        "verdict": "not recorded",
        "paper": NONE,
        "source": NONE,
    }


def _times(record: Record) -> str:
    """Return the factor on the odds of an effect in nats; one too large for a float stays a power of e."""
    if record.unit != "nats":
        return NONE
    try:
        return f"{math.exp(record.value):.3g}"
    except OverflowError:
        return f"e^{record.value:.3g}"


def values(
    records: Iterable[Record],
    build: dict[str, str],
    checked: Sequence[dict[str, Any]] = (),
    unrecorded: Iterable[str] = (),
) -> dict[str, Any]:
    """Return all substitutions of the book: nested entries by id, `tables`, and `build` as given.

    A chapter's table leaves out its guards and what stands aside; `tables` has one of each for all chapters together.
    `checked` is what was recomputed, as `machine.load` has it; `unrecorded` are ids that get the words of
    `entry_without_record`.

    Raises ProseError for an id that is no name in a template, has a part that is a word of another, or is taken.
    """
    listed = ordered(records)
    tree: dict[str, Any] = {}
    for record in listed:
        _insert(tree, record.id, entry(record))
    for claim_id in unrecorded:
        _insert(tree, claim_id, entry_without_record(find_claim(claim_id)))
    notebooks = sorted({record.notebook for record in listed})
    # names of files are no names in a template: tables["01_owl_transfer"] is how a page asks for one
    main = [record for record in listed if record.kind != GUARD and not stands_aside(record)]
    tables = {claim.notebook: NOTHING_RECORDED for claim in load_claims().values() if claim.notebook}
    tables |= {notebook: claims_table(main, [notebook]) for notebook in notebooks}
    tables["guards"] = claims_table([record for record in listed if record.kind == GUARD], notebooks)
    tables["aside"] = claims_table([record for record in listed if stands_aside(record)], notebooks)
    tables["failed"] = claims_table([record for record in listed if failed(record)], notebooks)
    tables["sources"] = paper_sources(listed)
    tables |= machine.words(checked)
    return {**tree, "tables": tables, "build": build}


def stands_aside(record: Record) -> bool:
    """Return whether a record is listed apart from the main claims of its chapter."""
    claim = load_claims().get(record.id)
    return claim is not None and claim.aside


def failed(record: Record) -> bool:
    """Return whether a claim is not as it was predicted, or is a primary one that holds in the mean only."""
    return record.verdict in BROKEN or (record.kind == PRIMARY and record.verdict == PARTLY)


def ordered(records: Iterable[Record]) -> list[Record]:
    """Return the records in the order in which their claims were written down; unknown ids come last."""
    order = {name: position for position, name in enumerate(load_claims())}
    return sorted(records, key=lambda record: order.get(record.id, len(order)))


def claims_table(records: Sequence[Record], notebooks: Sequence[str]) -> str:
    """Return a MyST table of the records of `notebooks`, in their order: claim, ours, paper, verdict."""
    lines = []
    for notebook in notebooks:
        lines += [_row(record) for record in records if record.notebook == notebook]
    return _TABLE_HEAD + "\n".join([*lines, ":::"])


def paper_sources(records: Sequence[Record]) -> str:
    """Return a Markdown list of the paper's numbers: each with the claim it stands beside and its source."""
    lines = []
    for record in records:
        if record.paper:
            words = entry(record)
            lines.append(f"- {words['claim']} **{words['paper']}**: {words['source']}")
    return "\n".join(lines) or "The paper gives no number for these claims."


def _row(record: Record) -> str:
    if not _NOTEBOOK.fullmatch(record.notebook):
        raise ProseError(f"record {record.id!r} names a notebook {record.notebook!r}; run the notebook that makes it")
    words = entry(record)
    where = f"[{record.notebook.partition('_')[0]}](../notebooks/{record.notebook}.ipynb)"
    return f"| {words['claim']} ({where}) | {found_words(record)} | {words['paper']} | {verdict_mark(record)} |"


def found_words(record: Record) -> str:
    """Return mean, interval, unit and number of draws (or what else it is over) of a record, escaped for Markdown."""
    words, claim = entry(record), load_claims().get(record.id)
    unit = "" if record.unit == "fraction" else f" {words['unit']}"
    return f"{words['interval']}{unit}, {record.n_runs}{SPACE}{claim.over if claim else 'draws'}"


def verdict_mark(record: Record) -> str:
    """Return the verdict of a record as MyST text with the classes that give it its mark."""
    return mark(record.verdict)


def mark(verdict: str) -> str:
    """Return a verdict as MyST text with the classes that give it its mark."""
    name = re.sub(r"[^a-z]+", "-", verdict.lower()).strip("-")
    return f"[{escaping.markdown(verdict)}]{{.verdict .{name}}}"


def _paper_value(record: Record) -> str:
    return number(record.paper["value"], record.unit) if record.paper else NONE


def _insert(tree: dict[str, Any], identifier: str, words: dict[str, Any]) -> None:
    """Add the words of a record at its id; an id may continue another, as `owl.system_prompt.cross_init` does."""
    *branches, leaf = identifier.split(".")
    if not _ID.fullmatch(identifier) or identifier.split(".")[0] in RESERVED:
        raise ProseError(f"{identifier!r} cannot be the id of a claim; rename it in paper_claims.yaml")
    node = tree
    for branch in [*branches, leaf]:
        node = node.setdefault(branch, {})
        if not isinstance(node, dict):
            raise ProseError(f"{identifier!r} has a part that is a word of another record; rename it")
    if taken := sorted(words.keys() & node.keys()):
        raise ProseError(f"{identifier} is recorded twice, or an id continues it by {taken[0]}; rename it")
    node |= words
