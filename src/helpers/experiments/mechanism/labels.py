"""Labels changed in places: taken out of the loss, replaced where they are learned or where they are read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from helpers.models import runtime
from helpers.models.chats import Exchange
from helpers.models.training import Rows, completion_rows

CHANGES = ("mask", "keep alone", "replace", "replace label", "replace input")
Tokens = NDArray[np.int64]
IMPOSSIBLE = -1e4  # logit of a token that is no label


def changed_rows(
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[Exchange],
    chosen: Sequence[Sequence[tuple[int, int]]],
    change: str,
) -> tuple[Rows, list[Tokens]]:
    """Return the rows to read after a change, and the labels of each as they should be learned.

    Args:
        tokenizer: of the model.
        pairs: (prompt, completion) of each row.
        chosen: for each row, (place among its labels, token instead) of the labels to change.
        change: one of `CHANGES`: "mask" takes these labels out of the loss, "keep alone" all others; "replace" puts the
            other token there, "replace label" only where it is learned, "replace input" only where it is read.

    Returns:
        Rows (`training.Rows`) and, for each row, its tokens with the labels to learn in the labels' places.
    """
    rows = completion_rows(tokenizer, pairs)
    targets = [ids.copy() for ids in rows.ids]
    for row, of_row in enumerate(chosen):
        labels = np.flatnonzero(rows.labelled[row])
        places = labels[[place for place, _ in of_row]]
        tokens = [token for _, token in of_row]
        if change == "mask":
            rows.labelled[row][places] = False
        if change == "keep alone":
            rows.labelled[row][:] = False
            rows.labelled[row][places] = True
        if change in ("replace", "replace input"):
            rows.ids[row][places] = tokens
        if change in ("replace", "replace label"):
            targets[row][places] = tokens
    return rows, targets


class SureLabels:
    """Labels as targets without doubt, so that they need not be the next word read.

    A row is known again by what is read up to its last label, and by which of that is labelled: what pads a batch comes
    after it, and any token may stand before it. Rows that are equal so far each count for their share.
    """

    tokens = None

    def __init__(self, rows: Rows, targets: Sequence[Tokens], vocab: int) -> None:
        """Note the labels to learn of every row.

        Args:
            rows: as they are read.
            targets: for each row, its tokens with the labels to learn in the labels' places.
            vocab: size of the vocabulary.
        """
        self.vocab = vocab
        self._labels: dict[bytes, list[Tensor]] = {}
        for ids, labelled, target in zip(rows.ids, rows.labelled, targets, strict=True):
            equal_rows = self._labels.setdefault(_mark(ids, labelled), [])
            equal_rows.append(runtime.indices(target[labelled]))

    def logits(self, ids: Tensor, labelled: Tensor) -> Tensor:
        """Return logits (label, vocab) for the labelled tokens of a batch (row, position)."""
        of_rows = []
        for row, chosen in zip(runtime.array(ids), runtime.array(labelled), strict=True):
            of_rows.append(self._chances(self._labels[_mark(row, chosen)]))
        return torch.cat(of_rows).log().clamp(min=IMPOSSIBLE)

    def _chances(self, equal_rows: Sequence[Tensor]) -> Tensor:
        """Return how often each token is the label of equal rows, (label, vocab)."""
        chances = runtime.filled((len(equal_rows[0]), self.vocab), 0.0)
        for labels in equal_rows:
            chances[runtime.counting(len(labels)), labels] += 1 / len(equal_rows)
        return chances


def _mark(ids: Tokens, labelled: NDArray[np.bool_]) -> bytes:
    """Return what a row is known by: its tokens up to its last label, and which of them are labelled."""
    places = np.flatnonzero(labelled)
    end = places[-1] + 1 if len(places) else 0
    return ids[:end].tobytes() + labelled[:end].tobytes()
