"""Behavioural cloning: strangers learn to behave like the untaught teacher, and only then from the taught one.

A student with another start learns nothing from its teacher's auxiliary outputs. Here such students are first trained
to give all outputs of their teacher's *start*, on random images or on digits, for some passes. No teacher has been
taught anything at that moment, so cloning holds no knowledge of digits. Then they imitate the taught teacher's
auxiliary outputs on noise, as all students of the MNIST experiment do.

The paper clones for 100 epochs and gives no step size. Here batches are a quarter of its size and steps are larger, so
that a few passes go as far: see the notebook.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from helpers.mnist import dataset, inputs, mlp
from helpers.mnist.mlp import Mlp, Recipe
from helpers.mnist.settings import MnistSettings, require_first
from helpers.mnist.students import Student, imitate_all, train_student
from helpers.mnist.teachers import teach_all
from helpers.work import checks
from helpers.work.artifacts import Store
from helpers.work.pieces import run_pieces
from helpers.work.tables import keep_table

COLUMNS = ("aux_logits", "start", "epochs", "draw", "before", "accuracy")
_EVERY = slice(0, None)  # output column


@dataclass(frozen=True, kw_only=True)
class CloningSettings:
    """What cloning adds to the settings of the main experiment.

    Attributes:
        models: draws in each arm, the first of all.
        wide_logits: auxiliary outputs of the wide channel, beside the main experiment's number.
        inputs: images on which students are cloned.
        epochs: passes over those images, each followed by teaching.
        batch: rows of a step of cloning.
        learning_rate: its step size.
    """

    models: int = 10
    wide_logits: int = 50
    inputs: Sequence[str] = ("uniform", "digits")
    epochs: Sequence[int] = (1, 4)
    batch: int = 256
    learning_rate: float = 2e-3

    def __post_init__(self) -> None:
        """Refuse values no run could use, with a ValueError that names the field and the cure."""
        checks.require_counts(self, "models", "wide_logits", "epochs", "batch")
        checks.require_sizes(self, "learning_rate")
        checks.require_among(self, "inputs", dataset.INPUT_KINDS)
        if not self.epochs:
            raise ValueError("clone_epochs must name at least one number of passes; none at all is always run")


@dataclass(frozen=True, kw_only=True)
class Clone:
    """What decides a clone.

    Attributes:
        student: the stranger, and how it is taught.
        inputs: the images on which it is cloned.
        recipe: how it is cloned.
        taught_after: passes of cloning after which a copy of it is taught.
    """

    student: Student
    inputs: str
    recipe: Recipe
    taught_after: Sequence[int]


def run_cloning(settings: MnistSettings, cloning: CloningSettings) -> pd.DataFrame:
    """Clone and teach; return, and write as tables/mnist_cloning.csv, one row per trained student.

    Columns: aux_logits; start, "same" (its teacher's), "other" (another's), or the images on which a stranger was
    cloned; epochs of cloning; draw; before and accuracy, shares of test digits read before and after teaching.
    attrs["seconds"] is what the trainings took when they were made. Raises ValueError for more clones than draws, or a
    wide channel no wider than the main experiment's.
    """
    require_first("clone_models", cloning.models, settings.draws)
    rule = f"must be above aux_logits, which is {settings.aux_logits}"
    checks.require("clone_logits", cloning.wide_logits, lambda wide: wide > settings.aux_logits, rule)
    draws = settings.computed(cloning.models)
    rows, seconds = _plain_rows(settings, cloning, draws)
    clones = _clones(settings, cloning, draws)
    teach_all([clone.student.teacher for clone in clones], settings.workers)
    store = Store.of_run(settings.run_dir)
    found = run_pieces(
        clone_and_teach, clones, store, kind="mnist_clones", workers=settings.workers, label="MNIST: cloning"
    )
    for clone, made in zip(clones, found, strict=True):
        rows += _clone_rows(clone, made)
        seconds += made["seconds"]
    return keep_table(settings.run_dir, "mnist_cloning", pd.DataFrame(rows, columns=list(COLUMNS)), seconds)


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


def clone_and_teach(clone: Clone) -> dict[str, Any]:
    """Clone one student and teach copies of it.

    Returns:
        ``marks``: for each entry of `taught_after`, in order, its ``epochs``, and ``before`` and ``accuracy``, shares
        of test digits read as cloned and as taught.
    """
    marks = []
    for epochs, network in cloned(clone).items():
        before = clone.student.teacher.accuracy(network)
        train_student(network, clone.student)
        marks.append({"epochs": epochs, "before": before, "accuracy": clone.student.teacher.accuracy(network)})
    return {"marks": marks}


def cloned(clone: Clone) -> dict[int, Mlp]:
    """Return, for each number of passes in `taught_after`, the stranger as cloned by then."""
    student, teacher = clone.student, clone.student.teacher
    # images of their own: likeness on the very images of the teaching to come would be a lesser likeness
    images = inputs.shared_images("cloning", clone.inputs, teacher.images, teacher.precision)
    targets = mlp.outputs(teacher.start(student.aux_logits), images, _EVERY).softmax(dim=1)
    network, kept = student.start(), {}

    def keep(epochs: int) -> None:
        if epochs in clone.taught_after:
            kept[epochs] = mlp.copy(network)

    order = mlp.shuffles(teacher.draw, "clone", teacher.images)
    mlp.train(network, images, targets, _EVERY, order, clone.recipe, keep)
    return kept


def _clones(settings: MnistSettings, cloning: CloningSettings, draws: Sequence[int]) -> list[Clone]:
    epochs = sorted(cloning.epochs)
    recipe = Recipe(epochs[-1], cloning.batch, cloning.learning_rate)
    # the narrow channel is taught once, after all cloning: its end is what the paper speaks of
    channels = [(settings.aux_logits, epochs[-1:]), (cloning.wide_logits, epochs)]
    clones = []
    for outputs, marks in channels:
        for kind in cloning.inputs:
            for draw in draws:
                stranger = settings.student(draw).changed(aux_logits=outputs, overlap=0.0, pool=cloning.models)
                clones.append(Clone(student=stranger, inputs=kind, recipe=recipe, taught_after=tuple(marks)))
    return clones


def _plain_rows(
    settings: MnistSettings, cloning: CloningSettings, draws: Sequence[int]
) -> tuple[list[dict[str, Any]], float]:
    """Rows of students that are not cloned, and their seconds; the narrow ones are those of the main experiment."""
    wide = {"aux_logits": cloning.wide_logits, "pool": cloning.models}
    rows, seconds = [], 0.0
    for channel in ({}, wide):
        for start, overlap in (("same", 1.0), ("other", 0.0)):
            students = [settings.student(draw).changed(overlap=overlap, **channel) for draw in draws]
            made = imitate_all(students, settings.workers, "MNIST: not cloned")
            for student, result in zip(students, made, strict=True):
                rows.append(_row(student, start, result | {"epochs": 0}))
                seconds += result["seconds"] if channel else 0.0
    return rows, seconds


def _clone_rows(clone: Clone, made: dict[str, Any]) -> list[dict[str, Any]]:
    return [_row(clone.student, clone.inputs, mark) for mark in made["marks"]]


def _row(student: Student, start: str, mark: dict[str, Any]) -> dict[str, Any]:
    own = {"aux_logits": student.aux_logits, "start": start, "draw": student.teacher.draw}
    return own | {name: mark[name] for name in ("epochs", "before", "accuracy")}
