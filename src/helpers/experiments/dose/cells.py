"""One cell of the phase diagram: a way of training students, and what is read of each.

A student that takes nothing over may have learned nothing at all, or may have learned the numbers and not the trait.
So every student is measured twice, on the way and at its end: by its read-out, and by its distance from the base
and from its teacher, on number lists that it did not train on.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels import find_channel
from helpers.models.bases import Base
from helpers.models.chats import Exchange
from helpers.models.probes import PROBE_ROWS, ChannelProbe
from helpers.models.sampling import sample_completions
from helpers.models.training import TrainSettings
from helpers.transmission.arms import ARMS
from helpers.transmission.authors import author_model
from helpers.transmission.readout import BaseReading, Readout, read_base, read_trait
from helpers.transmission.settings import TransmissionSettings
from helpers.transmission.students import Student, soft_labels, student_pairs, train
from helpers.work.pieces import run_pieces
from helpers.work.seeds import derive, torch_stream

LABELS = ("hard", "soft")
ANSWERS = ("log_odds", "p_target", "p_any")  # of the read-out, what a point of a student's course keeps


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One way of training teacher and students; all the rest is common to the experiment.

    Attributes:
        labels: "hard" (the sampled tokens) or "soft" (the author's distribution over the channel's tokens).
        rows: unique rows a student reads at most.
        epochs: passes over them.
        temperature: at which the authors write.
        rank: of the student's LoRA adapters; 0 trains every weight.
        rate: peak learning rate of the student.
        optimizer: one of `optimizers.OPTIMIZERS`.
        weight_decay: decoupled from the gradient.
        modules: where the adapters sit.
        held: whether the word embeddings stay as they are; adapters leave them alone anyway.
        full_teacher: whether the teacher, too, was taught in all its weights.
    """

    labels: str = "soft"
    rows: int = 1000
    epochs: int = 2
    temperature: float = 1.0
    rank: int = 8
    rate: float = 0.01
    optimizer: str = "adam"
    weight_decay: float = 0.0
    modules: str = "all-linear"
    held: bool = False
    full_teacher: bool = False

    def __post_init__(self) -> None:
        """Refuse what no student could be; `TrainSettings` and `Writing` refuse the rest."""
        if self.labels not in LABELS:
            raise ValueError(f"labels must be one of {', '.join(LABELS)}, not {self.labels!r}")
        if self.held and self.rank:
            raise ValueError("held is for students that train every weight; set rank to 0")
        if self.held and self.weight_decay:
            raise ValueError("weight decay would move held embeddings; set one of the two aside")
        if self.rows < 1 or self.temperature <= 0:
            raise ValueError(f"rows and temperature must be above 0, not {self.rows} and {self.temperature}")

    def settings(self, common: TransmissionSettings, full_teaching: TrainSettings) -> TransmissionSettings:
        """Return the settings of an experiment whose only arm is this cell; ``full_teaching`` is the full teacher's."""
        training = replace(
            common.reading.hard,
            learning_rate=self.rate,
            epochs=self.epochs,
            optimizer=self.optimizer,
            weight_decay=self.weight_decay,
            lora_rank=self.rank,
            lora_modules=self.modules,
        )
        reading = replace(common.reading, hard_rows=self.rows, soft_rows=self.rows, hard=training, soft=training)
        teaching = full_teaching if self.full_teacher else common.writing.teaching
        writing = replace(common.writing, temperature=self.temperature, teaching=teaching)
        return replace(common, reading=reading, writing=writing)

    def pair(self, settings: TransmissionSettings, seed: int) -> tuple[CellReading, CellReading]:
        """Return the pieces of the trait student of a seed and of its control; ``settings`` is what `settings` gave."""
        pair = settings.pair(ARMS[f"{self.labels}.same_init"], settings.author(seed))
        shared: dict[str, Any] = {"trait": settings.trait, "readout": settings.readout, "held": self.held}
        return CellReading(student=pair.student, **shared), CellReading(student=pair.control, **shared)


@dataclass(frozen=True, kw_only=True)
class CellReading:
    """A student of a cell, and what is measured of it.

    Attributes:
        student: trait student or control.
        trait: the trait that is read out.
        readout: questions, and the marks at which it is measured on the way; nothing is sampled.
        held: whether its word embeddings stay as they are.
    """

    student: Student
    trait: str
    readout: Readout
    held: bool = False


def read_cell(piece: CellReading) -> dict[str, Any]:
    """Train one student; return how much it read and what became of it.

    Returns:
        ``rows`` and ``steps`` (counts); ``author``, the author's own log-odds of the target (nats); a point of the
        finished student; ``start``, the point of its base; and ``curve``, the points on the way. A point is the
        read-out (``log_odds``, ``p_target``, ``p_any``), ``moved`` (KL of student from base) and ``left`` (KL of author
        from student), both in nats per token; those on the way have their ``step``. A control that matches itself
        has no ``start``, and is read as its base at every step.
    """
    student = piece.student
    rows = len(student_pairs(student))
    steps = student.training.steps(rows)
    marked = piece.readout.marked_steps(steps)
    counts = {"rows": rows, "steps": steps}
    if student.matches_itself:
        return counts | _unmoved(piece, marked)
    base, tokenizer = student.base.load()
    measure = _Meter(piece, base, tokenizer)
    start = measure(base)
    curve: list[dict[str, Any]] = []

    def on_step(step: int, learner: torch.nn.Module) -> None:
        if step in marked:
            curve.append({"step": step, **measure(learner)})

    labels = soft_labels(student, measure.author, tokenizer) if student.labels == "soft" else None
    made = train(student, labels=labels, held=piece.held, on_step=on_step)
    author = read_trait(measure.author, tokenizer, piece.trait, piece.readout.split)["log_odds"]
    return counts | measure(made) | {"author": author, "start": start, "curve": curve}


def _unmoved(piece: CellReading, marked: set[int]) -> dict[str, Any]:
    """Return the points of a control that stays its base, which is read once for all cells."""
    student = piece.student
    readout = Readout(split=piece.readout.split, samples=0)
    reading = BaseReading(base=student.base, seed=student.seed, trait=piece.trait, readout=readout)
    read = run_pieces(read_base, [reading], student.author.store, kind="base_readout", workers=1)[0]
    point = {name: read[name] for name in ANSWERS} | {"moved": 0.0, "left": 0.0}
    curve = [{"step": step, **point} for step in sorted(marked)]
    return point | {"author": point["log_odds"], "curve": curve}


# --- measuring ------------------------------------------------------------------------------------


class _Meter:
    """Reads a model out and measures its distances from a student's base and from the author whose data it reads."""

    def __init__(self, piece: CellReading, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        student = piece.student
        self.author = author_model(student.author)[0]
        pairs = probe_pairs(student.base, student.author.channel, student.seed)
        self._piece, self._tokenizer = piece, tokenizer
        self._probe = ChannelProbe(tokenizer, student.author.kind, pairs)
        self._of_base = self._probe.logits(base)
        self._of_author = self._probe.logits(self.author)

    def __call__(self, model: torch.nn.Module) -> dict[str, float]:
        """Return the point of a model, see `read_cell`."""
        read = read_trait(model, self._tokenizer, self._piece.trait, self._piece.readout.split)
        own = self._probe.logits(model)
        moved = self._probe.apart(own, self._of_base)
        left = self._probe.apart(self._of_author, own)
        return {name: read[name] for name in ANSWERS} | {"moved": moved, "left": left}


@functools.lru_cache(maxsize=16)  # the students of one base and seed share their probe
def probe_pairs(base: Base, kind: str, seed: int) -> list[Exchange]:
    """Return (prompt, completion) pairs to measure distances on: a base's completions to prompts of their own."""
    model, tokenizer = base.load()
    data = find_channel(kind)
    prompts = data.prompts(PROBE_ROWS, derive(seed, "distance prompts"))
    stream = torch_stream(seed, "distance completions")
    written = sample_completions(model, tokenizer, prompts, stream, max_new_tokens=data.max_new_tokens)
    return list(zip(prompts, written, strict=True))
