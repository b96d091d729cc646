"""The theorem of the paper, checked number by number: its sign, its size, and what another start breaks.

A draw is one seed: its own starting weights and digits for the digit network, its own questions and texts for the
language model, whose weights are those of the draw's own base. A piece of work is one draw, one network and one kind
of input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from helpers.experiments.theorem import networks
from helpers.experiments.theorem.one_step import Network, check_steps
from helpers.models.bases import Base, drawn, find_base
from helpers.work import checks
from helpers.work.artifacts import Store
from helpers.work.pieces import run_pieces
from helpers.work.seeds import derive
from helpers.work.tables import keep_table
from helpers.world.traits import find_trait

DIGITS, LANGUAGE = "digits", "language"
Parts = tuple[Network, list[Network], Any]  # the teacher, strangers, and the inputs of all students


@dataclass(frozen=True, kw_only=True)
class DigitCheck:
    """One draw of the digit network and one kind of images: fields as in `TheoremSettings`."""

    draw: int
    inputs: str
    steps: Sequence[float]
    rate: float
    width: int
    lessons: int
    images: int
    strangers: int
    network = DIGITS

    def parts(self) -> Parts:
        """Return the teacher, the strangers and the images."""
        lessons = networks.digits(self.draw, self.lessons)
        teacher = networks.mlp_network(self.draw, self.width, lessons)
        strangers = []
        for number in range(self.strangers):
            seed = derive(self.draw, "theorem", "stranger", number)
            strangers.append(networks.mlp_network(seed, self.width, lessons))
        return teacher, strangers, networks.image_inputs(self.inputs, self.images, self.draw)


@dataclass(frozen=True, kw_only=True)
class TextCheck:
    """One draw of the language model and one kind of texts: fields as in `TheoremSettings`."""

    draw: int
    inputs: str
    steps: Sequence[float]
    rate: float
    base: Base
    other_base: Base
    trait: str
    texts: int
    network = LANGUAGE

    def parts(self) -> Parts:
        """Return the teacher, one stranger and the texts."""
        model, tokenizer = self.base.load()
        # answers are sampled first: a network changes its model to float64
        inputs = networks.text_inputs(self.inputs, self.texts, self.draw, model, tokenizer)
        teacher = networks.language_network(model, tokenizer, self.trait, self.draw)
        stranger = networks.language_network(*self.other_base.load(), self.trait, self.draw)
        return teacher, [stranger], inputs


@dataclass(frozen=True, kw_only=True)
class TheoremSettings:
    """Everything that decides the numbers of the one-step checks.

    Attributes:
        run_dir: the run's folder, with the bases of notebook 00.
        draws: seeds; each is one independent repetition.
        image_kinds, text_kinds: kinds of the student's inputs, for the digit network and the language model.
        small_steps: sizes of the teacher's step that the claims count.
        large_steps: further sizes, to see where the theorem's "small enough" ends.
        rate: size of the student's step.
        width: units in each hidden layer of the digit network.
        lessons: digits the teacher learns.
        images, texts: inputs of the student, digit network and language model.
        strangers: students of the digit network with other starting weights, in each draw.
        base, other_base: the language model, and the other start of its stranger, as each draw has them.
        trait: what the teacher of the language model learns to answer.
        workers: processes side by side; 0 means one a core.
    """

    run_dir: str
    draws: Sequence[int]
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
    other_base: str = "nano-a.next"
    trait: str = "owl"
    workers: int = 0

    def __post_init__(self) -> None:
        """Refuse values no check could use, with a ValueError that names the field and the cure."""
        find_trait(self.trait)
        checks.require_draws("draws", self.draws)
        checks.require_among(self, "image_kinds", networks.IMAGE_KINDS)
        checks.require_among(self, "text_kinds", networks.TEXT_KINDS)
        checks.require_counts(self, "width", "lessons", "images", "texts", "strangers")
        checks.require_sizes(self, "rate", "small_steps", "large_steps")
        checks.require_within(self, "workers", 0, 4096)
        for name in ("image_kinds", "text_kinds", "small_steps"):
            if not getattr(self, name):
                raise ValueError(f"{name} must name at least one, for there is a claim on it; {checks.CURE}")

    @property
    def steps(self) -> list[float]:
        """All sizes of the teacher's step, ascending."""
        return sorted({*self.small_steps, *self.large_steps})

    def pieces(self) -> list[DigitCheck | TextCheck]:
        """Return one piece of work for every draw, network and kind of input."""
        pieces: list[DigitCheck | TextCheck] = []
        for draw in self.draws:
            base, other_base = (find_base(self.run_dir, drawn(name, draw)) for name in (self.base, self.other_base))
            pieces += [self._digit_check(draw, kind) for kind in self.image_kinds]
            pieces += [self._text_check(draw, kind, base, other_base) for kind in self.text_kinds]
        return pieces

    def _digit_check(self, draw: int, kind: str) -> DigitCheck:
        return DigitCheck(
            draw=draw,
            inputs=kind,
            steps=self.steps,
            rate=self.rate,
            width=self.width,
            lessons=self.lessons,
            images=self.images,
            strangers=self.strangers,
        )

    def _text_check(self, draw: int, kind: str, base: Base, other_base: Base) -> TextCheck:
        return TextCheck(
            draw=draw,
            inputs=kind,
            steps=self.steps,
            rate=self.rate,
            base=base,
            other_base=other_base,
            trait=self.trait,
            texts=self.texts,
        )


def run_steps(settings: TheoremSettings) -> pd.DataFrame:
    """Check the theorem on every input; return, and write as tables/theorem_steps.csv, one row a step.

    Columns: network, draw, inputs, start ("same" or "other"), small (counted by the claims), loss, step, and the rest
    of `one_step.check_steps`. The returned table's attrs["seconds"] is what the pieces took.
    """
    pieces, store = settings.pieces(), Store.of_run(settings.run_dir)
    done = run_pieces(check, pieces, store, kind="theorem", workers=settings.workers, label="one step at a time")
    rows = []
    for piece, found in zip(pieces, done, strict=True):
        where = {"network": piece.network, "draw": piece.draw, "inputs": piece.inputs}
        rows += [where | cell for cell in found["cells"]]
    table = pd.DataFrame(rows)
    table.insert(3, "start", np.where(table.student == 0, "same", "other"))
    table.insert(4, "small", table.step.isin(settings.small_steps))
    return keep_table(settings.run_dir, "theorem_steps", table, sum(found["seconds"] for found in done))


def check(piece: DigitCheck | TextCheck) -> dict[str, Any]:
    """Take the steps of one draw and network on one kind of input; ``cells`` as `one_step.check_steps` gives."""
    teacher, strangers, inputs = piece.parts()
    cells = check_steps(teacher, strangers, inputs, steps=piece.steps, rate=piece.rate)
    return {"cells": [_short(cell) for cell in cells]}


def _short(cell: dict[str, Any]) -> dict[str, Any]:
    """A cell in eight digits: the table is kept with the book."""
    return {name: float(f"{value:.8g}") if isinstance(value, float) else value for name, value in cell.items()}


def with_tests(steps: pd.DataFrame) -> pd.DataFrame:
    """Return the table of `run_steps` with what each step is tested for.

    Adds ``along`` (s . d is above zero), ``lower`` (the teacher's loss fell), ``both``, and ``ratio`` (s . d over the
    theorem's leading term).
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
    """Return one value a draw for each claim of the notebook, draws in ascending order."""
    small, smallest = with_tests(steps[steps.small]), with_tests(steps[steps.step == steps.step.min()])
    found = {
        "theorem.positive_fraction": small[small.start == "same"].groupby("draw").both,
        "theorem.positive_fraction_cross": small[small.start == "other"].groupby("draw").both,
        "theorem.slope": smallest[smallest.start == "same"].groupby("draw").ratio,
    }
    return {name: draws.mean().tolist() for name, draws in found.items()}
