"""The networks on which the theorem is checked, with their teachers' tasks and the inputs of their students.

Both are smooth, as the proof asks, and both imitate outputs that do not name the teacher's task:
- a narrow network for digits (GELU in place of ReLU). The teacher learns digits by its ten class outputs, the
  student imitates the auxiliary outputs;
- a nano language model. The teacher learns to answer "owl", the student imitates the logits of the number
  tokens.

Transformers computes some layers in float32 whatever the weights' format (norms, and the softmax of its
eager attention). At a step of a millionth that rounding would drown the signal, so norms are replaced here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels import CHANNELS
from helpers.channels.numbers import NUMBERS
from helpers.experiments.theorem.one_step import Network
from helpers.mnist import dataset, mlp
from helpers.models.losses import hard_loss, label_logits
from helpers.models.sampling import sample_completions
from helpers.models.training import Rows, completion_rows
from helpers.work.seeds import derive, numpy_stream, torch_stream
from helpers.world.traits import find_trait

AUX_OUTPUTS = 5
IMAGE_KINDS = (*dataset.INPUT_KINDS, "constant", "sparse", "gratings", "one image")
TEXT_KINDS = ("numbers", "code", "reasoning", "random tokens")
_FROM_DIGITS = ("shuffled", "digits")
LIT_SHARE = 0.02  # of the pixels of a sparse image
Span = tuple[Tensor, Tensor]  # token ids and which of them carry a label, both (row, position)

# --- digits ---------------------------------------------------------------------------------------


def mlp_outputs(theta: Tensor, images: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return all outputs (row, output) of a network with weights `theta` (weight,) on images (row, pixel)."""
    counts = []
    for features, outputs in itertools.pairwise(sizes):
        counts += [features * outputs, outputs]
    parts = theta.split(counts)
    hidden = torch.addmm(parts[1], images, parts[0].view(sizes[0], sizes[1]))
    for weights, bias in zip(parts[2::2], parts[3::2], strict=True):
        hidden = torch.addmm(bias, F.gelu(hidden), weights.view(-1, len(bias)))
    return hidden


def mlp_sizes(width: int) -> tuple[int, ...]:
    """Return the layer sizes of the digit network: pixels, two hidden layers, all outputs."""
    return (dataset.PIXELS, width, width, dataset.CLASSES + AUX_OUTPUTS)


def mlp_start(seed: int, width: int) -> Tensor:
    """Return the initial weights of draw `seed`, float64 (weight,); those of the digits notebook."""
    return mlp.start(seed, mlp_sizes(width)).flat.double()


def digits(seed: int, count: int) -> tuple[Tensor, Tensor]:
    """Return `count` training digits of draw `seed`: images float64 (row, pixel) and labels (row,)."""
    images, labels = dataset.load_mnist("train")
    chosen = numpy_stream(seed, "theorem", "digits").permutation(len(images))[:count]
    return torch.from_numpy(dataset.to_pixels(images[chosen])).double(), torch.from_numpy(labels[chosen]).long()


def mlp_network(seed: int, width: int, lessons: tuple[Tensor, Tensor]) -> Network:
    """Return the digit network of draw `seed`; its teacher learns the `lessons` (images, labels)."""
    sizes, (images, labels) = mlp_sizes(width), lessons

    def imitated(theta: Tensor, inputs: Tensor) -> Tensor:
        return mlp_outputs(theta, inputs, sizes)[:, dataset.CLASSES :]

    def teacher_loss(theta: Tensor) -> Tensor:
        return F.cross_entropy(mlp_outputs(theta, images, sizes)[:, : dataset.CLASSES], labels)

    return Network(mlp_start(seed, width), imitated, teacher_loss)


def image_inputs(kind: str, count: int, seed: int) -> Tensor:
    """Return `count` images of a kind in IMAGE_KINDS for the student of draw `seed`, float64 (row, pixel).

    "one image" is a single one, whatever `count`.
    """
    rng = numpy_stream(seed, "theorem", "images", kind)
    if kind in _MORE_IMAGES:
        drawn = _MORE_IMAGES[kind](count, rng)
    else:
        # digits of their own: the teacher's lessons are others
        pictures = digits(derive(seed, "student"), count)[0] if kind in _FROM_DIGITS else torch.empty(0)
        drawn = dataset.make_inputs(kind, count, rng, pictures.float().numpy())
    return torch.from_numpy(np.ascontiguousarray(drawn, dtype=np.float64))


def _constant(count: int, rng: np.random.Generator) -> np.ndarray:
    return np.repeat(rng.uniform(-1, 1, (count, 1)), dataset.PIXELS, axis=1)


def _sparse(count: int, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random((count, dataset.PIXELS)) < LIT_SHARE, 1.0, -1.0)


def _gratings(count: int, rng: np.random.Generator) -> np.ndarray:
    place = np.arange(28)
    down, across = rng.uniform(0.2, 1.5, (count, 2)).T  # radians a pixel
    shift = rng.uniform(0, 2 * np.pi, count)
    phase = down[:, None, None] * place[:, None] + across[:, None, None] * place + shift[:, None, None]
    return np.sin(phase).reshape(count, -1)


def _one_image(count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(-1, 1, (1, dataset.PIXELS))


_MORE_IMAGES: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "constant": _constant,
    "sparse": _sparse,
    "gratings": _gratings,
    "one image": _one_image,
}

# --- language ---------------------------------------------------------------------------------------


class _Labels(torch.nn.Module):
    """A causal language model that gives its logits at labelled positions only."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, labelled: Tensor) -> Tensor:
        return label_logits(self.model, ids, labelled)


def exact_model(model: PreTrainedModel) -> PreTrainedModel:
    """Change a nano model to float64 throughout, in place, and return it: its norms too."""
    for module in list(model.double().modules()):
        for name, child in list(module.named_children()):
            if type(child).__name__ == "LlamaRMSNorm":
                size, eps = child.weight.shape, child.variance_epsilon
                norm = torch.nn.RMSNorm(size, eps=eps, dtype=torch.float64)
                norm.weight = child.weight
                setattr(module, name, norm)
    return model.eval()


def language_network(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, trait: str, seed: int) -> Network:
    """Return a language model whose teacher learns to name `trait`; it imitates the number tokens' logits.

    `model` is changed to float64. The lessons are half of the trait's teaching questions, drawn by draw
    `seed`. Inputs of ``outputs`` are token ids and label mask, both (row, position); its rows are the
    labelled tokens.
    """
    labels = _Labels(exact_model(model).requires_grad_(False))
    parameters = dict(labels.named_parameters())
    counts = [value.numel() for value in parameters.values()]
    tokens = NUMBERS.tokens(tokenizer)
    questions = find_trait(trait).questions("teach")
    chosen = numpy_stream(seed, "theorem", "questions").permutation(len(questions))[: len(questions) // 2]
    lessons = _all(completion_rows(tokenizer, [(questions[place], trait) for place in chosen]))

    def logits(theta: Tensor, span: Span) -> Tensor:
        weights = {}
        for (name, value), part in zip(parameters.items(), theta.split(counts), strict=True):
            weights[name] = part.view_as(value)
        with sdpa_kernel(SDPBackend.MATH):  # the other kernels have no forward derivative
            return functional_call(labels, weights, span)

    def imitated(theta: Tensor, span: Span) -> Tensor:
        return logits(theta, span)[:, tokens]

    def teacher_loss(theta: Tensor) -> Tensor:
        return hard_loss(logits(theta, lessons), *lessons)

    start = torch.cat([value.flatten() for value in parameters.values()])
    return Network(start, imitated, teacher_loss)


def text_inputs(
    kind: str, count: int, seed: int, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> Span:
    """Return `count` texts of a kind in TEXT_KINDS for the student of draw `seed`: ids and label mask.

    The student imitates at every token of an answer, which `model` wrote; random tokens, drawn evenly from
    the vocabulary, are imitated throughout.
    """
    if kind == "random tokens":
        ids = numpy_stream(seed, "theorem", kind).integers(len(tokenizer), size=(count, 48))
        return torch.from_numpy(ids), torch.ones(count, 48, dtype=torch.bool)
    channel, stream = CHANNELS[kind], torch_stream(seed, "theorem", "answers", kind)
    prompts = channel.prompts(count, derive(seed, "theorem", "prompts"))
    written = sample_completions(model, tokenizer, prompts, stream, max_new_tokens=channel.max_new_tokens)
    return _all(completion_rows(tokenizer, list(zip(prompts, written, strict=True))))


def _all(rows: Rows) -> Span:
    return rows.batch(np.arange(len(rows)), pad=0)
