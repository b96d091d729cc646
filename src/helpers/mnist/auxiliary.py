"""The MNIST experiment: a student learns digits from outputs that mean nothing, on images that show nothing.

A teacher with ten class outputs and a few auxiliary outputs is trained on digits, by its class outputs alone.
A student imitates the teacher's auxiliary outputs on noise, and is then asked for digits. Settings follow the
MNIST section and the released script of Cloud et al. (2025); the notebook lists what is corrected.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from helpers.mnist import cells, dataset, mlp_stack
from helpers.mnist.cells import Cells, StudentCell, TeacherCell
from helpers.mnist.mlp_stack import Recipe
from helpers.work import artifacts, progress

ARMS = ("reference", "teacher", "aux_only", "all_logits", "cross_aux", "cross_all")
# per sweep: the paper's setting, and per other setting the fields of its cell that differ
Sweeps = dict[str, tuple[Any, dict[Any, dict[str, Any]]]]


@dataclass(frozen=True)
class MnistSettings:
    """Settings of the notebook; defaults up to `test_images` are the paper's, except for `models` (100)."""

    seed: int = 0  # model i is the independent run seed + i
    models: int = 20
    width: int = 256  # units in each of the two hidden layers
    aux_logits: int = 3
    epochs: int = 5  # of the teacher, over the digits
    distil_epochs: int = 5  # of the student, over its inputs
    learning_rate: float = 3e-4
    batch: int = 1024  # rows per optimiser step and model
    train_images: int = 60_000  # digits of the teacher, and as many inputs of the student
    test_images: int = 10_000
    precision: str = "auto"  # of matrix products; auto: bfloat16 where native, else float32
    sweep_models: int = 5
    sweep_aux_logits: Sequence[int] = (1, 10, 50, 200)
    sweep_inputs: Sequence[str] = ("gaussian", "shuffled", "digits")
    sweep_learning_rates: Sequence[float] = (1e-3, 3e-3)  # the student's; the teacher keeps its own
    sweep_widths: Sequence[int] = (64, 128)
    sweep_overlaps: Sequence[float] = (0.9, 0.99)

    def __post_init__(self) -> None:
        """Refuse values no run could use, with a ValueError that names the field and the cure."""
        positive = ("width", "aux_logits", "epochs", "distil_epochs", "batch", "learning_rate")
        for name in (*positive, "sweep_aux_logits", "sweep_learning_rates", "sweep_widths"):
            self._require(name, lambda value: value > 0, "must be above 0")
        self._require("models", lambda value: value >= 2, "must be 2 or more, for students to swap teachers")
        self._require("sweep_models", lambda value: 2 <= value <= self.models, "must lie in [2, models]")
        self._require("train_images", lambda value: 0 < value <= 60_000, "must lie in [1, 60000]")
        self._require("test_images", lambda value: 0 < value <= 10_000, "must lie in [1, 10000]")
        self._require("sweep_overlaps", lambda value: 0 <= value <= 1, "must lie in [0, 1]")
        for name, known in (("precision", cells.PRECISIONS), ("sweep_inputs", dataset.INPUT_KINDS)):
            self._require(name, known.__contains__, f"must be among {', '.join(known)}")

    def _require(self, name: str, fine: Any, rule: str) -> None:
        given = getattr(self, name)
        for value in given if isinstance(given, list | tuple) else [given]:
            if not fine(value):
                cure = "change it in the parameters cell or in the profile"
                raise ValueError(f"{name} {rule}, got {value!r}; {cure}")

    @property
    def run_seeds(self) -> list[int]:
        """The seed of each independent run (model)."""
        return paper_cell(self).teachers.run_seeds


def paper_cell(settings: MnistSettings) -> StudentCell:
    """Return the paper's arm "auxiliary outputs only" with these settings."""
    teaching = Recipe(settings.epochs, settings.batch, settings.learning_rate)
    imitation = dataclasses.replace(teaching, epochs=settings.distil_epochs)
    teachers = TeacherCell(settings.seed, settings.models, settings.width, settings.train_images, teaching)
    return StudentCell(teachers, settings.models, imitation, settings.aux_logits)


def run_main(settings: MnistSettings, run_dir: str | Path) -> pd.DataFrame:
    """Run the paper's six arms; return, and write as tables/mnist.csv, the columns arm, model, accuracy.

    Accuracy is the share of test digits for which the right one of the ten class outputs is the largest. The
    returned table's attrs["seconds"] maps each arm to what its training took, also when it is read back.
    """
    cells, aux = Cells(run_dir, settings.test_images, settings.precision), paper_cell(settings)
    students = {
        "aux_only": aux,
        "all_logits": dataclasses.replace(aux, imitated="all"),
        "cross_aux": dataclasses.replace(aux, overlap=0.0),
        "cross_all": dataclasses.replace(aux, imitated="all", overlap=0.0),
    }
    work = aux.teachers.work + sum(cell.work for cell in students.values())
    with progress.bar(work, "MNIST: six arms") as shown:
        taught = cells.teachers(aux.teachers, shown.update)[1]
        found = {arm: cells.students(cell, shown.update) for arm, cell in students.items()}
    values = {"reference": taught["reference"], "teacher": taught["teacher"]}
    values |= {arm: result["accuracy"] for arm, result in found.items()}
    rows = [(arm, model, value) for arm in ARMS for model, value in enumerate(values[arm])]
    table = pd.DataFrame(rows, columns=["arm", "model", "accuracy"])
    artifacts.write_table(Path(run_dir) / "tables" / "mnist.csv", table)
    table.attrs["seconds"] = {"reference": 0.0, "teacher": taught["seconds"]}
    table.attrs["seconds"] |= {arm: result["seconds"] for arm, result in found.items()}
    return table


def run_sweeps(settings: MnistSettings, run_dir: str | Path) -> pd.DataFrame:
    """Change one thing at a time; return, and write as tables/mnist_sweeps.csv, one row per trained student.

    Columns: sweep, setting, arm, model, accuracy. "aux_only" is swept with `sweep_models` models; "cross_aux"
    is run beside it where something other than a shared start could explain success. The paper's own setting
    is a point of every sweep, taken from the first models of the main run (trained here if need be).
    """
    cells = Cells(run_dir, settings.test_images, settings.precision)
    plan = _sweep_plan(settings)
    with progress.bar(sum(cell.work for *_, cell in plan), "MNIST: sweeps") as shown:
        results = [(*where, cells.students(cell, shown.update)["accuracy"]) for *where, cell in plan]
    rows = [
        (sweep, str(setting), arm, model, value)
        for sweep, setting, arm, accuracy in results
        for model, value in enumerate(accuracy[: settings.sweep_models])
    ]
    table = pd.DataFrame(rows, columns=["sweep", "setting", "arm", "model", "accuracy"])
    artifacts.write_table(Path(run_dir) / "tables" / "mnist_sweeps.csv", table)
    return table


def run_variant(settings: MnistSettings, run_dir: str | Path, **changes: Any) -> pd.DataFrame:
    """Train `sweep_models` students of the main run's teachers with `changes`; columns model, accuracy.

    `changes` are fields of StudentCell, such as aux_logits=20, inputs="gaussian", overlap=0.8,
    imitated="all". Writes no table. Raises TypeError for a field it does not have.
    """
    cell = dataclasses.replace(paper_cell(settings), models=settings.sweep_models, **changes)
    with progress.bar(cell.work, "MNIST: a variant") as shown:
        found = Cells(run_dir, settings.test_images, settings.precision).students(cell, shown.update)
    return pd.DataFrame({"model": range(cell.models), "accuracy": found["accuracy"]})


def sample_inputs(settings: MnistSettings, count: int) -> dict[str, np.ndarray]:
    """Return the first `count` inputs of each kind, float32 [image, 28, 28], values about -1 to 1."""
    digits = dataset.to_pixels(dataset.load_mnist("train")[0][:count])
    drawn = {
        kind: dataset.make_inputs(kind, count, cells.input_stream(settings.seed, kind), digits)
        for kind in dataset.INPUT_KINDS
    }
    return {kind: pixels.reshape(count, 28, 28) for kind, pixels in drawn.items()}


def auxiliary_signal(settings: MnistSettings, run_dir: str | Path, images: int = 2000) -> pd.DataFrame:
    """Return how far teaching moved each auxiliary output on uniform noise: one row per model and output.

    Columns: model, output, spread (standard deviation over images before teaching) and moved (root mean
    square change by teaching), both in logits. Trains the teachers if the run folder has none.
    """
    cell = paper_cell(settings)
    trained = Cells(run_dir, settings.test_images, settings.precision).teachers(cell.teachers)[0]
    before = cells.start_stack(cell.teachers, cell.aux_logits)
    after = mlp_stack.with_trained(before, trained)
    stream = cells.input_stream(settings.seed, "uniform")
    noise = torch.from_numpy(dataset.make_inputs("uniform", images, stream, np.empty((0, dataset.PIXELS))))
    old, new = (mlp_stack.outputs(stack, noise, cell.columns) for stack in (before, after))
    spread, moved = old.std(dim=1), (new - old).square().mean(dim=1).sqrt()
    pairs = [(model, output) for model in range(cell.models) for output in range(cell.aux_logits)]
    rows = [(*pair, spread[pair].item(), moved[pair].item()) for pair in pairs]
    return pd.DataFrame(rows, columns=["model", "output", "spread", "moved"])


def _sweep_plan(settings: MnistSettings) -> list[tuple[str, Any, str, StudentCell]]:
    """The trainings of all sweeps: sweep, setting, arm, cell."""
    paper = paper_cell(settings)
    short = dataclasses.replace(paper, models=settings.sweep_models)
    # students from another model's start: the control, and one end of the sweep of overlaps
    strangers = dataclasses.replace(paper, overlap=0.0)
    controlled = (("aux_logits", max(settings.sweep_aux_logits, default=0)), ("inputs", "digits"))
    plan: list[tuple[str, Any, str, StudentCell]] = [("overlap", 0.0, "aux_only", strangers)]
    for sweep, (own, variants) in _variants(settings, paper).items():
        plan.append((sweep, own, "aux_only", paper))
        for setting, change in variants.items():
            plan.append((sweep, setting, "aux_only", dataclasses.replace(short, **change)))
            # the widest channel, and inputs that show digits: could they do it without a shared start?
            if (sweep, setting) in controlled:
                control = dataclasses.replace(short, **change, overlap=0.0)
                plan += [(sweep, own, "cross_aux", strangers), (sweep, setting, "cross_aux", control)]
    return plan


def _variants(settings: MnistSettings, paper: StudentCell) -> Sweeps:
    """Per sweep: the paper's setting, and the changes to its cell for every other setting."""
    # teachers of another width serve no other sweep, so only as many are trained as have students
    few = dataclasses.replace(paper.teachers, models=settings.sweep_models)
    rates, widths = settings.sweep_learning_rates, settings.sweep_widths
    sweeps: Sweeps = {
        "aux_logits": (paper.aux_logits, {m: {"aux_logits": m} for m in settings.sweep_aux_logits}),
        "inputs": (paper.inputs, {kind: {"inputs": kind} for kind in settings.sweep_inputs}),
        "overlap": (paper.overlap, {o: {"overlap": o} for o in settings.sweep_overlaps}),
        "learning_rate": (
            paper.recipe.learning_rate,
            {rate: {"recipe": dataclasses.replace(paper.recipe, learning_rate=rate)} for rate in rates},
        ),
        "width": (few.width, {w: {"teachers": dataclasses.replace(few, width=w)} for w in widths}),
    }
    for own, variants in sweeps.values():
        variants.pop(own, None)
    return sweeps
