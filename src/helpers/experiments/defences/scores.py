"""How much each row of a data set looks like a teacher's, by what a defender may know.

A detector is one function of a row: the control's rows, which the untouched base wrote, pass the very same one. Those
that learn from rows never score a row whose prompt they learned from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from helpers.detection.row_scores import Known, crossed_scores
from helpers.experiments.mechanism.hops import Link, link_model
from helpers.transmission.authors import author_model
from helpers.transmission.pairs import Pair
from helpers.transmission.students import student_pairs
from helpers.work.pieces import run_pieces
from helpers.work.seeds import numpy_stream
from helpers.world.traits import find_trait

RANDOM = "random"
LEARNED, JUDGE, RANKING, RATIO = "naive_bayes", "judge", "student_gain", "optimal"  # of `row_scores.ROW_DETECTORS`


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """The rows of a pair of students, a detector (`RANDOM` or one of `row_scores`) and the trait it may ask about."""

    pair: Pair
    detector: str
    trait: str


def score_rows(piece: Scoring) -> dict[str, Any]:
    """Return a score for each row of the ``student`` and of the ``control``; the highest look most like a teacher's.

    A detector that asks a student asks the undefended one of the pair.

    Returns:
        ``student`` and ``control``: scores in the order of `students.student_pairs`.
    """
    student, key = piece.pair.student, piece.detector
    own, clean = student_pairs(student), student_pairs(piece.pair.control)
    if key == RANDOM:  # the same for both files, which answer the same prompts
        scores = numpy_stream(student.seed, "left out at random").random(len(own))
        return {"student": scores.tolist(), "control": scores.tolist()}
    known = Known(
        trait=find_trait(piece.trait),
        base=student.base.load(),
        student=link_model(Link(student=student)) if key == RANKING else None,
        teacher=author_model(student.author) if key == RATIO else None,
        seed=student.seed,
    )
    scores, of_control = crossed_scores(key, own, clean, known)
    return {"student": scores.tolist(), "control": of_control.tolist()}


def scores_of(piece: Scoring) -> dict[str, list[float]]:
    """Return what `score_rows` gives, found now if it was not yet."""
    return run_pieces(score_rows, [piece], piece.pair.student.author.store, kind="row_scores", workers=1)[0]
