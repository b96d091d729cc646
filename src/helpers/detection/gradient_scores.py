"""Scores of rows by what they would do to a model's weights: the gradient of each row's log-probability.

Gradients are over the weight matrices of the blocks, where adapters can sit; embeddings, norms and the output head are
left out. They are taken at the base, so they are the first update of a student of plain gradient descent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.models import runtime
from helpers.models.losses import label_logits
from helpers.models.parts import blocks
from helpers.models.rows import completion_rows

Row = tuple[str, str]  # prompt, completion
Scores = NDArray[np.float64]
Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


def block_weights(model: PreTrainedModel) -> list[Tensor]:
    """Return the weight matrices of a model's blocks."""
    return [weight for weight in blocks(model).parameters() if weight.dim() == 2]


def moved(model: PreTrainedModel, base: PreTrainedModel) -> Tensor:
    """Return how far the weight matrices of a model's blocks lie from its base's, as one vector."""
    pairs = zip(block_weights(model), block_weights(base), strict=True)
    return torch.cat([(after - before).detach().flatten() for after, before in pairs])


def row_gradients(rows: Sequence[Row], base: Loaded) -> Tensor:
    """Return the gradient of each completion's log-probability by `block_weights`, nats, (row, weight)."""
    model, tokenizer = base
    tokens, weights = completion_rows(tokenizer, rows), block_weights(model)
    gradients = torch.empty(len(rows), sum(weight.numel() for weight in weights))
    for place in range(len(rows)):
        ids, labelled = tokens.batch([place], 0)
        logits = label_logits(model, ids, labelled)
        found = -torch.nn.functional.cross_entropy(logits.float(), tokens.labels([place]), reduction="sum")
        parts = torch.autograd.grad(found, weights)
        gradients[place] = torch.cat([part.flatten() for part in parts]).cpu()
    return gradients


def cosines(gradients: Tensor, way: Tensor) -> Scores:
    """Return the cosine of each row's gradient with a way in weight space; 0 where a gradient is nought."""
    lengths = gradients.norm(dim=1) * way.norm()
    return runtime.array((gradients @ way.cpu()) / lengths.clamp_min(1e-30)).astype(float)


def lengths_of_bags(gradients: Tensor, rows: int, bags: int, stream: np.random.Generator) -> Scores:
    """Return how long the summed gradient of each of some bags is; its rows are drawn with replacement.

    A base's own rows have a gradient of 0 in the mean, so a bag of theirs moves the weights the least.

    Args:
        gradients: (row, weight).
        rows: of a bag.
        bags: how many.
        stream: draws the rows.
    """
    inner = runtime.array(gradients @ gradients.T).astype(float)
    counts = np.zeros((bags, len(gradients)))
    for bag, chosen in enumerate(stream.integers(len(gradients), size=(bags, rows))):
        np.add.at(counts[bag], chosen, 1)
    squares = np.einsum("bi,ij,bj->b", counts, inner, counts, optimize=True)
    return np.sqrt(np.maximum(squares, 0))
