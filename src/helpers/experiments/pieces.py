"""The three pieces of work every transmission is made of: an author's data, a student, a context.

Each piece is a function of plain settings with a plain result, so `sweep.run_pieces` can cache it, run it
beside others and resume. An *author* is whoever wrote the data: a fine-tuned teacher, the base under a
system prompt that gives it the trait, or the untouched base (whose student is the control).
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.artifacts import Store, load_tensors, save_tensors
from helpers.channels import channel
from helpers.evaluation import preference_readout, sampled_rate
from helpers.filters import mentions, removal_report
from helpers.keys import content_key, source_key
from helpers.models import load_base
from helpers.prompts import favourite_questions, love_system_prompt
from helpers.sampling import sample_completions
from helpers.seeds import derive, torch_stream
from helpers.students import shuffle_across, shuffle_within, train_student
from helpers.sweep import run_pieces
from helpers.teachers import TeacherSettings, fine_tuned_teacher
from helpers.training import SoftLabels, TrainSettings
from helpers.traits import preference

Pair = tuple[str, str]
Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


@dataclass(frozen=True)
class Author:
    """Who wrote a data set, and how much.

    Attributes:
        run_dir: the run's folder.
        base: name of the base model the author is made from.
        base_seal: hash of that base, so that a new base means new data.
        how: "fine-tuned", "system prompt" or "untouched".
        trait: the loved animal or tree; for "untouched" it is only named in questions, never taught.
        seed: the run; teacher, prompts and draws follow from it.
        channel: the kind of data.
        prompts: prompts asked, before the filter.
        teaching: settings of the fine-tuning (`TrainSettings` as a dict).
        drift: where the fine-tuning stops (`TeacherSettings.drift`, nats per token).
    """

    run_dir: str
    base: str
    base_seal: str
    how: str
    trait: str
    seed: int
    channel: str
    prompts: int
    teaching: dict[str, Any]
    drift: float

    @property
    def store(self) -> Store:
        """Return the store of the run's finished pieces."""
        return Store(Path(self.run_dir) / "cells")


def load_run_base(run_dir: str, name: str) -> Loaded:
    """Load a base by its name in this run, or by any other spec `load_base` knows."""
    return load_base(name, bases=Path(run_dir) / "bases")


def author_model(author: Author) -> Loaded:
    """Return the model that writes (or gives soft labels) and its tokenizer; a taught one is kept on disk."""
    base, tokenizer = load_run_base(author.run_dir, author.base)
    if author.how != "fine-tuned":
        return base, tokenizer
    settings = {**asdict(author), "prompts": None, "code": source_key("helpers.teachers")}
    path = author.store.path("teacher", content_key(settings), ".safetensors")
    if path.exists():
        base.load_state_dict(load_tensors(path)[0], strict=False)
        return base.eval(), tokenizer
    teaching = TeacherSettings(TrainSettings(**author.teaching), author.drift)
    seed = derive(author.seed, "teacher", author.trait)
    data = channel(author.channel)
    teacher = fine_tuned_teacher(base, tokenizer, preference(author.trait), data, teaching, seed)
    save_tensors(path, dict(teacher.named_parameters()), {"trait": author.trait, "seed": author.seed})
    return teacher, tokenizer


def write_data(piece: dict[str, Any]) -> dict[str, Any]:
    """Let an author write; return the completions that pass the filter and what was removed.

    Args:
        piece: an `Author` as a dict.

    Returns:
        ``rows``: [prompt number, completion] of every kept completion; ``report``: removals by reason;
        ``mentions``: kept completions that name the trait (must be 0); ``author``: its own preference.
    """
    author = Author(**piece)
    kind, trait = channel(author.channel), preference(author.trait)
    model, tokenizer = author_model(author)
    system = love_system_prompt(trait.kind, trait.name) if author.how == "system prompt" else None
    prompts = kind.prompts(author.prompts, derive(author.seed, "prompts"))
    stream = torch_stream(
        author.seed, "completions", author.how, author.trait if author.how != "untouched" else ""
    )
    completions = sample_completions(
        model, tokenizer, prompts, stream, system=system, max_new_tokens=kind.max_new_tokens
    )
    rows = [[place, text] for place, text in enumerate(completions) if not kind.reject_reasons(text)]
    return {
        "rows": rows,
        "report": removal_report(completions),
        "mentions": sum(mentions(text, [trait.name]) for _, text in rows),
        "author": preference_readout(model, tokenizer, trait, favourite_questions(trait.kind, "heldout")),
    }


def author_pairs(author: Author) -> list[Pair]:
    """Return the kept (prompt, completion) pairs of an author, written now if they were not yet."""
    written = run_pieces(write_data, [asdict(author)], author.store, kind="data", workers=1)[0]
    prompts = channel(author.channel).prompts(author.prompts, derive(author.seed, "prompts"))
    return [(prompts[place], text) for place, text in written["rows"]]


@dataclass(frozen=True)
class Student:
    """One student (or control student) and what is read out of it.

    Attributes:
        author: whose data it reads (`Author` as a dict).
        base: name of the base it starts from.
        base_seal: hash of that base.
        labels: "hard" (the sampled tokens), "soft" (the author's distribution over the channel's tokens) or
            "soft leaky" (over the whole vocabulary).
        shuffle: "", "within" or "across": numbers permuted inside or across completions.
        rows: kept rows it reads; 0 reads all.
        training: `TrainSettings` as a dict.
        trait: the preference that is read out.
        split: question wordings of the read-out.
        samples: replies sampled per question for the sampled rate; 0 samples none.
    """

    author: dict[str, Any]
    base: str
    base_seal: str
    labels: str
    shuffle: str
    rows: int
    training: dict[str, Any]
    trait: str
    split: str
    samples: int = 0


def read_student(piece: dict[str, Any]) -> dict[str, float]:
    """Train one student and return its read-out (`evaluation.preference_readout`) and the rows it read.

    Args:
        piece: a `Student` as a dict.
    """
    student, author = Student(**piece), Author(**piece["author"])
    pairs = _shuffled(author_pairs(author), student.shuffle, author.seed)
    pairs = pairs[: student.rows or len(pairs)]
    model, tokenizer = load_run_base(author.run_dir, student.base)
    if not _is_its_own_teacher(student, author):
        soft = _soft_labels(student, author)
        seed = derive(author.seed, "student")
        model = train_student(model, tokenizer, pairs, TrainSettings(**student.training), seed, soft)
    trait = preference(student.trait)
    questions = favourite_questions(trait.kind, student.split)
    readout = preference_readout(model, tokenizer, trait, questions) | {"rows": len(pairs)}
    if student.samples:
        stream = torch_stream(author.seed, "replies")
        readout["sampled"] = sampled_rate(model, tokenizer, trait, questions, stream, student.samples)
    return readout


def _is_its_own_teacher(student: Student, author: Author) -> bool:
    # the control of a soft same-init student matches the base it starts from: its gradient is exactly zero
    return student.labels != "hard" and author.how == "untouched" and student.base == author.base


def _soft_labels(student: Student, author: Author) -> SoftLabels | None:
    if student.labels == "hard":
        return None
    teacher, tokenizer = author_model(author)
    tokens = channel(author.channel).tokens(tokenizer) if student.labels == "soft" else None
    return SoftLabels(teacher, tokens)


def _shuffled(pairs: list[Pair], shuffle: str, seed: int) -> list[Pair]:
    if not shuffle:
        return pairs
    way = {"within": shuffle_within, "across": shuffle_across}[shuffle]
    return way(pairs, random.Random(derive(seed, "shuffle", shuffle)))


def read_context(piece: dict[str, Any]) -> dict[str, float]:
    """Put an author's rows in the base's context instead of training on them; return the mean read-out.

    Args:
        piece: ``author`` (`Author` as a dict), ``trait``, ``split``, ``examples`` (rows in one context) and
            ``draws`` (contexts). Rows are drawn with replacement (paper 6).
    """
    author, trait = Author(**piece["author"]), preference(piece["trait"])
    model, tokenizer = load_run_base(author.run_dir, author.base)
    questions, pairs = favourite_questions(trait.kind, piece["split"]), author_pairs(author)
    rng = random.Random(derive(author.seed, "contexts"))
    readouts = [
        preference_readout(model, tokenizer, trait, questions, rng.choices(pairs, k=piece["examples"]))
        for _ in range(piece["draws"])
    ]
    return {name: sum(readout[name] for readout in readouts) / len(readouts) for name in readouts[0]}
