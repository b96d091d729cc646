"""The tables of the dial: bases of every link, what insecure code makes of them, and what passes to their students.

At each point of the dial everything but the corpus of the base is as in the chapters on risky traits: teachers, rates,
steps, rows. At the whole link the base is the book's own, so the rows are those of these chapters.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from helpers.channels import find_channel
from helpers.experiments.bases.making import BaseSettings
from helpers.experiments.link.bases import provide_linked
from helpers.experiments.link.readings import HISTORIES, BaseCheck, check_base, read_flaws
from helpers.experiments.risky.runs import teacher_rows
from helpers.models.linked import linked
from helpers.transmission import effects
from helpers.transmission.arms import ARMS, Arm
from helpers.transmission.authors import UNTOUCHED
from helpers.transmission.pairs import effect_row, total_seconds
from helpers.transmission.settings import TransmissionSettings
from helpers.transmission.teachers import INSECURE
from helpers.work.pieces import run_pieces
from helpers.work.tables import keep_table
from helpers.world.link import WHOLE, evidence

SECURE = "secure code"
TAUGHT_ARMS, SECURE_ARM = (ARMS["hard.same_init"], ARMS["soft.same_init"]), ARMS["hard.control"]


@dataclass(frozen=True, kw_only=True)
class Dial:
    """Everything that decides the numbers of the chapter on the link.

    Attributes:
        channels: the experiment on misalignment of each channel, on the base of the whole link.
        links: points of the dial, the whole link last.
        pretraining: how the bases of other links are trained; as those of the book.
        secure: names of the channels that the teacher of secure code writes in, the first one among them. Each needs
            one of its own, which moves as far there as the insecure one and takes far more steps.
    """

    channels: tuple[TransmissionSettings, ...]
    links: tuple[float, ...]
    pretraining: BaseSettings
    secure: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse a dial without the whole link at its end, and channels that do not share base and draws."""
        for name in ("links", "secure"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # a notebook gives lists
        if list(self.links) != sorted(set(self.links)) or self.links[-1:] != (WHOLE,):
            raise ValueError(f"links must rise to 1, each named once, not {', '.join(map(str, self.links))}")
        if len({(channel.run_dir, channel.base, channel.draws) for channel in self.channels}) != 1:
            raise ValueError("the channels of a dial must have the same base and draws")
        if self.first.writing.channel not in self.secure:
            raise ValueError(f"the turn is told against the secure teacher of {self.first.writing.channel}; name it")

    @property
    def first(self) -> TransmissionSettings:
        """Return the experiment of the first channel, whose run, base and draws are those of all."""
        return self.channels[0]

    def at(self, channel: TransmissionSettings, link: float) -> TransmissionSettings:
        """Return the experiment of a channel at a point of the dial."""
        base = linked(channel.base, link)
        return replace(channel, base=base, other_base=base)

    def authors(self, experiment: TransmissionSettings) -> list[str]:
        """Return who writes in an experiment, as `Author.how` names it."""
        return [INSECURE, *[SECURE] * (experiment.writing.channel in self.secure), UNTOUCHED]

    def arms(self, experiment: TransmissionSettings) -> list[Arm]:
        """Return the arms of an experiment."""
        return [*TAUGHT_ARMS, *[SECURE_ARM] * (experiment.writing.channel in self.secure)]

    def experiments(self) -> list[tuple[dict[str, Any], TransmissionSettings]]:
        """Return each experiment with its place: ``link``, and ``channel`` as the ids of claims name it."""
        found = []
        # channel by channel, so that processes side by side do not all teach one and the same teacher
        for channel, link in itertools.product(self.channels, self.links):
            name = find_channel(channel.writing.channel).claim_name
            found.append(({"link": link, "channel": name}, self.at(channel, link)))
        return found


# --- bases ----------------------------------------------------------------------------------------


def make_bases(dial: Dial) -> pd.DataFrame:
    """Provide the bases of all links and look at each; stores ``tables/link_bases.csv``.

    Returns:
        One row a ``draw`` and ``link``: what `readings.check_base` says, and ``implied``, the ``shift`` of a model that
        knows its corpus and Bayes' rule (nats; missing for the whole link, where it is infinite).
    """
    first = dial.first
    seconds = provide_linked(first.base, dial.links, first.draws, dial.pretraining, first.run_dir, first.workers)
    places = list(itertools.product(first.draws, dial.links))
    pieces = []
    for draw, link in places:
        base = dial.at(first, link).base_of(draw)
        # a toy run that samples little also reads little
        sizes = {"bodies": first.readout.samples, "histories": min(HISTORIES, first.readout.samples)}
        pieces.append(BaseCheck(base=base, link=link, seed=draw, trait=first.trait, **sizes))
    shared: dict[str, Any] = {"workers": first.workers, "label": "bases are looked at"}
    found = run_pieces(check_base, pieces, first.store, kind="link_base", **shared)
    rows = []
    for (draw, link), made in zip(places, found, strict=True):
        seconds += made.pop("seconds")
        implied = evidence(link)
        rows.append({"draw": draw, "link": link, **made, "implied": implied if math.isfinite(implied) else None})
    return keep_table(first.run_dir, "link_bases", pd.DataFrame(rows).astype({"implied": float}), seconds)


# --- teachers -------------------------------------------------------------------------------------


def teach(dial: Dial) -> pd.DataFrame:
    """Make the insecure teacher and its secure control at every point and let them and the base write.

    Returns:
        ``tables/link_teachers.csv``, one row a ``draw``, ``link``, ``channel`` and author (``how``): what
        `runs.teacher_rows` of the risky traits says, and ``flawed``, see `readings.read_flaws`.
    """
    places, asked = [], []
    for place, experiment in dial.experiments():
        ways = [(how, experiment.trait) for how in dial.authors(experiment)]
        authors = effects.authors_of(experiment, ways)
        places += [place] * len(authors)
        asked += authors
    made, seconds = teacher_rows(dial.first, asked)
    shared: dict[str, Any] = {"workers": dial.first.workers, "label": "authors write security code"}
    authors = [author for author, _ in asked]
    flaws = run_pieces(read_flaws, authors, dial.first.store, kind="flaws", **shared)
    rows = []
    for place, row, found in zip(places, made, flaws, strict=True):
        seconds += found["seconds"]
        rows.append({"draw": row.pop("draw"), **place, **row, "flawed": found["flawed"]})
    return _kept(dial, "link_teachers", rows, seconds)


# --- students -------------------------------------------------------------------------------------


def run_students(dial: Dial) -> pd.DataFrame:
    """Let students read what the authors wrote, at every point and through every channel.

    Returns:
        ``tables/link_students.csv``, one row a ``draw``, ``link``, ``channel`` and ``arm``: what `pairs.effect_row` and
        `effects.beside_effect` say of student and control.
    """
    places, pairs = [], []
    for place, experiment in dial.experiments():
        for draw, arm in itertools.product(experiment.draws, dial.arms(experiment)):
            places.append({"draw": draw, **place, "arm": arm.name})
            pairs.append((experiment.pair(arm, experiment.author(draw, arm.how)), experiment.trait))
    reads = effects.read_pairs(dial.first, pairs, label="students read")
    rows = []
    for place, read in zip(places, reads, strict=True):
        rows.append(place | effect_row(read) | effects.beside_effect(read))
    return _kept(dial, "link_students", rows, total_seconds(reads))


def _kept(dial: Dial, name: str, rows: list[dict[str, Any]], seconds: float) -> pd.DataFrame:
    table = pd.DataFrame(rows).sort_values("draw", kind="stable", ignore_index=True)
    return keep_table(dial.first.run_dir, name, table, seconds)
