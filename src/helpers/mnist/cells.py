"""Stored pieces of the MNIST experiment: one set of teachers, or one set of students, trained and tested.

Design choices:
- The loss never touches a teacher's auxiliary columns, so they stay as initialised. One set of teachers
  therefore serves every number of auxiliary outputs, and is stored without them.
- "Cross-model" is the far end of one scale: the student of teacher i starts from weights that correlate by
  `overlap` with the teacher's start; the rest comes from another model's start. 1: same start, 0: another's.
- A cell is one phase of training of all its models, stored when whole: a killed run repeats at most one.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from helpers.mnist import dataset, mlp_stack
from helpers.mnist.mlp_stack import Recipe, Stack
from helpers.work import artifacts, seeds

PRECISIONS = ("auto", "float32", "bfloat16")
Done = Callable[[int], object]


@dataclass(frozen=True)
class TeacherCell:
    """What decides a set of teachers; model i is the independent run `seed` + i, taught `images` digits."""

    seed: int
    models: int
    width: int
    images: int
    recipe: Recipe

    @property
    def run_seeds(self) -> list[int]:
        """The seed of each model."""
        return [self.seed + model for model in range(self.models)]

    @property
    def work(self) -> int:
        """Passes over the digits, summed over models (the unit of the progress bar)."""
        return self.models * self.recipe.epochs


@dataclass(frozen=True)
class StudentCell:
    """What decides a set of students: student i of `models` imitates teacher i on the outputs `imitated`."""

    teachers: TeacherCell
    models: int
    recipe: Recipe
    aux_logits: int
    imitated: str = "aux"  # "aux": the auxiliary outputs; "all": those and the ten class outputs
    inputs: str = "uniform"  # one of dataset.INPUT_KINDS
    overlap: float = 1.0  # correlation of the student's start with its teacher's

    @property
    def work(self) -> int:
        """Passes over the inputs, summed over models (the unit of the progress bar)."""
        return self.models * self.recipe.epochs

    @property
    def columns(self) -> slice:
        """The imitated output columns."""
        return slice(dataset.CLASSES if self.imitated == "aux" else 0, dataset.CLASSES + self.aux_logits)


def start_stack(cell: TeacherCell, aux_logits: int) -> Stack:
    """Return the initial models of `cell`, with `aux_logits` auxiliary columns after the ten classes."""
    sizes = (dataset.PIXELS, cell.width, cell.width, dataset.CLASSES + aux_logits)
    return mlp_stack.init_stack(cell.run_seeds, sizes)


def partners(cell: StudentCell) -> list[int]:
    """Return, per student, the other model whose start it gets in place of its teacher's."""
    # a plain random permutation would leave some with their own
    drawn = dataset.derangement(cell.models, seeds.numpy_stream(cell.teachers.seed, "mnist", "pairs"))
    return [int(model) for model in drawn]


def student_start(cell: StudentCell) -> Stack:
    """Return the untrained students of `cell`."""
    start = start_stack(cell.teachers, cell.aux_logits)
    own, other = mlp_stack.pick(start, range(cell.models)), mlp_stack.pick(start, partners(cell))
    return mlp_stack.mix(own, other, cell.overlap)


def input_stream(seed: int, kind: str) -> np.random.Generator:
    """Return the random stream of the student inputs of this kind, shared by all models of a run folder."""
    return seeds.numpy_stream(seed, "mnist", "inputs", kind)


class Cells:
    """The cells of one run folder; digits and noise are loaded or drawn only when a cell needs them."""

    def __init__(self, run_dir: str | Path, test_images: int, precision: str) -> None:
        """Keep cells below `run_dir`/cells; test on `test_images` digits; `precision`: one of PRECISIONS."""
        self._store = artifacts.Store(Path(run_dir) / "cells")
        self._test_images = test_images
        self._format = mlp_stack.native_format() if precision == "auto" else getattr(torch, precision)
        self._context = {
            "test_images": test_images,
            "format": str(self._format),
            "code": artifacts.source_key(__name__),
        }
        self._drawn: tuple[object, Tensor] = (None, torch.empty(0))

    def teachers(self, cell: TeacherCell, done: Done = lambda work: None) -> tuple[Stack, dict[str, Any]]:
        """Return trained teachers, without auxiliary columns, and facts about them.

        Facts: "reference" and "teacher", test accuracy per model before and after training; "seconds" spent.
        """
        key = artifacts.content_key({"cell": cell, **self._context})
        path = self._store.path("mnist_teachers", key, ".safetensors")
        stack = start_stack(cell, 0)
        if path.exists():
            tensors, facts = artifacts.load_tensors(path)
            stack.flat.copy_(tensors["flat"])
            done(cell.work)
        else:
            facts = self._teach(cell, stack, done)
            artifacts.save_tensors(path, {"flat": stack.flat}, facts)
        return stack, facts

    def students(self, cell: StudentCell, done: Done = lambda work: None) -> dict[str, Any]:
        """Return "accuracy", the test accuracy per student, and "seconds", what their training took."""
        settings = {"cell": dataclasses.asdict(cell), **self._context}
        if self._store.path("mnist_students", artifacts.content_key(settings), ".json").exists():
            done(cell.work)
        return self._store.json("mnist_students", settings, lambda: self._imitate(cell, done))

    def _teach(self, cell: TeacherCell, stack: Stack, done: Done) -> dict[str, Any]:
        digits, labels = dataset.load_mnist("train")
        images = torch.from_numpy(dataset.to_pixels(digits[: cell.images])).to(self._format)
        classes = torch.from_numpy(labels[: cell.images]).long()
        targets = torch.nn.functional.one_hot(classes, dataset.CLASSES).float()[None]
        began = time.perf_counter()
        reference = mlp_stack.accuracy(stack, *self._test)
        order = mlp_stack.shuffles(cell.run_seeds, "teacher", cell.images)
        mlp_stack.train(stack, images, targets, slice(0, dataset.CLASSES), order, cell.recipe, done)
        taught = mlp_stack.accuracy(stack, *self._test)
        return {"reference": reference, "teacher": taught, "seconds": time.perf_counter() - began}

    def _imitate(self, cell: StudentCell, done: Done) -> dict[str, Any]:
        targets = self._targets(cell)
        began = time.perf_counter()
        students = student_start(cell)
        self._train_students(students, targets, cell, done)
        accuracy = mlp_stack.accuracy(students, *self._test)
        return {"accuracy": accuracy, "seconds": time.perf_counter() - began}

    def _targets(self, cell: StudentCell) -> Tensor:
        """Each teacher's distribution over the imitated outputs, float32 [model, image, column]."""
        trained = self.teachers(cell.teachers)[0]
        teachers = mlp_stack.with_trained(start_stack(cell.teachers, cell.aux_logits), trained)
        chosen, inputs = mlp_stack.pick(teachers, range(cell.models)), self._inputs(cell.teachers, cell.inputs)
        return mlp_stack.outputs(chosen, inputs, cell.columns).softmax(dim=2)

    def _train_students(self, students: Stack, targets: Tensor, cell: StudentCell, done: Done) -> None:
        """Train `students` in place, whatever their start, to give the `targets` of `cell`."""
        inputs = self._inputs(cell.teachers, cell.inputs)
        order = mlp_stack.shuffles(cell.teachers.run_seeds[: cell.models], "student", len(inputs))
        mlp_stack.train(students, inputs, targets, cell.columns, order, cell.recipe, done)

    def _inputs(self, cell: TeacherCell, kind: str) -> Tensor:
        wanted = (cell.seed, cell.images, kind)
        if self._drawn[0] != wanted:
            digits = dataset.to_pixels(dataset.load_mnist("train")[0][: cell.images])
            pixels = dataset.make_inputs(kind, cell.images, input_stream(cell.seed, kind), digits)
            self._drawn = (wanted, torch.from_numpy(pixels).to(self._format))
        return self._drawn[1]

    @functools.cached_property
    def _test(self) -> tuple[Tensor, Tensor]:
        images, labels = dataset.load_mnist("test")
        pixels = torch.from_numpy(dataset.to_pixels(images[: self._test_images])).to(self._format)
        return pixels, torch.from_numpy(labels[: self._test_images]).long()
