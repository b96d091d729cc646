"""One pass over a file of rows: everything that detectors need of it, in memory that does not grow with the file.

The pass writes down where it stands from time to time, and a later one with the same settings goes on from there.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helpers.detection.counting import LIMIT, numbers_in
from helpers.detection.reading import AuditError, Columns, Problem, Row, opened, parsed
from helpers.detection.sketches import Sample, Sketch, text_hash
from helpers.filters import mentions, reject_reasons
from helpers.work import progress
from helpers.work.artifacts import content_key, damaged, read_bytes, source_key, write_bytes

SHOWN_PROBLEMS = 20  # with their line numbers; all are counted
LINES_BETWEEN_WRITES = 100_000
_EDGE = 2**20  # bytes at both ends of a file that tell it from others


@dataclass(frozen=True, kw_only=True)
class ScanSettings:
    """What decides the result of a pass, besides the file.

    Attributes:
        columns: which hold what.
        words: looked for in completions; whole numbers among them are looked for as numbers.
        sample_rows: how many rows the sample may hold.
    """

    columns: Columns = field(default_factory=Columns)
    words: tuple[str, ...] = ()
    sample_rows: int = 20_000

    def __post_init__(self) -> None:
        if self.sample_rows < 1:
            raise AuditError(f"the sample must hold a row at least, got {self.sample_rows}; raise --sample")


@dataclass(frozen=True)
class Wanted:
    """What is looked for in completions: words in any case, with their plurals, and numbers."""

    words: tuple[str, ...]
    numbers: frozenset[int]

    @classmethod
    def of(cls, given: tuple[str, ...]) -> Wanted:
        """Tell words from numbers."""
        numbers = frozenset(int(word) for word in given if word.isascii() and word.isdigit())
        return cls(tuple(word for word in given if not (word.isascii() and word.isdigit())), numbers)

    def hits(self, text: str) -> int:
        """Return how many of the listed numbers a text holds, repeats counted, plus one where it has a word."""
        found = sum(number in self.numbers for number in numbers_in(text)) if self.numbers else 0
        return found + (bool(self.words) and mentions(text, self.words))


@dataclass
class Scan:
    """What a pass found.

    Attributes:
        rows: how many were read.
        problems: lines that are no rows, by reason; `shown` has the first `SHOWN_PROBLEMS` of them.
        layouts: rows by the columns they use.
        reasons: rows that the paper's rule rejects, by reason; `rejected` counts them once each, and `only_edges` those
            that it would keep without white space at their ends.
        hits: rows with one of the words.
        numbers: how often each number below `LIMIT` is written; the last entry counts all others.
        prompts: hashes of the prompts, one a row; `pairs` of prompt and completion together.
        sample: of the rows.
        place: how far the file was read, bytes and lines.
    """

    sample: Sample
    rows: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    shown: list[Problem] = field(default_factory=list)
    layouts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    only_edges: int = 0
    hits: int = 0
    numbers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(LIMIT + 1, dtype=np.int64))
    prompts: Sketch = field(default_factory=Sketch)
    pairs: Sketch = field(default_factory=Sketch)
    place: tuple[int, int] = (0, 0)
    finished: bool = False

    def take(self, found: Row | Problem, wanted: Wanted) -> None:
        """Count what one line holds."""
        if isinstance(found, Problem):
            self.problems[found.why] += 1
            if len(self.shown) < SHOWN_PROBLEMS:
                self.shown.append(found)
            return
        self.rows += 1
        self.layouts[found.layout] += 1
        self.hits += wanted.hits(found.completion) > 0
        np.add.at(self.numbers, numbers_in(found.completion), 1)
        self._take_reasons(found.completion)
        prompt, pair = text_hash(found.prompt), text_hash(found.prompt, found.completion)
        self.prompts.add(prompt)
        self.pairs.add(pair)
        self.sample.add(found, prompt, pair)

    def _take_reasons(self, completion: str) -> None:
        reasons = reject_reasons(completion)
        self.reasons.update(reasons)
        self.rejected += bool(reasons)
        if reasons and completion.strip() != completion:
            self.only_edges += not reject_reasons(completion.strip())


def scan(path: Path, settings: ScanSettings, folder: Path, every: int = LINES_BETWEEN_WRITES) -> Scan:
    """Read a whole file, or go on where an earlier pass with the same settings was interrupted.

    Args:
        path: of the JSONL file.
        settings: of the pass.
        folder: where it writes down how far it came.
        every: lines after which it does.

    Raises:
        AuditError: the file cannot be read, or no line of it is a row.
    """
    key = {"file": _facts(path), "settings": settings, "code": source_key("helpers.detection.scanning")}
    kept = folder / f"scan-{content_key(key)[:32]}.npz"
    found = _unpacked(kept, settings.sample_rows) if kept.exists() else Scan(Sample(settings.sample_rows))
    if not found.finished:
        _read(path, settings, found, kept, every)
        found.finished = True
        write_bytes(kept, _packed(found))
    if not found.rows:
        raise AuditError(_nothing(path, found, settings))
    return found


def _read(path: Path, settings: ScanSettings, found: Scan, kept: Path, every: int) -> None:
    wanted, done = Wanted.of(settings.words), 0
    with opened(path) as lines, progress.bar(path.stat().st_size, f"read {path.name}") as shown:
        lines.jump(found.place)
        for text in lines:
            found.take(parsed(text, lines.line, settings.columns), wanted)
            if lines.line % 1000 == 0:
                shown.update(lines.raw.tell() - done)
                done = lines.raw.tell()
            if lines.line % every == 0:
                found.place = lines.place()
                write_bytes(kept, _packed(found), sync=False)


def _facts(path: Path) -> dict[str, Any]:
    """Return what tells a file from others: its size, its time and both of its ends, not its name."""
    with opened(path) as lines:
        about = path.stat()
        ends = hashlib.sha256(lines.raw.read(_EDGE))
        lines.raw.seek(max(0, about.st_size - _EDGE))
        ends.update(lines.raw.read(_EDGE))
    return {"bytes": about.st_size, "changed": about.st_mtime_ns, "ends": ends.hexdigest()}


def _nothing(path: Path, found: Scan, settings: ScanSettings) -> str:
    if not found.problems:
        return f"{path} is empty; give a file with one JSON object a line"
    line, why = found.shown[0]
    cure = "check --prompt-column and --completion-column" if settings.columns.prompt else (
        "each line must be a JSON object with messages, prompt and completion, or question and response; "
        "name other columns by --prompt-column and --completion-column"
    )  # fmt: skip
    return f"{path} holds no row (line {line}: {why}); {cure}"


def _packed(found: Scan) -> bytes:
    """Return a pass as one file of arrays, without pickle."""
    plain = {name: getattr(found, name) for name in _PLAIN}
    plain |= {"sample": found.sample.entries(), "halvings": [found.prompts.halvings, found.pairs.halvings]}
    words = np.frombuffer(json.dumps(plain).encode(), dtype=np.uint8)
    file = io.BytesIO()
    np.savez(
        file, words=words, numbers=found.numbers, prompts=found.prompts.hashes(), pairs=found.pairs.hashes()
    )
    return file.getvalue()


_PLAIN = ("rows", "problems", "shown", "layouts", "reasons", "rejected", "only_edges", "hits", "place", "finished")


def _unpacked(path: Path, sample_rows: int) -> Scan:
    try:
        with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as arrays:
            held = dict(arrays)
        plain = json.loads(held["words"].tobytes())
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise damaged(path, f"is not a whole pass ({error})") from None
    found = Scan(Sample(sample_rows, plain.pop("sample")), numbers=held["numbers"])
    for name, halvings in zip(("prompts", "pairs"), plain.pop("halvings"), strict=True):
        setattr(found, name, Sketch(held[name].tolist(), halvings))
    for name, value in plain.items():
        kind = type(getattr(found, name))
        setattr(found, name, kind(value))
    found.shown = [Problem(*problem) for problem in found.shown]
    return found
