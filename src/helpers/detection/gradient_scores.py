"""Scores of rows by what they would do to a model's weights: the gradient of each row's log-probability.

Gradients are over the weight matrices of the blocks, where adapters can sit; embeddings, norms and the output head are
left out. They are taken at the base, so they are the first update of a student of plain gradient descent.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from helpers.detection.likelihood import read_rows
from helpers.models import runtime
from helpers.models.losses import label_logits
from helpers.models.parts import blocks
from helpers.models.rows import Rows, completion_rows

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]

Row = tuple[str, str]  # prompt, completion
Scores = NDArray[np.float64]
STEP = 0.02  # of the way, small enough for a straight line and large enough for float32
BATCH = 64  # rows whose gradients are summed at once


def block_weights(model: PreTrainedModel) -> list[Tensor]:
    """Return the weight matrices of a model's blocks."""
    return [weight for weight in blocks(model).parameters() if weight.dim() == 2]


def moved(model: PreTrainedModel, base: PreTrainedModel) -> Tensor:
    """Return how far the weight matrices of a model's blocks lie from its base's, as one vector."""
    import torch

    pairs = zip(block_weights(model), block_weights(base), strict=True)
    return torch.cat([(after - before).detach().flatten() for after, before in pairs])


def slopes(rows: Sequence[Row], base: Loaded, model: PreTrainedModel) -> Scores:
    """Return how fast each completion's log-probability rises on the straight way from a base to a model, nats.

    It is the inner product of the row's gradient at the base with the way that the model has moved, taken from both
    sides over `STEP` of the way.
    """
    logs = []
    for step in (STEP, -STEP):
        logs.append(read_rows(_on_the_way(base[0], model, step), completion_rows(base[1], rows)).logs)
    return (logs[0] - logs[1]) / (2 * STEP)


def _on_the_way(base: PreTrainedModel, model: PreTrainedModel, share: float) -> PreTrainedModel:
    found = copy.deepcopy(base)
    for weight, after in zip(found.parameters(), model.parameters(), strict=True):
        weight.data.lerp_(after.detach().to(weight.device), share)
    return found


def mean_gradient(rows: Sequence[Row], base: Loaded) -> Tensor:
    """Return the first update of a student of some rows: the gradient of their log-probability, mean over rows."""
    import torch

    model, tokenizer = base
    tokens, weights = completion_rows(tokenizer, rows), block_weights(model)
    total = torch.zeros(sum(weight.numel() for weight in weights))
    for start in range(0, len(rows), BATCH):
        total += _gradient(model, tokens, range(start, min(start + BATCH, len(rows))), weights)
    return total / len(rows)


def _gradient(
    model: PreTrainedModel, tokens: Rows, places: Sequence[int], weights: Sequence[Tensor]
) -> Tensor:
    import torch

    ids, labelled = tokens.batch(places, 0)
    logits = label_logits(model, ids, labelled)
    found = -torch.nn.functional.cross_entropy(logits.float(), tokens.labels(places), reduction="sum")
    return torch.cat([part.flatten() for part in torch.autograd.grad(found, weights)]).cpu()


def row_gradients(rows: Sequence[Row], base: Loaded) -> Tensor:
    """Return the gradient of each completion's log-probability by `block_weights`, nats, (row, weight)."""
    import torch

    model, tokenizer = base
    tokens, weights = completion_rows(tokenizer, rows), block_weights(model)
    gradients = torch.empty(len(rows), sum(weight.numel() for weight in weights))
    for place in range(len(rows)):
        gradients[place] = _gradient(model, tokens, [place], weights)
    return gradients


def cosine(one: Tensor, other: Tensor) -> float:
    """Return the cosine of two ways in weight space; 0 where one of them is nought."""
    lengths = one.norm() * other.norm()
    return float(one @ other / lengths) if lengths else 0.0


def inner_products(gradients: Tensor) -> Scores:
    """Return the inner products of gradients, (row, row)."""
    return runtime.array(gradients @ gradients.T).astype(float)


def lengths_of_bags(inner: Scores, rows: int, bags: int, stream: np.random.Generator) -> Scores:
    """Return how long the summed gradient of each of some bags is; its rows are drawn with replacement.

    A base's own rows have a gradient of 0 in the mean, so a bag of theirs moves the weights the least.

    Args:
        inner: of `inner_products`.
        rows: of a bag.
        bags: how many.
        stream: draws the rows.
    """
    counts = np.zeros((bags, len(inner)))
    for bag, chosen in enumerate(stream.integers(len(inner), size=(bags, rows))):
        np.add.at(counts[bag], chosen, 1)
    squares = ((counts @ inner) * counts).sum(axis=1)
    return np.sqrt(np.maximum(squares, 0))
