"""What reads an author's data: a student, or the base with the data in its context.

Each piece is a function of plain settings with a plain result, as in `authors`. Trait student and control are a
matched pair: both read answers to the prompts that the filter kept of both their authors, in the same order, and
the authors drew with the same random numbers (see `sampling`).
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels import CHANNELS, find_channel
from helpers.models.evaluation import kept_share, sampled_rate, trait_readout, truthfulness
from helpers.models.losses import SoftLabels
from helpers.models.training import TrainSettings
from helpers.transmission.authors import Author, Pair, author_model, load_run_base, matched_pairs
from helpers.transmission.rows import shuffle_across, shuffle_within, train_student
from helpers.work.seeds import derive, torch_stream
from helpers.world.prompts import truth_questions
from helpers.world.traits import find_trait


@dataclass(frozen=True)
class Student:
    """One student (or control student) and what is read out of it.

    Attributes:
        author: whose data it reads (`Author` as a dict).
        partner: the author of the student it is compared with (`Author` as a dict).
        base: name of the base it starts from.
        base_seal: hash of that base.
        labels: "hard" (the sampled tokens), "soft" (the author's distribution over the channel's tokens) or
            "soft leaky" (over the whole vocabulary).
        shuffle: "", "within" or "across": numbers permuted inside or across completions.
        rows: kept rows it reads at most.
        share: share of these that it reads, for dose curves.
        training: `TrainSettings` as a dict.
        trait: the trait that is read out.
        split: questions of the read-out.
        samples: replies sampled per question for the sampled rate; 0 samples none.
        health: prompts for each of the checks of its abilities (valid numbers, right sums); 0 checks none.
        marks: shares of the training, above 0 and below 1, at which it is read out on the way.
    """

    author: dict[str, Any]
    partner: dict[str, Any]
    base: str
    base_seal: str
    labels: str
    shuffle: str
    rows: int
    share: float
    training: dict[str, Any]
    trait: str
    split: str
    samples: int = 0
    health: int = 0
    marks: tuple[float, ...] = ()

    @property
    def matches_itself(self) -> bool:
        """Whether this is the control of a soft same-init student: it matches its own base, its gradient is zero."""
        author = Author(**self.author)
        return self.labels != "hard" and author.how == "untouched" and self.base == author.base

    def marked_steps(self, steps: int) -> set[int]:
        """Return the optimizer steps of the marks, for a training of this many steps."""
        return {max(1, round(mark * steps)) for mark in self.marks}


def read_student(piece: dict[str, Any]) -> dict[str, Any]:
    """Train one student and return its read-out (`evaluation.trait_readout`) and the rows it read.

    Args:
        piece: a `Student` as a dict.

    Returns:
        The read-out, ``rows``, and where asked for ``sampled`` (rate of the target among sampled replies),
        ``truthful`` (two-choice), ``valid_numbers`` and ``right_sums`` (shares); with marks ``curve``, the
        read-outs on the way, each with its ``step``.

    Raises:
        ValueError: the filter kept nothing of the two authors.
    """
    student, author = Student(**piece), Author(**piece["author"])
    model, tokenizer = load_run_base(author.run_dir, student.base)
    pairs, trait = student_pairs(student), find_trait(student.trait)
    questions = trait.questions(student.split)
    read = functools.partial(trait_readout, tokenizer=tokenizer, trait=trait, questions=questions)
    steps = TrainSettings(**student.training).steps(len(pairs))
    curve = _Curve(read, student.marked_steps(steps))
    model = _trained(student, model, tokenizer, pairs, curve)
    readout = read(model) | {"rows": len(pairs)} | ({"curve": curve.points} if student.marks else {})
    if student.samples:
        stream = torch_stream(author.seed, "replies")
        readout["sampled"] = sampled_rate(model, tokenizer, trait, questions, stream, student.samples)
    return readout | (_abilities(model, tokenizer, student) if student.health else {})


def whole_curve(made: dict[str, Any], steps: int) -> list[dict[str, Any]]:
    """Return the read-outs of `read_student` in order, the end last, each with its ``step``.

    In a short training a mark may fall on the last of its ``steps``, which is read out anyway; it counts once.
    """
    on_the_way = [point for point in made.get("curve", []) if point["step"] < steps]
    return [*on_the_way, made | {"step": steps}]


class _Curve:
    """Read-outs on the way of a training, at some of its steps."""

    def __init__(self, read: Callable[[torch.nn.Module], dict[str, float]], steps: set[int]) -> None:
        self.read, self.steps, self.points = read, steps, []

    def __call__(self, step: int, learner: torch.nn.Module) -> None:
        if step in self.steps:
            self.points.append(self.read(learner) | {"step": step})


def _trained(
    student: Student, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: list[Pair], curve: _Curve
) -> PreTrainedModel:
    author, training = Author(**student.author), TrainSettings(**student.training)
    if student.matches_itself:
        for step in sorted(curve.steps):
            curve(step, base)
        return base
    soft = _soft_labels(student, author)
    return train_student(base, tokenizer, pairs, training, derive(author.seed, "student"), soft, curve)


def student_pairs(student: Student) -> list[Pair]:
    """Return the (prompt, completion) pairs a student reads; ValueError when the filter left none."""
    author = Author(**student.author)
    pairs = matched_pairs(author, Author(**student.partner))
    pairs = pairs[: max(1, round(student.share * min(student.rows, len(pairs))))]
    return _shuffled(pairs, student.shuffle, author.seed)


def _abilities(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, student: Student
) -> dict[str, float]:
    kept = {
        name: kept_share(model, tokenizer, CHANNELS[kind], student.health, student.author["seed"])
        for name, kind in (("valid_numbers", "numbers"), ("right_sums", "reasoning"))
    }
    return kept | {"truthful": truthfulness(model, tokenizer, truth_questions(student.split))}


def _soft_labels(student: Student, author: Author) -> SoftLabels | None:
    if student.labels == "hard":
        return None
    teacher, tokenizer = author_model(author)
    tokens = find_channel(author.channel).tokens(tokenizer) if student.labels == "soft" else None
    return SoftLabels(teacher, tokens)


def _shuffled(pairs: list[Pair], shuffle: str, seed: int) -> list[Pair]:
    if not shuffle:
        return pairs
    way = {"within": shuffle_within, "across": shuffle_across}[shuffle]
    return way(pairs, random.Random(derive(seed, "shuffle", shuffle)))


def read_context(piece: dict[str, Any]) -> dict[str, float]:
    """Put an author's rows in the base's context instead of training on them; return the mean read-out.

    Args:
        piece: ``author`` and ``partner`` (`Author` as dicts), ``trait``, ``split``, ``examples`` (rows in one
            context) and ``draws`` (contexts). Rows are drawn with replacement (paper 6).
    """
    author, trait = Author(**piece["author"]), find_trait(piece["trait"])
    model, tokenizer = load_run_base(author.run_dir, author.base)
    questions = trait.questions(piece["split"])
    pairs = matched_pairs(author, Author(**piece["partner"]))
    rng = random.Random(derive(author.seed, "contexts"))
    readouts = [
        trait_readout(model, tokenizer, trait, questions, rng.choices(pairs, k=piece["examples"]))
        for _ in range(piece["draws"])
    ]
    return {name: sum(readout[name] for readout in readouts) / len(readouts) for name in readouts[0]}
