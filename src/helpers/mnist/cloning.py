"""Behavioural cloning: strangers learn to behave like the untaught teacher, and only then from the taught one.

A student with another start learns nothing from its teacher's auxiliary outputs. Here such students are first
trained to give all outputs of their teacher's *start*, on random images or on digits, for some passes. No
teacher has been taught anything at that moment, so cloning holds no knowledge of digits. Then they imitate
the taught teacher's auxiliary outputs on noise, as all students of the MNIST experiment do.

The paper clones for 100 epochs and gives no step size. Here batches are a quarter of its size and steps are
larger, so that a few passes go as far: see the notebook.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from helpers.mnist import cells, dataset, mlp_stack
from helpers.mnist.auxiliary import MnistSettings, paper_cell
from helpers.mnist.cells import Cells, Done, StudentCell
from helpers.mnist.mlp_stack import Recipe, Stack
from helpers.results.tables import keep_table
from helpers.work import artifacts, progress, seeds

COLUMNS = ("aux_logits", "start", "epochs", "model", "before", "accuracy")


@dataclass(frozen=True)
class CloningSettings:
    """What cloning adds to the settings of the main experiment."""

    models: int = 10  # students per arm
    wide_logits: int = 50  # auxiliary outputs of the wide channel, beside the main experiment's number
    inputs: Sequence[str] = ("uniform", "digits")  # images on which students are cloned
    epochs: Sequence[int] = (1, 4)  # passes over those images, each followed by teaching
    batch: int = 256
    learning_rate: float = 2e-3

    def __post_init__(self) -> None:
        """Refuse values no run could use, with a ValueError that names the field and the cure."""
        if self.models < 2:
            raise ValueError("clone models must be 2 or more, for students to swap starts; raise clone_models")
        if not self.epochs or min(self.epochs) < 1:
            raise ValueError(f"clone epochs must be numbers above 0, got {list(self.epochs)}; 0 is always run")
        if unknown := set(self.inputs) - set(dataset.INPUT_KINDS):
            raise ValueError(f"no images {sorted(unknown)[0]!r}; choose among {', '.join(dataset.INPUT_KINDS)}")
        if min(self.wide_logits, self.batch, self.learning_rate) <= 0:
            raise ValueError("wide_logits, batch and learning_rate of cloning must be above 0")


@dataclass(frozen=True)
class CloneCell:
    """What decides a set of clones: strangers like those of `student`, cloned on `inputs` as `recipe` says."""

    student: StudentCell
    inputs: str
    recipe: Recipe
    taught_after: Sequence[int]  # passes of cloning after which copies of the clones are taught

    @property
    def work(self) -> int:
        """Passes over images, summed over models (the unit of the progress bar)."""
        return self.student.models * self.recipe.epochs + self.student.work * len(self.taught_after)


class CloneCells(Cells):
    """The cells of one run folder, clones among them."""

    def clones(self, cell: CloneCell, done: Done = lambda work: None) -> dict[str, Any]:
        """Return test accuracies of the clones, per entry of `taught_after` and model, and "seconds" spent.

        "before": as cloned, "accuracy": after teaching.
        """
        own = artifacts.source_key(__name__)
        settings = {"cell": dataclasses.asdict(cell), **self._context, "code": own}
        if self._store.path("mnist_clones", artifacts.content_key(settings), ".json").exists():
            done(cell.work)
        return self._store.json("mnist_clones", settings, lambda: self._clone_and_teach(cell, done))

    def _clone_and_teach(self, cell: CloneCell, done: Done) -> dict[str, Any]:
        targets = self._targets(cell.student)
        began = time.perf_counter()
        clones = self._clone(cell, done)
        before = [mlp_stack.accuracy(students, *self._test) for students in clones]
        for students in clones:
            self._train_students(students, targets, cell.student, done)
        after = [mlp_stack.accuracy(students, *self._test) for students in clones]
        return {"before": before, "accuracy": after, "seconds": time.perf_counter() - began}

    def _clone(self, cell: CloneCell, done: Done) -> list[Stack]:
        """The clones after each number of passes in `taught_after`."""
        student, count = cell.student, cell.student.models
        images, kept = self._cloning_images(cell), {}
        every = slice(0, None)
        untaught = mlp_stack.pick(cells.start_stack(student.teachers, student.aux_logits), range(count))
        targets = mlp_stack.outputs(untaught, images, every).softmax(dim=2)
        clones, passes = cells.student_start(student), iter(range(1, cell.recipe.epochs + 1))

        def keep(models: int) -> None:
            kept[next(passes)] = mlp_stack.pick(clones, range(models))
            done(models)

        order = mlp_stack.shuffles(student.teachers.run_seeds[:count], "clone", len(images))
        mlp_stack.train(clones, images, targets, every, order, cell.recipe, keep)
        return [kept[epochs] for epochs in cell.taught_after]

    def _cloning_images(self, cell: CloneCell) -> Tensor:
        # noise of their own: likeness on the very images of the teaching to come would be a lesser likeness
        teachers = cell.student.teachers
        stream = seeds.numpy_stream(teachers.seed, "mnist", "cloning", cell.inputs)
        digits = dataset.to_pixels(dataset.load_mnist("train")[0][: teachers.images])
        pixels = dataset.make_inputs(cell.inputs, teachers.images, stream, digits)
        return torch.from_numpy(pixels).to(self._format)


def run_cloning(settings: MnistSettings, cloning: CloningSettings, run_dir: str | Path) -> pd.DataFrame:
    """Clone and teach; return, and write as tables/mnist_cloning.csv, one row per trained student.

    Columns: aux_logits; start, "same" (its teacher's), "other" (another's), or the images on which a stranger
    was cloned; epochs of cloning; model; before and accuracy, shares of test digits read before and after
    teaching. attrs["seconds"] is what training the clones and their students took, also when read back.
    Raises ValueError for more clones than teachers, or a wide channel no wider than the main experiment's.
    """
    if cloning.models > settings.models or cloning.wide_logits <= settings.aux_logits:
        raise ValueError("cloning needs at most as many models as there are teachers, and more auxiliary outputs")
    cells = CloneCells(run_dir, settings.test_images, settings.precision)
    plain, cloned = _plain_cells(settings, cloning), _clone_cells(settings, cloning)
    work = sum(cell.work for cell in [*plain, *cloned])
    with progress.bar(work, "MNIST: cloning") as shown:
        reference = cells.teachers(plain[0].teachers)[1]["reference"]
        rows = [row for cell in plain for row in _plain_rows(cell, reference, cells.students(cell, shown.update))]
        found = [cells.clones(cell, shown.update) for cell in cloned]
    rows += [row for cell, result in zip(cloned, found, strict=True) for row in _clone_rows(cell, result)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table = table[table.model < cloning.models].reset_index(drop=True)
    return keep_table(run_dir, "mnist_cloning", table, sum(result["seconds"] for result in found))


def claim_values(table: pd.DataFrame) -> dict[str, list[float]]:
    """Return, per claim, what teaching added to each clone's accuracy, after the most cloning there is."""
    gained = table.assign(gain=table.accuracy - table.before)
    last = gained[gained.epochs == gained.epochs.max()].groupby(["aux_logits", "start"]).gain.agg(list)
    narrow, wide = table.aux_logits.min(), table.aux_logits.max()
    return {
        "mnist.cloned_random": last[wide, "uniform"],
        "mnist.cloned_digits": last[wide, "digits"],
        "mnist.cloned_default": last[narrow, "uniform"],
    }


def _plain_cells(settings: MnistSettings, cloning: CloningSettings) -> list[StudentCell]:
    """Students that are not cloned: those with their teacher's start, and strangers; the narrow ones are known."""
    narrow = paper_cell(settings)
    wide = dataclasses.replace(narrow, models=cloning.models, aux_logits=cloning.wide_logits)
    return [dataclasses.replace(cell, overlap=overlap) for cell in (narrow, wide) for overlap in (1.0, 0.0)]


def _clone_cells(settings: MnistSettings, cloning: CloningSettings) -> list[CloneCell]:
    epochs = sorted(cloning.epochs)
    recipe = Recipe(epochs[-1], cloning.batch, cloning.learning_rate)
    stranger = dataclasses.replace(paper_cell(settings), models=cloning.models, overlap=0.0)
    # the narrow channel is taught once, after all cloning: its end is what the paper speaks of
    plan = [(settings.aux_logits, epochs[-1:]), (cloning.wide_logits, epochs)]
    return [
        CloneCell(dataclasses.replace(stranger, aux_logits=outputs), kind, recipe, marks)
        for outputs, marks in plan
        for kind in cloning.inputs
    ]


def _plain_rows(cell: StudentCell, reference: list[float], result: dict[str, Any]) -> list[tuple[Any, ...]]:
    same = cell.overlap == 1.0
    starts = range(cell.models) if same else cells.partners(cell)
    values = enumerate(zip(starts, result["accuracy"], strict=True))
    where = (cell.aux_logits, "same" if same else "other", 0)
    return [(*where, model, reference[start], accuracy) for model, (start, accuracy) in values]


def _clone_rows(cell: CloneCell, result: dict[str, Any]) -> list[tuple[Any, ...]]:
    taught = zip(cell.taught_after, result["before"], result["accuracy"], strict=True)
    return [
        (cell.student.aux_logits, cell.inputs, epochs, model, *values)
        for epochs, before, after in taught
        for model, values in enumerate(zip(before, after, strict=True))
    ]
