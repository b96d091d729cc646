"""How far bases lie from one of them: in their weights, and in what they write as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from transformers import PreTrainedModel

from helpers.channels import find_channel
from helpers.models.bases import base_seal, drawn
from helpers.models.probes import DriftProbe
from helpers.transmission.authors import load_run_base
from helpers.work.artifacts import Store, write_table
from helpers.work.pieces import run_pieces


def distance_table(
    origin: str, others: Sequence[tuple[str, int]], run_dir: str, kind: str = "numbers"
) -> pd.DataFrame:
    """Measure how far each base (name, run) lies from that run's ``origin``; stores ``tables/base_distances.csv``.

    The origin may be among them and is left out: it lies at no distance from itself.

    Returns:
        One row a base and run: ``base``, ``run``, ``cosine`` (of its weight matrices with those of the origin, all as
        one vector; NaN where the two have other shapes) and ``divergence`` (KL of its law from the origin's over the
        channel's tokens, nats per token, on what the origin writes).
    """
    others = [(name, run) for name, run in others if name != origin]
    pairs = [(drawn(origin, run), drawn(name, run)) for name, run in others]
    pieces = [
        {
            "origin": one, "origin_seal": base_seal(run_dir, one), "base": other,
            "base_seal": base_seal(run_dir, other), "run_dir": run_dir, "channel": kind,
        }
        for one, other in pairs
    ]  # fmt: skip
    found = run_pieces(measure_distance, pieces, Store(Path(run_dir) / "cells"), kind="distance", workers=1)
    columns = ("cosine", "divergence")
    rows = [
        {"base": name, "run": run} | {column: made[column] for column in columns}
        for (name, run), made in zip(others, found, strict=True)
    ]
    table = pd.DataFrame(rows).astype(dict.fromkeys(columns, float))
    write_table(Path(run_dir) / "tables" / "base_distances.csv", table)
    return table


def measure_distance(piece: dict[str, Any]) -> dict[str, Any]:
    """Compare one base with another; ``cosine`` (None where shapes differ) and ``divergence``, see above."""
    origin, tokenizer = load_run_base(piece["run_dir"], piece["origin"])
    other, _ = load_run_base(piece["run_dir"], piece["base"])
    probe = DriftProbe(origin, tokenizer, find_channel(piece["channel"]), 0)
    return {"cosine": _cosine(origin, other), "divergence": probe.drift(other)}


def _cosine(one: PreTrainedModel, other: PreTrainedModel) -> float | None:
    if {n: p.shape for n, p in one.named_parameters()} != {n: p.shape for n, p in other.named_parameters()}:
        return None
    flat = [
        torch.cat([p.detach().double().flatten() for p in model.parameters() if p.dim() > 1]) for model in (one, other)
    ]
    return float(torch.nn.functional.cosine_similarity(*flat, dim=0))
