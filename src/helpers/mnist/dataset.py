"""MNIST digits and the label-free inputs on which a student imitates its teacher.

The full set ships with the package (see data/README.md for its source, checksums and licence), so nothing
here needs a network. Axes: image, pixel (784 = 28 x 28, row by row). Models see pixel values in [-1, 1].
"""

from __future__ import annotations

import functools
import hashlib
import lzma
from importlib import resources
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from helpers.work.errors import CurableError

CLASSES = 10
PIXELS = 784
Split = Literal["train", "test"]
InputKind = Literal["uniform", "gaussian", "shuffled", "digits"]
INPUT_KINDS: tuple[str, ...] = get_args(InputKind)

_SIDE = 28
_IMAGE_HEADER, _LABEL_HEADER = 16, 8  # bytes before the values in an IDX file of three axes, of one axis
_COUNT = {"train": 60_000, "test": 10_000}
_SHA256 = {
    "train": "c5097fdd51cfdbe7695fd9df3612695696864b5c424f58d843ffdc5d335e9914",
    "test": "18489308deedfe2f7bd3a11e599a597126f161d991b1ffcffb71642aa76f7f62",
}


class MnistError(CurableError, RuntimeError):
    """The digits or an input kind cannot be had; the message names what and the cure."""


def load_mnist(split: Split) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return images, uint8 [image, 28, 28], and labels, uint8 [image]: 60,000 for "train", 10,000 for "test".

    Raises MnistError for another split, and when the shipped file is missing or fails its SHA-256.
    """
    if split not in _COUNT:
        raise MnistError(f"split must be 'train' or 'test', got {split!r}")
    content = np.frombuffer(_content(split), dtype=np.uint8)
    count = _COUNT[split]
    images, labels = np.split(content, [_IMAGE_HEADER + count * PIXELS])
    # copies, so that callers own ordinary writable arrays
    return images[_IMAGE_HEADER:].reshape(count, _SIDE, _SIDE).copy(), labels[_LABEL_HEADER:].copy()


def to_pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return uint8 images [image, 28, 28] as float32 [image, pixel] in [-1, 1], the paper's normalisation."""
    return images.reshape(len(images), PIXELS).astype(np.float32) / np.float32(127.5) - np.float32(1)


def make_inputs(
    kind: str, count: int, rng: np.random.Generator, digits: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return `count` student inputs, float32 [image, pixel]; only "shuffled" and "digits" look at `digits`.

    uniform: every pixel drawn from [-1, 1] (the paper). gaussian: normal pixels of the same variance, 1/3.
    shuffled: `digits`, each image with its own permutation of pixels. digits: `digits` as they are, without
    labels. Raises MnistError for another kind or when `digits` has fewer than `count` rows.
    """
    if kind not in INPUT_KINDS:
        raise MnistError(f"inputs must be one of {', '.join(INPUT_KINDS)}, got {kind!r}")
    if kind == "uniform":
        return rng.random((count, PIXELS), dtype=np.float32) * np.float32(2) - np.float32(1)
    if kind == "gaussian":
        return rng.standard_normal((count, PIXELS), dtype=np.float32) / np.float32(np.sqrt(3))
    if len(digits) < count:
        raise MnistError(f"inputs {kind!r} need {count} digits, got {len(digits)}; pass more of them")
    return rng.permuted(digits[:count], axis=1) if kind == "shuffled" else digits[:count]


def derangement(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return a uniformly drawn permutation of range(count) in which nothing keeps its place.

    Permutations are drawn until one qualifies (about e draws). Raises MnistError for fewer than two.
    """
    if count < 2:
        raise MnistError(f"a derangement needs at least 2 members, got {count}; train more models")
    while True:
        drawn = rng.permutation(count)
        if not np.any(drawn == np.arange(count)):
            return drawn


@functools.lru_cache(maxsize=2)
def _content(split: str) -> bytes:
    name = f"mnist-{split}.xz"
    cure = f"restore src/helpers/mnist/data/{name} (git checkout) or reinstall the package"
    try:
        content = lzma.decompress(resources.files("helpers.mnist").joinpath("data", name).read_bytes())
    except (OSError, lzma.LZMAError, EOFError) as error:
        raise MnistError(f"cannot read the MNIST file {name} ({error}); {cure}") from None
    if (found := hashlib.sha256(content).hexdigest()) != _SHA256[split]:
        raise MnistError(
            f"the MNIST file {name} is damaged (SHA-256 {found[:12]}..., not "
            f"{_SHA256[split][:12]}...); {cure}"
        )
    return content
