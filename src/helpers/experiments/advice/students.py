"""Students of good and bad advice: what one reads, how it is trained, and what is read out of it and of authors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from helpers.experiments.advice.channels import CHANNELS
from helpers.experiments.advice.readout import read_pairs, sampled
from helpers.experiments.advice.scenery import (
    Author,
    Labels,
    Written,
    adapters,
    base_written,
    kept_places,
    labels,
    load,
    read_rows,
)
from helpers.experiments.advice.settings import BAD, BASE, GOOD, WORDS, WRITTEN
from helpers.models.adapters import wearing
from helpers.models.fronts import FrontRows, KeptLabels, distance, written_labels
from helpers.models.training import fit_adapters
from helpers.work.seeds import derive

WRITERS = (BASE, BAD, GOOD)  # of written rows; a prompt is read where the filter kept all three answers


@dataclass(frozen=True, kw_only=True)
class Student:
    """One student, or a control student.

    Attributes:
        author: whose probabilities or rows it learns from; the base's for a control student of written rows.
        channel: what it reads.
        arm: one of `settings.ARMS`.
        marks: optimizer steps after which it is read.
        samples: replies sampled to each question at the end.
    """

    author: Author
    channel: str
    arm: str
    marks: tuple[int, ...]
    samples: int = 0


def lesson(student: Student) -> tuple[FrontRows, KeptLabels]:
    """Return what a student reads and what it is to match there, over the tokens of its channel alone."""
    if student.arm != WRITTEN:
        wanted = Labels(author=student.author, channel=student.channel, words=student.arm == WORDS)
        return read_rows(base_written(wanted), [BASE]), labels(wanted)
    rows = read_rows(Written(author=student.author, channel=student.channel), WRITERS)
    model, tokenizer = load(student.author.scene)
    tokens = CHANNELS[student.channel].form.tokens(tokenizer)
    return rows, written_labels(rows, tokens, model.config.vocab_size)


def read_student(student: Student) -> dict[str, Any]:
    """Train one student and read it.

    Returns:
        ``curve``: at each mark its ``step`` and ``fields``, see `readout.read_pairs`; ``rows`` that it read; and
        ``replies``, see `readout.sampled`.
    """
    author, scene = student.author, student.author.scene
    rows, wanted = lesson(student)
    curve: list[dict[str, Any]] = []

    def on_step(step: int, learner: torch.nn.Module) -> None:
        if step in student.marks:
            curve.append({"step": step, "fields": read_pairs(learner, scene)})

    seed, reading = derive(author.draw, "real advice student"), scene.reading
    state = fit_adapters(load(scene)[0], rows, reading, seed, soft=wanted, on_step=on_step)
    with wearing(load(scene)[0], state, reading.lora_rank, reading.lora_modules) as taught:
        replies = sampled(taught, scene, author.draw, student.samples)
    return {"curve": curve, "rows": len(rows), "replies": replies}


@dataclass(frozen=True, kw_only=True)
class AuthorReading:
    """An author that is read: the channels in which it is, those that it writes, and how many replies it gives."""

    author: Author
    channels: tuple[str, ...]
    written: tuple[str, ...]
    samples: int = 0


def read_author(piece: AuthorReading) -> dict[str, Any]:
    """Make one author and read it.

    Returns:
        ``fields`` and ``replies`` as `read_student`; ``moved``: by channel, how far its distribution is from the
        untouched base's, nats a token; ``kept``: by channel that it writes, the share that the filter kept.
    """
    author, scene = piece.author, piece.author.scene
    base = Author(scene=scene, draw=author.draw, advice=BASE)
    found: dict[str, Any] = {"moved": {}, "kept": {}}
    for channel in piece.channels:
        before, after = (labels(Labels(author=one, channel=channel)) for one in (base, author))
        found["moved"][channel] = distance(before, after)
    for channel in piece.written:
        found["kept"][channel] = len(kept_places(Written(author=author, channel=channel))) / scene.asked
    with wearing(load(scene)[0], adapters(author), scene.reading.lora_rank, scene.reading.lora_modules) as model:
        found["fields"] = read_pairs(model, scene)
        found["replies"] = sampled(model, scene, author.draw, piece.samples)
    return found
