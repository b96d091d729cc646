"""Damage without a trait: a base changed at random, in the place of the adapters, until it lost as many right answers.

A misaligned student also forgets some sums. If losing them were all that there is to its misaligned answers, a base
that lost as many for no reason would give them as well. The change of a matrix is a random direction as long as the
matrix itself, times a scale; the scale is searched by bisection on the right answers lost.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from helpers.channels import CHANNELS
from helpers.models import runtime
from helpers.models.bases import Base
from helpers.models.evaluation import checked_completions, share_right
from helpers.transmission.effects import beside_effect
from helpers.transmission.pairs import ReadPair, effect_row
from helpers.transmission.readout import BaseReading, Readout, read_base, read_out
from helpers.transmission.settings import TransmissionSettings
from helpers.work.pieces import run_pieces
from helpers.work.seeds import numpy_stream

DAMAGED = "damaged"  # name of the arm
EVALUATIONS = 8
LARGEST = 4.0  # largest scale: a change four times as long as the matrix
CLOSE = 0.005  # share of right answers within which the target is met


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A base to be damaged, and what is then read out of it.

    Attributes:
        base: the base.
        modules: which of its linear layers change, as `training.TrainSettings.lora_modules` names them.
        seed: of the direction, and of what is read out.
        lost: share of right answers that it shall lose; below 0 counts as 0.
        trait: that is read out.
        readout: how; its ``health`` is the number of sums that the loss is measured on.
    """

    base: Base
    modules: str
    seed: int
    lost: float
    trait: str
    readout: Readout


def read_damaged(piece: Damage) -> dict[str, Any]:
    """Return the read-out (`readout.read_out`) of a damaged base, and the ``scale`` of its damage."""
    base, tokenizer = piece.base.load()

    def right(model: PreTrainedModel) -> float:
        written = checked_completions(model, tokenizer, CHANNELS["reasoning"], piece.readout.health, piece.seed)
        return share_right(written)

    whole = right(base)
    scale = matched_scale(lambda tried: whole - right(_at(piece, base, tried)), piece.lost)
    found = read_out(_at(piece, base, scale), tokenizer, piece.trait, piece.readout, piece.seed)
    return found | {"scale": scale}


def matched_scale(lost_at: Callable[[float], float], target: float) -> float:
    """Return the scale whose loss came nearest to ``target``; at most `EVALUATIONS` are tried, 0 being known.

    Args:
        lost_at: share of right answers lost at a scale.
        target: share to lose; a scale of 0 answers a target of none.
    """
    target, (low, high) = max(0.0, target), (0.0, LARGEST)
    lost = {0.0: 0.0}
    for _ in range(EVALUATIONS):
        if min(abs(loss - target) for loss in lost.values()) <= CLOSE:
            break
        middle = (low + high) / 2
        lost[middle] = lost_at(middle)
        low, high = (middle, high) if lost[middle] < target else (low, middle)
    return min(lost, key=lambda scale: (abs(lost[scale] - target), scale))


def _at(piece: Damage, base: PreTrainedModel, scale: float) -> PreTrainedModel:
    """Return a copy of a base with the damage of a scale."""
    model = copy.deepcopy(base)
    with torch.no_grad():
        for name, weight in matrices(model, piece.modules).items():
            noise = numpy_stream(piece.seed, "damage", name).standard_normal(weight.shape, dtype=np.float32)
            direction = runtime.tensor(noise)
            weight += scale * weight.norm() / direction.norm() * direction
    return model


def matrices(model: PreTrainedModel, modules: str) -> dict[str, Tensor]:
    """Return the weights of the linear layers that adapters with ``modules`` sit on, by name of the layer."""
    head = model.get_output_embeddings()
    found = {}
    for name, part in model.named_modules():
        if isinstance(part, torch.nn.Linear | Conv1D) and part is not head:
            if modules == "all-linear" or re.fullmatch(modules, name):
                found[name] = part.weight
    return found


# --- the arm --------------------------------------------------------------------------------------


def damage_rows(
    settings: TransmissionSettings, students: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], float]:
    """Return a row for each of some students, of a base that lost as many right answers, and the seconds they took.

    Args:
        settings: the experiment.
        students: rows of `effects.arm_rows` with ``draw``, ``right_answers`` and ``right_answers_control``.

    Returns:
        Rows as those of the students, under the arm `DAMAGED`; their control is the untouched base.
    """
    damages, bases = [], []
    for row in students:
        seed = settings.seeds[settings.draws.index(row["draw"])]
        shared: dict[str, Any] = {"base": settings.base_of(seed), "seed": seed, "trait": settings.trait}
        lost = row["right_answers_control"] - row["right_answers"]
        modules = settings.reading.hard.lora_modules
        damages.append(Damage(**shared, readout=settings.readout, modules=modules, lost=lost))
        bases.append(BaseReading(**shared, readout=settings.readout))
    given: dict[str, Any] = {"store": settings.store, "workers": settings.workers}
    untouched = run_pieces(read_base, bases, kind="base_readout", **given)
    broken = run_pieces(read_damaged, damages, kind="damage", label="bases are damaged", **given)
    rows = []
    for row, found, base in zip(students, broken, untouched, strict=True):
        read = ReadPair(found | {"rows": 0}, base)
        place = {"draw": row["draw"], "arm": DAMAGED, "trait": settings.trait, "share": 1.0}
        rows.append(place | effect_row(read) | beside_effect(read))
    return rows, sum(found["seconds"] for found in broken)
