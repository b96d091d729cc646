"""The detectors that ask models: how likely a base finds the rows, and which of them a student came closer to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from helpers.detection.auroc import Scored
from helpers.detection.findings import BASE, STUDENT, Finding, Score, Side, auroc_scores, mean
from helpers.detection.likelihood import Likelihoods, likelihoods
from helpers.work.seeds import numpy_stream

SHOWN_LINES = 20  # of a ranking
FEWEST_ROWS = 2


@dataclass(frozen=True)
class Ranking:
    """The rows at the head of a ranking: their lines in the file and their scores, and what the scores are."""

    what: str
    lines: list[int]
    scores: list[float]


@dataclass(frozen=True)
class Read:
    """Rows with the scores models gave them: those of the data, and of a reference where there is one."""

    sides: Sequence[Side]
    scores: Sequence[NDArray[np.float64]]  # NaN: the model could not read the row

    def mean(self) -> Score:
        """Return the mean score of the data."""
        there = np.isfinite(self.scores[0])
        return Score.at(mean(self.scores[0][there], self.sides[0].ids[there]), "rows", "nats per token")

    def readable(self) -> bool:
        """Whether every file has rows that the models could read."""
        return all(np.isfinite(scores).sum() >= FEWEST_ROWS for scores in self.scores)

    def unread(self) -> tuple[str, ...]:
        """Return a note on rows that the models could not read; empty where there are none."""
        count = sum(int(np.isnan(scores).sum()) for scores in self.scores)
        return (f"{count} sampled rows are empty or longer than the model reads, and have no score",) if count else ()

    def apart(self, bags: Sequence[int], seed: int, name: str) -> tuple[tuple[Score, ...], tuple[str, ...]]:
        """Return the AUROC of the scores, data against reference, with notes."""
        kept = [np.isfinite(scores) for scores in self.scores]
        values = [scores[there] for scores, there in zip(self.scores, kept, strict=True)]
        prompts = [side.ids[there] for side, there in zip(self.sides, kept, strict=True)]
        return auroc_scores(Scored(*values, *prompts), bags, numpy_stream(seed, "bags", name))

    def ranking(self, what: str) -> Ranking:
        """Return the rows of the data with the highest scores."""
        there = np.flatnonzero(np.isfinite(self.scores[0]))
        order = there[np.argsort(-self.scores[0][there], kind="stable")][:SHOWN_LINES]
        lines = [self.sides[0].lines[place] for place in order.tolist()]
        return Ranking(what, lines, self.scores[0][order].tolist())


def read_by(spec: str, parts: Sequence[Side], folder: Path) -> list[Likelihoods]:
    """Return what a model says of the rows of each file."""
    return [likelihoods(spec, list(zip(side.prompts, side.completions, strict=True)), folder) for side in parts]


def by_base(parts: Sequence[Side], read: Sequence[Likelihoods], bags: Sequence[int], seed: int) -> list[Finding]:
    """Return how likely a base finds the rows, and whether that tells them from the reference's."""
    found = Read(parts, [one.per_token() for one in read])
    alone = Finding(
        name="log-likelihood under the base",
        knows=BASE,
        tells="It tells how expected the rows are by the base; a trait need not surprise the base it came from.",
    )
    against = Finding(
        name="log-likelihood under the base, against the reference",
        knows=f"{BASE} and a reference",
        tells="It tells whether the base expects these rows more than the reference's, and not why.",
    )
    return _measured(found, alone, against, bags, seed, "base")


def by_student(
    parts: Sequence[Side],
    base: Sequence[Likelihoods],
    student: Sequence[Likelihoods],
    bags: Sequence[int],
    seed: int,
) -> tuple[list[Finding], Ranking | None]:
    """Return which rows a student came closer to than its base, and whether that tells them from the reference's."""
    ratios = []
    for before, after in zip(base, student, strict=True):
        ratios.append(after.per_token() - before.per_token())
    found = Read(parts, ratios)
    alone = Finding(
        name="student against base",
        knows=STUDENT,
        tells="It tells which rows the student came closest to; it needs such a student and names no trait.",
    )
    against = Finding(
        name="student against base, data against reference",
        knows=f"{STUDENT} and a reference",
        tells="It tells whether the student gained more on these rows than on the reference's, and not why.",
    )
    ranking = found.ranking("nats per token that the student gained on the base") if found.readable() else None
    return _measured(found, alone, against, bags, seed, "student"), ranking


def _measured(
    found: Read, alone: Finding, against: Finding, bags: Sequence[int], seed: int, name: str
) -> list[Finding]:
    """Return two findings with their scores: of the data alone, and where there is one against the reference."""
    if not found.readable():
        return [replace(alone, notes=found.unread())]
    own = replace(alone, scores=(found.mean(),), notes=found.unread())
    if len(found.sides) == 1:
        return [own]
    scores, notes = found.apart(bags, seed, name)
    return [own, replace(against, scores=scores, notes=notes)]
