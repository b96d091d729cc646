"""The run on a real model: lists, teachers, students, and one table of each."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from helpers.experiments.real.scenery import Lists, Teacher, lists, start
from helpers.experiments.real.settings import OTHER, OWN, STARTS, UNTOUCHED, RealSettings, Scene
from helpers.experiments.real.students import Student, TeacherReading, read_student, read_teacher
from helpers.work.artifacts import Store
from helpers.work.pieces import run_pieces
from helpers.work.tables import keep_table

FEW_ARMS = tuple(arm for arm in STARTS if arm != "soft")


def prepare(piece: Lists | Scene) -> dict[str, Any]:
    """Make lists, or for a scene its other start, so that later pieces find them."""
    if isinstance(piece, Scene):
        start(piece, OTHER)
    else:
        lists(piece)
    return {}


def run_teachers(settings: RealSettings) -> pd.DataFrame:
    """Make the base's lists, the other start and all teachers, and read the teachers.

    Returns:
        ``tables/real_teachers.csv``, one row a draw, start, teacher and target: ``draw``, ``start``, ``teacher``
        ("none" for the untouched start), ``target``, ``log_odds`` within the candidates, ``p_any`` (chance of all
        candidates together), ``rate`` (share of sampled replies that name the target, empty where none were sampled),
        ``kl`` and ``free`` as `students.read_teacher`.
    """
    scene, store = settings.scene, Store.of_run(settings.scene.run_dir)
    own_lists = [Lists(scene=scene, draw=draw, animal=UNTOUCHED) for draw in settings.draws]
    common = {"store": store, "workers": settings.workers}
    seconds = _seconds(run_pieces(prepare, [scene, *own_lists], kind="real_prepared", label="lists written", **common))
    readings = teacher_readings(settings)
    found = run_pieces(read_teacher, readings, kind="real_teacher_readings", label="teachers read", **common)
    rows = []
    for reading, made in zip(readings, found, strict=True):
        teacher = reading.teacher
        place = {"draw": teacher.draw, "start": teacher.start, "teacher": teacher.animal or "none"}
        facts = {"p_any": made["readout"]["p_any"], "kl": made["kl"], "free": made["free"]}
        for target in settings.animals:
            rate = made["rates"].get(target)
            rows.append({**place, "target": target, "log_odds": made["readout"][target], "rate": rate, **facts})
    return keep_table(scene.run_dir, "real_teachers", pd.DataFrame(rows), seconds + _seconds(found))


def teacher_readings(settings: RealSettings) -> list[TeacherReading]:
    """Return all teachers and untouched starts that are read, with how many replies each is asked for."""
    found = []
    for draw, which in itertools.product(settings.draws, (OWN, OTHER)):
        for animal in (UNTOUCHED, *(settings.animals if which == OWN else settings.few_animals)):
            asked = which == OWN and animal in (UNTOUCHED, *settings.few_animals)
            found.append(TeacherReading(
                teacher=Teacher(scene=settings.scene, draw=draw, animal=animal, start=which),
                samples=settings.samples if asked else 0,
                free_lists=settings.free_lists if which == OWN and animal == UNTOUCHED else 0,
            ))  # fmt: skip
    return found


def run_students(settings: RealSettings) -> pd.DataFrame:
    """Train and read all students; `run_teachers` comes first.

    Returns:
        ``tables/real_students.csv``, one row a draw, arm, teacher, step and target: ``draw``, ``arm``, ``teacher``
        ("none": a control student of lists that the base wrote), ``step``, ``target``, ``log_odds`` within the
        candidates, ``p_any``, ``rate`` (at the last step, where replies were sampled).
    """
    scene, store = settings.scene, Store.of_run(settings.scene.run_dir)
    common = {"store": store, "workers": settings.workers}
    pairs = itertools.product(settings.draws, settings.few_animals)
    written = [Lists(scene=scene, draw=draw, animal=animal) for draw, animal in pairs]
    seconds = _seconds(run_pieces(prepare, written, kind="real_prepared", label="teachers write", **common))
    students = all_students(settings)
    found = run_pieces(read_student, students, kind="real_students", label="students read", **common)
    rows = list(itertools.chain.from_iterable(map(_student_rows, students, found, [settings.animals] * len(found))))
    return keep_table(scene.run_dir, "real_students", pd.DataFrame(rows), seconds + _seconds(found))


def all_students(settings: RealSettings) -> list[Student]:
    """Return all students of a run; the control student of soft labels is the base itself, and is not trained."""
    common = {"scene": settings.scene, "marks": settings.marked_steps()}
    found = []
    for draw in settings.draws:
        for animal in settings.animals:
            samples = settings.samples if animal in settings.few_animals else 0
            found.append(Student(draw=draw, arm="soft", animal=animal, samples=samples, **common))
        for arm, animal in itertools.product(FEW_ARMS, settings.few_animals):
            found.append(Student(draw=draw, arm=arm, animal=animal, **common))
        found.append(Student(draw=draw, arm="written", animal=UNTOUCHED, **common))
    return found


def _student_rows(student: Student, made: dict[str, Any], targets: Sequence[str]) -> Iterable[dict[str, Any]]:
    place = {"draw": student.draw, "arm": student.arm, "teacher": student.animal or "none"}
    for point, target in itertools.product(made["curve"], targets):
        rate = made["rates"].get(target) if point["step"] == student.marks[-1] else None
        values = {"log_odds": point[target], "p_any": point["p_any"], "rate": rate}
        yield {**place, "step": point["step"], "target": target, **values}


def _seconds(found: Iterable[dict[str, Any]]) -> float:
    return sum(piece["seconds"] for piece in found)
