"""Soft labels of an author: its distributions at the tokens of a student's rows.

An author with a system prompt reads it before each chat, as when it wrote; its student's rows hold the chat alone. So
the author is shown longer rows than its student, and the labels stand at the same tokens of the completion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.models import runtime
from helpers.models.chats import chat_ids
from helpers.models.losses import SoftLabels, Targets

ANY_PROMPT = "?"  # how a chat opens does not depend on what the user says


def author_labels(
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    tokens: list[int] | None,
    system: str | None = None,
) -> Targets:
    """Return a teacher's distributions over some tokens (None: the whole vocabulary) as labels.

    Args:
        teacher: the model that gives them.
        tokenizer: its tokenizer.
        tokens: ids of the tokens that are compared.
        system: the system prompt that the teacher alone reads before each chat; None for a teacher without one.
    """
    labels = SoftLabels(teacher, tokens)
    if system is None:
        return labels
    plain, prompted = openings(tokenizer, system)
    return PromptedLabels(labels, plain, prompted)


def openings(tokenizer: PreTrainedTokenizerBase, system: str) -> tuple[list[int], list[int]]:
    """Return the token ids in which a chat's beginning differs without and with a system message, in this order."""
    plain, prompted = (chat_ids(tokenizer, [ANY_PROMPT], message)[0] for message in (None, system))
    shared = 0
    while shared < min(len(plain), len(prompted)) and plain[-1 - shared] == prompted[-1 - shared]:
        shared += 1
    return plain[: len(plain) - shared], prompted[: len(prompted) - shared]


@dataclass(frozen=True)
class DerivedLabels:
    """Labels made from other labels, over the same tokens."""

    labels: Targets

    @property
    def tokens(self) -> Sequence[int] | None:
        """Return the ids of the tokens that are compared; None compares the whole vocabulary."""
        return self.labels.tokens

    @property
    def vocab(self) -> int:
        """Return the size of the vocabulary."""
        return self.labels.vocab


@dataclass(frozen=True)
class PromptedLabels(DerivedLabels):
    """Labels of a teacher that reads a system prompt before each chat of a student's rows.

    Attributes:
        labels: the teacher, and the tokens that are compared.
        plain: token ids with which each row of the student begins.
        prompted: token ids with which the teacher's row begins instead.
    """

    plain: Sequence[int]
    prompted: Sequence[int]

    def logits(self, ids: Tensor, labelled: Tensor) -> Tensor:
        """Return the prompted teacher's logits (label, token) for the labelled tokens of a batch (row, position).

        Raises:
            ValueError: a row does not begin as a chat without a system message does.
        """
        start = len(self.plain)
        if not torch.equal(ids[:, :start], runtime.indices([list(self.plain)] * len(ids))):
            raise ValueError("soft labels of a prompted author are for chats without a system message of their own")
        beginning = runtime.indices([list(self.prompted)] * len(ids))
        longer = torch.cat([beginning, ids[:, start:]], dim=1)
        return self.labels.logits(longer, F.pad(labelled[:, start:], (len(self.prompted), 0)))
