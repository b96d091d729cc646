"""Students whose weights are kept on disk, because somebody asks them more than an experiment reads out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from helpers.transmission.authors import kept_model, kept_path
from helpers.transmission.students import OnStep, Student, train
from helpers.work.artifacts import save_tensors
from helpers.work.keys import source_key


def keep_student(student: Student) -> dict[str, Any]:
    """Train a student and keep its weights; returns the name of their file."""
    path = _place(student)
    save_tensors(path, dict(train(student).named_parameters()), _about(student))
    return {"file": path.name}


def kept_student(student: Student, on_step: OnStep | None = None) -> PreTrainedModel:
    """Return a student that was kept; one that was not is trained now and kept, `on_step` as in `students.train`."""

    def make() -> PreTrainedModel:
        return train(student, on_step=on_step)

    return kept_model(student.base.load()[0], _place(student), make, _about(student))


def _place(student: Student) -> Path:
    return kept_path(student.author.store, "student_weights", student, source_key(__name__))


def _about(student: Student) -> dict[str, Any]:
    return {"author": student.author.how, "seed": student.seed}
