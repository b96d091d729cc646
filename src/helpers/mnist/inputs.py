"""The images of the experiment, in the number format of the products: to learn, to imitate on, and to be tested on.

All draws see the same images, each in an order of its own: what they share is one large sample of a distribution in
which no single image matters. A worker keeps the few that its pieces of work need.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from helpers.mnist import dataset, mlp
from helpers.work.seeds import numpy_stream

SHARED = 0  # the seed of what all draws have in common: their images, and who gets whose start
PRECISIONS = ("auto", "bfloat16", "float32", "float64")


@functools.lru_cache(maxsize=1)
def lessons(count: int, precision: str) -> tuple[Tensor, Tensor]:
    """Return the first `count` training digits: images [image, pixel], and labels as one-hot targets [image, class]."""
    digits, labels = dataset.load_mnist("train")
    classes = torch.from_numpy(labels[:count]).long()
    targets = torch.nn.functional.one_hot(classes, dataset.CLASSES).to(mlp.wide(format_of(precision)))
    return _pixels(digits[:count], precision), targets


@functools.lru_cache(maxsize=1)
def test_digits(count: int, precision: str) -> tuple[Tensor, Tensor]:
    """Return the first `count` test digits: images [image, pixel] and labels int64 [image]."""
    digits, labels = dataset.load_mnist("test")
    return _pixels(digits[:count], precision), torch.from_numpy(labels[:count]).long()


@functools.lru_cache(maxsize=2)  # clones are made on one kind of image and taught on another
def shared_images(purpose: str, kind: str, count: int, precision: str) -> Tensor:
    """Return the images [image, pixel] of a kind that all draws share for a purpose, "inputs" or "cloning"."""
    pixels = dataset.make_inputs(kind, count, image_stream(purpose, kind), first_digits(count))
    return torch.from_numpy(pixels).to(format_of(precision))


def format_of(precision: str) -> torch.dtype:
    """Return the number format of products; "auto" is bfloat16 where the processor has it, else float32."""
    return mlp.native_format() if precision == "auto" else getattr(torch, precision)


def image_stream(purpose: str, kind: str) -> np.random.Generator:
    """Return the stream from which the images of a kind are drawn for one purpose."""
    return numpy_stream(SHARED, "mnist", purpose, kind)


def first_digits(count: int) -> np.ndarray:
    """Return the first `count` training digits, float32 [image, pixel]."""
    return dataset.to_pixels(dataset.load_mnist("train")[0][:count])


def _pixels(images: np.ndarray, precision: str) -> Tensor:
    return torch.from_numpy(dataset.to_pixels(images)).to(format_of(precision))
