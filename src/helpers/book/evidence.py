"""What a reader should know first of the evidence: which run this is, what failed, the scorecard.

All of it is computed from the ledger and from results/<profile>/runs.yaml; no page says by hand what a run found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.book.prose import NONE, found_words, verdict_mark
from helpers.results import runs as reference
from helpers.results.claims import BROKEN, PRIMARY
from helpers.results.ledger import Record
from helpers.results.scorecard import names, primaries, statements
from helpers.results.words import interval
from helpers.work import escaping

if TYPE_CHECKING:
    import pandas as pd

UNTESTED = "not tested here yet"
LEVEL = 0.05  # below which an adjusted p is counted
_SCORECARD_HEAD = """\
:::{table}
:class: claims

| What is claimed | Found here: mean [95 % interval] | In the paper | Verdict |
| :-- | :-- | :-- | :-- |
"""
_CHANGES_HEAD = """\
| from run | to run | predictions | changed verdicts | means | outside the old interval | by chance |
| --: | --: | --: | --: | --: | --: | --: |
"""
_SPACE = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Evidence:
    """The records of a build with the reference runs of its profile; `folder` is results/<profile>."""

    records: Sequence[Record]
    folder: Path

    @property
    def runs(self) -> list[reference.ReferenceRun]:
        """Return the reference runs of the profile."""
        return reference.reference_runs(self.folder)

    def found(self) -> pd.DataFrame:
        """Return what all reference runs found, see `runs.found_by_run`."""
        return reference.found_by_run(self.folder, self.records, self.runs)

    def words(self) -> dict[str, str]:
        """Return sentences for any page: `run`, `failed_primaries`, `earlier_chapters`."""
        return {
            "run": self.run(),
            "failed_primaries": failed_primaries(self.records, self.runs),
            "earlier_chapters": self.earlier_chapters(),
        }

    def tables(self) -> dict[str, str]:
        """Return tables by name: `scorecard` and `changes` from run to run."""
        return {"scorecard": scorecard(self.records), "changes": self._changes()}

    def run(self) -> str:
        """Return which reference run the primary claims are of, and how many draws the one with fewest has."""
        runs = self.runs
        primary = [record for record in self.records if record.kind == PRIMARY]
        of_run = reference.run_of(_seeds(primary), runs)
        counted = [record.seeds for record in primary if of_run and of_run.those_of(record.seeds)]
        return reference.in_words(min(counted, key=len, default=()), runs)

    def earlier_chapters(self) -> str:
        """Return a sentence on the chapters whose rows are of an earlier run than the primary claims, or nothing."""
        runs, told = self.runs, []
        now = reference.run_of(_seeds(record for record in self.records if record.kind == PRIMARY), runs)
        for notebook in sorted({record.notebook for record in self.records}):
            run = reference.run_of(_seeds(record for record in self.records if record.notebook == notebook), runs)
            if run and now and run.number < now.number:
                told.append(f"{notebook} ({run.name})")
        return f"Rows of an earlier run: {', '.join(told)}." if told else ""

    def _changes(self) -> str:
        lines = []
        for row in reference.changes(self.found()).itertuples():
            cells = (row.first, row.second, row.claims, row.verdicts_changed, row.means, row.outside)
            lines.append(f"| {' | '.join(map(str, cells))} | {row.expected:.0f} |")
        return _CHANGES_HEAD + "\n".join(lines) if lines else "There are no earlier runs of this profile."


def _seeds(records: Iterable[Record]) -> set[int]:
    """Return the seeds of all records together."""
    found: set[int] = set()
    for record in records:
        found |= set(record.seeds)
    return found


# --- the primary claims ---------------------------------------------------------------------------


def failed_primaries(records: Sequence[Record], runs: Sequence[reference.ReferenceRun] = ()) -> str:
    """Return how the primary claims came out: a sentence of at most three numbers for each that does not replicate."""
    found, by_id = primaries(records), {record.id: record for record in records}
    if not found.holm:
        return f"None of the {found.number} primary claims has draws enough to be judged."
    chosen = f"chosen before the {runs[-1].name} run" if runs else "chosen beforehand"
    kept = sum(found.holm[name] < LEVEL for name in found.holding)
    sentences = [
        f"Of {found.number} primary claims, {chosen}, {len(found.holding)} replicate "
        f"({kept} of them also after Holm's correction over all)."
    ]
    broken = [by_id[name] for name in found.failing if by_id[name].verdict in BROKEN]
    leaning = [by_id[name] for name in found.failing if by_id[name].verdict not in BROKEN]
    for failed, words in ((broken, "Not replicated"), (leaning, "Replicated in the mean only")):
        for place, record in enumerate(failed):
            name = names().get(record.id, record.id)
            told = f"{name[:1].upper()}{name[1:]}" if place else f"**{words}:** {name}"
            sentences.append(f"{told}, {interval(record)} {escaping.markdown(record.unit)}.")
    if found.open:
        told = "; ".join(names().get(name, name) for name in found.open)
        sentences.append(f"Not measured on draws enough: {told}.")
    return " ".join(sentences)


# --- the scorecard --------------------------------------------------------------------------------


def scorecard(records: Sequence[Record]) -> str:
    """Return the scorecard as a MyST table: a row a record that decides, the statement in the first of its rows."""
    by_id, holm = {record.id: record for record in records}, primaries(records).holm
    lines = []
    for statement in statements():
        source = "" if statement.source == "paper" else f" ({statement.source})"
        claim = escaping.markdown(statement.claim) + source
        figure = escaping.markdown(statement.figure) if statement.figure else NONE
        for claim_id, words in statement.records.items():
            found, verdict = _decided(by_id.get(claim_id), holm.get(claim_id))
            lines.append(f"| {claim} | {escaping.markdown(words)}: {found} | {figure} | {verdict} |")
            claim = figure = ""
    return _SCORECARD_HEAD + "\n".join([*lines, ":::"])


def _decided(record: Record | None, holm: float | None) -> tuple[str, str]:
    """Return what was found of a line of the scorecard, and its verdict."""
    if record is None:
        return NONE, UNTESTED
    if holm is None:
        return found_words(record), verdict_mark(record)
    p = "< 0.001" if holm < 0.001 else f"= {holm:.2g}"
    return f"{found_words(record)}, *p*{_SPACE}{p}", f"{verdict_mark(record)} (primary)"
