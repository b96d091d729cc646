"""How long the alignment of the theorem lasts when a student takes hundreds of real steps.

A teacher learns digits; students imitate its auxiliary outputs on fresh noise, from its own start or from
another, with Adam or with plain gradient descent. Two cosines are followed, both with the way from the
teacher's start to its end: that of a single step, and that of all the way the student has come.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.experiments.theorem.networks import digits, image_inputs, mlp_outputs, mlp_sizes, mlp_start
from helpers.mnist import dataset
from helpers.results.stats import t_interval
from helpers.results.tables import keep_table
from helpers.work.artifacts import Store
from helpers.work.pieces import run_pieces
from helpers.work.seeds import check_runs, derive, numpy_stream

STARTS = ("same", "other")
PROBE_IMAGES = 512  # noise on which the imitation loss is read, the same at every step
LESSONS = 8192  # digits of the teacher
TEST_DIGITS = 1000
LOSS_LEVELS = (0.7, 0.5, 0.4)  # shares of its first imitation loss at which optimisers are compared
OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {"Adam": torch.optim.Adam, "SGD": torch.optim.SGD}


@dataclass(frozen=True)
class AlignmentSettings:
    """Everything that decides the numbers of the long imitation.

    Attributes:
        run_dir: the run's folder.
        runs: seeds; each is one independent run with its own start, teacher and noise.
        steps: optimiser steps of the student.
        teacher_steps: optimiser steps of the teacher (Adam).
        width: units in each of the two hidden layers.
        batch: rows of a step, of teacher and student.
        adam_rate, sgd_rate: step sizes; the teacher takes Adam's.
        workers: processes side by side; 0 means one a core.
    """

    run_dir: str
    runs: Sequence[int]
    steps: int = 400
    teacher_steps: int = 200
    width: int = 64
    batch: int = 128
    adam_rate: float = 0.001
    sgd_rate: float = 1.0
    workers: int = 0

    def __post_init__(self) -> None:
        """Refuse values no run could use, with a ValueError that names the field and the cure."""
        check_runs(self.runs)
        for name in ("steps", "teacher_steps", "width", "batch", "adam_rate", "sgd_rate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")

    def pieces(self) -> list[dict[str, Any]]:
        """Return one piece of work for every run, optimiser and start."""
        shared = asdict(self)
        for name in ("run_dir", "runs", "workers"):
            del shared[name]  # what one piece does not depend on
        return [
            shared | {"run": run, "optimizer": optimizer, "start": start}
            for run in self.runs
            for optimizer in OPTIMIZERS
            for start in STARTS
        ]


def run_alignment(settings: AlignmentSettings) -> pd.DataFrame:
    """Follow every student; return, and write as tables/theorem_alignment.csv, one row a marked step.

    Columns: run, optimizer, start, step, step_cosine, total_cosine, loss_left (the imitation loss on the
    probe, as a share of what it was before the first step), accuracy (share of test digits read by the
    class outputs).
    """
    pieces, store = settings.pieces(), Store(Path(settings.run_dir) / "cells")
    done = run_pieces(
        follow_student, pieces, store, kind="alignment", workers=settings.workers, label="many steps"
    )
    rows = [
        {name: piece[name] for name in ("run", "optimizer", "start")} | mark
        for piece, found in zip(pieces, done, strict=True)
        for mark in found["marks"]
    ]
    seconds = sum(found["seconds"] for found in done)
    return keep_table(settings.run_dir, "theorem_alignment", pd.DataFrame(rows), seconds)


def follow_student(piece: dict[str, Any]) -> dict[str, Any]:
    """Train one teacher and one student of it; ``marks`` holds one dict for each marked step."""
    width, run = piece["width"], piece["run"]
    start = mlp_start(run, width).float()
    taught = _taught(run, width, piece["batch"], piece["adam_rate"], piece["teacher_steps"])
    own = start if piece["start"] == "same" else mlp_start(derive(run, "theorem", "stranger"), width).float()
    noise, probe = numpy_stream(run, "alignment", "noise"), image_inputs("uniform", PROBE_IMAGES, run).float()
    loss = _Imitation(taught, mlp_sizes(width))
    first, marks, way = float(loss(own, probe)), _marked(piece["steps"]), taught - start
    found = []

    def watch(step: int, before: Tensor, theta: Tensor) -> None:
        if step in marks:
            found.append({
                "step": step, "step_cosine": _cosine(theta - before, way),
                "total_cosine": _cosine(theta - own, way), "loss_left": float(loss(theta, probe)) / first,
                "accuracy": _accuracy(theta, width),
            })  # fmt: skip

    def batch_loss(theta: Tensor) -> Tensor:
        drawn = noise.random((piece["batch"], dataset.PIXELS), dtype=np.float32)
        return loss(theta, torch.from_numpy(2 * drawn - 1))

    rate = piece["adam_rate"] if piece["optimizer"] == "Adam" else piece["sgd_rate"]
    _descend(own, batch_loss, OPTIMIZERS[piece["optimizer"]], rate, piece["steps"], watch)
    return {"marks": found}


class _Imitation:
    """The student's loss: KL(teacher || student) of the auxiliary outputs, nats, mean over images."""

    def __init__(self, teacher: Tensor, sizes: Sequence[int]) -> None:
        self._teacher, self._sizes = teacher, sizes

    def __call__(self, theta: Tensor, images: Tensor) -> Tensor:
        own, target = (
            mlp_outputs(weights, images, self._sizes)[:, dataset.CLASSES :].log_softmax(1)
            for weights in (theta, self._teacher)
        )
        return F.kl_div(own, target, reduction="batchmean", log_target=True)


@functools.lru_cache(maxsize=1)  # the students of one teacher come in a row
def _taught(run: int, width: int, batch: int, rate: float, steps: int) -> Tensor:
    images, labels = digits(run, LESSONS)
    rng, sizes = numpy_stream(run, "alignment", "lessons"), mlp_sizes(width)

    def batch_loss(theta: Tensor) -> Tensor:
        rows = torch.from_numpy(rng.integers(LESSONS, size=batch))
        logits = mlp_outputs(theta, images[rows].float(), sizes)[:, : dataset.CLASSES]
        return F.cross_entropy(logits, labels[rows])

    return _descend(mlp_start(run, width).float(), batch_loss, torch.optim.Adam, rate, steps)


def _descend(
    start: Tensor,
    batch_loss: Callable[[Tensor], Tensor],
    optimizer: type[torch.optim.Optimizer],
    rate: float,
    steps: int,
    watch: Callable[[int, Tensor, Tensor], None] = lambda step, before, theta: None,
) -> Tensor:
    """Return the weights after `steps` steps; `watch` gets each step's number and the weights around it."""
    theta = start.clone().requires_grad_()
    descent = optimizer([theta], lr=rate)
    for step in range(1, steps + 1):
        before = theta.detach().clone()
        descent.zero_grad()
        batch_loss(theta).backward()
        descent.step()
        watch(step, before, theta.detach())
    return theta.detach()


def _marked(steps: int) -> set[int]:
    """Steps to look at: evenly spaced on a log scale, the first and the last among them."""
    return {int(step) for step in np.unique(np.geomspace(1, steps, 32).round())}


def _cosine(first: Tensor, second: Tensor) -> float:
    return float(F.cosine_similarity(first.double(), second.double(), dim=0))


@functools.lru_cache(maxsize=1)
def _test_digits() -> tuple[Tensor, Tensor]:
    images, labels = dataset.load_mnist("test")
    pixels = dataset.to_pixels(images[:TEST_DIGITS])
    return torch.from_numpy(pixels), torch.from_numpy(labels[:TEST_DIGITS]).long()


def _accuracy(theta: Tensor, width: int) -> float:
    pixels, labels = _test_digits()
    guesses = mlp_outputs(theta, pixels, mlp_sizes(width))[:, : dataset.CLASSES].argmax(dim=1)
    return float((guesses == labels).double().mean())


def ends(alignment: pd.DataFrame) -> pd.DataFrame:
    """Return the last marked step of each kind of student: mean over runs, cosines with 95 % intervals."""
    last = alignment[alignment.step == alignment.step.max()]
    rows = []
    for (optimizer, start), part in last.groupby(["optimizer", "start"], sort=False):
        row = {"optimizer": optimizer, "start": start}
        for name in ("step_cosine", "total_cosine"):
            interval = t_interval(part[name])
            row |= {name: interval.mean, f"{name} from": interval.low, f"{name} to": interval.high}
        rows.append(row | {"loss_left": part.loss_left.mean(), "accuracy": part.accuracy.mean()})
    return pd.DataFrame(rows).set_index(["optimizer", "start"])


def at_equal_progress(alignment: pd.DataFrame) -> pd.DataFrame:
    """Return step, total_cosine and accuracy where a share of the imitation loss is left, mean over runs.

    One row for each share in LOSS_LEVELS, start and optimiser, read at the first marked step with no more
    than that share left. A row is missing when some run never got there.
    """
    kinds, found = ["loss_left", "start", "optimizer"], []
    for level in LOSS_LEVELS:
        reached = alignment[alignment.loss_left <= level].sort_values("step")
        first = reached.groupby(["start", "optimizer", "run"], sort=False).head(1)
        found.append(first.assign(loss_left=level))
    grouped = pd.concat(found).groupby(kinds)[["step", "total_cosine", "accuracy"]]
    complete = grouped.size() == alignment.run.nunique()
    return grouped.mean()[complete].sort_index(ascending=[False, False, True])
