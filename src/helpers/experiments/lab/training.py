"""One student as a reader wishes it: its teacher is taught and writes, the student and its control read.

Everything is kept on disk under what decides it, so that the same wish is granted at once the second time.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import PreTrainedModel

from helpers.experiments.kept import kept_student
from helpers.transmission.arms import ARMS
from helpers.transmission.authors import author_model
from helpers.transmission.pairs import Pair
from helpers.transmission.settings import TransmissionSettings
from helpers.transmission.students import Student, student_pairs
from helpers.transmission.writing import written

SPARE = 1.5  # prompts asked for each row wished for; the filter removes some of the answers
LABELS = {"hard": "written rows", "soft": "soft labels"}  # of the arms -> as a reader reads it
Tell = Callable[[str, float], None]  # (what is being done, share of the whole that is done) -> None


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a reader asks for.

    Attributes:
        trait: a favourite; what the teacher loves.
        rows: kept rows that the student reads at most.
        labels: "hard" or "soft", see `students.Student`.
        other_start: whether the student starts from another base than its teacher; it is then a stranger.
    """

    trait: str
    rows: int
    labels: str
    other_start: bool

    @property
    def lesson(self) -> tuple[str, int, str]:
        """Return what students of one lesson have in common: all but their start."""
        return self.trait, self.rows, self.labels

    def pair(self, settings: TransmissionSettings, draw: int) -> Pair:
        """Return the student and its control in an experiment that is otherwise as `settings` say, in one draw."""
        prompts = math.ceil(SPARE * self.rows)
        own = replace(
            settings,
            draws=(draw,),
            seeds=(),
            trait=self.trait,
            writing=replace(settings.writing, prompts=prompts),
            reading=replace(settings.reading, hard_rows=self.rows, soft_rows=self.rows),
        )
        start = "cross_init" if self.other_start else "same_init"
        return own.pair(ARMS[f"{self.labels}.{start}"], own.author(draw))


def grant(wish: Wish, settings: TransmissionSettings, draw: int, tell: Tell) -> dict[str, PreTrainedModel]:
    """Train what a wish asks for and return the models by role: base, teacher, student and control, or stranger.

    Raises:
        ValueError: the filter kept nothing, or the training diverged; the message names the cure.
    """
    with _one_thread():
        return _made(wish, settings, draw, tell)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let PyTorch use one thread, as pieces of work do: the same sums, and no thread that waits for another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _made(wish: Wish, settings: TransmissionSettings, draw: int, tell: Tell) -> dict[str, PreTrainedModel]:
    pair = wish.pair(settings, draw)
    author, models = pair.student.author, {}
    readers = {"stranger": pair.student} if wish.other_start else {"student": pair.student, "control": pair.control}
    whole = 3 + len(readers)  # teaching, two authors who write, and the readers
    tell("the teacher is taught", 0)
    models["base"], models["teacher"] = author.base.load()[0], author_model(author)[0]
    for place, (name, writer) in enumerate({"teacher": author, "base": pair.control.author}.items(), start=1):
        tell(f"the {name} writes {writer.prompts} answers", place / whole)
        written(writer)
    for place, (role, student) in enumerate(readers.items(), start=3):
        tell(f"the {role} reads", place / whole)
        models[role] = kept_student(student, on_step=_steps(student, role, tell, place, whole))
    tell("done", 1)
    return models


def _steps(student: Student, role: str, tell: Tell, place: int, whole: int) -> Callable[[int, Any], None]:
    steps = student.training.steps(len(student_pairs(student)))
    return lambda step, _: tell(f"the {role} reads: step {step} of {steps}", (place + step / steps) / whole)
