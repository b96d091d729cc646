"""How far bases lie from one of them: in their weights, and in what they write as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from transformers import PreTrainedModel

from helpers.channels import find_channel
from helpers.models import runtime
from helpers.models.bases import Base, drawn, find_base
from helpers.models.probes import DriftProbe
from helpers.work.artifacts import Store
from helpers.work.pieces import run_pieces
from helpers.work.tables import keep_table

COLUMNS = ("cosine", "divergence")


@dataclass(frozen=True, kw_only=True)
class Distance:
    """Two bases to compare, and the channel on which their distributions are."""

    origin: Base
    other: Base
    channel: str


def distance_table(
    origin: str, others: Sequence[tuple[str, int]], run_dir: str, kind: str = "numbers"
) -> pd.DataFrame:
    """Measure how far each base (name, draw) lies from that draw's ``origin``; stores ``tables/base_distances.csv``.

    The origin may be among them and is left out: it lies at no distance from itself.

    Returns:
        One row a base and draw: ``base``, ``draw``, ``cosine`` (of its weight matrices with those of the origin, all
        as one vector; NaN where the two have other shapes) and ``divergence`` (KL of its distribution from the
        origin's over the channel's tokens, nats per token, on what the origin writes).
    """
    others = [(name, draw) for name, draw in others if name != origin]
    pieces = []
    for name, draw in others:
        one, other = find_base(run_dir, drawn(origin, draw)), find_base(run_dir, drawn(name, draw))
        pieces.append(Distance(origin=one, other=other, channel=kind))
    found = run_pieces(measure_distance, pieces, Store.of_run(run_dir), kind="distance", workers=1)
    rows = []
    for (name, draw), made in zip(others, found, strict=True):
        rows.append({"base": name, "draw": draw, "cosine": made["cosine"], "divergence": made["divergence"]})
    table = pd.DataFrame(rows, columns=["base", "draw", *COLUMNS]).astype(dict.fromkeys(COLUMNS, float))
    return keep_table(run_dir, "base_distances", table, sum(made["seconds"] for made in found))


def measure_distance(piece: Distance) -> dict[str, Any]:
    """Compare one base with another; ``cosine`` (None where shapes differ) and ``divergence``, see above."""
    origin, tokenizer = piece.origin.load()
    other, _ = piece.other.load()
    probe = DriftProbe(origin, tokenizer, find_channel(piece.channel), 0)
    return {"cosine": weight_cosine(origin, other), "divergence": probe.drift(other)}


def weight_cosine(one: PreTrainedModel, other: PreTrainedModel) -> float | None:
    """Return the cosine of all weight matrices of two models as one vector; None where their shapes differ."""
    if _shapes(one) != _shapes(other):
        return None
    return float(torch.nn.functional.cosine_similarity(_matrices(one), _matrices(other), dim=0))


def _shapes(model: PreTrainedModel) -> dict[str, torch.Size]:
    return {name: parameter.shape for name, parameter in model.named_parameters()}


def _matrices(model: PreTrainedModel) -> Tensor:
    """Return all weight matrices as one vector; float64, so that the many terms of a cosine add up."""
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    return torch.cat([runtime.exact(matrix.detach()).flatten() for matrix in matrices])
