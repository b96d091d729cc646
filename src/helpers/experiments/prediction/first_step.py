"""The first step of a student, and where it would move the trait: exact, before any training.

At its start a student and its control differ in what they read alone. Plain descent moves the weights by minus the
difference of their two gradients; the inner product of that with the gradient of the trait's log-odds is how fast their
log-odds part. Adam's steps have a length of their own, whatever that of the gradient, so the product is taken for a
difference of length one: nats per unit of way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.experiments.mechanism.changes import Change, cosine, inner, minus
from helpers.models.adapters import add_adapters
from helpers.models.losses import hard_loss, label_logits, soft_loss, token_indices
from helpers.models.odds import trait_odds
from helpers.models.training import completion_rows
from helpers.transmission.authors import author_model
from helpers.transmission.pairs import Pair
from helpers.transmission.students import Student, soft_labels, student_pairs
from helpers.work.seeds import derive
from helpers.world.traits import find_trait

BATCH = 128  # rows that are read side by side
Loss = Callable[[PreTrainedModel], Tensor]


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A pair of students that nobody trains here, and the trait that their teacher has.

    Attributes:
        pair: trait student and control; what decides the rows they read.
        trait: whose log-odds are asked for.
        rows: of each that are looked at, the first ones.
    """

    pair: Pair
    trait: str
    rows: int

    def __post_init__(self) -> None:
        """Refuse a look at nothing."""
        if self.rows < 1:
            raise ValueError(f"rows must be 1 at least, not {self.rows}")


def foresee(piece: Forecast) -> dict[str, Any]:
    """Return what the first step of a pair tells.

    Returns:
        ``inner``: how fast the log-odds of student and control part by plain descent (nats per squared unit of the
        gradient); ``slope``: the same for a difference of length one (nats per unit); ``cosine``: of that difference
        with the gradient of the log-odds; ``coverage``: its cosine with the teacher's own displacement from its base;
        ``rows`` read. None where student and control do not part at all.
    """
    student, control = piece.pair.student, piece.pair.control
    base, tokenizer = student.base.load()
    names = adapted(base, student)
    away, towards = (_descent(one, base, tokenizer, names, piece.rows) for one in (control, student))
    step = minus(away, towards)
    odds = trait_odds(tokenizer, find_trait(piece.trait), find_trait(piece.trait).questions("heldout"))
    rise = gradient(base, odds.of, names)
    length, product = inner(step, step) ** 0.5, inner(step, rise)
    found = {"inner": product, "slope": product / length if length else None, "cosine": cosine(step, rise)}
    return found | {"coverage": cosine(step, _displacement(student, names)), "rows": piece.rows}


def adapted(base: PreTrainedModel, student: Student) -> list[str]:
    """Return the names of the weight matrices that a student's adapters would change; all of them without adapters."""
    training = student.training
    if not training.lora_rank:
        return [name for name, weight in base.named_parameters() if weight.dim() == 2]
    learner = add_adapters(base, 1, training.lora_modules, derive(0, "names"))
    names = [name for name, part in learner.named_modules() if hasattr(part, "get_delta_weight")]
    learner.unload().requires_grad_(False).eval()
    return [name.removeprefix("base_model.model.") + ".weight" for name in names]


def gradient(model: PreTrainedModel, value: Loss, names: list[str]) -> Change:
    """Return the gradient of a value of a model with respect to some of its weights, by name."""
    weights = dict(model.requires_grad_(False).named_parameters())
    chosen = [weights[name].requires_grad_(True) for name in names]
    try:
        found = torch.autograd.grad(value(model), chosen)
    finally:
        model.requires_grad_(False)
    return dict(zip(names, found, strict=True))


def _descent(
    student: Student, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, names: list[str], count: int
) -> Change:
    """Return the gradient of a student's loss at its start, over its first rows; nought where it matches itself."""
    weights = dict(base.named_parameters())
    total = {name: torch.zeros_like(weights[name]) for name in names}
    if student.matches_itself:
        return total
    rows = completion_rows(tokenizer, student_pairs(student)[:count])
    labels = None if student.labels == "hard" else soft_labels(student, *author_model(student.author))
    tokens = token_indices(labels.tokens) if labels else None
    counts = rows.label_counts()
    for start in range(0, len(rows), BATCH):
        indices = np.arange(start, min(start + BATCH, len(rows)))
        ids, labelled = rows.batch(indices, pad=0)

        def loss(model: PreTrainedModel, ids: Tensor = ids, labelled: Tensor = labelled) -> Tensor:
            logits = label_logits(model, ids, labelled, tokens)
            if labels is None:
                return hard_loss(logits, ids, labelled)
            return soft_loss(logits, labels.logits(ids, labelled), None)

        share = counts[indices].sum() / counts.sum()
        for name, part in gradient(base, loss, names).items():
            total[name] += float(share) * part
    return total


def _displacement(student: Student, names: list[str]) -> Change:
    """Return how far the teacher's weights have moved from its own base, in the student's places."""
    teacher, before = author_model(student.author)[0], student.author.base.load()[0]
    weights = [dict(model.named_parameters()) for model in (teacher, before)]
    return {name: weights[0][name].detach() - weights[1][name].detach() for name in names}
