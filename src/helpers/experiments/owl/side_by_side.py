"""Lists of the owl's teacher beside the base's: the same prompts and random numbers, and who detectors say wrote which.

The lists are the first that the two authors of the chapter write, rejected ones among them. Two detectors score each
pair: one has both models and compares how likely each list is to them, one has learned from the authors' other lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.detection.learned import KINDS, SHORTEST_FIT, fitted, log_odds
from helpers.models.answers import reply_log_probabilities
from helpers.models.sampling import sample_completions
from helpers.transmission.authors import UNTOUCHED, Author, Loaded, author_model
from helpers.transmission.settings import TransmissionSettings
from helpers.transmission.writing import kept_rows
from helpers.work.pieces import run_pieces
from helpers.work.seeds import torch_stream
from helpers.work.tables import keep_table

SHOWN = 60  # prompts of each draw
COLUMNS = ("draw", "prompt", "base", "teacher", "base_refused", "teacher_refused", "by_models", "by_learning")


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A teacher, the untouched base that answers the same prompts, and how many of their lists are shown."""

    teacher: Author
    base: Author
    shown: int


def run_pairs(settings: TransmissionSettings, shown: int = SHOWN) -> pd.DataFrame:
    """Let the teacher and the base of each draw write side by side; return and store ``tables/list_pairs.csv``.

    Returns:
        One row a draw and prompt: ``draw``, ``prompt``, the lists ``base`` and ``teacher``, why the filter refuses each
        (``base_refused``, ``teacher_refused``, empty where it keeps it), and by how much a detector takes the teacher's
        for the teacher's rather than the base's, nats: ``by_models`` (log-likelihood ratios of the two models) and
        ``by_learning`` (log-odds of naive Bayes, trained on other lists of both; missing where there are too few).
    """
    asked = []
    for seed in settings.seeds:
        teacher, base = settings.author(seed), settings.author(seed, UNTOUCHED)
        asked.append(Beside(teacher=teacher, base=base, shown=min(shown, teacher.prompts)))
    shared: dict[str, Any] = {"workers": settings.workers, "label": "side by side"}
    made = run_pieces(write_beside, asked, settings.store, kind="list_pairs", **shared)
    rows, seconds = [], 0.0
    for seed, found in zip(settings.seeds, made, strict=True):
        rows += [{"draw": settings.draw(seed), **row} for row in found["rows"]]
        seconds += found["seconds"]
    return keep_table(settings.run_dir, "list_pairs", pd.DataFrame(rows, columns=list(COLUMNS)), seconds)


def write_beside(piece: Beside) -> dict[str, Any]:
    """Let two authors answer the first prompts; return ``rows``, see `run_pairs`."""
    teacher, base = author_model(piece.teacher), author_model(piece.base)
    prompts = piece.teacher.asked[: piece.shown]
    lists = {"base": _written(piece.base, base, prompts), "teacher": _written(piece.teacher, teacher, prompts)}
    by_models = _by_models(teacher, base, prompts, lists)
    by_learning = _by_learning(piece, lists)
    refused = {}
    for name, texts in lists.items():
        refused[name] = [", ".join(reasons) for reasons in piece.base.kind.reject_reasons(prompts, texts)]
    rows = []
    for place, prompt in enumerate(prompts):
        row = {"prompt": prompt, "base": lists["base"][place], "teacher": lists["teacher"][place]}
        row |= {f"{name}_refused": reasons[place] for name, reasons in refused.items()}
        learned = None if by_learning is None else round(float(by_learning[place]), 4)
        rows.append(row | {"by_models": round(float(by_models[place]), 4), "by_learning": learned})
    return {"rows": rows}


def _written(author: Author, loaded: Loaded, prompts: Sequence[str]) -> list[str]:
    """Return an author's answers to the first of its prompts: those that it wrote as data."""
    stream = torch_stream(author.seed, "completions")
    limits = {"temperature": author.temperature, "max_new_tokens": author.kind.max_new_tokens}
    return sample_completions(*loaded, prompts, stream, system=author.system, **limits)


def _by_models(
    teacher: Loaded, base: Loaded, prompts: Sequence[str], lists: dict[str, list[str]]
) -> NDArray[np.float64]:
    ratios = {}
    for name, texts in lists.items():
        pairs = list(zip(prompts, texts, strict=True))
        ratios[name] = reply_log_probabilities(*teacher, pairs) - reply_log_probabilities(*base, pairs)
    return ratios["teacher"] - ratios["base"]


def _by_learning(piece: Beside, lists: dict[str, list[str]]) -> NDArray[np.float64] | None:
    others = []
    for author in (piece.teacher, piece.base):
        others.append([text for place, text in kept_rows(author).items() if place >= piece.shown])
    if min(map(len, others)) < SHORTEST_FIT:
        return None
    detector = fitted(KINDS[0], *others, piece.teacher.seed)
    return log_odds(detector, lists["teacher"]) - log_odds(detector, lists["base"])
