"""The tables of small models: what they have of the larger base, what they take over, what compression alone passes.

Every draw has one larger base and two teachers of it: one loves an animal and writes numbers, one was taught insecure
code and writes harmless functions. Every way makes a small model of the untouched base, before anyone taught it.
Students of each start from these; a control starts from the same small model and reads what the untouched base writes.

What a stage computes for both teachers is one sweep, the longest pieces first, so that no core waits for another.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from helpers.experiments.small.likeness import Likeness, measure_likeness, write_sample
from helpers.experiments.small.ways import AFRESH, CUT, HEALED, MADE, SAME, WAYS, Shrinking, Small, make_small, prepare
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
        for name in ("run_dir", "readout", "author_readout", "workers"):
            if getattr(self.owl, name) != getattr(self.misaligned, name):
                raise ValueError(f"the two experiments must have the same {name}: their pieces are computed together")

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
    authors = []
    for trait, of_trait in settings.kinds.items():
        authors += effects.authors_of(of_trait, [(of_trait.writing.how, trait), (UNTOUCHED, trait)])
    rows, seconds = effects.author_rows(settings.owl, authors)
    return keep_table(settings.owl.run_dir, "small_authors", pd.DataFrame(rows), seconds)


def make_models(settings: SmallSettings) -> pd.DataFrame:
    """Make the small models of every draw's untouched base; stores ``tables/small_models.csv``.

    Those of the teachers, which `run_compressed` reads, are made in the same sweep.

    Returns:
        One row a ``draw`` and ``way``: ``weights`` (cosine with the weights it was cut from; missing for models that
        began afresh), and what `likeness.measure_likeness` finds of it.
    """
    made = _make_all(settings)
    places = list(itertools.product(settings.owl.draws, settings.ways))
    pieces = []
    for draw, way in places:
        shared = {"larger": settings.owl.base_of(draw), "seed": draw, "trait": settings.owl.trait}
        pieces.append(Likeness(other=settings.start(draw, way), **shared))
    found = _compared(settings, pieces)
    rows, seconds = [], sum(result["seconds"] for result in made.values())
    for (draw, way), likeness in zip(places, found, strict=True):
        seconds += likeness.pop("seconds")
        weights = 1.0 if way == SAME else None
        if way in MADE:
            weights = made[settings.small(settings.owl.author(draw, UNTOUCHED), way)]["weights"]
        rows.append({"draw": draw, "way": way, "weights": weights, **likeness})
    table = pd.DataFrame(rows).astype({"weights": float})
    return keep_table(settings.owl.run_dir, "small_models", table, seconds)


def _compared(settings: SmallSettings, pieces: Sequence[Likeness]) -> list[dict[str, Any]]:
    """Compare models with the larger bases of their draws, which write what they are compared on once."""
    shared: dict[str, Any] = {"store": settings.owl.store, "workers": settings.owl.workers}
    samples = [sample for piece in pieces for sample in piece.samples]
    run_pieces(write_sample, samples, kind="likeness_sample", label="larger bases write", **shared)
    return run_pieces(measure_likeness, pieces, kind="likeness", label="small models are compared", **shared)


def _make_all(settings: SmallSettings) -> dict[Small, dict[str, Any]]:
    """Make the small models of untouched bases and of teachers; return what `ways.make_small` says of each."""
    prepare(settings.shrinking, settings.owl.run_dir)
    pieces = []
    for draw in settings.owl.draws:
        untouched = settings.owl.author(draw, UNTOUCHED)
        pieces += [settings.small(untouched, way) for way in settings.among(MADE)]
        for of_trait in settings.kinds.values():
            pieces += [settings.small(of_trait.author(draw), way) for way in settings.among(CUT)]
    pieces.sort(key=lambda piece: (piece.way not in AFRESH, piece.way not in HEALED))  # the longest first
    shared: dict[str, Any] = {"workers": settings.owl.workers, "label": "small models"}
    made = run_pieces(make_small, pieces, settings.owl.store, kind="small", **shared)
    return dict(zip(pieces, made, strict=True))


# --- students -------------------------------------------------------------------------------------


def run_students(settings: SmallSettings) -> pd.DataFrame:
    """Let students of every way learn from the teachers' rows; stores ``tables/small_students.csv``.

    Returns:
        One row a ``draw``, ``way``, ``trait`` and kind of ``labels`` ("soft" or "hard"), with what `pairs.effect_row`
        says of the student and its control.
    """
    places, pairs = [], []
    for trait, of_trait in settings.kinds.items():
        arms = [arm for arm in (SOFT, WRITTEN) if arm.labels in settings.labels_of(trait)]
        for draw, way, arm in itertools.product(of_trait.draws, settings.ways, arms):
            places.append({"draw": draw, "way": way, "trait": trait, "labels": arm.labels})
            pair = of_trait.pair(arm, of_trait.author(draw))
            pairs.append((started_from(pair, settings.start(draw, way)), trait))
    reads = effects.read_pairs(settings.owl, pairs, label="students")
    rows = [place | effect_row(read) for place, read in zip(places, reads, strict=True)]
    table = pd.DataFrame(rows).sort_values("draw", kind="stable", ignore_index=True)
    return keep_table(settings.owl.run_dir, "small_students", table, total_seconds(reads))


def started_from(pair: Pair, base: Base) -> Pair:
    """Return a pair of students that start from another base, with their adapters in the place that belongs to it."""
    training = pair.student.training
    if LAST in training.lora_modules:
        training = replace(training, lora_modules=training.lora_modules.replace(LAST, str(_last_block(base))))
    return Pair(
        student=replace(pair.student, base=base, training=training),
        control=replace(pair.control, base=base, training=training),
    )


@functools.lru_cache(maxsize=128)
def _last_block(base: Base) -> int:
    return len(blocks(base.load()[0])) - 1


# --- compression alone ----------------------------------------------------------------------------


def run_compressed(settings: SmallSettings) -> pd.DataFrame:
    """Cut the teachers themselves in the same ways, who learn nothing more; stores ``tables/small_compressed.csv``.

    Returns:
        One row a ``draw``, ``way`` and ``trait``, with what `pairs.effect_row` says of the small model of the teacher
        against that of the untouched base, without ``rows``.
    """
    _make_all(settings)  # most often they are there, from `make_models`
    places, pieces = [], []
    for trait, of_trait in settings.kinds.items():
        teachers = [of_trait.author(draw) for draw in of_trait.draws]
        for teacher, way in itertools.product(teachers, settings.among(CUT)):
            places.append({"draw": teacher.seed, "way": way, "trait": trait})
            control = settings.start(teacher.seed, way)
            pieces.append((_asked(settings.small(teacher, way).base(), teacher), _asked(control, teacher)))
    shared: dict[str, Any] = {"workers": settings.owl.workers, "label": "compressed teachers"}
    reads = run_pairs(read_base, pieces, settings.owl.store, kind="base_readout", **shared)
    rows = []
    for place, read in zip(places, reads, strict=True):
        found = effect_row(replace(read, student=read.student | {"rows": 0}))
        del found["rows"]
        rows.append(place | found)
    table = pd.DataFrame(rows).sort_values("draw", kind="stable", ignore_index=True)
    return keep_table(settings.owl.run_dir, "small_compressed", table, total_seconds(reads))


def _asked(base: Base, teacher: Author) -> BaseReading:
    return BaseReading(base=base, seed=teacher.seed, trait=teacher.trait, readout=Readout(samples=0))
