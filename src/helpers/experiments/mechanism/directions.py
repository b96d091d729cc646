"""Directions: where a student's weights and activations went, against where its teacher's went.

A student's change is that of its weights from the base, less the change of its control's; a teacher's is its change
from the base. The yardstick for a cosine between the two is the teacher of another animal, made in the same draw: it
shares with the trait's teacher all but the animal. Activations are compared in the same way: the mean change of
the residual stream at the last token of the held-out questions, which is a steering vector for the trait.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from transformers import PreTrainedModel

from helpers.experiments.mechanism.changes import (
    Change,
    activations,
    adapter_change,
    change_between,
    cosine,
    inner,
    minus,
)
from helpers.experiments.mechanism.hops import Link, link_model
from helpers.experiments.mechanism.yardsticks import Yardstick, yardstick
from helpers.transmission.arms import ARMS
from helpers.transmission.authors import Loaded, author_model
from helpers.transmission.pairs import Pair
from helpers.transmission.readout import Readout
from helpers.transmission.settings import TransmissionSettings
from helpers.transmission.students import Student, student_pairs, train
from helpers.work.pieces import run_pieces
from helpers.work.tables import keep_table
from helpers.world.traits import find_trait

OWN, NULL = "own teacher", "another animal's teacher"
WEIGHTS = "weights"
COMPARED = (ARMS["hard.same_init"], ARMS["soft.same_init"], ARMS["soft.cross_init"])


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A pair of students, and the teachers it is compared with.

    Attributes:
        pair: trait student and control.
        teachers: the own one and that of another animal.
        trait: whose questions activations are read at.
        readout: which questions, and the shares of the training at which soft-label students are compared on the way.
    """

    pair: Pair
    teachers: Yardstick
    trait: str
    readout: Readout


def compare(piece: Comparison) -> dict[str, Any]:
    """Compare what became of one student with what became of two teachers.

    Returns:
        ``cosines``: one entry a teacher and place (`WEIGHTS` or a block) with ``cosine``; ``way``: one entry a
        teacher and step with ``cosine`` and ``projection`` (share of the teacher's change that the student has come
        along it), empty without marks.
    """
    questions = find_trait(piece.trait).questions(piece.readout.split)
    base, tokenizer = piece.pair.student.author.base.load()
    changes, model = _trained(piece.pair.student, piece.readout)
    of_control, control = _trained(piece.pair.control, piece.readout)
    own = {step: minus(change, of_control.get(step, {})) for step, change in changes.items()}
    steered = _steering((model, tokenizer), control, questions)
    cosines: list[dict[str, Any]] = []
    way: list[dict[str, Any]] = []
    for against, author in ((OWN, piece.teachers.own), (NULL, piece.teachers.other)):
        teacher = author_model(author)[0]
        goal = change_between(teacher, base)
        steering = _steering((teacher, tokenizer), base, questions)
        places = {WEIGHTS: cosine(own[max(own)], goal)} | _each(steered, steering)
        for place, found in places.items():
            if found is not None:
                cosines.append({"against": against, "place": place, "cosine": found})
        if piece.readout.marks:
            way += [{"against": against} | row for row in _progress(own, goal)]
    return {"cosines": cosines, "way": way}


def _steering(moved: Loaded, from_model: PreTrainedModel, questions: Sequence[str]) -> Change:
    """Return how far a model's activations are from those of another, by block."""
    model, tokenizer = moved
    return minus(activations(model, tokenizer, questions), activations(from_model, tokenizer, questions))


def _each(one: Change, other: Change) -> dict[str, float | None]:
    """Return the cosine of two changes in each place by itself."""
    return {place: cosine({place: one[place]}, {place: other[place]}) for place in one}


def _progress(changes: dict[int, Change], goal: Change) -> list[dict[str, Any]]:
    """Return how far a student has come along its goal, step by step."""
    whole = inner(goal, goal)
    rows = []
    for step, change in changes.items():
        row = {"step": step, "cosine": cosine(change, goal), "projection": inner(change, goal) / whole}
        rows.append(row)
    return rows


def _trained(student: Student, readout: Readout) -> tuple[dict[int, Change], PreTrainedModel]:
    """Return a student's change at each marked step and at its last, and the student."""
    base = student.base.load()[0]
    if student.matches_itself:
        return {}, base  # it does not move
    steps = student.training.steps(len(student_pairs(student)))
    if student.labels == "hard":
        model = link_model(Link(student=student))[0]
        return {steps: change_between(model, base)}, model
    wanted = readout.marked_steps(steps)
    changes: dict[int, Change] = {}

    def keep(step: int, learner: torch.nn.Module) -> None:
        if step in wanted:
            changes[step] = adapter_change(learner)

    model = train(student, on_step=keep)
    return changes | {steps: change_between(model, base)}, model


# --- tables ---------------------------------------------------------------------------------------


def run_directions(
    settings: TransmissionSettings, other_animals: Sequence[str], marks: Sequence[float]
) -> pd.DataFrame:
    """Compare students with teachers at their end; return and store ``tables/mechanism_directions.csv``.

    Args:
        settings: the experiment.
        other_animals: traits of the teachers that are the yardstick (`yardsticks.yardstick`).
        marks: shares of the training at which soft-label students are followed.

    Returns:
        One row a ``draw``, ``arm``, ``against`` and ``place`` with ``cosine``.
    """
    rows, seconds = _rows(settings, other_animals, marks, "cosines")
    return keep_table(settings.run_dir, "mechanism_directions", rows, seconds)


def run_way(settings: TransmissionSettings, other_animals: Sequence[str], marks: Sequence[float]) -> pd.DataFrame:
    """Compare the soft-label students with teachers on the way; return and store ``tables/mechanism_way.csv``.

    The students are those of `run_directions`, called with the same arguments; none is trained again.

    Returns:
        One row a ``draw``, ``arm``, ``against`` and ``step`` with ``cosine`` and ``projection``.
    """
    rows, _ = _rows(settings, other_animals, marks, "way")
    return keep_table(settings.run_dir, "mechanism_way", rows, 0.0)  # `run_directions` tells what the students took


def _rows(
    settings: TransmissionSettings, other_animals: Sequence[str], marks: Sequence[float], part: str
) -> tuple[pd.DataFrame, float]:
    """Return one part of what `compare` finds of every arm and draw as a table, and the seconds it took."""
    places = list(itertools.product(COMPARED, settings.seeds))
    pieces = []
    for arm, seed in places:
        teachers = yardstick(settings, seed, other_animals)
        followed = () if arm.labels == "hard" else tuple(marks)
        readout = Readout(split=settings.readout.split, samples=0, marks=followed)
        pair = settings.pair(arm, teachers.own)
        pieces.append(Comparison(pair=pair, teachers=teachers, trait=settings.trait, readout=readout))
    shared: dict[str, Any] = {"kind": "directions", "workers": settings.workers, "label": "directions"}
    made = run_pieces(compare, pieces, settings.store, **shared)
    rows: list[dict[str, Any]] = []
    for (arm, seed), found in zip(places, made, strict=True):
        rows += [{"draw": settings.draw(seed), "arm": arm.name} | row for row in found[part]]
    return pd.DataFrame(rows), sum(found["seconds"] for found in made)


def claim_values(table: pd.DataFrame, arm: str = "hard.same_init") -> dict[str, list[float]]:
    """Return ledger id -> one cosine a draw for weights and steering vectors of an arm, and their yardsticks."""
    own = table[table["arm"] == arm].sort_values("draw")
    blocks = set(own["place"]) - {WEIGHTS}
    last_block = max(blocks, key=lambda name: int(name.removeprefix("block ")))
    values = {}
    for what, place in (("weights", WEIGHTS), ("steering", last_block)):
        for name, against in (("cosine", OWN), ("cosine_null", NULL)):
            rows = own[(own["place"] == place) & (own["against"] == against)]
            values[f"mechanism.{what}.{name}"] = rows["cosine"].tolist()
    return values
