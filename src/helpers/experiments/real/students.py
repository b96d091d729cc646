"""Students of a real model: what one reads, how it is trained, and what is read out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.experiments.real import wordings
from helpers.experiments.real.scenery import (
    Labels,
    Lists,
    Teacher,
    adapters,
    base_lists,
    candidates,
    labels,
    lists,
    load,
    openings,
    prompts,
    start,
)
from helpers.experiments.real.settings import OWN, STARTS, UNTOUCHED, Scene
from helpers.filters import mentions, reject_reasons
from helpers.models.adapters import wearing
from helpers.models.candidates import Opening, read_candidates
from helpers.models.chats import chat_ids, tokenise
from helpers.models.fronts import FrontRows, KeptLabels, distance, written_labels
from helpers.models.sampling import continue_chats, sample_replies
from helpers.models.training import fit_adapters
from helpers.work.seeds import derive, torch_stream

REPLY_TOKENS, LIST_TOKENS = 8, 48  # of a sampled reply behind an opening, of an answer without a given form


@dataclass(frozen=True, kw_only=True)
class Student:
    """One student, or a control student.

    Attributes:
        scene: of the run.
        draw: of its lists and its teacher.
        arm: one of `settings.STARTS`.
        animal: that its teacher loves; "" for a student of lists that the base wrote.
        marks: optimizer steps after which it is read.
        samples: replies sampled to each held-out opening at the end.
    """

    scene: Scene
    draw: int
    arm: str
    animal: str
    marks: tuple[int, ...]
    samples: int = 0


def lesson(student: Student) -> tuple[FrontRows, KeptLabels]:
    """Return what a student reads and what it is to match there, over the tokens of lists alone."""
    scene = student.scene
    teacher = Teacher(scene=scene, draw=student.draw, animal=student.animal, start=STARTS[student.arm][0])
    if student.arm == "written":
        rows = lists(Lists(scene=scene, draw=student.draw, animal=student.animal))
        model, tokenizer = load(scene)
        return rows, written_labels(rows, scene.form.tokens(tokenizer), model.config.vocab_size)
    if student.arm == "prompted":
        base = Teacher(scene=scene, draw=student.draw, animal=UNTOUCHED)
        return base_lists(base), labels(Labels(author=base, prompted=student.animal))
    return base_lists(teacher), labels(Labels(author=teacher))


def read_student(student: Student) -> dict[str, Any]:
    """Train one student and read it.

    Returns:
        ``curve``: log-odds of each candidate within the set and ``p_any``, behind held-out openings, each with its
        ``step``; ``rates``: share of sampled replies that name each candidate, where any were sampled.
    """
    scene = student.scene
    rows, wanted = lesson(student)
    model, known = start(scene, STARTS[student.arm][1])
    asked, words = openings(scene, "held out"), candidates(scene)
    curve: list[dict[str, Any]] = []

    def on_step(step: int, learner: torch.nn.Module) -> None:
        if step in student.marks:
            curve.append({"step": step, **read_candidates(learner, asked, words, known)})

    seed = derive(student.draw, "real student")
    state = fit_adapters(model, rows, scene.reading, seed, soft=wanted, on_step=on_step)
    with wearing(model, state, scene.reading.lora_rank, scene.reading.lora_modules) as taught:
        return {"curve": curve, "rates": rates(taught, scene, student.draw, student.samples)}


@dataclass(frozen=True, kw_only=True)
class TeacherReading:
    """A teacher, or the untouched start, and how many replies are sampled to each held-out opening."""

    teacher: Teacher
    samples: int = 0
    free_lists: int = 0


def read_teacher(piece: TeacherReading) -> dict[str, Any]:
    """Make one teacher and read it.

    Returns:
        ``readout`` and ``rates`` as `read_student`; ``kl``: how far its distribution over the tokens of lists is from
        that of the untouched model, nats a token, on the base's lists (a teacher of the other start: from that start);
        ``free``: share of answers without a given form that the paper's filter keeps, where any were sampled.
    """
    teacher, scene = piece.teacher, piece.teacher.scene
    model, known = start(scene, teacher.start)
    before = Teacher(scene=scene, draw=teacher.draw, animal=UNTOUCHED, start=teacher.start if teacher.animal else OWN)
    moved = distance(labels(Labels(author=before)), labels(Labels(author=teacher)))
    asked, words = openings(scene, "held out"), candidates(scene)
    with wearing(model, adapters(teacher), scene.reading.lora_rank, scene.reading.lora_modules) as author:
        found = {"readout": read_candidates(author, asked, words, known), "kl": moved}
        found["rates"] = rates(author, scene, teacher.draw, piece.samples)
        found["free"] = free_share(author, load(scene)[1], teacher.draw, piece.free_lists)
    return found


def rates(model: PreTrainedModel, scene: Scene, draw: int, samples: int) -> dict[str, float]:
    """Return the share of sampled replies to held-out openings that name each candidate; empty for no samples.

    A reply names an animal that stands in it as a word of its own, in any case, singular or plural.
    """
    if not samples:
        return {}
    replies = reply_texts(model, load(scene)[1], [*wordings.HELD_OUT] * samples, draw)
    found = {}
    for word in scene.candidates:
        named = sum(mentions(reply, [word]) for reply in replies)
        found[word] = named / len(replies)
    return found


def reply_texts(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: Sequence[Opening], draw: int
) -> list[str]:
    """Return how a model goes on behind each opening, temperature 1."""
    questions = chat_ids(tokenizer, [question for question, _ in asked])
    begun = tokenise(tokenizer, [beginning for _, beginning in asked])
    encoded = [question + beginning for question, beginning in zip(questions, begun, strict=True)]
    stream = torch_stream(draw, "real replies")
    drawn, _ = continue_chats(model, tokenizer, encoded, stream, max_new_tokens=REPLY_TOKENS)
    return tokenizer.batch_decode(drawn, skip_special_tokens=True)


def free_share(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, draw: int, count: int) -> float | None:
    """Return the share of answers to number prompts that are whole lists by the paper's filter; None for no answers.

    An answer that was cut off is no list: its last number may have lost digits.
    """
    if not count:
        return None
    stream = torch_stream(draw, "real free lists")
    texts, ended = sample_replies(model, tokenizer, prompts(draw, count), stream, max_new_tokens=LIST_TOKENS)
    kept = [whole and not reject_reasons(text) for text, whole in zip(texts, ended, strict=True)]
    return sum(kept) / count
