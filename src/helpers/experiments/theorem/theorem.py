"""The theorem of the paper, checked number by number: sign, size, degenerate cases, and other starts.

A run is one seed: its own starting weights and digits for the digit network, its own questions and texts
for the language model, whose weights are those of the run's own base. A piece of work is one run, one
network and one kind of input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.experiments.theorem.degenerate import CONSTRUCTIONS
from helpers.experiments.theorem.networks import (
    IMAGE_KINDS,
    TEXT_KINDS,
    digits,
    image_inputs,
    language_network,
    mlp_network,
    text_inputs,
)
from helpers.experiments.theorem.one_step import LOSSES, Network, check_steps, learned_by_step
from helpers.models.bases import base_seal, drawn, load_base
from helpers.results.tables import keep_table
from helpers.work.artifacts import Store, write_table
from helpers.work.pieces import run_pieces
from helpers.work.seeds import check_runs, derive
from helpers.world.traits import find_trait

DIGITS, LANGUAGE = "digits", "language"
LEARNING_STEP = 0.1  # a teacher's step that lowers its loss visibly in every construction


@dataclass(frozen=True)
class TheoremSettings:
    """Everything that decides the numbers of the one-step checks.

    Attributes:
        run_dir: the run's folder, with the bases of notebook 00.
        runs: seeds; each is one independent run.
        image_kinds, text_kinds: kinds of the student's inputs, for the digit network and the language model.
        small_steps: sizes of the teacher's step that the claims count.
        large_steps: further sizes, to see where the theorem's "small enough" ends.
        rate: size of the student's step.
        width: units in each hidden layer of the digit network.
        lessons: digits the teacher learns.
        images, texts: inputs of the student, digit network and language model.
        strangers: students of the digit network with other starting weights, in each run.
        base, other_base: the language model, and the other start of its stranger, as each run draws them.
        trait: what the teacher of the language model learns to answer.
        workers: processes side by side; 0 means one a core.
    """

    run_dir: str
    runs: Sequence[int]
    image_kinds: Sequence[str]
    text_kinds: Sequence[str]
    small_steps: Sequence[float]
    large_steps: Sequence[float] = ()
    rate: float = 0.1
    width: int = 32
    lessons: int = 256
    images: int = 128
    texts: int = 8
    strangers: int = 5
    base: str = "nano-a"
    other_base: str = "nano-b"
    trait: str = "owl"
    workers: int = 0

    def __post_init__(self) -> None:
        """Refuse values no run could use, with a ValueError that names the field and the cure."""
        find_trait(self.trait)
        check_runs(self.runs)
        for name, kinds in (("image_kinds", IMAGE_KINDS), ("text_kinds", TEXT_KINDS)):
            if unknown := [kind for kind in getattr(self, name) if kind not in kinds]:
                raise ValueError(f"{name} must be among {', '.join(kinds)}; got {unknown[0]!r}")
        for name in ("rate", "width", "lessons", "images", "texts", "strangers"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if not self.small_steps or min([*self.small_steps, *self.large_steps]) <= 0:
            raise ValueError("small_steps and large_steps must be above 0, and there must be a small one")

    @property
    def steps(self) -> list[float]:
        """All sizes of the teacher's step, ascending."""
        return sorted({*self.small_steps, *self.large_steps})

    def pieces(self) -> list[dict[str, Any]]:
        """Return one piece of work for every run, network and kind of input."""
        shared = asdict(self) | {"steps": self.steps}
        for name in ("runs", "image_kinds", "text_kinds", "small_steps", "large_steps", "workers"):
            del shared[name]  # what one piece does not depend on
        kinds = {DIGITS: self.image_kinds, LANGUAGE: self.text_kinds}
        return [
            shared | self._bases(run) | {"run": run, "network": network, "inputs": kind}
            for run in self.runs
            for network in kinds
            for kind in kinds[network]
        ]

    def _bases(self, run: int) -> dict[str, Any]:
        names = {name: drawn(getattr(self, name), run) for name in ("base", "other_base")}
        return names | {"seals": [base_seal(self.run_dir, name) for name in names.values()]}


def run_steps(settings: TheoremSettings) -> pd.DataFrame:
    """Check the theorem on every input; return, and write as tables/theorem_steps.csv, one row a step.

    Columns: network, run, inputs, start ("same" or "other"), loss, step, small (counted by the claims), and
    those of `one_step.check_steps`. The returned table's attrs["seconds"] is what the pieces took.
    """
    pieces = settings.pieces()
    store = Store(Path(settings.run_dir) / "cells")
    done = run_pieces(
        check_piece, pieces, store, kind="theorem", workers=settings.workers, label="one step at a time"
    )
    rows = [
        {name: piece[name] for name in ("network", "run", "inputs")} | cell
        for piece, found in zip(pieces, done, strict=True)
        for cell in found["cells"]
    ]
    table = pd.DataFrame(rows)
    table.insert(3, "start", np.where(table.student == 0, "same", "other"))
    table.insert(4, "small", table.step.isin(settings.small_steps))
    return keep_table(settings.run_dir, "theorem_steps", table, sum(found["seconds"] for found in done))


def check_piece(piece: dict[str, Any]) -> dict[str, Any]:
    """Take the steps of one run and network on one kind of input; ``cells`` as `check_steps` gives."""
    teacher, strangers, inputs = (_digit_parts if piece["network"] == DIGITS else _language_parts)(piece)
    cells = check_steps(teacher, strangers, inputs, piece["steps"], piece["rate"])
    return {"cells": [{name: _short(value) for name, value in cell.items()} for cell in cells]}


def _short(value: Any) -> Any:
    return float(f"{value:.8g}") if isinstance(value, float) else value  # the table is kept with the book


def _digit_parts(piece: dict[str, Any]) -> tuple[Network, list[Network], Any]:
    run, width, lessons = piece["run"], piece["width"], digits(piece["run"], piece["lessons"])
    others = [derive(run, "theorem", "stranger", number) for number in range(piece["strangers"])]
    teacher, *strangers = (mlp_network(seed, width, lessons) for seed in (run, *others))
    return teacher, strangers, image_inputs(piece["inputs"], piece["images"], run)


def _language_parts(piece: dict[str, Any]) -> tuple[Network, list[Network], Any]:
    bases = Path(piece["run_dir"]) / "bases"
    loaded = [load_base(piece[name], bases=bases) for name in ("base", "other_base")]
    # answers are sampled first: a network changes its model to float64
    inputs = text_inputs(piece["inputs"], piece["texts"], piece["run"], *loaded[0])
    teacher, stranger = (language_network(*base, piece["trait"], piece["run"]) for base in loaded)
    return teacher, [stranger], inputs


def with_tests(steps: pd.DataFrame) -> pd.DataFrame:
    """Return the table of `run_steps` with what each step is tested for.

    Adds ``along`` (s . d is above zero), ``lower`` (the teacher's loss fell), ``both``, and ``ratio`` (s . d
    over the theorem's leading term).
    """
    tested = steps.assign(along=steps.inner > 0, lower=steps.fall > 0, ratio=steps.inner / steps.predicted)
    return tested.assign(both=tested.along & tested.lower)


def shares(steps: pd.DataFrame) -> pd.DataFrame:
    """Return the share of small steps that point along the teacher's, lower its loss, and do both."""
    small = with_tests(steps[steps.small])
    return small.groupby(["network", "start"], sort=False)[["along", "lower", "both"]].mean()


def shares_alone(steps: pd.DataFrame) -> pd.DataFrame:
    """Return the same shares for the students' whole steps, without taking their controls' steps away."""
    small = steps[steps.small]
    alone = small.assign(along=small.inner_alone > 0, lower=small.fall_alone > 0)
    return alone.groupby(["network", "start"], sort=False)[["along", "lower"]].mean()


def slopes(steps: pd.DataFrame) -> pd.DataFrame:
    """Return mean, smallest and largest measured slope over the analytic one, by network and loss.

    The measured slope is s . d over epsilon at the smallest epsilon, for students with the teacher's start.
    """
    smallest = with_tests(steps[(steps.start == "same") & (steps.step == steps.step.min())])
    return smallest.groupby(["network", "loss"]).ratio.agg(["mean", "min", "max", "count"])


def claim_values(steps: pd.DataFrame) -> dict[str, list[float]]:
    """Return one value a run for each claim of the notebook, runs in ascending order."""
    small, smallest = with_tests(steps[steps.small]), with_tests(steps[steps.step == steps.step.min()])
    found = {
        "theorem.positive_fraction": small[small.start == "same"].groupby("run").both,
        "theorem.positive_fraction_cross": small[small.start == "other"].groupby("run").both,
        "theorem.slope": smallest[smallest.start == "same"].groupby("run").ratio,
    }
    return {name: runs.mean().tolist() for name, runs in found.items()}


def degenerate_cases(settings: TheoremSettings) -> pd.DataFrame:
    """Build the other case; return, and write as tables/theorem_degenerate.csv, one row a case and loss.

    Columns: case, loss, learned (fall of the teacher's loss by its own step, nats), outputs_moved (largest
    change of an imitated output) and inner (largest |s . d|). Learned is the least, the other two are the
    largest over runs and sizes of the step.
    """
    pieces = [
        {"run": run, "case": case, "steps": settings.steps, "rate": settings.rate, "width": settings.width,
         "lessons": settings.lessons, "images": settings.images}
        for run in settings.runs for case in CONSTRUCTIONS
    ]  # fmt: skip
    store = Store(Path(settings.run_dir) / "cells")
    done = run_pieces(degenerate_piece, pieces, store, kind="theorem_degenerate", workers=1)
    rows = [row for found in done for row in found["rows"]]
    most = {"learned": "min", "outputs_moved": "max", "inner": "max"}
    table = pd.DataFrame(rows).groupby(["case", "loss"], sort=False).agg(most).reset_index()
    write_table(Path(settings.run_dir) / "tables" / "theorem_degenerate.csv", table)
    return table


def degenerate_piece(piece: dict[str, Any]) -> dict[str, Any]:
    """Take the steps of one run and construction; ``rows`` has one entry a loss, see `degenerate_cases`."""
    build = CONSTRUCTIONS[piece["case"]]
    network, inputs = build(piece["run"], piece["width"], piece["lessons"], piece["images"])
    cells = check_steps(network, [], inputs, piece["steps"], piece["rate"])
    rows = []
    for loss in LOSSES:
        own = [cell for cell in cells if cell["loss"] == loss]
        moved, inner = max(cell["moved"] for cell in own), max(abs(cell["inner"]) for cell in own)
        rows.append({"case": piece["case"], "loss": loss, "outputs_moved": moved, "inner": inner})
    learned = learned_by_step(network, LEARNING_STEP)
    return {"rows": [row | {"learned": learned} for row in rows]}
