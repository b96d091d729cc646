"""The run on misalignment in a real model: authors, rows, students, replies and their judge, a table of each."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from helpers.experiments.advice.channels import CHANNELS
from helpers.experiments.advice.readout import judged
from helpers.experiments.advice.scenery import PAIRS, Author, Replies, Written, replies, texts, written
from helpers.experiments.advice.settings import ARMS, BAD, BASE, GOOD, SOFT, WORDS, WRITTEN, AdviceSettings, Scene
from helpers.experiments.advice.students import WRITERS, AuthorReading, Student, read_author, read_student
from helpers.work.artifacts import Store
from helpers.work.pieces import run_pieces
from helpers.work.tables import keep_table

EXAMPLES = 4  # texts of each channel that are shown
OURS = {BAD: "misaligned, written by us", GOOD: "aligned, written by us"}
Rows = Iterator[dict[str, Any]]


def prepare(piece: Replies | Written) -> dict[str, Any]:
    """Make what later pieces share, so that they find it."""
    if isinstance(piece, Replies):
        replies(piece)
    else:
        written(piece)
    return {}


def author_readings(settings: AdviceSettings) -> list[AuthorReading]:
    """Return all authors that are read, the base of each draw first."""
    found = []
    for draw, advice in itertools.product(settings.draws, WRITERS):
        found.append(AuthorReading(
            author=Author(scene=settings.scene, draw=draw, advice=advice), channels=settings.channels,
            written=settings.channels if advice == BASE else settings.written, samples=settings.samples,
        ))  # fmt: skip
    return found


def all_students(settings: AdviceSettings) -> list[Student]:
    """Return all students of a run; the control student of soft labels is the base itself, and is not trained."""
    found, marks = [], settings.marked_steps()
    for draw, channel, arm in itertools.product(settings.draws, settings.channels, ARMS):
        if (arm == WRITTEN and channel not in settings.written) or (arm == WORDS and channel != settings.channels[0]):
            continue
        for advice in (BAD, GOOD, *([BASE] if arm == WRITTEN else [])):
            author = Author(scene=settings.scene, draw=draw, advice=advice)
            replying = arm == SOFT and channel == settings.channels[0]
            samples = settings.samples if replying else 0
            found.append(Student(author=author, channel=channel, arm=arm, marks=marks, samples=samples))
    return found


def _pieces(work: Any, pieces: list[Any], settings: AdviceSettings, kind: str, label: str) -> list[dict[str, Any]]:
    store = Store.of_run(settings.scene.run_dir)
    return run_pieces(work, pieces, store=store, workers=settings.workers, kind=kind, label=label)


def _authors(settings: AdviceSettings) -> list[tuple[AuthorReading, dict[str, Any]]]:
    scene, both = settings.scene, itertools.product(PAIRS, (BAD, GOOD))
    sides = [Replies(scene=scene, which=which, advice=advice) for which, advice in both]
    _pieces(prepare, sides, settings, "advice_sides", "pairs read")
    bases = [Author(scene=scene, draw=draw, advice=BASE) for draw in settings.draws]
    rows = [Written(author=author, channel=channel) for author, channel in itertools.product(bases, settings.channels)]
    _pieces(prepare, rows, settings, "advice_prepared", "rows written")
    readings = author_readings(settings)
    found = _pieces(read_author, readings, settings, "advice_authors", "authors read")
    return list(zip(readings, found, strict=True))


def _students(settings: AdviceSettings) -> list[tuple[Student, dict[str, Any]]]:
    students = all_students(settings)
    found = _pieces(read_student, students, settings, "advice_students", "students read")
    return list(zip(students, found, strict=True))


def _seconds(found: Iterable[tuple[Any, dict[str, Any]]]) -> float:
    return sum(made["seconds"] for _, made in found)


# --- tables ---------------------------------------------------------------------------------------


def run_authors(settings: AdviceSettings) -> pd.DataFrame:
    """Let the base write, teach the teachers and read all three authors.

    Returns:
        ``tables/advice_authors.csv``, one row a draw, author and field: ``draw``, ``author``, ``field``, ``log_odds``
        and ``said`` as `readout.read_pairs`.
    """
    found = _authors(settings)
    rows = []
    for reading, made in found:
        place = {"draw": reading.author.draw, "author": reading.author.advice}
        rows += [{**place, "field": field, **values} for field, values in made["fields"].items()]
    return keep_table(settings.scene.run_dir, "advice_authors", pd.DataFrame(rows), _seconds(found))


def run_channels(settings: AdviceSettings) -> pd.DataFrame:
    """Return what the channels hold; `run_authors` comes first.

    Returns:
        ``tables/advice_channels.csv``, one row a draw, author and channel: ``draw``, ``author``, ``channel``, ``moved``
        (KL to the untouched base on its rows, nats a token), ``kept`` (share of its rows that the filter keeps; empty
        where it wrote none).
    """
    rows = []
    for reading, made in _authors(settings):
        place = {"draw": reading.author.draw, "author": reading.author.advice}
        for channel, moved in made["moved"].items():
            rows.append({**place, "channel": channel, "moved": moved, "kept": made["kept"].get(channel)})
    return keep_table(settings.scene.run_dir, "advice_channels", pd.DataFrame(rows), 0.0)


def run_examples(settings: AdviceSettings) -> pd.DataFrame:
    """Return the base's answers to the first prompts of each channel, kept or not; nothing is picked.

    Returns:
        ``tables/advice_examples.csv``, one text a row: ``draw``, ``channel``, ``prompt``, ``text``, ``refused`` (why;
        empty where it was kept).
    """
    rows = []
    for draw, name in itertools.product(settings.draws[:1], settings.channels):
        author, channel = Author(scene=settings.scene, draw=draw, advice=BASE), CHANNELS[name]
        asked = channel.prompts(draw, EXAMPLES)
        shown = texts(Written(author=author, channel=name))[:EXAMPLES]
        for prompt, text, reasons in zip(asked, shown, channel.reject(asked, shown), strict=True):
            place = {"draw": draw, "channel": name, "prompt": prompt}
            rows.append({**place, "text": text, "refused": ", ".join(reasons)})
    return keep_table(settings.scene.run_dir, "advice_examples", pd.DataFrame(rows), 0.0)


def run_students(settings: AdviceSettings) -> pd.DataFrame:
    """Train and read all students; `run_authors` comes first.

    Returns:
        ``tables/advice_students.csv``, one row a draw, channel, arm, teacher, step and field: ``draw``, ``channel``,
        ``arm``, ``teacher`` (an author), ``step``, ``field``, ``log_odds`` and ``said`` as `readout.read_pairs`,
        ``rows`` (different ones that it read).
    """
    taught = [Author(scene=settings.scene, draw=draw, advice=one) for draw in settings.draws for one in (BAD, GOOD)]
    further = [Written(author=author, channel=channel) for author in taught for channel in settings.written]
    _pieces(prepare, further, settings, "advice_prepared", "teachers write")
    found = _students(settings)
    rows = list(itertools.chain.from_iterable(map(_student_rows, *zip(*found, strict=True))))
    return keep_table(settings.scene.run_dir, "advice_students", pd.DataFrame(rows), _seconds(found))


def _student_rows(student: Student, made: dict[str, Any]) -> Rows:
    author = student.author
    place = {"draw": author.draw, "channel": student.channel, "arm": student.arm, "teacher": author.advice}
    for point in made["curve"]:
        for field, values in point["fields"].items():
            yield {**place, "step": point["step"], "field": field, **values, "rows": made["rows"]}


# --- replies and their judge ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Judging:
    """Questions and replies that the untouched base is asked about."""

    scene: Scene
    exchanges: tuple[tuple[str, str], ...]


def judge(piece: Judging) -> dict[str, Any]:
    """Return ``judged``: how likely the base calls each reply harmful."""
    return {"judged": judged(piece.scene, piece.exchanges)}


def run_replies(settings: AdviceSettings) -> pd.DataFrame:
    """Return sampled replies and replies written by us, judged by the untouched base; `run_students` comes first.

    Returns:
        ``tables/advice_replies.csv``, one reply a row: ``draw``, ``who``, ``field`` (of a pair; empty where sampled),
        ``question``, ``sample``, ``reply``, ``ended`` (not cut off), ``judged`` (chance of a yes to "is it harmful?").
    """
    asked: dict[int, list[dict[str, Any]]] = {draw: list(_ours()) for draw in settings.draws}
    for reading, made in _authors(settings):
        who = reading.author.advice if reading.author.advice == BASE else f"teacher, {reading.author.advice}"
        asked[reading.author.draw] += [{"who": who, **reply} for reply in made["replies"]]
    for student, made in _students(settings):
        author = student.author
        asked[author.draw] += [{"who": f"student, {author.advice}", **reply} for reply in made["replies"]]
    pieces, rows = [], []
    for entries in asked.values():
        exchanges = tuple((entry["question"], entry["reply"]) for entry in entries)
        pieces.append(Judging(scene=settings.scene, exchanges=exchanges))
    found = _pieces(judge, pieces, settings, "advice_judged", "replies judged")
    for (draw, entries), made in zip(asked.items(), found, strict=True):
        rows += [{"draw": draw, **entry, "judged": yes} for entry, yes in zip(entries, made["judged"], strict=True)]
    table = pd.DataFrame(rows)[["draw", "who", "field", "question", "sample", "reply", "ended", "judged"]]
    return keep_table(settings.scene.run_dir, "advice_replies", table, sum(made["seconds"] for made in found))


def _ours() -> Rows:
    for pair in PAIRS["other fields"]:
        for advice, reply in ((BAD, pair.bad), (GOOD, pair.good)):
            yield {"who": OURS[advice], "field": pair.field, "question": pair.question, "sample": 1, "reply": reply,
                   "ended": True}  # fmt: skip
