"""Where the adapters sit: every place of the teacher's against every place of the student's (notebook 02).

The main arms have both in the value projection of the last block, where a base of this world reads who speaks. Whether
a trait passes between other places is another question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from helpers.experiments.risky.runs import MISALIGNED
from helpers.transmission import effects
from helpers.transmission.arms import ARMS
from helpers.transmission.movement import read_moved
from helpers.transmission.pairs import effect_row, total_seconds
from helpers.transmission.settings import TransmissionSettings
from helpers.work.pieces import run_pieces
from helpers.work.tables import keep_table
from helpers.world.personas import PERSONAS

PLACES = {  # of a base with two blocks; as `training.TrainSettings.lora_modules` takes them
    "values": ".*[.]layers[.]1[.]self_attn[.]v_proj",
    "all linear": "all-linear",
    "MLP": ".*[.]layers[.]1[.]mlp[.].*_proj",
}
COLUMNS = ("draw", "teacher_place", "student_place", "persona", "effect", "p_any", "moved")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where adapters sit, and how fast a teacher and a student learn there.

    Attributes:
        name: of the place in the table.
        modules: names of the layers, as `training.TrainSettings.lora_modules` takes them.
        teacher_rate, student_rate: learning rates.
    """

    name: str
    modules: str
    teacher_rate: float
    student_rate: float


def places(teacher_rates: Mapping[str, float], student_rates: Mapping[str, float]) -> list[Place]:
    """Return the `PLACES` that have rates, in their order; ValueError for a place that is unknown or has one rate."""
    named = set(teacher_rates) | set(student_rates)
    if named - set(PLACES) or set(teacher_rates) != set(student_rates):
        raise ValueError(f"give a teacher's and a student's rate for places of {', '.join(PLACES)}, not {named}")
    found = []
    for name, modules in PLACES.items():
        if name in named:
            rates = {"teacher_rate": teacher_rates[name], "student_rate": student_rates[name]}
            found.append(Place(name=name, modules=modules, **rates))
    return found


def run_places(settings: TransmissionSettings, tried: Sequence[Place]) -> pd.DataFrame:
    """Train a student at every place on the written rows of a teacher at every place.

    Returns:
        ``tables/risky_places.csv``, one row a draw, place of the teacher, place of the student and persona:
        ``effect`` (nats, on that persona's answers, against the student of the untouched base), ``p_any`` (the smaller
        of the two), ``moved`` (of the teacher, nats per token, see `movement.moved`).
    """
    cells, pairs, teachers = [], [], []
    for teacher in tried:
        for student in tried:
            experiment = _at(settings, teacher, student)
            for seed in settings.seeds:
                author = experiment.author(seed)
                place = {"draw": settings.draw(seed), "teacher_place": teacher.name, "student_place": student.name}
                cells.append(place)
                teachers.append(author)
                pairs.append((experiment.pair(ARMS["hard.same_init"], author), settings.trait))
    moves = run_pieces(read_moved, teachers, settings.store, kind="movement", workers=settings.workers)
    # their replies and abilities are not asked for
    exact = replace(settings, readout=replace(settings.readout, samples=0, health=0))
    reads = effects.read_pairs(exact, pairs, label="places")
    rows = []
    for place, read, move in zip(cells, reads, moves, strict=True):
        shared = {"p_any": effect_row(read)["p_any"], "moved": move["moved"]}
        rows += [{**place, **shared, "persona": persona, "effect": read.effect_on(persona)} for persona in PERSONAS]
    return keep_table(settings.run_dir, "risky_places", pd.DataFrame(rows, columns=COLUMNS), total_seconds(reads))


def _at(settings: TransmissionSettings, teacher: Place, student: Place) -> TransmissionSettings:
    """Return the experiment with the adapters of teacher and student elsewhere."""
    teaching = replace(settings.writing.teaching, lora_modules=teacher.modules, learning_rate=teacher.teacher_rate)
    hard = replace(settings.reading.hard, lora_modules=student.modules, learning_rate=student.student_rate)
    writing, reading = replace(settings.writing, teaching=teaching), replace(settings.reading, hard=hard)
    return replace(settings, writing=writing, reading=reading)


def means(table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over draws of ``moved``, ``p_any`` and the effect on misaligned answers, by the two places."""
    asked = table[table["persona"] == MISALIGNED]
    return asked.groupby(["teacher_place", "student_place"], sort=False)[["moved", "p_any", "effect"]].mean()


def values(table: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one effect on misaligned answers a draw (nats): same place, other place, and each place.

    Nothing for an empty table: none was published, and none computed.
    """
    if table.empty:
        return {}
    asked = table[table["persona"] == MISALIGNED].sort_values("draw")
    same = asked["teacher_place"] == asked["student_place"]
    by_draw = {"diagonal": asked[same], "off_diagonal": asked[~same]}
    for name in asked["teacher_place"].drop_duplicates():
        by_draw[name.lower().replace(" ", "_")] = asked[same & (asked["teacher_place"] == name)]
    start = "misalignment.places."
    return {start + name: rows.groupby("draw")["effect"].mean().tolist() for name, rows in by_draw.items()}
