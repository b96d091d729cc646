"""Settings of the MNIST experiment, and the students they describe."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from helpers.mnist import dataset, inputs
from helpers.mnist.mlp import Recipe
from helpers.mnist.students import Student
from helpers.mnist.teachers import Teacher
from helpers.work import checks

POOL = 20  # draws whose starts are swapped in the main experiment: as many as the book publishes


@dataclass(frozen=True, kw_only=True)
class MnistSettings:
    """Settings of the notebook; defaults up to `test_images` are the paper's.

    Attributes:
        run_dir: the run's folder.
        draws: seeds of all networks of the experiment; the sweeps are made with the first `sweep_models`.
        recompute: those that are trained here; a seed that is not among `draws` takes part in everything.
        width: units in each of the two hidden layers.
        aux_logits: auxiliary outputs.
        epochs: passes of the teacher over the digits.
        distil_epochs: passes of the student over its images.
        learning_rate: step size of Adam, for teacher and student.
        batch: rows of a step.
        train_images: digits of the teacher, and as many images of the student.
        test_images: digits on which all are tested.
        precision: number format of products, one of `inputs.PRECISIONS`; weights and losses have at least float32.
        sweep_models: draws in the sweeps.
        sweep_aux_logits, sweep_inputs, sweep_learning_rates, sweep_widths, sweep_overlaps: settings of the sweeps;
            in that of step sizes the teacher keeps its own.
        workers: processes side by side; 0 means one a core.
    """

    run_dir: str
    draws: Sequence[int]
    recompute: Sequence[int]
    width: int = 256
    aux_logits: int = 3
    epochs: int = 5
    distil_epochs: int = 5
    learning_rate: float = 3e-4
    batch: int = 1024
    train_images: int = 60_000
    test_images: int = 10_000
    precision: str = "auto"
    sweep_models: int = 5
    sweep_aux_logits: Sequence[int] = (1, 10, 50, 200)
    sweep_inputs: Sequence[str] = ("gaussian", "shuffled", "digits")
    sweep_learning_rates: Sequence[float] = (1e-3, 3e-3)
    sweep_widths: Sequence[int] = (64, 128)
    sweep_overlaps: Sequence[float] = (0.9, 0.99)
    workers: int = 0

    def __post_init__(self) -> None:
        """Refuse values no run could use, with a ValueError that names the field and the cure."""
        checks.require_draws("draws", self.draws)
        checks.require_draws("recompute", self.recompute)
        checks.require_counts(self, "width", "aux_logits", "epochs", "distil_epochs", "batch")
        checks.require_counts(self, "sweep_aux_logits", "sweep_widths")
        checks.require_sizes(self, "learning_rate", "sweep_learning_rates")
        checks.require_within(self, "train_images", 1, 60_000)
        checks.require_within(self, "test_images", 1, 10_000)
        checks.require_within(self, "sweep_overlaps", 0.0, 1.0)
        checks.require_within(self, "workers", 0, 4096)
        checks.require_among(self, "precision", inputs.PRECISIONS)
        checks.require_among(self, "sweep_inputs", dataset.INPUT_KINDS)
        require_first("sweep_models", self.sweep_models, self.draws)

    def computed(self, first: int) -> list[int]:
        """Return the draws trained here for an experiment that is made with the `first` so many draws."""
        taking_part = set(self.draws[:first])
        return [draw for draw in self.recompute if draw in taking_part or draw not in self.draws]

    def teacher(self, draw: int) -> Teacher:
        """Return the teacher of a draw."""
        return Teacher(
            run_dir=self.run_dir,
            draw=draw,
            width=self.width,
            recipe=Recipe(self.epochs, self.batch, self.learning_rate),
            images=self.train_images,
            test_images=self.test_images,
            precision=str(inputs.format_of(self.precision)).removeprefix("torch."),  # part of what is kept
        )

    def student(self, draw: int) -> Student:
        """Return the paper's student of a draw: same start, auxiliary outputs only, uniform noise."""
        teacher = self.teacher(draw)
        recipe = dataclasses.replace(teacher.recipe, epochs=self.distil_epochs)
        return Student(teacher=teacher, recipe=recipe, aux_logits=self.aux_logits, pool=POOL)


def require_first(name: str, count: int, draws: Sequence[int]) -> None:
    """Refuse a number of draws, the first of all, that is below two or above what there is."""
    rule = f"must be a whole number from 2 (students swap starts) to {len(draws)} (all draws)"
    checks.require(name, count, lambda value: checks.is_whole(value) and 2 <= value <= len(draws), rule)
