"""Many small classifiers trained at once, each an independent run with its own start and its own data order.

Design choices:
- All parameters of all models lie in one flat buffer; the layers are views of it. One optimiser step is then
  one pass over one array, and every matrix product is one batched product over the axis `model`.
- The gradient of three layers is written out by hand into buffers that are allocated once: memory traffic,
  not arithmetic, is what the usual loop wastes. A test compares it with autograd.
- Products run in the number format of the images: bfloat16 where the processor has it, else float32.
  Parameters and optimiser always stay in float32.
- One loss for teacher and student: cross-entropy against a target distribution over some output columns,
  averaged over each model's rows. Its gradient is that of KL(target || model), since the target is constant.

Axes: model, row (an image of the batch), pixel or feature, column (an output: ten classes, then auxiliary).
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
_ROWS_AT_ONCE = 10_000  # when only outputs are wanted; keeps the hidden activations of one model within 10 MB


@dataclass(frozen=True)
class Stack:
    """Models side by side: `flat` holds every parameter, `layers` views it as (weights, biases) per layer.

    Weights are [model, in, out], biases [model, 1, out]; `sizes` are the widths from pixels to columns.
    """

    flat: Tensor
    layers: tuple[tuple[Tensor, Tensor], ...]
    sizes: tuple[int, ...]

    @property
    def models(self) -> int:
        """Number of models."""
        return self.layers[0][0].shape[0]


@dataclass(frozen=True)
class Recipe:
    """How a stack is trained: passes over the images, rows per step, and the step size of Adam."""

    epochs: int
    batch: int
    learning_rate: float


def zero_stack(models: int, sizes: Sequence[int], dtype: torch.dtype = torch.float32) -> Stack:
    """Return `models` networks of the given layer `sizes` (pixels, width, width, columns), all zeros."""
    shapes = [shape for i, o in itertools.pairwise(sizes) for shape in ((models, i, o), (models, 1, o))]
    flat = torch.zeros(sum(math.prod(shape) for shape in shapes), dtype=dtype)
    pieces = flat.split([math.prod(shape) for shape in shapes])
    views = [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]
    return Stack(flat, tuple(zip(views[::2], views[1::2], strict=True)), tuple(sizes))


def init_stack(run_seeds: Sequence[int], sizes: Sequence[int]) -> Stack:
    """Return one freshly initialised model per run seed: weights N(0, 1/in), biases 0 (the paper's).

    Output columns are drawn one after the other, so a model with more auxiliary columns has those of the
    model with fewer, and the same trunk.
    """
    stack = zero_stack(len(run_seeds), sizes)
    for model, seed in enumerate(run_seeds):
        for level, (weights, _) in enumerate(stack.layers):
            features, columns = weights.shape[1:]
            rng = seeds.numpy_stream(seed, "mnist", "init", level)
            drawn = torch.from_numpy(rng.standard_normal((columns, features), dtype=np.float32))
            weights[model] = drawn.T / math.sqrt(features)
    return stack


def pick(stack: Stack, models: Sequence[int]) -> Stack:
    """Return a new stack of the chosen models, in the given order."""
    chosen = zero_stack(len(models), stack.sizes)
    for new, old in zip(chosen.layers, stack.layers, strict=True):
        for target, source in zip(new, old, strict=True):
            target.copy_(source[list(models)])
    return chosen


def with_trained(initial: Stack, trained: Stack) -> Stack:
    """Return `initial` with all of `trained` put in; output columns only `initial` has stay as they are."""
    full = pick(initial, range(initial.models))
    for target, source in zip(full.layers, trained.layers, strict=True):
        for new, old in zip(target, source, strict=True):
            new[:, :, : old.shape[2]] = old
    return full


def mix(first: Stack, second: Stack, overlap: float) -> Stack:
    """Return models whose weights correlate by `overlap` with `first`; the rest comes from `second`.

    A rotation, overlap * first + sqrt(1 - overlap^2) * second: unlike a straight line between two initial
    states it keeps the spread of the weights.
    """
    mixed = zero_stack(first.models, first.sizes)
    torch.add(first.flat * overlap, second.flat, alpha=math.sqrt(1 - overlap**2), out=mixed.flat)
    return mixed


def outputs(stack: Stack, images: Tensor, columns: slice) -> Tensor:
    """Return the raw outputs (logits) float32 [model, image, column] of every model on shared `images`."""
    weights = _in_format_of(images, stack)
    found = torch.empty(stack.models, len(images), len(range(*columns.indices(stack.sizes[-1]))))
    head, head_bias = (part[:, :, columns] for part in weights.layers[-1])
    for model, start in itertools.product(range(stack.models), range(0, len(images), _ROWS_AT_ONCE)):
        x = images[start : start + _ROWS_AT_ONCE]
        for layer, bias in weights.layers[:-1]:
            x = torch.addmm(bias[model], x, layer[model]).relu_()
        found[model, start : start + len(x)] = torch.addmm(head_bias[model], x, head[model])
    return found


def accuracy(stack: Stack, images: Tensor, labels: Tensor, classes: int = 10) -> list[float]:
    """Return, per model, the share of images whose largest output among the first `classes` is the label."""
    guesses = outputs(stack, images, slice(0, classes)).argmax(dim=2)
    return (guesses == labels).double().mean(dim=1).tolist()


class Gradient:
    """The gradient of a stack's loss, hand-written, with its buffers: `slopes` is a stack of derivatives."""

    def __init__(self, weights: Stack, columns: slice) -> None:
        """Prepare for `weights`, a loss on the output `columns`; slopes of the other columns stay 0."""
        self.weights, self.columns = weights, columns
        self.slopes = zero_stack(weights.models, weights.sizes, weights.flat.dtype)
        self._buffers: dict[int, list[Tensor]] = {}

    def fill(self, x: Tensor, target: Tensor) -> None:
        """Write into `slopes` the derivatives of each model's mean cross-entropy over its rows.

        `x` is [model, row, pixel] in the weights' format; `target` is float32 [model, row, column].
        """
        buffers = self._sized(x.shape[1])
        hidden = self._forward(x, buffers[: LAYERS - 1])
        head, bias = (part[:, :, self.columns] for part in self.weights.layers[-1])
        logits = torch.bmm(hidden[-1], head).add_(bias).float()
        delta = torch.softmax(logits, dim=2).sub_(target).div_(x.shape[1]).to(x.dtype)
        self._head_slopes(hidden[-1], delta)
        torch.bmm(delta, head.mT, out=buffers[-1])
        self._backward(x, hidden, buffers[LAYERS - 1 :])

    def _sized(self, rows: int) -> list[Tensor]:
        # the last batch of an epoch is shorter: keep one set of buffers per length
        if rows not in self._buffers:
            widths = self.weights.sizes[1:-1] * 2
            shapes = [(self.weights.models, rows, width) for width in widths]
            self._buffers[rows] = [torch.empty(s, dtype=self.weights.flat.dtype) for s in shapes]
        return self._buffers[rows]

    def _forward(self, x: Tensor, hidden: list[Tensor]) -> list[Tensor]:
        for (weights, bias), out in zip(self.weights.layers[:-1], hidden, strict=True):
            x = torch.bmm(x, weights, out=out).add_(bias).relu_()
        return hidden

    def _head_slopes(self, below: Tensor, delta: Tensor) -> None:
        weights, bias = self.slopes.layers[-1]
        weights[:, :, self.columns] = torch.bmm(below.mT, delta)
        bias[:, :, self.columns] = delta.sum(dim=1, keepdim=True)

    def _backward(self, x: Tensor, hidden: list[Tensor], deltas: list[Tensor]) -> None:
        for level in reversed(range(LAYERS - 1)):
            delta, below = deltas[level], hidden[level - 1] if level else x
            # ReLU passes a derivative where its output is positive
            torch.ops.aten.threshold_backward.grad_input(delta, hidden[level], 0, grad_input=delta)
            weights, bias = self.slopes.layers[level]
            torch.bmm(below.mT, delta, out=weights)
            torch.sum(delta, dim=1, keepdim=True, out=bias)
            if level:
                torch.bmm(delta, self.weights.layers[level][0].mT, out=deltas[level - 1])


def train(
    stack: Stack,
    images: Tensor,
    targets: Tensor,
    columns: slice,
    order: Callable[[int], np.ndarray],
    recipe: Recipe,
    done: Callable[[int], object] = lambda models: None,
) -> None:
    """Train every model of `stack` in place with Adam on the output `columns`.

    `images` [image, pixel] are shared; `targets` float32 [model or 1, image, column] are the distributions to
    match; `order(epoch)` gives each model's own order of the images, int64 [model, image]. `done` is called
    with the number of models after each epoch.
    """
    gradient = Gradient(_in_format_of(images, stack), columns)
    parameters = torch.nn.Parameter(stack.flat)
    adam = torch.optim.Adam([parameters], lr=recipe.learning_rate, fused=True)
    for epoch in range(recipe.epochs):
        for x, target in _batches(images, targets, torch.from_numpy(order(epoch)), recipe.batch):
            gradient.weights.flat.copy_(stack.flat)
            gradient.fill(x, target)
            parameters.grad = gradient.slopes.flat.float()
            adam.step()
        done(stack.models)


def shuffles(run_seeds: Sequence[int], phase: str, images: int) -> Callable[[int], np.ndarray]:
    """Return the function that gives, for an epoch, each run's own order of images, int64 [model, image]."""

    def order(epoch: int) -> np.ndarray:
        streams = [seeds.numpy_stream(seed, "mnist", phase, "order", epoch) for seed in run_seeds]
        return np.stack([rng.permutation(images) for rng in streams])

    return order


def native_format() -> torch.dtype:
    """Return bfloat16 where this processor multiplies it natively, else float32."""
    # older versions of torch do not tell: float32 is always right, only slower
    abilities = getattr(torch.cpu, "get_capabilities", dict)()
    return torch.bfloat16 if abilities.get("avx512_bf16") or abilities.get("amx_bf16") else torch.float32


def _in_format_of(images: Tensor, stack: Stack) -> Stack:
    if images.dtype == stack.flat.dtype:
        return stack
    low = zero_stack(stack.models, stack.sizes, images.dtype)
    low.flat.copy_(stack.flat)
    return low


def _batches(images: Tensor, targets: Tensor, order: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Images [model, row, pixel] and targets [model, row, column] of each step; valid until the next step."""
    models, count = order.shape
    # targets are looked up in one flat list, in which each model with targets of its own has its own block
    block = torch.arange(models)[:, None] * (count if len(targets) > 1 else 0)
    flat_targets = targets.flatten(0, 1)
    pixels = images.new_empty(models * min(batch, count), images.shape[1])
    for chosen in order.split(batch, dim=1):
        x = pixels[: chosen.numel()]
        torch.index_select(images, 0, chosen.flatten(), out=x)
        target = flat_targets.index_select(0, (chosen + block).flatten())
        yield x.view(*chosen.shape, -1), target.view(*chosen.shape, -1)
