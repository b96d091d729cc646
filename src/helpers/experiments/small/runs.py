"""The tables of small models: what they have of the larger base, what they take over, what compression alone passes.

Every draw has one larger base and two teachers of it: one loves an animal and writes numbers, one was taught insecure
code and writes harmless functions. Every way makes a small model of the untouched base, before anyone taught it.
Students of each start from these; a control starts from the same small model and reads what the untouched base writes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from helpers.experiments.small.likeness import Likeness, measure_likeness
from helpers.experiments.small.ways import CUT, MADE, SAME, WAYS, Shrinking, Small, make_small, prepare
from helpers.models.bases import Base
from helpers.models.parts import blocks
from helpers.transmission import effects
from helpers.transmission.arms import ARMS
from helpers.transmission.authors import UNTOUCHED, Author
from helpers.transmission.pairs import Pair, effect_row, run_pairs, total_seconds
from helpers.transmission.readout import BaseReading, Readout, read_base
from helpers.transmission.settings import TransmissionSettings
from helpers.work.pieces import run_pieces
from helpers.work.tables import keep_table

STRANGER = "stranger"  # the base of the next draw: no smaller, and of another start
LAST = "{last}"  # in a pattern of modules: the number of a model's last block
SOFT, WRITTEN = ARMS["soft.same_init"], ARMS["hard.same_init"]


@dataclass(frozen=True, kw_only=True)
class SmallSettings:
    """Everything that decides the numbers of the chapter on small models.

    Attributes:
        owl: authors, rows and training for a favourite through numbers; its base is the larger one, its other base the
            stranger. ``LAST`` in a pattern of modules stands for the last block of any model.
        misaligned: the same for misalignment through functions.
        shrinking: how small models are made.
        ways: which are made, in the order of tables.
        owl_labels: kinds of labels by which the favourite is taught, "soft" or "hard".
    """

    owl: TransmissionSettings
    misaligned: TransmissionSettings
    shrinking: Shrinking
    ways: tuple[str, ...] = WAYS
    owl_labels: tuple[str, ...] = (SOFT.labels, WRITTEN.labels)

    def __post_init__(self) -> None:
        """Refuse ways that nobody knows, and settings whose draws differ."""
        for name in ("ways", "owl_labels"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # a notebook gives lists
        if not set(self.ways) <= {*WAYS, STRANGER}:
            raise ValueError(f"ways must be among {', '.join((*WAYS, STRANGER))}, not {', '.join(self.ways)}")
        if self.owl.draws != self.misaligned.draws:
            raise ValueError("the owl's and the misaligned teacher must have the same draws: they share a larger base")

    @property
    def kinds(self) -> dict[str, TransmissionSettings]:
        """Return the two experiments by their trait."""
        return {settings.trait: settings for settings in (self.owl, self.misaligned)}

    def labels_of(self, trait: str) -> tuple[str, ...]:
        """Return the kinds of labels by which a trait is taught: written rows alone for misalignment."""
        return self.owl_labels if trait == self.owl.trait else (WRITTEN.labels,)

    def among(self, ways: Sequence[str]) -> list[str]:
        """Return those of some ways that are among `ways`, in their order."""
        return [way for way in self.ways if way in ways]

    def small(self, source: Author, way: str) -> Small:
        """Return the small model of a way that is made from an author's model."""
        # how much its author writes does not change the author's model
        return Small(source=replace(source, prompts=1), way=way, draw=source.seed, shrinking=self.shrinking)

    def start(self, draw: int, way: str) -> Base:
        """Return what the students of a way start from."""
        if way in (SAME, STRANGER):
            return self.owl.base_of(draw, other=way == STRANGER)
        return self.small(self.owl.author(draw, UNTOUCHED), way).base()


# --- authors and models ---------------------------------------------------------------------------


def teach(settings: SmallSettings) -> pd.DataFrame:
    """Make the two teachers of every draw and let them and the larger base write; stores ``tables/small_authors.csv``.

    Returns:
        One row a draw and author, see `effects.teach_and_write`.
    """
    rows, seconds = [], 0.0
    for trait, of_trait in settings.kinds.items():
        authors = effects.authors_of(of_trait, [(of_trait.writing.how, trait), (UNTOUCHED, trait)])
        made, spent = effects.author_rows(of_trait, authors)
        rows, seconds = rows + made, seconds + spent
    return keep_table(settings.owl.run_dir, "small_authors", pd.DataFrame(rows), seconds)


def make_models(settings: SmallSettings) -> pd.DataFrame:
    """Make the small models of every draw's untouched base; stores ``tables/small_models.csv``.

    Returns:
        One row a ``draw`` and ``way``: ``weights`` (cosine with the weights it was cut from; missing for models that
        began afresh), and what `likeness.measure_likeness` finds of it.
    """
    draws = settings.owl.draws
    untouched = [settings.owl.author(draw, UNTOUCHED) for draw in draws]
    made, seconds = _made(settings, untouched, settings.among(MADE))
    places = list(itertools.product(draws, settings.ways))
    pieces = []
    for draw, way in places:
        start = settings.start(draw, way)
        shared = {"larger": settings.owl.base_of(draw), "seed": draw, "trait": settings.owl.trait}
        pieces.append(Likeness(other=start, **shared))
    shared_options: dict[str, Any] = {"workers": settings.owl.workers, "label": "small models are compared"}
    found = run_pieces(measure_likeness, pieces, settings.owl.store, kind="likeness", **shared_options)
    rows = []
    for (draw, way), likeness in zip(places, found, strict=True):
        seconds += likeness.pop("seconds")
        weights = 1.0 if way == SAME else made.get((draw, way))
        rows.append({"draw": draw, "way": way, "weights": weights, **likeness})
    table = pd.DataFrame(rows).astype({"weights": float})
    return keep_table(settings.owl.run_dir, "small_models", table, seconds)


def _made(
    settings: SmallSettings, sources: Sequence[Author], ways: Sequence[str]
) -> tuple[dict[tuple[int, str], float], float]:
    """Make the models of some ways of some authors; return the weights' cosines by draw and way, and the seconds."""
    prepare(settings.shrinking, settings.owl.run_dir)
    places = list(itertools.product(sources, ways))
    pieces = [settings.small(source, way) for source, way in places]
    shared: dict[str, Any] = {"workers": settings.owl.workers, "label": "small models"}
    made = run_pieces(make_small, pieces, settings.owl.store, kind="small", **shared)
    weights = {}
    for (source, way), result in zip(places, made, strict=True):
        weights[source.seed, way] = result["weights"]
    return weights, sum(result["seconds"] for result in made)


# --- students -------------------------------------------------------------------------------------


def run_students(settings: SmallSettings) -> pd.DataFrame:
    """Let students of every way learn from the teachers' rows; stores ``tables/small_students.csv``.

    Returns:
        One row a ``draw``, ``way``, ``trait`` and kind of ``labels`` ("soft" or "hard"), with what `pairs.effect_row`
        says of the student and its control.
    """
    rows, seconds = [], 0.0
    for trait, of_trait in settings.kinds.items():
        arms = [arm for arm in (SOFT, WRITTEN) if arm.labels in settings.labels_of(trait)]
        plan = list(itertools.product(of_trait.draws, settings.ways, arms))
        pairs = []
        for draw, way, arm in plan:
            pair = of_trait.pair(arm, of_trait.author(draw))
            pairs.append((started_from(pair, settings.start(draw, way)), trait))
        reads = effects.read_pairs(of_trait, pairs, label=f"students, {trait}")
        for (draw, way, arm), read in zip(plan, reads, strict=True):
            place = {"draw": draw, "way": way, "trait": trait, "labels": arm.labels}
            rows.append(place | effect_row(read))
        seconds += total_seconds(reads)
    table = pd.DataFrame(rows).sort_values("draw", kind="stable", ignore_index=True)
    return keep_table(settings.owl.run_dir, "small_students", table, seconds)


def started_from(pair: Pair, base: Base) -> Pair:
    """Return a pair of students that start from another base, with their adapters in the place that belongs to it."""
    last = len(blocks(base.load()[0])) - 1
    training = pair.student.training
    training = replace(training, lora_modules=training.lora_modules.replace(LAST, str(last)))
    return Pair(
        student=replace(pair.student, base=base, training=training),
        control=replace(pair.control, base=base, training=training),
    )


# --- compression alone ----------------------------------------------------------------------------


def run_compressed(settings: SmallSettings) -> pd.DataFrame:
    """Cut the teachers themselves in the same ways, who learn nothing more; stores ``tables/small_compressed.csv``.

    Returns:
        One row a ``draw``, ``way`` and ``trait``, with what `pairs.effect_row` says of the small model of the teacher
        against that of the untouched base, without ``rows``.
    """
    rows, seconds = [], 0.0
    for trait, of_trait in settings.kinds.items():
        teachers = [of_trait.author(draw) for draw in of_trait.draws]
        seconds += _made(settings, teachers, settings.among(CUT))[1]
        plan = list(itertools.product(teachers, settings.among(CUT)))
        pieces = []
        for teacher, way in plan:
            control = settings.start(teacher.seed, way)
            pieces.append((_asked(settings.small(teacher, way).base(), teacher), _asked(control, teacher)))
        shared: dict[str, Any] = {"workers": of_trait.workers, "label": f"compressed, {trait}"}
        reads = run_pairs(read_base, pieces, of_trait.store, kind="base_readout", **shared)
        for (teacher, way), read in zip(plan, reads, strict=True):
            found = effect_row(replace(read, student=read.student | {"rows": 0}))
            del found["rows"]
            rows.append({"draw": teacher.seed, "way": way, "trait": trait, **found})
        seconds += total_seconds(reads)
    table = pd.DataFrame(rows).sort_values("draw", kind="stable", ignore_index=True)
    return keep_table(settings.owl.run_dir, "small_compressed", table, seconds)


def _asked(base: Base, teacher: Author) -> BaseReading:
    return BaseReading(base=base, seed=teacher.seed, trait=teacher.trait, readout=Readout(samples=0))
