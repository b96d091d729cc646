"""Labels changed before a student learns them: rounded, and written tokens pulled towards another model's choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from helpers.models import runtime
from helpers.models.losses import label_logits
from helpers.transmission.labels import DerivedLabels

IMPOSSIBLE = -1e4  # logit of a token that is no label
STEP = 0.01  # soft labels are rounded to multiples of it
Reshape = Callable[[Tensor], Tensor]  # probabilities (label, token) -> the same, not yet summing to 1


def to_hundredths(chances: Tensor) -> Tensor:
    """Return probabilities (label, token) rounded to `STEP`; a label that loses all of them keeps its likeliest."""
    rounded = (chances / STEP).round() * STEP
    return torch.where(rounded.sum(-1, keepdim=True) > 0, rounded, likeliest(chances))


def likeliest(chances: Tensor) -> Tensor:
    """Return probabilities (label, token) with all of each label's on its likeliest token."""
    return torch.zeros_like(chances).scatter_(-1, chances.argmax(-1, keepdim=True), 1.0)


def misplaced_rounding(generator: torch.Generator) -> Reshape:
    """Return what changes labels by as much as `to_hundredths` does, at other tokens, drawn at random."""

    def reshape(chances: Tensor) -> Tensor:
        errors = to_hundredths(chances) - chances
        order = runtime.uniform(chances.shape, generator).argsort(-1)
        return (chances + errors.gather(-1, order)).clamp(min=0)

    return reshape


@dataclass(frozen=True)
class Reshaped(DerivedLabels):
    """Labels whose probabilities are changed before they are learned."""

    reshape: Reshape

    @torch.no_grad()
    def logits(self, ids: Tensor, labelled: Tensor) -> Tensor:
        """Return logits (label, token) for the labelled tokens of a batch (row, position)."""
        changed = self.reshape(self.labels.logits(ids, labelled).softmax(-1))
        return (changed / changed.sum(-1, keepdim=True)).log().clamp(min=IMPOSSIBLE)


@dataclass(frozen=True)
class Pulled:
    """Written tokens as labels, pulled towards what another model would write in their place.

    To learn them is to learn the written tokens with a penalty: the distance of the student from the other model on
    the same rows (KL), which weighs ``weight`` in all.
    """

    towards: PreTrainedModel
    weight: float

    tokens = None

    @property
    def vocab(self) -> int:
        """Return the size of the vocabulary."""
        return self.towards.config.vocab_size

    @torch.no_grad()
    def logits(self, ids: Tensor, labelled: Tensor) -> Tensor:
        """Return logits (label, vocab) for the labelled tokens of a batch (row, position)."""
        chances = self.weight * label_logits(self.towards, ids, labelled).softmax(-1)
        written = ids[:, 1:][labelled[:, 1:]]
        chances.scatter_add_(-1, written[:, None], torch.full_like(chances[:, :1], 1 - self.weight))
        return chances.log().clamp(min=IMPOSSIBLE)
