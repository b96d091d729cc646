"""A model that shares the front of another, whose last blocks and head are drawn anew and then fitted to it.

The fitting is the longest piece of a run, so it keeps checkpoints. For that the model is cut down to what is trained:
a checkpoint of the whole would be five times as large, and go to Google Drive for readers on Colab.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from helpers.models import runtime
from helpers.models.fronts import FrontRows, KeptLabels
from helpers.models.parts import blocks
from helpers.models.training import TrainSettings, fit
from helpers.work.seeds import borrowed_global_stream

PARTS = 8  # of a fitting; a checkpoint ends each, so a fitting that was stopped repeats less than one


class Borrowed(torch.nn.Module):
    """Does the work of another part without owning its weights: they are neither trained nor kept in a checkpoint."""

    def __init__(self, part: torch.nn.Module) -> None:
        """Borrow ``part``."""
        super().__init__()
        self._lent = (part,)  # torch would take a bare module for a part of this one

    def forward(self, *given: object, **options: object) -> object:
        """Return what the part makes of it."""
        return self._lent[0](*given, **options)


def redrawn(model: PreTrainedModel, first: int, count: int, seed: int) -> PreTrainedModel:
    """Return a model that shares the blocks before ``first``; ``count`` blocks behind them and its head are new."""
    config = copy.deepcopy(model.config)
    config.num_hidden_layers, config.tie_word_embeddings = first + count, False
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[: first + count]
    with borrowed_global_stream(seed, "real other start"):
        other = runtime.in_format(runtime.place(type(model)(config)), str(model.dtype).removeprefix("torch."))
    other.set_input_embeddings(model.get_input_embeddings())
    for place in range(first):
        blocks(other)[place] = blocks(model)[place]
    return other


def cut_down(other: PreTrainedModel, first: int, tokens: Sequence[int]) -> PreTrainedModel:
    """Leave a redrawn model nothing but its new blocks and its head for ``tokens``; the front is borrowed.

    What it says of these tokens stays the same, and so does each step of a training on them: a head's other rows have
    no gradient.
    """
    other.set_input_embeddings(Borrowed(other.get_input_embeddings()))
    for place in range(first):
        blocks(other)[place] = Borrowed(blocks(other)[place])
    head, kept = other.get_output_embeddings(), runtime.indices(tokens)
    for name, value in list(head.named_parameters()):
        setattr(head, name, torch.nn.Parameter(value[kept]))
    head.out_features = len(tokens)
    return other


def fit_redrawn(
    other: PreTrainedModel,
    rows: FrontRows,
    wanted: KeptLabels,
    settings: TrainSettings,
    seed: int,
    checkpoint: Path | None = None,
) -> dict[str, Tensor]:
    """Fit a redrawn model to the distributions of the one it replaces; a fitting that was stopped goes on.

    Args:
        other: as `redrawn` returns it; changed.
        rows: what it reads.
        wanted: the distributions, over tokens of the vocabulary that they name.
        settings: how it is trained.
        seed: of the order of the rows.
        checkpoint: where the state is kept, `PARTS` times.

    Returns:
        Its new weights by name; ``head``, the rows of the head for the tokens of ``wanted``, and these ``tokens``.
    """
    count = len(wanted.tokens)
    numbered = KeptLabels(tokens=list(range(count)), vocab=wanted.vocab, of_rows=wanted.of_rows)
    left = cut_down(other, rows.first, wanted.tokens)
    part = max(1, settings.steps(len(rows)) // PARTS)
    fit(left, rows, settings, seed, soft=numbered, checkpoint=checkpoint, block_steps=part)
    head = left.get_output_embeddings().weight
    found = {name: value for name, value in left.named_parameters() if value is not head}
    return {**found, "head": head, "tokens": runtime.indices(wanted.tokens)}
