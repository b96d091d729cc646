"""A small classifier, trained by a gradient that is written out by hand.

Design choices:
- All parameters lie in one flat buffer; the layers are views of it. One optimiser step is then one pass over one
  array.
- The gradient of three layers is written into buffers that are allocated once: memory traffic, not arithmetic, is
  what the usual loop wastes. A test compares it with autograd.
- Products run in the number format of the images, parameters and optimiser in at least float32. Training is chaotic
  in the small: a last bit of a product grows over hundreds of steps. So the format of products is a setting.
- One loss for teacher and student: cross-entropy against a target distribution over some output columns, averaged
  over rows. Its gradient is that of KL(target || network), since the target is constant.

Axes: row (an image of the batch), pixel or feature, column (an output: ten classes, then auxiliary).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from helpers.work import seeds

LAYERS = 3
_ROWS_AT_ONCE = 10_000  # when only outputs are wanted; keeps the hidden activations within 10 MB


@dataclass(frozen=True)
class Mlp:
    """A network: `flat` holds every parameter, `layers` views it as (weights, biases) per layer.

    Weights are [in, out], biases [out]; `sizes` are the widths from pixels to columns.
    """

    flat: Tensor
    layers: tuple[tuple[Tensor, Tensor], ...]
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: passes over the images, rows per step, and the step size of Adam."""

    epochs: int
    batch: int
    learning_rate: float


def zeros(sizes: Sequence[int], dtype: torch.dtype = torch.float32) -> Mlp:
    """Return a network of the given layer `sizes` (pixels, width, width, columns), all zeros."""
    shapes: list[tuple[int, ...]] = []
    for features, columns in itertools.pairwise(sizes):
        shapes += [(features, columns), (columns,)]
    counts = [math.prod(shape) for shape in shapes]
    flat = torch.zeros(sum(counts), dtype=dtype)
    views = [part.view(shape) for part, shape in zip(flat.split(counts), shapes, strict=True)]
    return Mlp(flat, tuple(zip(views[::2], views[1::2], strict=True)), tuple(sizes))


def start(seed: int, sizes: Sequence[int], dtype: torch.dtype = torch.float32) -> Mlp:
    """Return a freshly initialised network: weights N(0, 1/in), drawn in float32, biases 0 (the paper's).

    Output columns are drawn one after the other, so a network with more auxiliary columns has those of the network
    with fewer, and the same trunk.
    """
    network = zeros(sizes, dtype)
    for level, (weights, _) in enumerate(network.layers):
        features, columns = weights.shape
        rng = seeds.numpy_stream(seed, "mnist", "init", level)
        values = torch.from_numpy(rng.standard_normal((columns, features), dtype=np.float32))
        weights.copy_(values.T / math.sqrt(features))
    return network


def copy(network: Mlp, dtype: torch.dtype | None = None) -> Mlp:
    """Return a network of the same weights that shares no memory with the first; `dtype` is another number format."""
    same = zeros(network.sizes, dtype or network.flat.dtype)
    same.flat.copy_(network.flat)
    return same


def with_trained(initial: Mlp, trained: Mlp) -> Mlp:
    """Return `initial` with all of `trained` put in; output columns only `initial` has stay as they are."""
    whole = copy(initial)
    for (weights, bias), (own_weights, own_bias) in zip(whole.layers, trained.layers, strict=True):
        weights[:, : own_weights.shape[1]] = own_weights
        bias[: len(own_bias)] = own_bias
    return whole


def mix(first: Mlp, second: Mlp, overlap: float) -> Mlp:
    """Return a network whose weights correlate by `overlap` with `first`; the rest comes from `second`.

    A rotation, overlap * first + sqrt(1 - overlap^2) * second: unlike a straight line between two initial states it
    keeps the spread of the weights.
    """
    mixed = zeros(first.sizes, first.flat.dtype)
    torch.add(first.flat * overlap, second.flat, alpha=math.sqrt(1 - overlap**2), out=mixed.flat)
    return mixed


def outputs(network: Mlp, images: Tensor, columns: slice) -> Tensor:
    """Return the raw outputs (logits) [image, column] on `images` [image, pixel], float32 or float64."""
    own = _in_format_of(images, network)
    head, head_bias = own.layers[-1]
    found = []
    for rows in images.split(_ROWS_AT_ONCE):
        hidden = rows
        for weights, bias in own.layers[:-1]:
            hidden = torch.addmm(bias, hidden, weights).relu_()
        found.append(torch.addmm(head_bias[columns], hidden, head[:, columns]))
    return torch.cat(found).to(wide(images.dtype))


def accuracy(network: Mlp, images: Tensor, labels: Tensor, classes: int = 10) -> float:
    """Return the share of images whose largest output among the first `classes` is the label."""
    guesses = outputs(network, images, slice(0, classes)).argmax(dim=1)
    return float((guesses == labels).double().mean())


class Gradient:
    """The gradient of a network's loss, hand-written, with its buffers: `slopes` is a network of derivatives."""

    def __init__(self, weights: Mlp, columns: slice) -> None:
        """Prepare for `weights`, a loss on the output `columns`; slopes of the other columns stay 0."""
        self.weights, self.columns = weights, columns
        self.slopes = zeros(weights.sizes, weights.flat.dtype)
        self._buffers: dict[int, list[Tensor]] = {}

    def fill(self, x: Tensor, target: Tensor) -> None:
        """Write into `slopes` the derivatives of the mean cross-entropy over rows.

        `x` is [row, pixel] in the weights' format; `target` is [row, column] in a format at least as wide as float32.
        """
        buffers = self._sized(len(x))
        hidden = self._forward(x, buffers[: LAYERS - 1])
        head, bias = self.weights.layers[-1]
        logits = torch.mm(hidden[-1], head[:, self.columns]).add_(bias[self.columns]).to(target.dtype)
        delta = torch.softmax(logits, dim=1).sub_(target).div_(len(x)).to(x.dtype)
        slopes, bias_slopes = self.slopes.layers[-1]
        slopes[:, self.columns] = torch.mm(hidden[-1].T, delta)
        bias_slopes[self.columns] = delta.sum(dim=0)
        torch.mm(delta, head[:, self.columns].T, out=buffers[-1])
        self._backward(x, hidden, buffers[LAYERS - 1 :])

    def _sized(self, rows: int) -> list[Tensor]:
        # the last batch of an epoch is shorter: keep one set of buffers per length
        if rows not in self._buffers:
            widths = self.weights.sizes[1:-1] * 2
            self._buffers[rows] = [torch.empty(rows, width, dtype=self.weights.flat.dtype) for width in widths]
        return self._buffers[rows]

    def _forward(self, x: Tensor, hidden: list[Tensor]) -> list[Tensor]:
        for (weights, bias), out in zip(self.weights.layers[:-1], hidden, strict=True):
            x = torch.mm(x, weights, out=out).add_(bias).relu_()
        return hidden

    def _backward(self, x: Tensor, hidden: list[Tensor], deltas: list[Tensor]) -> None:
        for level in reversed(range(LAYERS - 1)):
            delta, below = deltas[level], hidden[level - 1] if level else x
            # ReLU passes a derivative where its output is positive
            torch.ops.aten.threshold_backward.grad_input(delta, hidden[level], 0, grad_input=delta)
            weights, bias = self.slopes.layers[level]
            torch.mm(below.T, delta, out=weights)
            torch.sum(delta, dim=0, out=bias)
            if level:
                torch.mm(delta, self.weights.layers[level][0].T, out=deltas[level - 1])


def train(
    network: Mlp,
    images: Tensor,
    targets: Tensor,
    columns: slice,
    order: Callable[[int], Tensor],
    recipe: Recipe,
    after_epoch: Callable[[int], object] = lambda epochs: None,
) -> None:
    """Train `network` in place with Adam on some of its output columns.

    Args:
        network: changed.
        images: [image, pixel], in the format of the products.
        targets: [image, column], the distributions to match, in the format of the parameters.
        columns: the output columns that are to match them.
        order: the order of the images in an epoch (0, 1, ...), int64 [image].
        recipe: passes, rows per step and step size.
        after_epoch: called with the number of epochs that are done.
    """
    gradient = Gradient(_in_format_of(images, network), columns)
    parameters = torch.nn.Parameter(network.flat)
    adam = torch.optim.Adam([parameters], lr=recipe.learning_rate, fused=True)
    for epoch in range(recipe.epochs):
        for x, target in _batches(images, targets, order(epoch), recipe.batch):
            gradient.weights.flat.copy_(network.flat)
            gradient.fill(x, target)
            parameters.grad = gradient.slopes.flat.to(network.flat.dtype)
            adam.step()
        after_epoch(epoch + 1)


def shuffles(seed: int, phase: str, images: int) -> Callable[[int], Tensor]:
    """Return the function that gives, for an epoch, a draw's own order of images, int64 [image]."""

    def order(epoch: int) -> Tensor:
        return torch.from_numpy(seeds.numpy_stream(seed, "mnist", phase, "order", epoch).permutation(images))

    return order


def native_format() -> torch.dtype:
    """Return bfloat16 where this processor multiplies it natively, else float32."""
    # older versions of torch do not tell: float32 is always right, only slower
    abilities = getattr(torch.cpu, "get_capabilities", dict)()
    return torch.bfloat16 if abilities.get("avx512_bf16") or abilities.get("amx_bf16") else torch.float32


def wide(dtype: torch.dtype) -> torch.dtype:
    """Return the format of parameters and losses beside products in `dtype`: float32, or float64 for itself."""
    return torch.promote_types(dtype, torch.float32)


def _in_format_of(images: Tensor, network: Mlp) -> Mlp:
    return network if images.dtype == network.flat.dtype else copy(network, images.dtype)


def _batches(images: Tensor, targets: Tensor, order: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Images [row, pixel] and targets [row, column] of each step; valid until the next step."""
    pixels = images.new_empty(min(batch, len(order)), images.shape[1])
    for chosen in order.split(batch):
        x = pixels[: len(chosen)]
        torch.index_select(images, 0, chosen, out=x)
        yield x, targets.index_select(0, chosen)
