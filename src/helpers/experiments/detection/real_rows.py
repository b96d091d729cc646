"""Rows of real models in a local folder: each file an author, the first told from each of the others by its text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from IPython.display import Markdown

from helpers.detection.auroc import auroc_of_bags
from helpers.detection.knowledge import DETECTORS
from helpers.detection.learned import SHORTEST_FIT, trained_on
from helpers.detection.reading import AuditError, Columns, Problem, opened, parsed
from helpers.detection.row_scores import Known, score_rows
from helpers.detection.text_scores import Row
from helpers.work.seeds import numpy_stream

BLIND = ("rarity", "naive_bayes", "ngrams", "boosted")
MOST = 20_000  # rows of a file that are read
ENDINGS = (".jsonl", ".jsonl.gz")


def told_apart(folder: str, bags: Sequence[int], seed: int = 0) -> pd.DataFrame | Markdown:
    """Return the AUROC of the detectors that read text alone, between the first file of a folder and each other.

    Args:
        folder: with JSONL files, plain or packed by gzip; empty for none.
        bags: sizes of bags; those that hold more than half of an author's scored rows are left out.
        seed: of the split by prompt and of the bags.

    Returns:
        One row an ``author`` and detector, one column a size of bag; a sentence where there is no folder.

    Raises:
        AuditError: the folder has fewer than two files, or a file too few rows.
    """
    if not folder:
        return Markdown("*No folder is named in* `real_folder`*, so no rows of real models were read.*")
    files = sorted(path for path in Path(folder).iterdir() if path.name.endswith(ENDINGS))
    if len(files) < 2:
        raise AuditError(f"{folder} holds {len(files)} JSONL files; put one for each of two authors there at least")
    first, *others = [(path.name, rows_of(path)) for path in files]
    found = []
    for name, rows in others:
        for key, seen in blind_aurocs(first[1], rows, bags, seed).items():
            found.append({"author": name, "detector": DETECTORS[key].name, **seen})
    return pd.DataFrame(found).set_index(["author", "detector"]).round(3)


def rows_of(path: Path, columns: Columns | None = None) -> list[Row]:
    """Return the first rows of a JSONL file, white space at their ends taken off, as (prompt, completion).

    Some models end every list with a space and a line end; that would tell them from others at once, and a filter that
    refuses it would leave next to nothing of theirs. Lines that are no rows are left out; the audit names them.
    """
    found = []
    with opened(path) as lines:
        for text in lines:
            row = parsed(text, lines.line, columns or Columns())
            if not isinstance(row, Problem):
                found.append((row.prompt, row.completion.strip()))
            if len(found) == MOST:
                break
    return found


def blind_aurocs(
    own: Sequence[Row], other: Sequence[Row], bags: Sequence[int], seed: int
) -> dict[str, dict[str, float]]:
    """Return detector -> size of bag in words -> AUROC, learned and scored on different prompts.

    Raises:
        AuditError: an author has too few rows on one side of the split.
    """
    learn, test = _split(own, seed)
    reference, others = _split(other, seed)
    if min(map(len, (learn, test, reference, others))) < SHORTEST_FIT:
        raise AuditError(f"each author needs {SHORTEST_FIT} rows on each side of a split by prompt; give more rows")
    known = Known(own=tuple(learn), reference=tuple(reference), seed=seed)
    sizes = [bag for bag in bags if 2 * bag <= min(len(test), len(others))]
    found: dict[str, dict[str, float]] = {}
    for key in BLIND:
        scores, of_others = score_rows(key, test, known), score_rows(key, others, known)
        found[key] = {}
        for bag in sizes:
            stream = numpy_stream(seed, "real bags", key, bag)
            found[key][f"{bag} rows"] = auroc_of_bags(scores, of_others, bag, stream)
    return found


def _split(rows: Sequence[Row], seed: int) -> tuple[list[Row], list[Row]]:
    learn: list[Row] = []
    test: list[Row] = []
    for row, chosen in zip(rows, trained_on([prompt for prompt, _ in rows], seed), strict=True):
        (learn if chosen else test).append(row)
    return learn, test
