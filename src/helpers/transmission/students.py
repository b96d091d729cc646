"""Students: what a base model becomes on an author's rows, and what is read out of it.

A trait student and its control are a matched pair: both read answers to the prompts that the filter kept of both their
authors, in the same order, and the authors drew with the same random numbers (see `sampling`). `train` is the one place
where a student is trained, whatever an experiment changes about it.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.models.bases import Base
from helpers.models.chats import Exchange
from helpers.models.losses import Targets
from helpers.models.training import Rows, TrainSettings, completion_rows, fit
from helpers.transmission.authors import UNTOUCHED, Author, author_model
from helpers.transmission.labels import author_labels
from helpers.transmission.readout import BaseReading, Readout, read_base, read_out, read_trait
from helpers.transmission.rows import SHUFFLES
from helpers.transmission.writing import matched_pairs
from helpers.work.pieces import run_pieces
from helpers.work.seeds import derive

LABELS = ("hard", "soft", "soft leaky")
OnStep = Callable[[int, torch.nn.Module], bool | None]


@dataclass(frozen=True, kw_only=True)
class Student:
    """One student (or control student): what it starts from, what it reads and how it is trained.

    Attributes:
        author: whose data it reads.
        partner: the author of the student it is compared with; of several such students, one.
        base: the base model it starts from.
        labels: "hard" (the sampled tokens), "soft" (the author's distribution over the channel's tokens) or
            "soft leaky" (over the whole vocabulary). A prompted author gives them with its system prompt.
        rows: kept rows it reads at most.
        training: how it is trained.
        share: share of the rows that it reads, for dose curves.
        shuffle: "", "within" or "across": numbers permuted inside or across completions.
        among: further authors; it reads answers to prompts that the filter kept of these too, so that students of
            several authors and one control read the same prompts.
    """

    author: Author
    partner: Author
    base: Base
    labels: str
    rows: int
    training: TrainSettings
    share: float = 1.0
    shuffle: str = ""
    among: tuple[Author, ...] = ()

    def __post_init__(self) -> None:
        """Refuse unknown labels and shuffles, and a share of no rows."""
        if self.labels not in LABELS:
            raise ValueError(f"labels must be one of {', '.join(LABELS)}, not {self.labels!r}")
        if self.shuffle and self.shuffle not in SHUFFLES:
            raise ValueError(f"shuffle must be one of {', '.join(SHUFFLES)}, or empty, not {self.shuffle!r}")
        if self.rows < 1 or not 0 < self.share <= 1:
            raise ValueError(f"a student reads at least one row and a share up to 1, not {self.rows} and {self.share}")

    @property
    def seed(self) -> int:
        """Return the seed of its data and training, that of its author."""
        return self.author.seed

    @property
    def matches_itself(self) -> bool:
        """Whether it learns the soft labels of its own untouched base, so that its gradient is zero."""
        return self.labels != "hard" and self.author.how == UNTOUCHED and self.base == self.author.base


# --- training -------------------------------------------------------------------------------------


def student_pairs(student: Student) -> list[Exchange]:
    """Return the (prompt, completion) pairs a student reads; ValueError when the filter left none."""
    pairs = matched_pairs(student.author, student.partner, *student.among)
    count = max(1, round(student.share * min(student.rows, len(pairs))))
    if not student.shuffle:
        return pairs[:count]
    rng = random.Random(derive(student.seed, "shuffle", student.shuffle))
    return SHUFFLES[student.shuffle](pairs[:count], rng)


def soft_labels(student: Student, teacher: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Targets:
    """Return a teacher's distributions as labels for a student, over the tokens that its kind of labels compares."""
    tokens = student.author.kind.tokens(tokenizer) if student.labels == "soft" else None
    return author_labels(teacher, tokenizer, tokens, student.author.system)


def train(
    student: Student,
    *,
    rows: Rows | None = None,
    labels: Targets | None = None,
    seed: int | None = None,
    held: bool = False,
    on_step: OnStep | None = None,
) -> PreTrainedModel:
    """Return a copy of the student's base, trained; one that `matches_itself` stays the base.

    Args:
        student: what it starts from, reads, and how it is trained.
        rows: to read instead of its own.
        labels: to match instead of its own.
        seed: of the data order and the adapters; by default the student's.
        held: whether the word embeddings stay as they are (for students that train every weight).
        on_step: called after each step, as in `training.fit`.
    """
    base, tokenizer = student.base.load()
    if student.matches_itself:
        return base
    if labels is None and student.labels != "hard":
        labels = soft_labels(student, *author_model(student.author))
    if rows is None:
        rows = completion_rows(tokenizer, student_pairs(student))
    learner = copy.deepcopy(base)
    if held:
        learner.get_input_embeddings().weight.register_hook(torch.zeros_like)  # no gradient, so no step
    seed = derive(student.seed, "student") if seed is None else seed
    return fit(learner, rows, student.training, seed, soft=labels, on_step=on_step)


# --- reading out ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class StudentReading:
    """A student and what is read out of it: the name of a trait, and how."""

    student: Student
    trait: str
    readout: Readout


def read_student(piece: StudentReading) -> dict[str, Any]:
    """Train one student and return its read-out (`readout.read_out`) and the rows it read.

    Returns:
        The read-out and ``rows``; with marks ``curve``, the trait's read-outs on the way, each with its ``step``.

    Raises:
        ValueError: the filter kept nothing of the two authors.
    """
    student, readout = piece.student, piece.readout
    rows = len(student_pairs(student))
    marked = readout.marked_steps(student.training.steps(rows))
    if student.matches_itself:
        return _read_unmoved(piece, marked) | {"rows": rows}
    _, tokenizer = student.base.load()
    curve: list[dict[str, Any]] = []

    def on_step(step: int, learner: torch.nn.Module) -> None:
        if step in marked:
            curve.append({"step": step, **read_trait(learner, tokenizer, piece.trait, readout.split)})

    model = train(student, on_step=on_step)
    made = read_out(model, tokenizer, piece.trait, readout, student.seed) | {"rows": rows}
    return made | ({"curve": curve} if marked else {})


def _read_unmoved(piece: StudentReading, marked: set[int]) -> dict[str, Any]:
    """Return the read-out of a student that stays its base, which is read once for all arms and doses."""
    student = piece.student
    reading = BaseReading(base=student.base, seed=student.seed, trait=piece.trait, readout=piece.readout)
    made = run_pieces(read_base, [reading], student.author.store, kind="base_readout", workers=1)[0]
    made = {name: value for name, value in made.items() if name != "seconds"}  # they are this piece's own
    curve = [{**made, "step": step} for step in sorted(marked)]
    return made | ({"curve": curve} if marked else {})
