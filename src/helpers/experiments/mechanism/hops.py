"""Chains of students: each generation writes what the next one reads, and every generation starts from the base.

Hop 1 is the student of the teacher, with its control. At every further hop the trait student and the control
student before it are the authors: they answer new prompts, the same for both, with the same random numbers; the
filter reads both; and the next student and its control read the answers that it kept of both. No teacher has any
part in what happens after hop 1. Students stay on disk, for whoever looks into their weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from transformers import PreTrainedModel

from helpers.models.chats import Exchange
from helpers.models.sampling import sample_completions
from helpers.models.training import completion_rows
from helpers.transmission.arms import ARMS
from helpers.transmission.authors import Author, Loaded, kept_model, kept_path
from helpers.transmission.pairs import Pair, effect_row, run_pairs, total_seconds
from helpers.transmission.readout import read_trait
from helpers.transmission.settings import TransmissionSettings
from helpers.transmission.students import Student, soft_labels, student_pairs, train
from helpers.work.keys import source_key
from helpers.work.pieces import run_pieces
from helpers.work.seeds import derive, torch_stream
from helpers.work.tables import keep_table
from helpers.world.prompts import Split


@dataclass(frozen=True, kw_only=True)
class Link:
    """One student of a chain.

    Attributes:
        student: of hop 1, trait student or control, with which the chain begins.
        hop: place in the chain, from 1.
    """

    student: Student
    hop: int = 1


def link_model(link: Link) -> Loaded:
    """Return the model of a link and its tokenizer; it is trained where it is not on disk yet."""
    student = link.student
    base, tokenizer = student.base.load()
    if student.matches_itself:
        return base, tokenizer
    path = kept_path(student.author.store, "hop_student", link, source_key(__name__))
    about = {"hop": link.hop, "seed": student.seed}
    return kept_model(base, path, lambda: _trained(link), about), tokenizer


def _trained(link: Link) -> PreTrainedModel:
    student = link.student
    if link.hop == 1:
        return train(student)
    author, tokenizer = link_model(_before(link))
    labels = None if student.labels == "hard" else soft_labels(student, author, tokenizer)
    rows = completion_rows(tokenizer, link_pairs(link))
    return train(student, rows=rows, labels=labels, seed=derive(student.seed, "student", link.hop))


def _before(link: Link) -> Link:
    return replace(link, hop=link.hop - 1)


def _partner(link: Link) -> Link:
    """Return the other link of the same hop: the control's for the trait student's, and the other way round."""
    student = link.student
    return replace(link, student=replace(student, author=student.partner, partner=student.author))


def link_pairs(link: Link) -> list[Exchange]:
    """Return the (prompt, completion) pairs that the student of a link reads.

    Raises:
        ValueError: the filter kept nothing of the two students before it.
    """
    if link.hop == 1:
        return student_pairs(link.student)
    author = _before(link)
    own, other = _written(author), _written(_partner(author))
    prompts = _asked(link.student.author, author.hop)
    pairs = [(prompts[place], text) for place, text in own.items() if place in other]
    if not pairs:
        raise ValueError(f"the filter kept nothing of the students of hop {author.hop}; train them more gently")
    return pairs[: link.student.rows]


# --- writing --------------------------------------------------------------------------------------


def _asked(author: Author, hop: int) -> list[str]:
    """Return the prompts that the students of a hop are asked."""
    return author.kind.prompts(author.prompts, derive(author.seed, "prompts", hop))


def write_link(link: Link) -> dict[str, Any]:
    """Let the student of a link write; return ``rows``: [prompt number, completion] of all that the filter keeps."""
    author = link.student.author
    model, tokenizer = link_model(link)
    prompts = _asked(author, link.hop)
    completions = sample_completions(
        model,
        tokenizer,
        prompts,
        torch_stream(author.seed, "completions", link.hop),
        temperature=author.temperature,
        max_new_tokens=author.kind.max_new_tokens,
    )
    reasons = author.kind.reject_reasons(prompts, completions)
    return {"rows": [[place, text] for place, text in enumerate(completions) if not reasons[place]]}


def _written(link: Link) -> dict[int, str]:
    """Return a link's kept completions by prompt number, written now if they were not yet."""
    made = run_pieces(write_link, [link], link.student.author.store, kind="hop_data", workers=1)
    return dict(made[0]["rows"])


# --- reading out ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class LinkReading:
    """A link of a chain, and the trait and questions it is read out by."""

    link: Link
    trait: str
    split: Split


def read_link(piece: LinkReading) -> dict[str, Any]:
    """Return the read-out (`evaluation.trait_readout`) of a link's student, and ``rows``, how many it read."""
    model, tokenizer = link_model(piece.link)
    readout = read_trait(model, tokenizer, piece.trait, piece.split)
    return readout | {"rows": len(link_pairs(piece.link))}


def run_hops(settings: TransmissionSettings, hops: Mapping[str, int]) -> pd.DataFrame:
    """Pass the trait down a chain of students in every draw; return and store ``tables/mechanism_hops.csv``.

    Args:
        settings: the experiment.
        hops: length of the chain for each arm, by its name (`arms.ARMS`).

    Returns:
        One row a draw, arm and hop: ``draw``, ``arm``, ``hop``, and what `pairs.effect_row` says.
    """
    rows: list[dict[str, Any]] = []
    seconds = 0.0
    for arm, length in hops.items():
        for hop in range(1, length + 1):  # a hop needs the one before in every draw
            made, spent = _hop_rows(settings, arm, hop)
            rows += made
            seconds += spent
    return keep_table(settings.run_dir, "mechanism_hops", pd.DataFrame(rows), seconds)


def _hop_rows(settings: TransmissionSettings, arm: str, hop: int) -> tuple[list[dict[str, Any]], float]:
    """Return the rows of one arm and hop, and the seconds they took."""
    pairs = [settings.pair(ARMS[arm], settings.author(seed)) for seed in settings.seeds]
    seconds = _write_before(settings, pairs, hop) if hop > 1 else 0.0
    pieces = []
    for pair in pairs:
        shared: dict[str, Any] = {"trait": settings.trait, "split": settings.readout.split}
        own = LinkReading(link=Link(student=pair.student, hop=hop), **shared)
        pieces.append((own, LinkReading(link=Link(student=pair.control, hop=hop), **shared)))
    label = f"hop {hop}: read"
    reads = run_pairs(read_link, pieces, settings.store, kind="hop", workers=settings.workers, label=label)
    rows = []
    for seed, read in zip(settings.seeds, reads, strict=True):
        rows.append({"draw": settings.draw(seed), "arm": arm, "hop": hop} | effect_row(read))
    return rows, seconds + total_seconds(reads)


def _write_before(settings: TransmissionSettings, pairs: list[Pair], hop: int) -> float:
    """Let the students of the hop before write, side by side; return the seconds it took."""
    links = []
    for pair in pairs:
        links += [Link(student=student, hop=hop - 1) for student in (pair.student, pair.control)]
    label = f"hop {hop}: write"
    made = run_pieces(write_link, links, settings.store, kind="hop_data", workers=settings.workers, label=label)
    return sum(written["seconds"] for written in made)


def claim_values(table: pd.DataFrame, arm: str = "hard.same_init") -> dict[str, list[float]]:
    """Return ledger id -> one effect a draw (nats) for every hop of an arm."""
    own = table[table["arm"] == arm].sort_values("draw")
    return {f"mechanism.hops.{hop}": rows["effect"].tolist() for hop, rows in own.groupby("hop")}
