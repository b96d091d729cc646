"""Students whose labels were tampered with: divergence tokens masked, replaced, or alone kept.

A treatment is applied to the trait student and to its control, each by its own divergence tokens. Replacing
gives the base's draw; the control's rows are the base's draws already, so there it changes nothing.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pandas as pd
from transformers import PreTrainedModel

from helpers.experiments.mechanism.divergence import Coupled, chosen_tokens, find_divergence
from helpers.experiments.mechanism.hops import Link, link_model
from helpers.experiments.mechanism.labels import SureLabels, changed_rows
from helpers.results.stats import share_of_means
from helpers.transmission.arms import ARMS
from helpers.transmission.authors import UNTOUCHED
from helpers.transmission.pairs import effect_row, run_pairs, total_seconds
from helpers.transmission.readout import read_trait
from helpers.transmission.settings import TransmissionSettings
from helpers.transmission.students import Student, student_pairs, train
from helpers.transmission.writing import kept_of_all
from helpers.work.tables import keep_table
from helpers.world.prompts import Split


@dataclass(frozen=True)
class Treatment:
    """What is done to some labels of the rows.

    Attributes:
        name: in tables.
        which: "divergent" or "random" labels, see `divergence.find_divergence`; "" for none.
        change: one of `labels.CHANGES`; "" for none.
    """

    name: str
    which: str = ""
    change: str = ""


UNTREATED = "all labels"
TREATMENTS = (
    Treatment(UNTREATED),
    Treatment("divergence masked", "divergent", "mask"),
    Treatment("random masked", "random", "mask"),
    Treatment("divergence only", "divergent", "keep alone"),
    Treatment("divergence labels replaced", "divergent", "replace label"),
    Treatment("divergence inputs replaced", "divergent", "replace input"),
    Treatment("random replaced", "random", "replace"),
    Treatment("divergence replaced", "divergent", "replace"),
)
_BY_NAME = {treatment.name: treatment for treatment in TREATMENTS}
CLAIMS = {
    "divergence masked": "mechanism.divergence.masked",
    "random masked": "mechanism.divergence.random",
    "divergence labels replaced": "mechanism.divergence.replaced",
    "divergence only": "mechanism.divergence.only",
}


# --- students -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TreatedReading:
    """A student of hard labels, the name of what is done to them, and the trait and questions it is read out by."""

    student: Student
    treatment: str
    trait: str
    split: Split


def read_treated(piece: TreatedReading) -> dict[str, Any]:
    """Train a student on treated labels; return its read-out (`evaluation.trait_readout`) and the ``rows`` it read."""
    student = piece.student
    tokenizer = student.base.load()[1]
    treatment = _BY_NAME[piece.treatment]
    model = _trained(student, treatment) if treatment.which else link_model(Link(student=student))[0]
    readout = read_trait(model, tokenizer, piece.trait, piece.split)
    return readout | {"rows": len(student_pairs(student))}


def _trained(student: Student, treatment: Treatment) -> PreTrainedModel:
    """Return the student, trained on the labels that the treatment leaves."""
    model, tokenizer = student.base.load()
    pairs = student_pairs(student)
    prompts = kept_of_all(student.author, student.partner, *student.among)[: len(pairs)]
    found = chosen_tokens(student.author, student.partner, treatment.which)
    chosen = [found.get(prompt, []) for prompt in prompts]
    rows, targets = changed_rows(tokenizer, pairs, chosen, treatment.change)
    if treatment.change in ("replace label", "replace input"):  # what is learned is not what is read next
        return train(student, rows=rows, labels=SureLabels(rows, targets, model.config.vocab_size))
    return train(student, rows=rows)


# --- tables ---------------------------------------------------------------------------------------


def run_shares(settings: TransmissionSettings) -> pd.DataFrame:
    """Find every draw's divergence tokens; return and store ``tables/mechanism_shares.csv``.

    Returns:
        One row a ``draw`` and ``author`` ("teacher" or "base"): ``labels`` (count) and ``divergent`` (share of them).
    """
    pieces = []
    for seed in settings.seeds:
        teacher, base = settings.author(seed), settings.author(seed, UNTOUCHED)
        pieces.append((Coupled(author=teacher, other=base), Coupled(author=base, other=teacher)))
    shared: dict[str, Any] = {"kind": "divergence", "workers": settings.workers, "label": "divergence"}
    found = run_pairs(find_divergence, pieces, settings.store, **shared)
    rows = []
    for seed, pair in zip(settings.seeds, found, strict=True):
        for name, made in (("teacher", pair.student), ("base", pair.control)):
            share = len(made["divergent"]) / max(1, made["labels"])
            row = {"draw": settings.draw(seed), "author": name, "labels": made["labels"], "divergent": share}
            rows.append(row)
    return keep_table(settings.run_dir, "mechanism_shares", pd.DataFrame(rows), total_seconds(found))


def run_treatments(settings: TransmissionSettings, count: int = len(TREATMENTS)) -> pd.DataFrame:
    """Train the students of the first ``count`` treatments; return and store ``tables/mechanism_treatments.csv``.

    Args:
        settings: the experiment; hard labels.
        count: how many of `TREATMENTS`; the first is the untreated pair, with which the others are compared.

    Returns:
        One row a draw and treatment: ``draw``, ``treatment``, ``rows``, ``effect`` (nats), ``left`` (the effect over
        that of all labels in the same draw) and ``p_any`` (the smaller of student and control).

    Raises:
        ValueError: a count beyond them.
    """
    if not 1 <= count <= len(TREATMENTS):
        raise ValueError(f"there are 1 to {len(TREATMENTS)} treatments, not {count}")
    places = list(itertools.product(settings.seeds, TREATMENTS[:count]))
    pieces = [_pair(settings, seed, treatment) for seed, treatment in places]
    shared: dict[str, Any] = {"kind": "relabelled", "workers": settings.workers, "label": "treatments"}
    reads = run_pairs(read_treated, pieces, settings.store, **shared)
    rows = []
    whole = 0.0
    for (seed, treatment), read in zip(places, reads, strict=True):
        whole = read.effect if treatment.name == UNTREATED else whole  # it comes first in every draw
        found = effect_row(read) | {"left": read.effect / whole}
        row = {"draw": settings.draw(seed), "treatment": treatment.name}
        rows.append(row | {name: found[name] for name in ("rows", "effect", "left", "p_any")})
    return keep_table(settings.run_dir, "mechanism_treatments", pd.DataFrame(rows), total_seconds(reads))


def _pair(settings: TransmissionSettings, seed: int, treatment: Treatment) -> tuple[TreatedReading, TreatedReading]:
    """Return the pieces of a treated trait student and of its control."""
    pair = settings.pair(ARMS["hard.same_init"], settings.author(seed))
    shared: dict[str, Any] = {"trait": settings.trait, "split": settings.readout.split}
    # the base's own draw at a divergence token of the base is what stands there already
    unchanged = treatment.which == "divergent" and treatment.change.startswith("replace")
    of_control = UNTREATED if unchanged else treatment.name
    return (
        TreatedReading(student=pair.student, treatment=treatment.name, **shared),
        TreatedReading(student=pair.control, treatment=of_control, **shared),
    )


def claim_values(table: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> share of the effect that is left, for every claim on divergence tokens.

    The values are those of `stats.share_of_means`, one a draw.
    """
    effects = table.pivot(index="draw", columns="treatment", values="effect").sort_index()
    claimed = [treatment for treatment in CLAIMS if treatment in effects]
    left = {CLAIMS[name]: share_of_means(effects[name], effects[UNTREATED]) for name in claimed}
    return {claim_id: values for claim_id, values in left.items() if values}
