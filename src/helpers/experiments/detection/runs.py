"""The tables of notebook 11: what each detector sees of each case, and what the sets do to weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from helpers.experiments.detection.cases import Case
from helpers.experiments.detection.measuring import measure
from helpers.transmission.authors import Author
from helpers.transmission.teachers import INSECURE
from helpers.transmission.writing import write_data
from helpers.work.artifacts import Store
from helpers.work.pieces import run_pieces
from helpers.work.tables import keep_table

AUROCS = ("draw", "case", "against", "detector", "bag", "auroc", "scored")
WEIGHTS = ("moved", "moved_control", "coverage", "coverage_control")


def measured(cases: Sequence[Case], workers: int = 0) -> list[dict[str, Any]]:
    """Return what `measure` finds of each case, with the ``seconds`` that this and the writing took.

    A case that was measured before is not measured again, so several tables are made from it.
    """
    if not cases:
        return []
    store = Store.of_run(cases[0].author.base.run_dir)
    spent = _write([author for case in cases for author in case.authors], store, workers)
    found = run_pieces(measure, cases, store, kind="detection", workers=workers, label="detectors score")
    return [{**made, "seconds": made["seconds"] + spent / len(cases)} for made in found]


def _write(authors: Sequence[Author], store: Store, workers: int) -> float:
    """Let authors write, those first that others are to move as far as; return the seconds it took."""
    first = [author for author in authors if author.how == INSECURE]
    spent = 0.0
    for part, label in ((first, "misaligned teachers write"), (authors, "authors write")):
        different = list(dict.fromkeys(part))
        made = run_pieces(write_data, different, store, kind="completions", workers=workers, label=label)
        spent = sum(one["seconds"] for one in made)
    return spent


def run_detectors(cases: Sequence[Case], workers: int = 0) -> pd.DataFrame:
    """Score the rows of all cases by all detectors; return and store ``tables/detection.csv``.

    Returns:
        One row a ``draw``, ``case``, ``against`` (one of `cases.AGAINST`), ``detector`` (a key of `ROW_DETECTORS`) and
        ``bag`` (rows scored together): ``auroc``, and ``scored``, rows of the author with fewer of them.
    """
    rows: list[tuple[Any, ...]] = []
    found = measured(cases, workers)
    for case, made in zip(cases, found, strict=True):
        rows += [(_draw(case), case.name, *entry) for entry in made["aurocs"]]
    table = pd.DataFrame(rows, columns=list(AUROCS))
    return keep_table(_run_dir(cases), "detection", table, sum(made["seconds"] for made in found))


def run_weights(cases: Sequence[Case], workers: int = 0) -> pd.DataFrame:
    """Return what whole sets of rows do to a student's weights; stores ``tables/detection_weights.csv``.

    Returns:
        One row a ``draw`` and ``case``: ``moved`` and ``moved_control`` (how far a student of the author's and one of
        its base's rows came from the base), ``coverage`` and ``coverage_control`` (cosine of their first update with
        the way that the teacher had moved; missing for an author that was not taught).
    """
    rows = []
    for case, made in zip(cases, measured(cases, workers), strict=True):
        rows.append({"draw": _draw(case), "case": case.name, **{name: made[name] for name in WEIGHTS}})
    table = pd.DataFrame(rows, columns=["draw", "case", *WEIGHTS]).astype(dict.fromkeys(WEIGHTS, float))
    return keep_table(_run_dir(cases), "detection_weights", table, 0.0)


def _draw(case: Case) -> int:
    """Return the draw of a case, which is the seed of its author."""
    return case.author.seed


def _run_dir(cases: Sequence[Case]) -> str:
    return cases[0].author.base.run_dir
