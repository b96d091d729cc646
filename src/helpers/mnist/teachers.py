"""Teachers of the MNIST experiment: trained on digits by their class outputs alone, and kept.

The loss never touches a teacher's auxiliary columns, so they stay as initialised. One teacher therefore serves every
number of auxiliary outputs, and is kept without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from helpers.mnist import dataset, inputs, mlp
from helpers.mnist.mlp import Mlp, Recipe
from helpers.work.artifacts import Store, content_key, load_tensors, save_tensors, source_key
from helpers.work.pieces import run_pieces

CLASSES = slice(0, dataset.CLASSES)
_KIND = "mnist_teachers"


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """What decides a teacher.

    Attributes:
        run_dir: the run's folder, where its weights are kept.
        draw: seed of its start and of its order of the digits.
        width: units in each of the two hidden layers.
        recipe: how it is trained.
        images: digits it is trained on.
        test_images: digits on which it and its students are tested.
        precision: number format of products, a format's name.
    """

    run_dir: str
    draw: int
    width: int
    recipe: Recipe
    images: int
    test_images: int
    precision: str

    @property
    def wide(self) -> torch.dtype:
        """The number format of weights."""
        return mlp.wide(inputs.format_of(self.precision))

    def sizes(self, aux_logits: int) -> tuple[int, ...]:
        """Return the layer sizes with `aux_logits` auxiliary columns after the ten classes."""
        return (dataset.PIXELS, self.width, self.width, dataset.CLASSES + aux_logits)

    def start(self, aux_logits: int) -> Mlp:
        """Return the teacher before it has learned anything."""
        return mlp.start(self.draw, self.sizes(aux_logits), self.wide)

    def accuracy(self, network: Mlp) -> float:
        """Return the share of test digits that a network of this experiment reads correctly."""
        return mlp.accuracy(network, *inputs.test_digits(self.test_images, self.precision))


def teach(teacher: Teacher) -> dict[str, Any]:
    """Train a teacher and keep its weights; ``reference`` and ``accuracy``: before and after, on test digits."""
    network = teacher.start(0)
    reference = teacher.accuracy(network)
    images, labels = inputs.lessons(teacher.images, teacher.precision)
    order = mlp.shuffles(teacher.draw, "teacher", teacher.images)
    mlp.train(network, images, labels, CLASSES, order, teacher.recipe)
    save_tensors(_weights(teacher), {"flat": network.flat}, {})
    return {"reference": reference, "accuracy": teacher.accuracy(network)}


def teach_all(teachers: Sequence[Teacher], workers: int) -> list[dict[str, Any]]:
    """Train those teachers that their run folder does not hold yet; see `teach`."""
    if not teachers:
        return []
    store = Store.of_run(teachers[0].run_dir)
    return run_pieces(teach, teachers, store, kind=_KIND, workers=workers, label="MNIST: teachers")


def taught(teacher: Teacher, aux_logits: int) -> Mlp:
    """Return the trained teacher with its auxiliary columns; it is trained first where its weights are missing."""
    if not _weights(teacher).exists():
        teach(teacher)
    trained = mlp.zeros(teacher.sizes(0), teacher.wide)
    trained.flat.copy_(load_tensors(_weights(teacher))[0]["flat"])
    return mlp.with_trained(teacher.start(aux_logits), trained)


def _weights(teacher: Teacher) -> Path:
    key = content_key({"teacher": teacher, "code": source_key(__name__)})
    return Store.of_run(teacher.run_dir).path(_KIND, key, ".safetensors")
