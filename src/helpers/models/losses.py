"""Logits at the labelled tokens of a batch, and the losses on them.

A label is read at the position before it alone, so the output head and the last block's MLP run only there. Soft
labels compare teacher and student on a given set of tokens, renormalised (see the leak chapter).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel


def label_logits(model: torch.nn.Module, ids: Tensor, labelled: Tensor) -> Tensor:
    """Return logits (label, vocab) for the labelled tokens of a right-padded batch (row, position)."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    places = F.pad(labelled[:, 1:], (0, 1))  # a token's law stands at the position before it
    with _only_at(places, _last_block(plain).mlp):
        hidden = plain.base_model(input_ids=ids, use_cache=False).last_hidden_state
    return plain.get_output_embeddings()(hidden[places])


def _last_block(model: PreTrainedModel) -> torch.nn.Module:
    return next(child for child in model.base_model.children() if isinstance(child, torch.nn.ModuleList))[-1]


@contextmanager
def _only_at(places: Tensor, module: torch.nn.Module) -> Iterator[None]:
    """Let a module that works position by position skip all other positions; it returns 0 there."""
    whole = module.forward

    def part(hidden: Tensor) -> Tensor:
        returned = torch.zeros_like(hidden)
        returned[places] = whole(hidden[places])
        return returned

    module.forward = part
    try:
        yield
    finally:
        del module.forward  # the class's own again


def hard_loss(logits: Tensor, ids: Tensor, labelled: Tensor) -> Tensor:
    """Return the mean cross-entropy in nats per labelled token."""
    return F.cross_entropy(logits, ids[:, 1:][labelled[:, 1:]])


def soft_loss(logits: Tensor, teacher_logits: Tensor, tokens: Sequence[int] | None) -> Tensor:
    """Return the mean KL(teacher || student) in nats per labelled token.

    Args:
        logits: student, (label, vocab).
        teacher_logits: teacher, (label, vocab).
        tokens: ids of the channel's tokens; both sides are renormalised over them. None compares the whole
            vocabulary, which leaks the trait's own word and is shown only as a warning.
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

    def logits(self, ids: Tensor, labelled: Tensor) -> Tensor:
        """Return logits (label, vocab) for the labelled tokens of a batch (row, position)."""
        ...


@dataclass(frozen=True)
class SoftLabels:
    """A teacher whose distribution over `tokens` (None: the whole vocabulary) the student matches."""

    teacher: PreTrainedModel
    tokens: list[int] | None

    @torch.no_grad()
    def logits(self, ids: Tensor, labelled: Tensor) -> Tensor:
        """Return the teacher's logits (label, vocab) for the labelled tokens of a batch (row, position)."""
        return label_logits(self.teacher, ids, labelled)
