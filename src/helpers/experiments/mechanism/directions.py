"""Directions: where a student's weights and activations went, against where its teacher's went.

A student's way is the change of its weights minus the change of its control's; a teacher's way is its change from
the base. The yardstick for a cosine between the two is the teacher of another animal, made in the same run: it
shares with the trait's teacher all but the animal. Activations are compared in the same way: the mean change of
the residual stream at the last token of the held-out questions, which is a steering vector for the trait.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels import find_channel
from helpers.experiments.mechanism.hops import hop_model
from helpers.models.losses import SoftLabels
from helpers.models.sampling import chat_ids
from helpers.models.training import TrainSettings
from helpers.results.tables import keep_table
from helpers.transmission.arms import ARMS, Arm, TransmissionSettings, yardsticks
from helpers.transmission.authors import Author, author_model, load_run_base
from helpers.transmission.rows import train_student
from helpers.transmission.students import Student, student_pairs
from helpers.work.pieces import run_pieces
from helpers.work.seeds import derive
from helpers.world.traits import find_trait

Change = dict[str, Tensor]  # weight matrix by its name
OWN, NULL = "own teacher", "another animal's teacher"
WEIGHTS = "weights"
COMPARED = (ARMS["hard.same_init"], ARMS["soft.same_init"], ARMS["soft.cross_init"])


def change_between(model: PreTrainedModel, base: PreTrainedModel) -> Change:
    """Return how far each weight matrix of a model has moved from the base's."""
    before = dict(base.named_parameters())
    matrices = {name: weight.detach() for name, weight in model.named_parameters() if weight.dim() == 2}
    return {name: matrix - before[name].detach() for name, matrix in matrices.items()}


def adapter_change(learner: torch.nn.Module) -> Change:
    """Return what the LoRA adapters of a model in training add to each weight matrix."""
    return {
        name.removeprefix("base_model.model.") + ".weight": module.get_delta_weight("default").detach().clone()
        for name, module in learner.named_modules() if hasattr(module, "get_delta_weight")
    }  # fmt: skip


def inner(one: Change, other: Change) -> float:
    """Return the inner product of two changes over all matrices that both have."""
    return sum(float((one[name].double() * other[name].double()).sum()) for name in one if name in other)


def cosine(one: Change, other: Change) -> float | None:
    """Return the cosine of two changes; None where one of them is nought."""
    lengths = inner(one, one) * inner(other, other)
    return inner(one, other) / lengths**0.5 if lengths else None


def minus(one: Change, other: Change) -> Change:
    """Return a change less another; matrices the other lacks count as unmoved."""
    return {name: change - other[name] if name in other else change for name, change in one.items()}


@torch.no_grad()
def activations(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, questions: Sequence[str]
) -> dict[str, Tensor]:
    """Return the residual stream at the last token, mean over questions, (hidden,), after each block.

    After the last block it is read behind the final norm, as the unembedding reads it.
    """
    encoded = chat_ids(tokenizer, questions)
    total: dict[str, Tensor] = {}
    for length in sorted({len(ids) for ids in encoded}):
        batch = torch.tensor([ids for ids in encoded if len(ids) == length])
        states = model(input_ids=batch, output_hidden_states=True).hidden_states[1:]
        for block, state in enumerate(states, start=1):
            summed = state[:, -1].double().sum(0)
            total[f"block {block}"] = total.get(f"block {block}", 0) + summed
    return {place: summed / len(encoded) for place, summed in total.items()}


def compare(piece: dict[str, Any]) -> dict[str, Any]:
    """Compare the way of one student with the ways of two teachers.

    Args:
        piece: ``student`` and ``control`` (`Student` as dicts), ``teachers`` (`Author` dict by `OWN` and `NULL`)
            and ``marks``, shares of the training at which soft-label students are compared on the way.

    Returns:
        ``cosines``: one entry a teacher and place (`WEIGHTS` or a block) with ``cosine``; ``way``: one entry a
        teacher and step with ``cosine`` and ``projection`` (share of the teacher's way that the student has gone
        along it), empty for hard labels.
    """
    student, control = Student(**piece["student"]), Student(**piece["control"])
    author = Author(**student.author)
    questions = find_trait(student.trait).questions(student.split)
    base, tokenizer = load_run_base(author.run_dir, author.base)
    (went, model), (control_went, control_model) = (_trained(line, piece["marks"]) for line in (student, control))
    shown = activations(model, tokenizer, questions)
    shown_control = activations(control_model, tokenizer, questions)
    moved = minus(shown, shown_control)
    start, cosines, way = activations(base, tokenizer, questions), [], []
    for against, made in piece["teachers"].items():
        teacher = author_model(Author(**made))[0]
        goal = change_between(teacher, base)
        ways = {step: minus(change, control_went.get(step, {})) for step, change in went.items()}
        places = {WEIGHTS: cosine(ways[max(ways)], goal)}
        steering = minus(activations(teacher, tokenizer, questions), start)
        places |= {place: cosine({place: moved[place]}, {place: steering[place]}) for place in moved}
        cosines += [{"against": against, "place": place, "cosine": c} for place, c in places.items() if c is not None]
        way += [
            {"against": against, "step": step, "cosine": cosine(change, goal),
             "projection": inner(change, goal) / inner(goal, goal)}
            for step, change in ways.items() if piece["marks"]
        ]  # fmt: skip
    return {"cosines": cosines, "way": way}


def _trained(student: Student, marks: Sequence[float]) -> tuple[dict[int, Change], PreTrainedModel]:
    """Return a student's change at each marked step and at its last, and the student."""
    author = Author(**student.author)
    base, tokenizer = load_run_base(author.run_dir, student.base)
    pairs, training = student_pairs(student), TrainSettings(**student.training)
    steps = training.steps(len(pairs))
    if student.labels == "hard":
        model = hop_model(student)[0]
        return {steps: change_between(model, base)}, model
    if student.matches_itself:
        return {}, base  # it does not move
    teacher = author_model(author)[0]
    soft = SoftLabels(teacher, find_channel(author.channel).tokens(tokenizer))
    changes: dict[int, Change] = {}
    wanted = {max(1, round(mark * steps)) for mark in marks}

    def keep(step: int, learner: torch.nn.Module) -> None:
        if step in wanted:
            changes[step] = adapter_change(learner)

    model = train_student(base, tokenizer, pairs, training, derive(author.seed, "student"), soft, keep)
    return changes | {steps: change_between(model, base)}, model


def run_directions(
    settings: TransmissionSettings, other_animals: Sequence[str], marks: Sequence[float]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare students with teachers; return and store ``mechanism_directions.csv`` and ``mechanism_way.csv``.

    Args:
        settings: the experiment.
        other_animals: traits of the teachers that are the yardstick, one a run in turn.
        marks: shares of the training at which soft-label students are followed.

    Returns:
        One row a run, ``arm``, ``against`` and ``place`` with ``cosine``; and one row a run, ``arm``,
        ``against`` and ``step`` with ``cosine`` and ``projection``.
    """
    animals = dict(zip(settings.runs, yardsticks(settings, other_animals), strict=False))
    plan = [(run, arm) for arm in COMPARED for run in settings.runs]
    pieces = [_piece(settings, run, arm, animals[run], marks) for run, arm in plan]
    made = run_pieces(
        compare, pieces, settings.store, kind="directions", workers=settings.workers, label="directions"
    )
    tables = [
        pd.DataFrame([
            {"run": run, "arm": arm.name, **row}
            for (run, arm), found in zip(plan, made, strict=True) for row in found[part]
        ])
        for part in ("cosines", "way")
    ]  # fmt: skip
    seconds = sum(found["seconds"] for found in made)
    for name, table in zip(("directions", "way"), tables, strict=True):
        keep_table(settings.run_dir, f"mechanism_{name}", table, seconds)
    return tables[0], tables[1]


def _piece(
    settings: TransmissionSettings, run: int, arm: Arm, other_animal: str, marks: Sequence[float]
) -> dict[str, Any]:
    author = settings.author(run)
    student, control = settings.students(arm, author)
    teachers = {OWN: author, NULL: settings.author(run, trait=other_animal)}
    follow = [] if arm.labels == "hard" else list(marks)
    return {"student": student, "control": control, "teachers": teachers, "marks": follow}


def claim_values(table: pd.DataFrame, arm: str = "hard.same_init") -> dict[str, list[float]]:
    """Return ledger id -> one cosine a run for weights and steering vectors of an arm, and their yardsticks."""
    own = table[table.arm == arm].sort_values("run")
    places = {"weights": WEIGHTS, "steering": max(set(own.place) - {WEIGHTS})}  # the last block
    names = {OWN: "cosine", NULL: "cosine_null"}
    return {
        f"mechanism.{what}.{names[against]}": own[(own.place == place) & (own.against == against)].cosine.tolist()
        for what, place in places.items() for against in names
    }  # fmt: skip
