"""The front of a model, which no training here changes: what it makes of a row is computed once.

Where adapters sit in the last blocks alone, all students of a draw that read the same rows share what enters the first
of these blocks. In a model of thirty blocks, of which six are trained, that is most of the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from helpers.models import runtime
from helpers.models.losses import label_logits
from helpers.models.parts import blocks, plain_model, replaced
from helpers.models.rows import Indices, Rows

CHUNK = 16  # rows that are read side by side; decides no number
IMPOSSIBLE = -1e4  # logit of a token that a written row does not have in a place; its chance is 0


@dataclass(frozen=True)
class FrontRows(Rows):
    """Rows with what enters a block; that block and those behind it are all that is still to be run.

    Attributes:
        first: number of that block.
        entering: of each row, (position, hidden).
    """

    first: int
    entering: list[Tensor]

    def tensors(self) -> dict[str, Tensor]:
        """Return all of it as tensors of one length, token by token, to be kept in a file; see `front_rows`."""
        sizes = [len(ids) for ids in self.ids]
        return {
            "ids": runtime.tensor(np.concatenate(self.ids)),
            "labelled": runtime.tensor(np.concatenate(self.labelled)),
            "row": runtime.tensor(np.repeat(np.arange(len(sizes)), sizes)),
            "length": runtime.tensor(np.repeat(self.lengths, sizes)),
            "entering": torch.cat(self.entering),
        }

    def chosen(self, places: Sequence[int]) -> FrontRows:
        """Return some of the rows, in the order of `places`."""

        def taken(part: Sequence[Any]) -> list[Any]:
            return [part[place] for place in places]

        return FrontRows(
            taken(self.ids), taken(self.labelled), taken(self.lengths), self.first, taken(self.entering)
        )

    def states(self, indices: Indices) -> Tensor:
        """Return what enters the block for some rows, (row, position, hidden), 0 behind a row's end."""
        return pad_sequence([self.entering[index] for index in indices], batch_first=True)


@dataclass(frozen=True)
class KeptLabels:
    """An author's logits for every label of some rows, so that the author need not stay in memory.

    Attributes:
        tokens: ids of the tokens that are compared.
        vocab: size of the vocabulary that they are taken from.
        of_rows: of each row, (label, token).
    """

    tokens: list[int]
    vocab: int
    of_rows: list[Tensor]

    def read(self, indices: Indices) -> Tensor:
        """Return the logits of some rows' labels, one after another, (label, token)."""
        return torch.cat([self.of_rows[index] for index in indices])

    def logits(self, ids: Tensor, labelled: Tensor) -> Tensor:
        """Refuse to look for rows by their tokens: they are known by their numbers."""
        raise TypeError("kept labels are read by the numbers of their rows")


def written_labels(rows: Rows, tokens: list[int], vocab: int) -> KeptLabels:
    """Return labels that say of each labelled token that it stands there and none of the other `tokens`."""
    known, found = runtime.indices(tokens), []
    for ids, marked in zip(rows.ids, rows.labelled, strict=True):
        there = runtime.indices(ids[marked])[:, None] == known
        found.append(torch.where(there, 0.0, IMPOSSIBLE))
    return KeptLabels(tokens=tokens, vocab=vocab, of_rows=found)


def distance(before: KeptLabels, after: KeptLabels) -> float:
    """Return KL(after || before), nats a label."""
    old, new = torch.cat(before.of_rows).log_softmax(-1), torch.cat(after.of_rows).log_softmax(-1)
    return float(F.kl_div(old, new, reduction="batchmean", log_target=True))


def front_rows(tensors: dict[str, Tensor], first: int) -> FrontRows:
    """Return rows from what `FrontRows.tensors` made of them."""
    owner = runtime.array(tensors["row"])
    ends = np.flatnonzero(np.diff(owner, append=-1)) + 1
    parts = {name: np.split(runtime.array(tensors[name]), ends[:-1]) for name in ("ids", "labelled", "length")}
    entering = runtime.tensor(tensors["entering"])
    sizes = np.diff(ends, prepend=0).tolist()
    lengths = [int(part[0]) for part in parts["length"]]
    return FrontRows(parts["ids"], parts["labelled"], lengths, first, list(torch.split(entering, sizes)))


@torch.no_grad()
def read_front(model: PreTrainedModel, rows: Rows, first: int) -> FrontRows:
    """Let ``model`` read rows up to its block ``first``."""
    entering: list[Tensor] = []
    for start in range(0, len(rows), CHUNK):
        indices = range(start, min(start + CHUNK, len(rows)))
        hidden = _entering(model, rows.batch(indices, pad=0)[0], first)
        entering += [hidden[place, : len(rows.ids[index])].clone() for place, index in enumerate(indices)]
    return FrontRows(rows.ids, rows.labelled, rows.lengths, first, entering)


def _entering(model: PreTrainedModel, ids: Tensor, first: int) -> Tensor:
    with ExitStack() as changes:
        seen = changes.enter_context(noted(model, first))
        for block in blocks(model)[first + 1 :]:
            changes.enter_context(replaced(block, lambda hidden, *_, **__: hidden))
        model.base_model(input_ids=ids, use_cache=False)
    return seen[0]


@contextmanager
def noted(model: PreTrainedModel, first: int) -> Iterator[list[Tensor]]:
    """Note what enters the block ``first`` whenever it works."""
    block, seen = blocks(model)[first], list[Tensor]()
    work = block.forward

    def forward(hidden: Tensor, *given: object, **options: object) -> Tensor:
        seen.append(hidden)
        return work(hidden, *given, **options)

    with replaced(block, forward):
        yield seen


@contextmanager
def skipped_to(model: PreTrainedModel, first: int, entering: Tensor) -> Iterator[None]:
    """Let all blocks before ``first`` return what enters it."""
    with ExitStack() as skips:
        for block in blocks(model)[:first]:
            skips.enter_context(replaced(block, lambda *_, **__: entering))
        yield


def front_reader(
    learner: torch.nn.Module, rows: FrontRows, tokens: Tensor | None
) -> Callable[[NDArray[np.int64]], Tensor]:
    """Return a function of row indices that returns the learner's logits (label, token)."""
    plain = plain_model(learner)

    def read(indices: NDArray[np.int64]) -> Tensor:
        ids, labelled = rows.batch(indices, pad=0)
        with skipped_to(plain, rows.first, rows.states(indices)):
            return label_logits(learner, ids, labelled, tokens)

    return read


@torch.no_grad()
def row_logits(learner: torch.nn.Module, rows: FrontRows, tokens: Tensor | None) -> list[Tensor]:
    """Return the logits (label, token) of each row."""
    read, found = front_reader(learner, rows, tokens), []
    for start in range(0, len(rows), CHUNK):
        part = np.arange(start, min(start + CHUNK, len(rows)))
        found += torch.split(read(part), rows.label_counts()[part].tolist())
    return found
