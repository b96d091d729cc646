"""An audit in words, for the terminal: one line for each file's facts and one for each detector."""

from __future__ import annotations

import json
from collections.abc import Iterator

from helpers.detection.audit import LIMITS, Audit, File
from helpers.detection.findings import Finding, Score


def lines(found: Audit) -> list[str]:
    """Return the report of an audit, line by line."""
    told = [line for file in found.files for line in file_lines(file)]
    told += shared_lines(found)
    told += ["", *map(finding_line, found.findings)]
    if found.ranking is not None:
        told += ["", f"lines by {found.ranking.what}: {', '.join(map(str, found.ranking.lines))}"]
    if found.wanting:
        told += ["", "Not measured, for want of:", *(f"  {text}" for text in found.wanting)]
    return [*told, "", LIMITS]


def as_json(found: Audit) -> str:
    """Return everything an audit found as JSON."""
    return json.dumps(found.plain(), indent=1, ensure_ascii=False, allow_nan=False)


def file_lines(file: File) -> Iterator[str]:
    """Return the facts of one file: rows, prompts, repeats, and the lines that are no rows."""
    layouts = ", ".join(f"{count:,} by {name}" for name, count in file.layouts.items())
    yield f"{file.role} {file.name}: {file.rows:,} rows ({layouts}), {file.prompts:,} different prompts"
    if file.sampled < file.rows:
        yield f"  detectors that learn or compare read {file.sampled:,} of them, chosen by prompt"
    if file.repeated_prompts:
        yield f"  {file.repeated_prompts:,} rows have a prompt that stood before: split by prompt, not by rows"
    if file.repeated_rows:
        yield f"  {file.repeated_rows:,} rows stood there before, word for word"
    if file.problems:
        yield from _problem_lines(file)


def _problem_lines(file: File) -> Iterator[str]:
    yield f"  {sum(file.problems.values()):,} lines are no rows and were left out:"
    for why, count in file.problems.items():
        places = [str(problem.line) for problem in file.shown if problem.why == why]
        more = ", ..." if len(places) < count else ""
        yield f"    {why}: {count:,} (line {', '.join(places)}{more})"


def shared_lines(found: Audit) -> list[str]:
    """Return what the two files have in common; empty without a reference."""
    if found.shared_prompts is None:
        return []
    data, reference = found.files
    told = [f"{found.shared_prompts:,} prompts are in both files; detectors learn from some prompts and read others"]
    if found.shared_rows:
        told.append(f"  {found.shared_rows:,} rows are in both, word for word, and tell nothing apart")
    if found.shared_prompts < min(data.prompts, reference.prompts) / 2:
        told.append("  most prompts differ, so what tells the files apart may be what was asked, not who answered")
    return told


def finding_line(finding: Finding) -> str:
    """Return a detector's line: scores with intervals, what it had to know, what it can and cannot tell."""
    scores = "; ".join(map(score_words, finding.scores)) or "no score"
    notes = f" ({'; '.join(finding.notes)})" if finding.notes else ""
    return f"{finding.name}: {scores}{notes}. Knows {finding.knows}. {finding.tells}"


def score_words(score: Score) -> str:
    """Return a score with its interval, such as "AUROC of rows 0.571 [0.552, 0.590]"."""
    within = "" if score.within.startswith("95 % interval") else f", {score.within}"
    return f"{score.unit} of {score.of} {score.value:.3f} [{score.low:.3f}, {score.high:.3f}{within}]"
