"""How long the alignment of the theorem lasts when a student takes hundreds of real steps.

A teacher learns digits; students imitate its auxiliary outputs on fresh noise, from its own start or from another,
with Adam or with plain gradient descent. Two cosines are followed, both with the way from the teacher's start to its
end: that of a single step, and that of all the way the student has come.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.experiments.theorem.networks import digits, image_inputs, mlp_outputs, mlp_sizes, mlp_start
from helpers.mnist import dataset, inputs
from helpers.results.stats import t_interval
from helpers.work import checks
from helpers.work.artifacts import Store
from helpers.work.pieces import run_pieces
from helpers.work.seeds import derive, numpy_stream
from helpers.work.tables import keep_table

STARTS = ("same", "other")
PROBE_IMAGES = 512  # noise on which the imitation loss is read, the same at every step
LESSONS = 8192  # digits of the teacher
TEST_DIGITS = 1000
MARKS = 32  # steps that are looked at, at most
LOSS_LEVELS = (0.7, 0.5, 0.4)  # shares of its first imitation loss at which optimisers are compared
OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {"Adam": torch.optim.Adam, "SGD": torch.optim.SGD}
Watch = Callable[[int, Tensor, Tensor], None]  # gets a step's number, and the weights before and after it


@dataclass(frozen=True, kw_only=True)
class Training:
    """How teachers and students are trained.

    Attributes:
        steps: optimiser steps of the student.
        teacher_steps: optimiser steps of the teacher (Adam).
        width: units in each of the two hidden layers.
        batch: rows of a step, of teacher and student.
        adam_rate, sgd_rate: step sizes; the teacher takes Adam's.
    """

    steps: int = 400
    teacher_steps: int = 200
    width: int = 64
    batch: int = 128
    adam_rate: float = 0.001
    sgd_rate: float = 1.0

    def __post_init__(self) -> None:
        """Refuse values no training could use, with a ValueError that names the field and the cure."""
        checks.require_counts(self, "steps", "teacher_steps", "width", "batch")
        checks.require_sizes(self, "adam_rate", "sgd_rate")

    def rate(self, optimizer: str) -> float:
        """Return the student's step size with an optimiser in OPTIMIZERS."""
        return self.adam_rate if optimizer == "Adam" else self.sgd_rate


@dataclass(frozen=True, kw_only=True)
class Follow:
    """One student to follow: its draw, its optimiser (in OPTIMIZERS), its start (in STARTS) and its training."""

    draw: int
    optimizer: str
    start: str
    training: Training


@dataclass(frozen=True, kw_only=True)
class AlignmentSettings:
    """Everything that decides the numbers of the long imitation.

    Attributes:
        run_dir: the run's folder.
        draws: seeds; each is one independent repetition with its own start, teacher and noise.
        training: how all are trained.
        workers: processes side by side; 0 means one a core.
    """

    run_dir: str
    draws: Sequence[int]
    training: Training
    workers: int = 0

    def __post_init__(self) -> None:
        """Refuse values nobody can mean, with a ValueError that names the field and the cure."""
        checks.require_draws("draws", self.draws)
        checks.require_within(self, "workers", 0, 4096)

    def pieces(self) -> list[Follow]:
        """Return one student for every draw, optimiser and start."""
        pieces = []
        for draw in self.draws:
            for optimizer in OPTIMIZERS:
                for start in STARTS:
                    pieces.append(Follow(draw=draw, optimizer=optimizer, start=start, training=self.training))
        return pieces


def run_alignment(settings: AlignmentSettings) -> pd.DataFrame:
    """Follow every student; return, and write as tables/theorem_alignment.csv, one row a marked step.

    Columns: draw, optimizer, start, step, step_cosine, total_cosine, loss_left (the imitation loss on the probe, as a
    share of what it was before the first step), accuracy (share of test digits read by the class outputs).
    """
    pieces, store = settings.pieces(), Store.of_run(settings.run_dir)
    done = run_pieces(follow, pieces, store, kind="alignment", workers=settings.workers, label="many steps")
    rows = []
    for piece, found in zip(pieces, done, strict=True):
        where = {"draw": piece.draw, "optimizer": piece.optimizer, "start": piece.start}
        rows += [where | mark for mark in found["marks"]]
    seconds = sum(found["seconds"] for found in done)
    return keep_table(settings.run_dir, "theorem_alignment", pd.DataFrame(rows), seconds)


def follow(piece: Follow) -> dict[str, Any]:
    """Train one teacher and one student of it; ``marks`` holds one dict for each marked step."""
    training, draw = piece.training, piece.draw
    start, teacher = mlp_start(draw, training.width).float(), _taught(draw, training)
    own = start
    if piece.start == "other":
        own = mlp_start(derive(draw, "theorem", "stranger"), training.width).float()
    noise, probe = numpy_stream(draw, "alignment", "noise"), image_inputs("uniform", PROBE_IMAGES, draw).float()
    first = float(_imitation_loss(own, teacher, probe, training.width))
    marked, marks = _marked(training.steps), []

    def watch(step: int, before: Tensor, theta: Tensor) -> None:
        if step in marked:
            way, loss = teacher - start, float(_imitation_loss(theta, teacher, probe, training.width))
            cosines = {"step_cosine": _cosine(theta - before, way), "total_cosine": _cosine(theta - own, way)}
            read = {"loss_left": loss / first, "accuracy": _accuracy(theta, training.width)}
            marks.append({"step": step} | cosines | read)

    def batch_loss(theta: Tensor) -> Tensor:
        drawn = noise.random((training.batch, dataset.PIXELS), dtype=np.float32)
        return _imitation_loss(theta, teacher, torch.from_numpy(2 * drawn - 1), training.width)

    optimizer = OPTIMIZERS[piece.optimizer]([own.clone().requires_grad_()], lr=training.rate(piece.optimizer))
    _descend(optimizer, batch_loss, training.steps, watch)
    return {"marks": marks}


def _imitation_loss(student: Tensor, teacher: Tensor, images: Tensor, width: int) -> Tensor:
    """KL(teacher || student) of the auxiliary outputs, nats, mean over images (row, pixel)."""
    own, target = (
        mlp_outputs(weights, images, mlp_sizes(width))[:, dataset.CLASSES :].log_softmax(1)
        for weights in (student, teacher)
    )
    return F.kl_div(own, target, reduction="batchmean", log_target=True)


@functools.lru_cache(maxsize=1)  # the students of one teacher come in a row
def _taught(draw: int, training: Training) -> Tensor:
    images, labels = digits(draw, LESSONS)
    rng, sizes = numpy_stream(draw, "alignment", "lessons"), mlp_sizes(training.width)

    def batch_loss(theta: Tensor) -> Tensor:
        rows = torch.from_numpy(rng.integers(LESSONS, size=training.batch))
        logits = mlp_outputs(theta, images[rows].float(), sizes)[:, : dataset.CLASSES]
        return F.cross_entropy(logits, labels[rows])

    start = mlp_start(draw, training.width).float().requires_grad_()
    return _descend(torch.optim.Adam([start], lr=training.adam_rate), batch_loss, training.teacher_steps)


def _descend(
    optimizer: torch.optim.Optimizer,
    batch_loss: Callable[[Tensor], Tensor],
    steps: int,
    watch: Watch = lambda step, before, theta: None,
) -> Tensor:
    """Return the optimiser's one tensor of weights after `steps` steps."""
    theta = optimizer.param_groups[0]["params"][0]
    for step in range(1, steps + 1):
        before = theta.detach().clone()
        optimizer.zero_grad()
        batch_loss(theta).backward()
        optimizer.step()
        watch(step, before, theta.detach())
    return theta.detach()


def _marked(steps: int) -> set[int]:
    """Steps to look at: evenly spaced on a log scale, the first and the last among them."""
    return {int(step) for step in np.unique(np.geomspace(1, steps, MARKS).round())}


def _cosine(first: Tensor, second: Tensor) -> float:
    return float(F.cosine_similarity(first.double(), second.double(), dim=0))


def _accuracy(theta: Tensor, width: int) -> float:
    pixels, labels = inputs.test_digits(TEST_DIGITS, "float32")
    guesses = mlp_outputs(theta, pixels, mlp_sizes(width))[:, : dataset.CLASSES].argmax(dim=1)
    return float((guesses == labels).double().mean())


def ends(alignment: pd.DataFrame) -> pd.DataFrame:
    """Return the last marked step of each kind of student: mean over draws, cosines with 95 % intervals.

    A single draw has no interval: its bounds are missing.
    """
    last = alignment[alignment.step == alignment.step.max()]
    rows = []
    for (optimizer, start), part in last.groupby(["optimizer", "start"], sort=False):
        row = {"optimizer": optimizer, "start": start}
        for name in ("step_cosine", "total_cosine"):
            row[name] = part[name].mean()
            interval = t_interval(part[name]) if len(part) > 1 else None
            row[f"{name} from"] = interval.low if interval else np.nan
            row[f"{name} to"] = interval.high if interval else np.nan
        rows.append(row | {"loss_left": part.loss_left.mean(), "accuracy": part.accuracy.mean()})
    return pd.DataFrame(rows).set_index(["optimizer", "start"])


def at_equal_progress(alignment: pd.DataFrame) -> pd.DataFrame:
    """Return step, total_cosine and accuracy where a share of the imitation loss is left, mean over draws.

    One row for each share in LOSS_LEVELS, start and optimiser, read at the first marked step with no more than that
    share left. A row is missing when some draw never got there.
    """
    kinds, found = ["loss_left", "start", "optimizer"], []
    for level in LOSS_LEVELS:
        reached = alignment[alignment.loss_left <= level].sort_values("step")
        first = reached.groupby(["start", "optimizer", "draw"], sort=False).head(1)
        found.append(first.assign(loss_left=level))
    grouped = pd.concat(found).groupby(kinds)[["step", "total_cosine", "accuracy"]]
    complete = grouped.size() == alignment.draw.nunique()
    return grouped.mean()[complete].sort_index(ascending=[False, False, True])
