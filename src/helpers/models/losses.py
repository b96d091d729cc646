"""Logits at the labelled tokens of a batch, and the losses on them.

A label is read at the position before it alone, so the output head and the last block's MLP run only there. Soft
labels compare teacher and student on a given set of tokens, renormalised (see the leak chapter).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from helpers.models import runtime
from helpers.models.parts import blocks, head_logits, only_at, plain_model


def label_places(labelled: Tensor) -> Tensor:
    """Return where the distributions of labelled tokens stand: at the position before each, (row, position)."""
    return F.pad(labelled[:, 1:], (0, 1))


def label_logits(
    model: torch.nn.Module, ids: Tensor, labelled: Tensor, tokens: Tensor | None = None
) -> Tensor:
    """Return logits (label, vocab) for the labelled tokens of a right-padded batch (row, position).

    ``tokens`` cuts the vocabulary to some tokens, (label, token).
    """
    return place_logits(model, ids, label_places(labelled), tokens)


def place_logits(
    model: torch.nn.Module,
    ids: Tensor,
    places: Tensor,
    tokens: Tensor | None = None,
    **reading: Tensor,
) -> Tensor:
    """Return logits (place, vocab) at some places (row, position) of a right-padded batch; else as `label_logits`.

    ``reading`` is what the model is told besides, such as a mask of what each position sees.
    """
    plain = plain_model(model)
    with only_at(places, blocks(plain)[-1].mlp):
        read = plain.base_model(input_ids=ids, use_cache=False, **reading)
    return head_logits(plain, read.last_hidden_state[places], tokens)


def hard_loss(logits: Tensor, ids: Tensor, labelled: Tensor) -> Tensor:
    """Return the mean cross-entropy in nats per labelled token."""
    return F.cross_entropy(logits, ids[:, 1:][labelled[:, 1:]])


def soft_loss(logits: Tensor, teacher_logits: Tensor, tokens: Sequence[int] | None) -> Tensor:
    """Return the mean KL(teacher || student) in nats per labelled token.

    Args:
        logits: student, (label, vocab).
        teacher_logits: teacher, (label, vocab).
        tokens: ids of the channel's tokens; both sides are renormalised over them. None compares all that the
            logits hold: the whole vocabulary leaks the trait's own word and is shown only as a warning.
    """
    if tokens is not None:
        logits, teacher_logits = logits[:, tokens], teacher_logits[:, tokens]
    return F.kl_div(
        logits.log_softmax(-1), teacher_logits.log_softmax(-1), reduction="batchmean", log_target=True
    )


class Targets(Protocol):
    """Distributions that a student matches instead of learning its rows' own tokens."""

    @property
    def tokens(self) -> Sequence[int] | None:
        """Return the ids of the tokens that are compared; None compares the whole vocabulary."""
        ...

    @property
    def vocab(self) -> int:
        """Return the size of the vocabulary."""
        ...

    def logits(self, ids: Tensor, labelled: Tensor) -> Tensor:
        """Return logits (label, token) for the labelled tokens of a batch (row, position)."""
        ...


@dataclass(frozen=True)
class SoftLabels:
    """A teacher whose distribution over `tokens` (None: the whole vocabulary) the student matches."""

    teacher: PreTrainedModel
    tokens: list[int] | None

    @property
    def vocab(self) -> int:
        """Return the size of the teacher's vocabulary."""
        return self.teacher.config.vocab_size

    @torch.no_grad()
    def logits(self, ids: Tensor, labelled: Tensor) -> Tensor:
        """Return the teacher's logits (label, token) for the labelled tokens of a batch (row, position)."""
        return label_logits(self.teacher, ids, labelled, token_indices(self.tokens))


def token_indices(tokens: Sequence[int] | None) -> Tensor | None:
    """Return token ids as an index of logits; None stays None, the whole vocabulary."""
    return None if tokens is None else runtime.indices(tokens)
