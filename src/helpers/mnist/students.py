"""Students of the MNIST experiment: each imitates some outputs of its teacher on images that show nothing.

"Another start" is the far end of one scale: a student starts from weights that correlate by `overlap` with its
teacher's start; the rest comes from another draw's start. 1: same start, 0: another's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from helpers.mnist import dataset, inputs, mlp
from helpers.mnist.mlp import Mlp, Recipe
from helpers.mnist.teachers import Teacher, taught, teach_all
from helpers.work import checks
from helpers.work.artifacts import Store
from helpers.work.pieces import run_pieces
from helpers.work.seeds import derive, numpy_stream


@dataclass(frozen=True, kw_only=True)
class Student:
    """What decides a student.

    Attributes:
        teacher: whom it imitates.
        recipe: how it is trained.
        aux_logits: auxiliary outputs.
        imitated: "aux", the auxiliary outputs, or "all", those and the ten class outputs.
        inputs: the images on which it imitates, one of `dataset.INPUT_KINDS`.
        overlap: correlation of its start with its teacher's.
        pool: draws among which starts are swapped, see `partner`.
    """

    teacher: Teacher
    recipe: Recipe
    aux_logits: int
    imitated: str = "aux"
    inputs: str = "uniform"
    overlap: float = 1.0
    pool: int

    def __post_init__(self) -> None:
        """Refuse values no student could use, with a ValueError that names the field and the cure."""
        checks.require_counts(self, "aux_logits")
        checks.require_among(self, "imitated", ("aux", "all"))
        checks.require_among(self, "inputs", dataset.INPUT_KINDS)
        checks.require_within(self, "overlap", 0.0, 1.0)

    @property
    def columns(self) -> slice:
        """The imitated output columns."""
        return slice(dataset.CLASSES if self.imitated == "aux" else 0, dataset.CLASSES + self.aux_logits)

    def changed(self, **changes: Any) -> Student:
        """Return this student with other values; "width" is its teacher's as well, "learning_rate" its own alone."""
        if "width" in changes:
            changes["teacher"] = dataclasses.replace(self.teacher, width=changes.pop("width"))
        if "learning_rate" in changes:
            changes["recipe"] = dataclasses.replace(self.recipe, learning_rate=changes.pop("learning_rate"))
        return dataclasses.replace(self, **changes)

    def start(self) -> Mlp:
        """Return the untrained student."""
        own = self.teacher.start(self.aux_logits)
        if self.overlap == 1.0:
            return own
        other = mlp.start(partner(self.teacher.draw, self.pool), own.sizes, self.teacher.wide)
        return mlp.mix(own, other, self.overlap)


def partner(draw: int, pool: int) -> int:
    """Return the seed of the start that a student of `draw` gets in place of its teacher's.

    Draws below `pool` swap starts among each other, whichever of them are computed; any other draw gets a start that
    no draw has.
    """
    if draw >= pool:
        return derive(draw, "mnist", "stranger")
    # a plain random permutation would leave some with their own
    return int(dataset.derangement(pool, numpy_stream(inputs.SHARED, "mnist", "pairs"))[draw])


def imitate(student: Student) -> dict[str, Any]:
    """Train one student; ``before`` and ``accuracy``: shares of test digits it reads before and after."""
    network = student.start()
    before = student.teacher.accuracy(network)
    train_student(network, student)
    return {"before": before, "accuracy": student.teacher.accuracy(network)}


def train_student(network: Mlp, student: Student) -> None:
    """Train `network` in place, whatever its start, to give the outputs that `student` imitates."""
    teacher = student.teacher
    images = inputs.shared_images("inputs", student.inputs, teacher.images, teacher.precision)
    model = taught(teacher, student.aux_logits)
    targets = mlp.outputs(model, images, student.columns).softmax(dim=1)
    order = mlp.shuffles(teacher.draw, "student", teacher.images)
    mlp.train(network, images, targets, student.columns, order, student.recipe)


def imitate_all(students: Sequence[Student], workers: int, label: str) -> list[dict[str, Any]]:
    """Train those students that their run folder does not hold yet, their teachers first; see `imitate`."""
    if not students:
        return []
    teach_all([student.teacher for student in students], workers)  # or several workers would begin with one teacher
    store = Store.of_run(students[0].teacher.run_dir)
    return run_pieces(imitate, students, store, kind="mnist_students", workers=workers, label=label)
