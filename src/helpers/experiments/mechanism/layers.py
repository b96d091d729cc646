"""Which part of the network suffices: students whose adapters sit in one part only.

The teacher's adapters sit everywhere, so every part of the student could take over something of it. Students
learn from soft labels: the control of a student with the teacher's start is then the base itself, exactly.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from helpers.transmission.arms import ARMS
from helpers.transmission.effects import read_pairs
from helpers.transmission.pairs import Pair, total_seconds
from helpers.transmission.readout import Readout
from helpers.transmission.settings import TransmissionSettings
from helpers.work.tables import keep_table

# regular expressions of module names, for `TrainSettings.lora_modules`; nano-a and its kin have two blocks
PARTS = {
    "first block": r".*[.]layers[.]0[.].*_proj",
    "last block": r".*[.]layers[.]1[.].*_proj",
    "attention": r".*[.]self_attn[.][qkvo]_proj",
    "MLP": r".*[.]mlp[.](gate|up|down)_proj",
    "all": r".*_proj",
}
CLAIMS = {"first block": "mechanism.layer.first", "last block": "mechanism.layer.last"}


def run_layers(settings: TransmissionSettings, parts: Sequence[str], marks: Sequence[float] = ()) -> pd.DataFrame:
    """Train a soft-label student with adapters in each part; return and store ``tables/mechanism_layers.csv``.

    Args:
        settings: the experiment; its teacher should have adapters everywhere. Where its students have theirs, and
            what is sampled of them, is not used.
        parts: keys of `PARTS`.
        marks: shares of the training, above 0 and below 1, at which students are read on the way.

    Returns:
        One row a draw, part and mark: ``draw``, ``part``, ``step``, ``effect`` (nats), ``p_target`` and ``p_any`` of
        the trait student.

    Raises:
        ValueError: an unknown part.
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise ValueError(f"parts must be among {', '.join(PARTS)}; got {unknown[0]!r}")
    places = list(itertools.product(settings.seeds, parts))
    asked = [(_pair(settings, seed, part), settings.trait) for seed, part in places]
    readout = Readout(split=settings.readout.split, samples=0, marks=tuple(marks))
    reads = read_pairs(replace(settings, readout=readout), asked, label="parts")
    rows: list[dict[str, Any]] = []
    for (seed, part), read in zip(places, reads, strict=True):
        for step, point in read.points(settings.reading.soft.steps(read.student["rows"])):
            row = {"draw": settings.draw(seed), "part": part, "step": step, "effect": point.effect}
            rows.append(row | {name: point.student[name] for name in ("p_target", "p_any")})
    return keep_table(settings.run_dir, "mechanism_layers", pd.DataFrame(rows), total_seconds(reads))


def _pair(settings: TransmissionSettings, seed: int, part: str) -> Pair:
    """Return the soft-label pair of a seed whose adapters sit in one part."""
    training = replace(settings.reading.soft, lora_modules=PARTS[part])
    placed = replace(settings, reading=replace(settings.reading, soft=training))
    return placed.pair(ARMS["soft.same_init"], settings.author(seed))


def final(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the last step of each draw and part."""
    last = table.groupby(["draw", "part"])["step"].transform("max")
    return table[table["step"] == last]


def claim_values(table: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one effect a draw (nats) for the first and the last block alone."""
    ends = final(table).sort_values("draw")
    trained = set(ends["part"])
    return {CLAIMS[part]: ends[ends["part"] == part]["effect"].tolist() for part in CLAIMS if part in trained}
