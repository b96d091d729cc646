"""Rows of real models in a local folder: each file an author, the first told from each of the others by its text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
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
    parts = [_split(rows, seed) for rows in (own, other)]
    if min(len(part) for pair in parts for part in pair) < SHORTEST_FIT:
        raise AuditError(f"each author needs {SHORTEST_FIT} rows on each side of a split by prompt; give more rows")
    (learn, test), (reference, others) = parts
    known = Known(own=tuple(learn), reference=tuple(reference), seed=seed)
    fewest = min(len(test), len(others))
    found: dict[str, dict[str, float]] = {}
    for key in BLIND:
        scores = [score_rows(key, part, known) for part in (test, others)]
        sizes = [bag for bag in bags if 2 * bag <= fewest]
        streams = [numpy_stream(seed, "real bags", key, bag) for bag in sizes]
        seen = [auroc_of_bags(*scores, bag, stream) for bag, stream in zip(sizes, streams, strict=True)]
        found[key] = {f"{bag} rows": value for bag, value in zip(sizes, seen, strict=True)}
    return found


def _split(rows: Sequence[Row], seed: int) -> tuple[list[Row], list[Row]]:
    learns = np.flatnonzero(trained_on([prompt for prompt, _ in rows], seed)).tolist()
    chosen = set(learns)
    return [rows[place] for place in learns], [row for place, row in enumerate(rows) if place not in chosen]
