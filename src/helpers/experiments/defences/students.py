"""Defended students: one whose rows, labels or training a defence has changed, and what is left of it.

The budget is matched. Whatever a defence does, the student takes as many optimizer steps as an undefended one, unless
stopping early is the defence; where rows are left out, the others are read more often.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from transformers import PreTrainedModel

from helpers.channels import CHANNELS
from helpers.detection.model_scores import ratio
from helpers.experiments.defences import labels, rows
from helpers.experiments.defences.arms import SECOND_BASE, Change
from helpers.experiments.defences.scores import Scoring, scores_of
from helpers.experiments.dose.cells import probe_pairs
from helpers.experiments.mechanism.divergence import chosen_tokens
from helpers.experiments.mechanism.hops import Link, link_model
from helpers.experiments.mechanism.labels import changed_rows
from helpers.models.bases import Base
from helpers.models.evaluation import kept_share
from helpers.models.losses import Targets
from helpers.models.training import Rows, TrainSettings, completion_rows
from helpers.transmission.authors import Author, Exchange, author_model, kept_of_all, kept_rows
from helpers.transmission.labels import author_labels
from helpers.transmission.pairs import Pair
from helpers.transmission.readout import read_trait
from helpers.transmission.students import Student, student_pairs, train
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


def read_defended(piece: DefendedReading) -> dict[str, Any]:
    """Train a defended student and read it out.

    Returns:
        `evaluation.trait_readout`; ``rows`` (that it read), ``steps``; ``harm``, by how much worse than its base it
        predicts what the base writes to other prompts (nats per token); and where asked for ``valid``, the share of
        its completions that pass the channel's filter.
    """
    student = piece.student
    base, tokenizer = student.base.load()
    model, counts = _trained(piece)
    found = read_trait(model, tokenizer, piece.trait, piece.split)
    pairs = probe_pairs(student.base, student.author.channel, student.seed)
    tokens = completion_rows(tokenizer, pairs).label_counts().sum()
    lost = ratio(pairs, (base, tokenizer), (model, tokenizer))
    found |= counts | {"harm": float(lost.sum() / tokens)}
    if piece.health:
        kind = CHANNELS[student.author.channel]
        found["valid"] = kept_share(model, tokenizer, kind, piece.health, student.seed)
    return found


def _trained(piece: DefendedReading) -> tuple[PreTrainedModel, dict[str, int]]:
    """Return the trained student, and how many rows it read in how many steps."""
    student, kind = piece.student, piece.change.kind
    if not kind:
        rows_read = len(student_pairs(student))
        model = link_model(Link(student=student))[0]
        return model, {"rows": rows_read, "steps": student.training.steps(rows_read)}
    made = _changed_rows(piece) if kind in _CHANGED_ROWS else _own_rows(student)
    targets = _CHANGED_LABELS[kind](piece) if kind in _CHANGED_LABELS else None
    undefended = len(student_pairs(replace(student, among=())))  # a second teacher's filter leaves fewer
    training = with_steps(student.training, undefended, len(made))
    model = train(replace(student, labels="hard", training=training), rows=made, labels=targets)
    return model, {"rows": len(made), "steps": training.steps(len(made))}


def with_steps(training: TrainSettings, before: int, after: int) -> TrainSettings:
    """Return a training on ``after`` rows that takes as many optimizer steps as ``training`` does on ``before``."""
    steps = training.steps(before)
    passes = -(-steps // replace(training, epochs=1, max_steps=0).steps(after))
    return replace(training, epochs=passes, max_steps=steps)


# --- rows -----------------------------------------------------------------------------------------


def _own_rows(student: Student) -> Rows:
    return completion_rows(student.base.load()[1], student_pairs(student))


def _changed_rows(piece: DefendedReading) -> Rows:
    tokenizer = piece.student.base.load()[1]
    if piece.change.kind == "mask":
        return _masked(piece)
    return completion_rows(tokenizer, _CHANGED_ROWS[piece.change.kind](piece))


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


_CHANGED_ROWS: dict[str, Callable[[DefendedReading], Any]] = {
    "drop": _dropped,
    "mix clean": _with_clean,
    "mix teacher": _with_other_teacher,
    "rewrite": _rewritten,
    "mask": _masked,
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
