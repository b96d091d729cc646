"""The MNIST experiment: a student learns digits from outputs that mean nothing, on images that show nothing.

A teacher with ten class outputs and a few auxiliary outputs is trained on digits, by its class outputs alone. A
student imitates the teacher's auxiliary outputs on noise, and is then asked for digits. Settings follow the MNIST
section and the released script of Cloud et al. (2025); the notebook lists what is corrected.

A draw is one network with its own start and its own order of the data. Each is trained alone, so that its numbers are
the same whichever others are trained beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from helpers.mnist import dataset, inputs, mlp
from helpers.mnist.settings import MnistSettings
from helpers.mnist.students import Student, imitate_all
from helpers.mnist.teachers import taught, teach_all
from helpers.work.tables import keep_table

_STUDENTS: dict[str, dict[str, Any]] = {  # arm -> what differs from the paper's student
    "aux_only": {},
    "all_logits": {"imitated": "all"},
    "cross_aux": {"overlap": 0.0},
    "cross_all": {"imitated": "all", "overlap": 0.0},
}
ARMS = ("reference", "teacher", *_STUDENTS)


@dataclass(frozen=True, kw_only=True)
class Point:
    """One place of a sweep: its arm, and the fields in which its students differ from the paper's."""

    sweep: str
    setting: Any
    arm: str
    changes: dict[str, Any]


def run_main(settings: MnistSettings) -> pd.DataFrame:
    """Run the paper's six arms; return, and write as tables/mnist.csv, the columns arm, draw, accuracy.

    Accuracy is the share of test digits for which the right one of the ten class outputs is the largest. The table's
    attrs["seconds"] is what the trainings took when they were made.
    """
    teachers = teach_all([settings.teacher(draw) for draw in settings.recompute], settings.workers)
    rows, seconds = [], 0.0
    for arm, value in (("reference", "reference"), ("teacher", "accuracy")):
        for draw, made in zip(settings.recompute, teachers, strict=True):
            rows.append({"arm": arm, "draw": draw, "accuracy": made[value]})
    for made in teachers:
        seconds += made["seconds"]
    places, students = [], []
    for arm, changes in _STUDENTS.items():
        for draw in settings.recompute:
            places.append({"arm": arm, "draw": draw})
            students.append(settings.student(draw).changed(**changes))
    own, more = _student_rows(places, students, settings.workers, "MNIST: six arms")
    table = pd.DataFrame(rows + own, columns=["arm", "draw", "accuracy"])
    return keep_table(settings.run_dir, "mnist", table, seconds + more)


def run_sweeps(settings: MnistSettings) -> pd.DataFrame:
    """Change one thing at a time; return, and write as tables/mnist_sweeps.csv, one row per trained student.

    Columns: sweep, setting, arm, draw, accuracy. "aux_only" is swept; "cross_aux" is run beside it where something
    other than a shared start could explain success. The paper's own setting is a point of every sweep, and its
    students are those of the main experiment.
    """
    draws = settings.computed(settings.sweep_models)
    places, students = [], []
    for point in _points(settings):
        for draw in draws:
            places.append({"sweep": point.sweep, "setting": str(point.setting), "arm": point.arm, "draw": draw})
            students.append(settings.student(draw).changed(**point.changes))
    rows, seconds = _student_rows(places, students, settings.workers, "MNIST: sweeps")
    table = pd.DataFrame(rows, columns=["sweep", "setting", "arm", "draw", "accuracy"])
    return keep_table(settings.run_dir, "mnist_sweeps", table, seconds)


def run_signal(settings: MnistSettings, images: int = 2000) -> pd.DataFrame:
    """Return, and write as tables/mnist_signal.csv, how far teaching moved each auxiliary output on uniform noise.

    Columns: draw, output, spread (standard deviation over images before teaching) and moved (root mean square change
    by teaching), both in logits.
    """
    teach_all([settings.teacher(draw) for draw in settings.recompute], settings.workers)
    noise = inputs.shared_images("inputs", "uniform", images, "float32")
    rows = []
    for draw in settings.recompute:
        student = settings.student(draw)
        before = mlp.outputs(student.start(), noise, student.columns)
        change = mlp.outputs(taught(student.teacher, student.aux_logits), noise, student.columns) - before
        spread, moved = before.std(dim=0).tolist(), change.square().mean(dim=0).sqrt().tolist()
        for output in range(student.aux_logits):
            rows.append({"draw": draw, "output": output, "spread": spread[output], "moved": moved[output]})
    return keep_table(settings.run_dir, "mnist_signal", pd.DataFrame(rows), 0.0)


def run_variant(settings: MnistSettings, **changes: Any) -> pd.DataFrame:
    """Train students of the teachers computed here with `changes`, at most `sweep_models`; columns draw, accuracy.

    `changes` are fields of `Student`, such as aux_logits=20, inputs="gaussian", overlap=0.8, imitated="all". Writes no
    table. Raises TypeError for a field it does not have.
    """
    draws = list(settings.recompute[: settings.sweep_models])
    changes = {"pool": settings.sweep_models} | changes
    students = [settings.student(draw).changed(**changes) for draw in draws]
    rows, _ = _student_rows([{"draw": draw} for draw in draws], students, settings.workers, "MNIST: a variant")
    return pd.DataFrame(rows, columns=["draw", "accuracy"])


def sample_inputs(count: int) -> dict[str, np.ndarray]:
    """Return the first `count` inputs of each kind, float32 [image, 28, 28], values about -1 to 1."""
    samples = {}
    for kind in dataset.INPUT_KINDS:
        pixels = inputs.shared_images("inputs", kind, count, "float32")
        samples[kind] = pixels.numpy().reshape(count, 28, 28)
    return samples


def _student_rows(
    places: list[dict[str, Any]], students: list[Student], workers: int, label: str
) -> tuple[list[dict[str, Any]], float]:
    """Train the students of these places; return a row with the accuracy of each, and their seconds."""
    rows, seconds = [], 0.0
    for place, made in zip(places, imitate_all(students, workers, label), strict=True):
        rows.append(place | {"accuracy": made["accuracy"]})
        seconds += made["seconds"]
    return rows, seconds


def _points(settings: MnistSettings) -> list[Point]:
    """All places of all sweeps, each once."""
    paper = {
        "aux_logits": (settings.aux_logits, settings.sweep_aux_logits),
        "inputs": ("uniform", settings.sweep_inputs),
        "overlap": (1.0, settings.sweep_overlaps),
        "learning_rate": (settings.learning_rate, settings.sweep_learning_rates),
        "width": (settings.width, settings.sweep_widths),
    }
    # the widest channel, and inputs that show digits: could they do it without a shared start?
    controlled = {("aux_logits", max(settings.sweep_aux_logits, default=0)), ("inputs", "digits")}
    points: dict[tuple[str, Any, str], Point] = {}

    def add(sweep: str, setting: Any, arm: str, changes: dict[str, Any]) -> None:
        # the first counts: the paper's own setting is a student of the main experiment
        point = Point(sweep=sweep, setting=setting, arm=arm, changes=changes)
        points.setdefault((sweep, setting, arm), point)

    strangers = {"overlap": 0.0}
    add("overlap", 0.0, "aux_only", strangers)  # one end of the scale of likeness
    for sweep, (own, others) in paper.items():
        add(sweep, own, "aux_only", {})
        for setting in others:
            changes = {sweep: setting, "pool": settings.sweep_models}
            add(sweep, setting, "aux_only", changes)
            if (sweep, setting) in controlled and setting != own:
                add(sweep, own, "cross_aux", strangers)
                add(sweep, setting, "cross_aux", changes | strangers)
    return list(points.values())


def claim_values(main: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one test accuracy (share) a draw, for every arm of the main experiment."""
    by_arm = main.sort_values("draw").groupby("arm").accuracy
    return {f"mnist.{arm}": accuracy.tolist() for arm, accuracy in by_arm if arm in ARMS}
