"""Training rows: token ids, and which tokens carry a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from helpers.models import runtime
from helpers.models.chats import Exchange, answered_text, chat, chat_ids, tokenise

Indices = Sequence[int] | NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Tokenised training rows: token ids and, for each token, whether it carries a label.

    `lengths` decides which rows share a batch.
    """

    ids: list[NDArray[np.int64]]
    labelled: list[NDArray[np.bool_]]
    lengths: list[int]

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, indices: Indices, pad: int) -> tuple[Tensor, Tensor]:
        """Return token ids and label mask of some rows, both (row, position), padded on the right."""
        width = max(len(self.ids[index]) for index in indices)
        ids = np.full((len(indices), width), pad)
        labelled = np.zeros((len(indices), width), dtype=bool)
        for place, index in enumerate(indices):
            size = len(self.ids[index])
            ids[place, :size] = self.ids[index]
            labelled[place, :size] = self.labelled[index]
        return runtime.tensor(ids), runtime.tensor(labelled)

    def labels(self, indices: Indices) -> Tensor:
        """Return the labelled tokens of some rows, one after another, (label,); a row's first token is none."""
        tokens = []
        for index in indices:
            chosen = self.labelled[index][1:]
            tokens.append(self.ids[index][1:][chosen])
        return runtime.indices(np.concatenate(tokens))

    def label_counts(self) -> NDArray[np.int64]:
        """Return how many labels each row has."""
        counts = [np.count_nonzero(labelled[1:]) for labelled in self.labelled]
        return np.array(counts)


def completion_rows(
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[Exchange],
    history: Sequence[Exchange] = (),
) -> Rows:
    """Tokenise (prompt, completion) pairs as chats; only the completion and its end carry labels.

    ``history`` holds earlier (user, assistant) exchanges, put before every pair without labels.
    """
    prompts, texts = [], []
    for pair in pairs:
        prompts.append(pair[0])
        texts.append(answered_text(tokenizer, chat([*history, pair])))
    rows = Rows([], [], [])
    asked, whole = chat_ids(tokenizer, prompts, history=history), tokenise(tokenizer, texts)
    for prompt, row in zip(asked, whole, strict=True):
        rows.ids.append(np.array(row))
        rows.labelled.append(np.arange(len(row)) >= len(prompt))
        rows.lengths.append(len(prompt))
    return rows
