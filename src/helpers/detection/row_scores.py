"""Every detector of the chapter on one footing: what it must know, and its score of each row.

A score is higher the more a row looks like the author's rather than its base's. Scores of rows add up over a bag. What
a detector is not given it cannot use: a missing piece of knowledge is refused, not guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from helpers.channels.channel import Channel
from helpers.detection import gradient_scores, model_scores, text_scores
from helpers.detection.learned import KINDS
from helpers.detection.sketches import text_hash
from helpers.detection.text_scores import Row, Scores
from helpers.work.errors import CurableError
from helpers.work.seeds import derive
from helpers.world.traits import Trait

if TYPE_CHECKING:
    from helpers.detection.model_scores import Loaded

FOLDS = 2  # of prompts: rows of one are scored by what was learned from the other


class DetectorError(CurableError, ValueError):
    """A detector that is not there, or that was not given what it must know; the message says what."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What detectors may know beside the rows that they score; None and empty stand for what is not known.

    Attributes:
        channel: the kind of data, with its filter.
        words: names of what is looked for.
        own: rows of the author, known to be its own.
        reference: rows of its base.
        trait: what the author is suspected of.
        base: the model that the author and its students began as, with its tokenizer.
        student: a student of the author's rows, trained from the base.
        teacher: the author's own model; its system prompt, where it has one, is `system`.
        system: the system prompt that the author reads before each chat.
        seed: of whatever is drawn.
    """

    channel: Channel | None = None
    words: tuple[str, ...] = ()
    own: tuple[Row, ...] = ()
    reference: tuple[Row, ...] = ()
    trait: Trait | None = None
    base: Loaded | None = None
    student: Loaded | None = None
    teacher: Loaded | None = None
    system: str | None = None
    seed: int = 0


Score = Callable[[Sequence[Row], Known], Scores]


@dataclass(frozen=True, kw_only=True)
class RowDetector:
    """A detector: the fields of `Known` that it reads, and its score; `knowledge.DETECTORS` says what that is."""

    needs: tuple[str, ...]
    score: Score


def score_rows(key: str, rows: Sequence[Row], known: Known) -> Scores:
    """Return a detector's score of each row, higher for what looks like the author's.

    Args:
        key: of `ROW_DETECTORS`.
        rows: (prompt, completion); none of them with a prompt of ``known.own`` or ``known.reference``.
        known: what it may know.

    Raises:
        DetectorError: there is no such detector, or it lacks what it must know.
    """
    detector = _found(key)
    if missing := [name for name in detector.needs if not getattr(known, name)]:
        raise DetectorError(f"the detector {key} must know {', '.join(missing)}; give it in Known")
    return detector.score(rows, known)


def crossed_scores(
    key: str, own: Sequence[Row], reference: Sequence[Row], known: Known
) -> tuple[Scores, Scores]:
    """Return a detector's scores of all rows of an author and of its base, each learned from rows of other prompts.

    Prompts fall into `FOLDS` folds by their hash, equal ones into the same. The rows of the other fold stand in for
    ``known.own`` and ``known.reference``; all else that the detector needs it must hold. What is learned from the two
    folds errs in the same way, so an interval of the scores' AUROC should be over draws, not over rows.

    Raises:
        DetectorError: as `score_rows`; or a fold is empty.
    """
    if not {"own", "reference"} & {*_found(key).needs}:
        return score_rows(key, own, known), score_rows(key, reference, known)
    scores = [np.empty(len(own)), np.empty(len(reference))]
    folds = [fold_of(part, known.seed) for part in (own, reference)]
    for fold in range(FOLDS):
        others = [_chosen(part, places != fold) for part, places in zip((own, reference), folds, strict=True)]
        learned = replace(known, own=others[0], reference=others[1])
        for part, places, found in zip((own, reference), folds, scores, strict=True):
            found[places == fold] = score_rows(key, _chosen(part, places == fold), learned)
    return scores[0], scores[1]


def fold_of(rows: Sequence[Row], seed: int) -> np.ndarray:
    """Return the fold of each row, by its prompt."""
    salt = str(derive(seed, "folds of prompts"))
    return np.array([text_hash(salt, prompt) % FOLDS for prompt, _ in rows])


def _chosen(rows: Sequence[Row], wanted: np.ndarray) -> tuple[Row, ...]:
    found = tuple(rows[place] for place in np.flatnonzero(wanted).tolist())
    if not found:
        raise DetectorError("too few prompts to learn from some and be asked about others; give more rows")
    return found


def _found(key: str) -> RowDetector:
    if key not in ROW_DETECTORS:
        raise DetectorError(f"there is no detector {key!r}; choose one of {', '.join(ROW_DETECTORS)}")
    return ROW_DETECTORS[key]


# --- the detectors --------------------------------------------------------------------------------


def _learner(place: int) -> RowDetector:
    kind = KINDS[place]

    def score(rows: Sequence[Row], known: Known) -> Scores:
        return text_scores.learned(rows, kind, known.own, known.reference, known.seed)

    return RowDetector(needs=("own", "reference"), score=score)


def _along(model: str) -> Score:
    """Return the score by how far a row's gradient goes along the way of a model from the base."""

    def score(rows: Sequence[Row], known: Known) -> Scores:
        return gradient_scores.slopes(rows, known.base, getattr(known, model)[0])

    return score


def _length(rows: Sequence[Row], known: Known) -> Scores:
    return gradient_scores.row_gradients(rows, known.base).norm(dim=1).double().numpy()


ROW_DETECTORS: dict[str, RowDetector] = {
    "rule_filter": RowDetector(
        needs=("channel",), score=lambda rows, known: text_scores.refused(rows, known.channel)
    ),
    "word_filter": RowDetector(needs=("words",), score=lambda rows, known: text_scores.named(rows, known.words)),
    "rarity": RowDetector(
        needs=("reference",), score=lambda rows, known: text_scores.rarity(rows, known.reference)
    ),
    "naive_bayes": _learner(0),
    "ngrams": _learner(1),
    "boosted": _learner(2),
    "judge": RowDetector(
        needs=("base", "trait"), score=lambda rows, known: model_scores.judged(rows, known.base, known.trait)
    ),
    "candidate_prompt": RowDetector(
        needs=("base", "trait"),
        score=lambda rows, known: model_scores.ratio(rows, known.base, known.base, known.trait.system_prompt()),
    ),
    "in_context": RowDetector(
        needs=("base", "own", "reference"),
        score=lambda rows, known: model_scores.in_context(rows, known.base, known.own, known.reference, known.seed),
    ),
    "surprise": RowDetector(needs=("base",), score=lambda rows, known: model_scores.surprise(rows, known.base)),
    "first_update": RowDetector(needs=("base",), score=_length),
    "student_gain": RowDetector(
        needs=("base", "student"), score=lambda rows, known: model_scores.ratio(rows, known.student, known.base)
    ),
    "student_gradient": RowDetector(needs=("base", "student"), score=_along("student")),
    "teacher_gradient": RowDetector(needs=("base", "teacher"), score=_along("teacher")),
    "optimal": RowDetector(
        needs=("base", "teacher"),
        score=lambda rows, known: model_scores.ratio(rows, known.teacher, known.base, known.system),
    ),
}
