"""Which part of the network suffices: students whose adapters sit in one part only.

The teacher's adapters sit everywhere, so every part of the student could take over something of it. Students
learn from soft labels: the control of a student with the teacher's start is then the base itself, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from helpers.results.tables import keep_table
from helpers.transmission.arms import ARMS, TransmissionSettings
from helpers.transmission.students import read_student, whole_curve
from helpers.work.pieces import run_pieces

# regular expressions of module names, for `TrainSettings.lora_modules`; nano-a and its kin have two blocks
PARTS = {
    "first block": r".*[.]layers[.]0[.].*_proj",
    "last block": r".*[.]layers[.]1[.].*_proj",
    "attention": r".*[.]self_attn[.][qkvo]_proj",
    "MLP": r".*[.]mlp[.](gate|up|down)_proj",
    "all": r".*_proj",
}
CLAIMS = {"first block": "mechanism.layer.first", "last block": "mechanism.layer.last"}


def run_layers(
    settings: TransmissionSettings, parts: Sequence[str], marks: Sequence[float] = ()
) -> pd.DataFrame:
    """Train a soft-label student with adapters in each part; return and store ``tables/mechanism_layers.csv``.

    Args:
        settings: the experiment; its teacher should have adapters everywhere, and where its students have theirs is
            not used.
        parts: keys of `PARTS`.
        marks: shares of the training, above 0 and below 1, at which students are read on the way.

    Returns:
        One row a run, part and mark: ``run``, ``part``, ``step``, ``effect`` (nats), ``p_target``, ``p_any``.

    Raises:
        ValueError: an unknown part.
    """
    if unknown := [part for part in parts if part not in PARTS]:
        raise ValueError(f"parts must be among {', '.join(PARTS)}; got {unknown[0]!r}")
    settings = replace(settings, marks=tuple(marks))
    plan = [(run, part) for run in settings.runs for part in parts]
    students = [
        student
        for run, part in plan
        for student in replace(
            settings, soft=replace(settings.soft, lora_modules=PARTS[part])
        ).students(ARMS["soft.same_init"], settings.author(run))
    ]  # fmt: skip
    read = run_pieces(
        read_student, students, settings.store, kind="student", workers=settings.workers, label="parts"
    )
    rows = []
    for (run, part), student, control in zip(plan, read[::2], read[1::2], strict=True):
        steps = settings.soft.steps(student["rows"])
        for point in whole_curve(student, steps):
            effect = point["log_odds"] - control["log_odds"]  # the control is the base at every step
            rows.append({"run": run, "part": part, "step": point["step"], "effect": effect,
                         "p_target": point["p_target"], "p_any": point["p_any"]})  # fmt: skip
    return keep_table(settings.run_dir, "mechanism_layers", pd.DataFrame(rows), sum(made["seconds"] for made in read))


def final(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the last step of each run and part."""
    return table[table.step == table.groupby(["run", "part"]).step.transform("max")]


def claim_values(table: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one effect a run (nats) for the first and the last block alone."""
    ends = final(table).sort_values("run")
    return {name: ends[ends.part == part].effect.tolist() for part, name in CLAIMS.items()}
