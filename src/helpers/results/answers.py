"""The answer of each chapter in three to five short sentences, computed from the ledger.

Design choices:
- Words are data (answers.yaml): a clause for a claim that holds, one for a claim that does not. How sure it is, which
  way it goes and how much it is comes from the record, by one rule for all chapters, so no sentence can say more than
  its verdict and interval do.
- A sentence holds one mean and its interval, three numbers at most.
- Chapter 00 has no claims; its sentences take means of a published table.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.results.claims import (
    HOLDS,
    INFORMATIVE,
    MINIMUM_RUNS,
    NOT_COMPARABLE,
    PARTLY,
    find_claim,
    settle,
)
from helpers.results.records import SHARED, Record, load
from helpers.results.tables import published_table
from helpers.results.words import interval, number
from helpers.work.artifacts import RESULTS
from helpers.work.errors import CurableError
from helpers.work.strict_yaml import load_yaml

if TYPE_CHECKING:
    import pandas as pd

ANSWERS_FILE = Path(__file__).with_suffix(".yaml")  # not named: words for pages make no notebook stale
PUBLISHED = RESULTS / "nano"
HOLDS_ZERO, WITH_ZERO = "the interval holds zero", "an interval that holds zero"
OTHER_WAY = "the effect goes the other way"
NOT_MEASURED = "was not measured here"
TOO_FEW = "is open"
NOT_JUDGED = "cannot be judged"
IN_THE_MEAN = "In the mean,"
TOO_WIDE = "the interval is too wide to settle it"
NO_PREDICTION = "nothing was predicted"
BEST = "the best over all draws is"

Tables = Callable[[str], "pd.DataFrame | None"]  # name -> rows, or None where there is no such table


class AnswerError(CurableError, ValueError):
    """The words of an answer are badly written; the message names the chapter and the field."""


@dataclass(frozen=True, kw_only=True)
class OfClaim:
    """A sentence that hangs on one claim; `denies` is empty where the claim predicts nothing.

    `unit` are words for what the numbers are in, in place of the claim's unit. `best` has words by claim id: of these
    claims the one whose value is nearest to 0 is named after the numbers.
    """

    claim: str
    says: str
    denies: str = ""
    unit: str = ""
    best: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OfTable:
    """A sentence that hangs on the mean of a table's rows of one `measure`, at `least` or at `most` a bound."""

    table: str
    measure: str
    says: str
    denies: str
    least: float = 0.0
    most: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Words:
    """What answers.yaml has of a chapter: its question, its sentences, and the name of the figure that opens it.

    `results` is the profile that publishes the chapter.
    """

    question: str
    figure: str
    sentences: tuple[OfClaim | OfTable, ...]
    results: str = "nano"


@dataclass(frozen=True)
class Told:
    """One sentence as it is printed, and the verdict behind it; empty where no rule judged it."""

    text: str
    verdict: str = ""


@dataclass(frozen=True)
class Answer:
    """What a chapter asks and what it found; a notebook shows it as Markdown."""

    question: str
    sentences: tuple[Told, ...]
    source: str

    def _repr_markdown_(self) -> str:
        told = " ".join(sentence.text for sentence in self.sentences)
        return f"**{self.question}** {told}\n\n*{self.source}*"


@functools.cache
def words() -> dict[str, Words]:
    """Return the words of answers.yaml by notebook; AnswerError names the chapter at fault."""
    found = {}
    for notebook, entry in load_yaml(ANSWERS_FILE.read_text(encoding="utf-8")).items():
        try:
            sentences = tuple(map(_sentence, entry["answer"]))
            given = {"question": entry["question"], "figure": entry["figure"], "sentences": sentences}
            results = {name: entry[name] for name in ("results",) if name in entry}
            found[notebook] = Words(**given, **results)
        except (KeyError, TypeError) as error:
            raise AnswerError(f"{ANSWERS_FILE.name}, {notebook}: missing or unknown field ({error})") from None
    return found


def _sentence(fields: Mapping[str, Any]) -> OfClaim | OfTable:
    return OfTable(**fields) if "table" in fields else OfClaim(**fields)


def answer(notebook: str, records: Iterable[Record], tables: Tables, source: str) -> Answer | None:
    """Return the answer of a chapter; None for a chapter that answers.yaml does not have.

    Args:
        notebook: its name without ending.
        records: of one ledger, all chapters or this one.
        tables: gives a table of the same run by name, or None.
        source: one sentence on where the numbers come from.
    """
    if notebook not in words():
        return None
    written, by_id = words()[notebook], {record.id: record for record in records}
    told = []
    for sentence in written.sentences:
        if isinstance(sentence, OfTable):
            told.append(tell_mean(sentence, tables(sentence.table)))
        else:
            told.append(tell(sentence, by_id))
    return Answer(written.question, tuple(told), source)


def published_answer(notebook: str, folder: Path | None = None) -> Answer | None:
    """Return a chapter's answer as published, for a notebook to show before it has run.

    `folder` holds the published results; by default that of the profile which publishes the chapter.
    """
    if folder is None:
        folder = RESULTS / words()[notebook].results if notebook in words() else PUBLISHED
    records = load(folder) if (folder / "ledger.json").exists() else []
    source = "The answer of the published run. What is computed below is compared with it at the end."
    return answer(notebook, records, functools.partial(published_table, folder), source)


# --- one sentence -----------------------------------------------------------------------------------


def tell(sentence: OfClaim, by_id: Mapping[str, Record]) -> Told:
    """Return a sentence on a claim that agrees with verdict, interval and sign of its record among `by_id`."""
    record = by_id.get(sentence.claim)
    if record is None:
        return Told(f"Whether {sentence.says} {NOT_MEASURED}.")
    numbers = _with_unit(interval(record), record, sentence) + _best(sentence, by_id)
    if record.verdict == INFORMATIVE:
        zero = f", {WITH_ZERO}" if record.unit == "nats" and _holds_zero(record) else ""
        text = f"{_capital(sentence.says)}: {numbers}{zero}; {NO_PREDICTION}."
    elif record.verdict == NOT_COMPARABLE:
        text = _open(sentence, record, numbers)
    elif record.verdict in HOLDS:
        text = f"{_capital(sentence.says)}: {numbers}."
    elif record.verdict == PARTLY:
        doubt = HOLDS_ZERO if _about_zero(record) else TOO_WIDE
        text = f"{IN_THE_MEAN} {sentence.says}, but {doubt}: {numbers}."
    else:
        text = _broken(sentence, record, numbers, by_id)
    return Told(text, record.verdict)


def _open(sentence: OfClaim, record: Record, numbers: str) -> str:
    if record.n_runs < MINIMUM_RUNS:
        mean = _with_unit(number(record.value, record.unit), record, sentence)
        return f"Whether {sentence.says} {TOO_FEW}: {record.n_runs} draws are too few, with a mean of {mean}."
    shared = "its runs share one draw" if SHARED in record.ci_method else "there is no firm effect to compare with"
    return f"Whether {sentence.says} {NOT_JUDGED}, since {shared}: {numbers}."


def _broken(sentence: OfClaim, record: Record, numbers: str, by_id: Mapping[str, Record]) -> str:
    """Return a sentence on a claim whose mean is not as predicted; the interval may still reach into the prediction."""
    if _about_zero(record):
        if _holds_zero(record):
            return f"{_capital(sentence.denies)}: {numbers}, {WITH_ZERO}."
        return f"{_capital(sentence.denies)}, and {OTHER_WAY}: {numbers}."
    low, high = _predicted(record, by_id)
    if record.ci[1] < low or record.ci[0] > high:
        return f"{_capital(sentence.denies)}: {numbers}."
    return f"{IN_THE_MEAN} {sentence.denies}, but {TOO_WIDE}: {numbers}."


def _predicted(record: Record, by_id: Mapping[str, Record]) -> tuple[float, float]:
    """Return from where to where the claim of a record predicts its value; everything where its margin is unknown."""
    predict = find_claim(record.id).predict
    margin = settle(predict, by_id.get(predict.third_of or "")).threshold
    if margin is None:
        return -math.inf, math.inf
    if predict.kind == "within":
        return predict.center - margin, predict.center + margin
    return (margin, math.inf) if predict.kind == "above" else (-math.inf, margin)


def _about_zero(record: Record) -> bool:
    """Return whether the claim of a record says on which side of 0 its value lies."""
    predict = find_claim(record.id).predict
    return predict.kind in ("above", "below") and predict.threshold == 0


def _holds_zero(record: Record) -> bool:
    return record.ci[0] <= 0 <= record.ci[1]


def _with_unit(numbers: str, record: Record, sentence: OfClaim) -> str:
    """Return numbers with what they are in, where that is not printed with each of them."""
    unit = find_claim(record.id).unit
    unit = sentence.unit or ("" if unit in ("fraction", "ratio") else unit)
    return f"{numbers} {unit}".rstrip()


def _best(sentence: OfClaim, by_id: Mapping[str, Record]) -> str:
    """Return which of the claims under `best` has the value nearest to 0; "" where none of them is recorded."""
    found = {claim: abs(by_id[claim].value) for claim in sentence.best if claim in by_id}
    return f"; {BEST} {sentence.best[min(found, key=found.get)]}" if found else ""


def tell_mean(sentence: OfTable, table: pd.DataFrame | None) -> Told:
    """Return a sentence on the mean of a measure; `table` has columns draw, measure and value (shares of 1)."""
    rows = None if table is None else table[table["measure"] == sentence.measure]
    if rows is None or not len(rows):
        return Told(f"Whether {sentence.says} {NOT_MEASURED}.")
    mean, draws = float(rows["value"].mean()), rows["draw"].nunique()
    clause = sentence.says if sentence.least <= mean <= sentence.most else sentence.denies
    return Told(f"{_capital(clause)}: {number(mean, 'fraction')}, the mean of {draws} draw{'s' * (draws != 1)}.")


def _capital(clause: str) -> str:
    return clause[:1].upper() + clause[1:]
