"""What a defence changes of a student before it trains: its rows, or the labels that it learns."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from helpers.experiments.defences import labels, rows
from helpers.experiments.defences.arms import SECOND_BASE, Change
from helpers.experiments.defences.scores import Scoring, scores_of
from helpers.experiments.mechanism.divergence import chosen_tokens
from helpers.experiments.mechanism.labels import changed_rows
from helpers.models.bases import Base
from helpers.models.chats import Exchange
from helpers.models.losses import Targets
from helpers.models.training import Rows, completion_rows
from helpers.transmission.authors import Author, author_model
from helpers.transmission.labels import author_labels
from helpers.transmission.pairs import Pair
from helpers.transmission.students import Student, student_pairs
from helpers.transmission.writing import kept_of_all, kept_rows
from helpers.work.seeds import derive, numpy_stream, torch_stream
from helpers.world.prompts import Split


@dataclass(frozen=True, kw_only=True)
class DefendedReading:
    """A student, the defence it has, and what is read out of it.

    Attributes:
        pair: the trait student and its control before anything is changed.
        control: whether it is the control that is read.
        change: what the defence does to its rows or labels.
        second: the base that labels may be pulled towards.
        mixed: the author whose rows may be mixed in.
        trait, split: what it is asked.
        health: prompts by which its skill in the channel is judged; 0 for none.
    """

    pair: Pair
    control: bool
    change: Change
    second: Base
    mixed: Author
    trait: str
    split: Split
    health: int

    @property
    def student(self) -> Student:
        """Return the student that is trained."""
        return self.pair.control if self.control else self.pair.student


# --- rows -----------------------------------------------------------------------------------------


def defended_rows(piece: DefendedReading) -> Rows:
    """Return the rows that a student reads once its defence has changed them, if it changes rows."""
    if piece.change.kind == "mask":
        return _masked(piece)
    find = _CHANGED_ROWS.get(piece.change.kind, lambda unchanged: student_pairs(unchanged.student))
    return completion_rows(piece.student.base.load()[1], find(piece))


def defended_labels(piece: DefendedReading) -> Targets | None:
    """Return the labels that a student learns in place of its rows' own tokens; None where its defence has none."""
    find = _CHANGED_LABELS.get(piece.change.kind)
    return find(piece) if find else None


def _dropped(piece: DefendedReading) -> list[Exchange]:
    scored = scores_of(Scoring(pair=piece.pair, detector=piece.change.which, trait=piece.trait))
    pairs = student_pairs(piece.student)
    stay = rows.lowest(scored["control" if piece.control else "student"], piece.change.share)
    return [pairs[place] for place in stay.tolist()]


def _with_clean(piece: DefendedReading) -> list[Exchange]:
    return _exchanged(piece, student_pairs(piece.pair.control))


def _with_other_teacher(piece: DefendedReading) -> list[Exchange]:
    student = piece.student
    own, prompts = kept_rows(piece.mixed), student.author.asked
    places = kept_of_all(student.author, student.partner, *student.among)
    return _exchanged(piece, [(prompts[place], own[place]) for place in places])


def _exchanged(piece: DefendedReading, others: list[Exchange]) -> list[Exchange]:
    pairs = student_pairs(piece.student)
    places = rows.some_places(len(pairs), piece.change.share, numpy_stream(piece.student.seed, "exchanged rows"))
    return rows.exchanged(pairs, others, places)


def _rewritten(piece: DefendedReading) -> list[Exchange]:
    rng = random.Random(derive(piece.student.seed, "rewritten", piece.change.which))
    return rows.REWRITINGS[piece.change.which](student_pairs(piece.student), rng)


def _masked(piece: DefendedReading) -> Rows:
    student = piece.student
    pairs = student_pairs(student)
    prompts = kept_of_all(student.author, student.partner, *student.among)[: len(pairs)]
    found = chosen_tokens(student.author, student.partner, piece.change.which)
    chosen = [found.get(prompt, []) for prompt in prompts]
    return changed_rows(student.base.load()[1], pairs, chosen, "mask")[0]


_CHANGED_ROWS: dict[str, Callable[[DefendedReading], list[Exchange]]] = {
    "drop": _dropped,
    "mix clean": _with_clean,
    "mix teacher": _with_other_teacher,
    "rewrite": _rewritten,
}


# --- labels ---------------------------------------------------------------------------------------


def _pulled(piece: DefendedReading) -> Targets:
    towards = piece.second if piece.change.which == SECOND_BASE else piece.student.base
    return labels.Pulled(towards.load()[0], piece.change.share)


def _reshaped(piece: DefendedReading) -> Targets:
    author = piece.student.author
    teacher, tokenizer = author_model(author)
    given = author_labels(teacher, tokenizer, author.kind.tokens(tokenizer), author.system)
    stream = torch_stream(author.seed, "misplaced rounding")
    misplaced = labels.misplaced_rounding(stream)
    reshape = labels.to_hundredths if piece.change.which == "rounded" else misplaced
    return labels.Reshaped(given, reshape)


_CHANGED_LABELS: dict[str, Callable[[DefendedReading], Targets]] = {"pull": _pulled, "round": _reshaped}
