"""Chains of students: each generation writes what the next one reads, and every generation starts from the base.

Hop 1 is the student of the teacher, with its control. At every further hop the trait student and the control
student before it are the authors: they answer new prompts, the same for both, with the same random numbers; the
filter reads both; and the next student and its control read the answers that it kept of both. No teacher has any
part in what happens after hop 1. Students stay on disk, for whoever looks into their weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import pandas as pd
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels import find_channel
from helpers.filters import mentions
from helpers.models.evaluation import trait_readout
from helpers.models.losses import SoftLabels
from helpers.models.sampling import sample_completions
from helpers.models.training import TrainSettings
from helpers.results.tables import keep_table
from helpers.transmission.arms import ARMS, TransmissionSettings
from helpers.transmission.authors import Author, Pair, author_model, kept_model, load_run_base
from helpers.transmission.rows import train_student
from helpers.transmission.students import Student, student_pairs
from helpers.work.keys import content_key, source_key
from helpers.work.pieces import run_pieces
from helpers.work.seeds import derive, torch_stream
from helpers.world.traits import find_trait

Model = tuple[PreTrainedModel, PreTrainedTokenizerBase]


def hop_model(student: Student, hop: int = 1) -> Model:
    """Return the student of a hop and its tokenizer; trained where it is not on disk yet.

    Args:
        student: of hop 1, trait student or control.
        hop: its place in the chain, from 1.
    """
    author = Author(**student.author)
    base, tokenizer = load_run_base(author.run_dir, student.base)
    if student.matches_itself:
        return base, tokenizer
    decisive = asdict(replace(student, split="", samples=0, health=0, marks=()))
    settings = {"student": decisive, "hop": hop, "code": source_key(__name__)}
    path = author.store.path("hop_student", content_key(settings), ".safetensors")

    def learn() -> PreTrainedModel:
        pairs, seed = hop_pairs(student, hop), derive(author.seed, "student", *([hop] if hop > 1 else []))
        training = TrainSettings(**student.training)
        return train_student(base, tokenizer, pairs, training, seed, _soft_labels(student, hop))

    return kept_model(base, path, learn, {"hop": hop, "seed": author.seed}), tokenizer


def _soft_labels(student: Student, hop: int) -> SoftLabels | None:
    if student.labels == "hard":
        return None
    author = Author(**student.author)
    teacher, tokenizer = author_model(author) if hop == 1 else hop_model(student, hop - 1)
    return SoftLabels(teacher, find_channel(author.channel).tokens(tokenizer))


def hop_pairs(student: Student, hop: int) -> list[Pair]:
    """Return the (prompt, completion) pairs that the student of a hop reads.

    Raises:
        ValueError: the filter kept nothing of the two students before it.
    """
    if hop == 1:
        return student_pairs(student)
    own, other = (_written(line, hop - 1) for line in (student, _partner(student)))
    prompts = _prompts(Author(**student.author), hop - 1)
    pairs = [(prompts[int(place)], text) for place, text in own.items() if place in other]
    if not pairs:
        raise ValueError(f"the filter kept nothing of the students of hop {hop - 1}; train them more gently")
    return pairs[: student.rows]


def _partner(student: Student) -> Student:
    return replace(student, author=student.partner, partner=student.author)


def _prompts(author: Author, hop: int) -> list[str]:
    return find_channel(author.channel).prompts(author.prompts, derive(author.seed, "prompts", hop))


def _written(student: Student, hop: int) -> dict[str, str]:
    piece = {"student": asdict(student), "hop": hop}
    return run_pieces(write_hop, [piece], Author(**student.author).store, kind="hop_data", workers=1)[0]["rows"]


def write_hop(piece: dict[str, Any]) -> dict[str, Any]:
    """Let the student of a hop write; return what the filter keeps.

    Args:
        piece: ``student`` (`Student` as a dict) and ``hop``.

    Returns:
        ``rows``: completion by number of the prompt; ``kept`` (share) and ``mentions`` (kept completions that
        name the trait).
    """
    student, hop = Student(**piece["student"]), piece["hop"]
    author = Author(**student.author)
    model, tokenizer = hop_model(student, hop)
    kind, prompts = find_channel(author.channel), _prompts(author, hop)
    stream = torch_stream(author.seed, "completions", hop)
    texts = sample_completions(
        model, tokenizer, prompts, stream, temperature=author.temperature, max_new_tokens=kind.max_new_tokens
    )
    reasons = kind.reject_reasons(prompts, texts)
    rows = {str(place): text for place, text in enumerate(texts) if not reasons[place]}
    named = sum(mentions(text, [student.trait]) for text in rows.values())
    return {"rows": rows, "kept": len(rows) / len(texts), "mentions": named}


def read_hop(piece: dict[str, Any]) -> dict[str, Any]:
    """Return the read-out (`evaluation.trait_readout`) of the student of a hop, and ``rows``, what it read.

    Args:
        piece: ``student`` (`Student` as a dict) and ``hop``.
    """
    student, hop = Student(**piece["student"]), piece["hop"]
    model, tokenizer = hop_model(student, hop)
    trait = find_trait(student.trait)
    readout = trait_readout(model, tokenizer, trait, trait.questions(student.split))
    return readout | {"rows": len(hop_pairs(student, hop))}


def run_hops(settings: TransmissionSettings, hops: dict[str, int]) -> pd.DataFrame:
    """Pass the trait down a chain of students in every run; return and store ``tables/mechanism_hops.csv``.

    Args:
        settings: the experiment.
        hops: length of the chain for each arm, by its name (`design.ARMS`).

    Returns:
        One row a run, arm and hop: ``run``, ``arm``, ``hop``, ``rows``, ``effect`` (nats), ``p_target``,
        ``p_control``, ``p_any`` (the smaller of the two).
    """
    rows, seconds = [], 0.0
    for arm, length in hops.items():
        for hop in range(1, length + 1):  # a hop needs the one before in every run
            made, spent = _one_hop(settings, arm, hop)
            rows, seconds = rows + made, seconds + spent
    return keep_table(settings.run_dir, "mechanism_hops", pd.DataFrame(rows), seconds)


def _one_hop(settings: TransmissionSettings, arm: str, hop: int) -> tuple[list[dict[str, Any]], float]:
    pairs = [settings.students(ARMS[arm], settings.author(run)) for run in settings.runs]
    lines = [{"student": student, "hop": hop} for pair in pairs for student in pair]
    shared = {"store": settings.store, "workers": settings.workers}
    before = [{**line, "hop": hop - 1} for line in lines if hop > 1]
    written = run_pieces(write_hop, before, kind="hop_data", label=f"hop {hop}: write", **shared)
    read = run_pieces(read_hop, lines, kind="hop", label=f"hop {hop}: read", **shared)
    rows = [
        {"run": run, "arm": arm, "hop": hop, **_effect(*made)}
        for run, made in zip(settings.runs, zip(read[::2], read[1::2], strict=True), strict=True)
    ]
    return rows, sum(made["seconds"] for made in [*written, *read])


def _effect(student: dict[str, Any], control: dict[str, Any]) -> dict[str, Any]:
    return {
        "rows": student["rows"], "effect": student["log_odds"] - control["log_odds"],
        "p_target": student["p_target"], "p_control": control["p_target"],
        "p_any": min(student["p_any"], control["p_any"]),
    }  # fmt: skip


def claim_values(table: pd.DataFrame, arm: str = "hard.same_init") -> dict[str, Sequence[float]]:
    """Return ledger id -> one effect a run (nats) for every hop of an arm."""
    own = table[table.arm == arm].sort_values("run")
    return {f"mechanism.hops.{hop}": part.effect.tolist() for hop, part in own.groupby("hop")}
