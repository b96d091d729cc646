"""Defended students: one whose rows, labels or training a defence has changed, and what is left of it.

The budget is matched. Whatever a defence does, the student takes as many optimizer steps as an undefended one, unless
stopping early is the defence; where rows are left out, the others are read more often.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from transformers import PreTrainedModel

from helpers.channels import CHANNELS
from helpers.detection.model_scores import ratio
from helpers.experiments.defences.changed import DefendedReading, defended_labels, defended_rows
from helpers.experiments.dose.cells import probe_pairs
from helpers.experiments.mechanism.hops import Link, link_model
from helpers.models.evaluation import kept_share
from helpers.models.training import TrainSettings, completion_rows
from helpers.transmission.readout import read_trait
from helpers.transmission.students import student_pairs, train


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
    student = piece.student
    if not piece.change.kind:
        rows_read = len(student_pairs(student))
        model = link_model(Link(student=student))[0]
        return model, {"rows": rows_read, "steps": student.training.steps(rows_read)}
    made = defended_rows(piece)
    undefended = len(student_pairs(replace(student, among=())))  # a second teacher's filter leaves fewer
    training = with_steps(student.training, undefended, len(made))
    model = train(replace(student, labels="hard", training=training), rows=made, labels=defended_labels(piece))
    return model, {"rows": len(made), "steps": training.steps(len(made))}


def with_steps(training: TrainSettings, before: int, after: int) -> TrainSettings:
    """Return a training on ``after`` rows that takes as many optimizer steps as ``training`` does on ``before``."""
    steps = training.steps(before)
    passes = -(-steps // replace(training, epochs=1, max_steps=0).steps(after))
    return replace(training, epochs=passes, max_steps=steps)
