"""The audit of a data set: which detectors the given knowledge allows, what they find, and what would allow more."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.detection import detectors
from helpers.detection.findings import AUROC, Finding, Side, sides
from helpers.detection.model_detectors import Ranking, by_base, by_student, read_by
from helpers.detection.reading import AuditError, Columns, Problem
from helpers.detection.scanning import Scan, ScanSettings, scan

LIMITS = (
    "No score here shows that data carry nothing: rows in which no detector sees anything can pass a trait to a "
    "student that shares its author's start."
)
BAGS = (1, 8, 16, 64)
READ_BY_MODELS = 2000  # rows of each file at most, those with the smallest hashes of their prompts


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """What to look at, and what is known.

    Attributes:
        data: the JSONL file.
        reference: rows of another author, for comparison.
        base: the model the data's author came from, or a student will, as `load_base` takes it.
        student: a model that was trained on the data.
        words: to look for in completions; whole numbers are looked for as numbers.
        columns: which hold what was asked and answered.
        bags: sizes of bags whose AUROC is measured; 1 is single rows.
        sample_rows: rows of each file that detectors read which do not read all.
        model_rows: rows of each file that models read.
        seed: of the split by prompt, the bags and the swaps.
        folder: where unfinished work is kept.
    """

    data: Path
    reference: Path | None = None
    base: str = ""
    student: str = ""
    words: tuple[str, ...] = ()
    columns: Columns = field(default_factory=Columns)
    bags: tuple[int, ...] = BAGS
    sample_rows: int = 20_000
    model_rows: int = READ_BY_MODELS
    seed: int = 0
    folder: Path = Path("_runs/audit")

    def __post_init__(self) -> None:
        if self.student and not self.base:
            raise AuditError("a student is compared with the base it began as; give --base as well")
        if not self.bags or min(self.bags) < 1:
            raise AuditError(f"bags must hold a row at least, got {list(self.bags)}; give --bags such as 1,8,16,64")
        if self.model_rows < 1:
            raise AuditError(f"a model must read a row at least, got {self.model_rows}; raise --model-rows")

    def scanning(self) -> ScanSettings:
        """Return the settings of the pass over each file."""
        return ScanSettings(columns=self.columns, words=self.words, sample_rows=self.sample_rows)


@dataclass(frozen=True, kw_only=True)
class File:
    """What one file holds.

    Attributes:
        role: "data" or "reference".
        name: of the file.
        rows: rows read.
        sampled: rows in the sample.
        layouts: rows by the columns they use.
        problems: lines that are no rows, by reason.
        shown: the first of those lines.
        prompts: different prompts.
        repeated_prompts: rows whose prompt stood in an earlier row.
        repeated_rows: rows that stood there before, prompt and completion.
        numbers: how often each number below 1000 is written, and last all others.
    """

    role: str
    name: str
    rows: int
    sampled: int
    layouts: dict[str, int]
    problems: dict[str, int]
    shown: list[Problem]
    prompts: int
    repeated_prompts: int
    repeated_rows: int
    numbers: list[int]

    @classmethod
    def of(cls, role: str, path: Path, found: Scan) -> File:
        """Return the facts of a pass."""
        return cls(
            role=role,
            name=path.name,
            rows=found.rows,
            sampled=len(found.sample.entries()),
            layouts=dict(found.layouts),
            problems=dict(found.problems),
            shown=found.shown,
            prompts=found.prompts.different(),
            repeated_prompts=found.prompts.repeated(),
            repeated_rows=found.pairs.repeated(),
            numbers=found.numbers.tolist(),
        )


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What an audit found.

    Attributes:
        files: the data, and the reference where there is one.
        shared_prompts: different prompts that both files have; None without a reference.
        shared_rows: different rows, prompt and completion, that both files have; None without a reference.
        findings: one for each detector that the knowledge allowed.
        ranking: of rows by what a student gained on them; None without one.
        wanting: what else could be measured, and what it would have to know.
    """

    files: list[File]
    shared_prompts: int | None
    shared_rows: int | None
    findings: list[Finding]
    ranking: Ranking | None
    wanting: list[str]

    def apart(self, limit: float) -> list[str]:
        """Return the scores whose AUROC's interval lies above a limit, by name, or as far below one half.

        Raises:
            AuditError: no AUROC was measured, so there is nothing to hold against the limit.
        """
        measured = []
        for finding in self.findings:
            measured += [(finding.name, score) for score in finding.scores if score.unit == AUROC]
        if not measured:
            raise AuditError("too few rows or prompts for any AUROC; give more of them, or leave --fail-above out")
        return [f"{name} ({score.of})" for name, score in measured if score.low > limit or score.high < 1 - limit]

    def plain(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON, with what no audit can show."""
        return dataclasses.asdict(self) | {"files": [_plain_file(file) for file in self.files], "limits": LIMITS}


def _plain_file(file: File) -> dict[str, Any]:
    return dataclasses.asdict(file) | {"shown": [problem._asdict() for problem in file.shown]}


def audit(settings: AuditSettings) -> Audit:
    """Run the detectors that the given knowledge allows.

    Raises:
        AuditError: a file cannot be used.
        ArtifactError: a model cannot be loaded.
    """
    paths = [settings.data] if settings.reference is None else [settings.data, settings.reference]
    scans = [scan(path, settings.scanning(), settings.folder) for path in paths]
    parts = sides(*scans)
    findings = _blind(settings, scans[0], parts[0])
    if len(parts) == 2:
        findings += _against(settings, *parts)
    asked, ranking = _by_models(settings, parts) if settings.base else ([], None)
    roles = ("data", "reference")
    shared = _shared(*scans) if len(scans) == 2 else (None, None)
    files = [File.of(role, path, found) for role, path, found in zip(roles, paths, scans, strict=False)]
    return Audit(
        files=files,
        shared_prompts=shared[0],
        shared_rows=shared[1],
        findings=[*findings, *asked],
        ranking=ranking,
        wanting=_wanting(settings),
    )


def _shared(data: Scan, reference: Scan) -> tuple[int, int]:
    """Return how many different prompts, and how many different rows, two files have in common."""
    return data.prompts.shared(reference.prompts), data.pairs.shared(reference.pairs)


def _blind(settings: AuditSettings, found: Scan, side: Side) -> list[Finding]:
    words = [detectors.word_list(found, settings.words)] if settings.words else []
    return [detectors.rule_filter(found), *words, *detectors.number_frequencies(found, side)]


def _against(settings: AuditSettings, side: Side, other: Side) -> list[Finding]:
    asked = settings.bags, settings.seed
    words = [detectors.word_list_against(side, other, settings.words, *asked)] if settings.words else []
    numbers = detectors.number_frequencies_against(side, other, settings.seed)
    return [*words, *numbers, *detectors.learned_detectors(side, other, *asked)]


def _by_models(settings: AuditSettings, parts: Sequence[Side]) -> tuple[list[Finding], Ranking | None]:
    few = [side.first(settings.model_rows) for side in parts]
    asked = settings.bags, settings.seed
    base = read_by(settings.base, few, settings.folder)
    findings = by_base(few, base, *asked)
    if not settings.student:
        return findings, None
    more, ranking = by_student(few, base, read_by(settings.student, few, settings.folder), *asked)
    return [*findings, *more], ranking


def _wanting(settings: AuditSettings) -> list[str]:
    """Return what was not measured, and what would have to be given."""
    options = (
        (settings.words, "--words: which rows write words of a list"),
        (settings.reference, "--reference: whether anything tells these rows from those of another author"),
        (settings.base, "--base: how likely a model finds the rows"),
        (settings.student, "--student: which rows a model trained on them came closest to"),
    )
    return [text for given, text in options if not given]
