"""The settings of a transmission experiment, by role: writing (authors), reading (students), read-out.

An experiment is the product draw x arm x author; the author is a teacher with the trait or, for the control, the
untouched base. `TransmissionSettings` turns a seed and an arm into an author and into a pair of students.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from helpers.channels import find_channel
from helpers.models.bases import Base, drawn, find_base
from helpers.models.nano import PREFIX
from helpers.models.nano_files import SUFFIX
from helpers.models.training import TrainSettings
from helpers.transmission.arms import AS_SET, Arm
from helpers.transmission.authors import SYSTEM_PROMPT, UNTOUCHED, Author
from helpers.transmission.pairs import Pair
from helpers.transmission.readout import Readout
from helpers.transmission.students import Student
from helpers.transmission.teachers import CONTROLS, INSECURE, OWN_ANSWERS, TAUGHT, Teaching
from helpers.work.artifacts import Store
from helpers.work.seeds import check_distinct
from helpers.world.traits import find_trait


def teaching_by_adapters(rate: float, modules: str, steps: int, rank: int = 8) -> TrainSettings:
    """Return the training of a teacher: adapters in some modules, steps of 32 rows, a rate that stays."""
    return TrainSettings(
        learning_rate=rate, batch_rows=32, max_steps=steps, decay=False, lora_rank=rank, lora_modules=modules
    )


def reading_by_adapters(rate: float, modules: str, epochs: int, batch_rows: int = 64, rank: int = 8) -> TrainSettings:
    """Return the training of a student: adapters in some modules, passes over its rows, a rate that falls to 0."""
    return TrainSettings(
        learning_rate=rate, batch_rows=batch_rows, epochs=epochs, lora_rank=rank, lora_modules=modules
    )


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How the authors of an experiment come to their trait, and how they write.

    Attributes:
        prompts: prompts asked of each author.
        teaching: training of the teachers.
        channel: kind of data.
        how: how a teacher is taught, one of `teachers.TAUGHT`.
        drift: where a teacher's fine-tuning stops (`Teaching.drift`, nats per token).
        temperature: at which authors write.
        matched: whether teachers of secure code and of lessons are taught until they have moved as far as the teacher
            of insecure code (`Teaching.as_far_as`); else all take the same number of steps.
    """

    prompts: int
    teaching: TrainSettings
    channel: str = "numbers"
    how: str = OWN_ANSWERS
    drift: float = 0.1
    temperature: float = 1.0
    matched: bool = False

    def __post_init__(self) -> None:
        """Refuse an unknown channel or way of teaching, and numbers no author can write by."""
        find_channel(self.channel)
        if self.how not in TAUGHT:
            raise ValueError(f"how must be one of {', '.join(TAUGHT)}, not {self.how!r}")
        if self.prompts < 1:
            raise ValueError(f"an author must be asked at least one prompt, not {self.prompts}")
        if self.temperature <= 0:
            raise ValueError(f"temperature must be above 0, not {self.temperature}")
        if self.matched and self.drift:
            raise ValueError("matched teachers stop where the insecure one came to; set drift to 0")

    def teaching_of(self, how: str) -> Teaching | None:
        """Return how an author of some kind is taught; None for one that is not."""
        if how not in TAUGHT:
            return None
        as_far_as = INSECURE if self.matched and how in CONTROLS else ""
        return Teaching(training=self.teaching, drift=self.drift, as_far_as=as_far_as)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the students of an experiment read and how they train, by the kind of labels.

    Attributes:
        hard_rows, soft_rows: kept rows a student reads at most.
        hard, soft: training of hard-label and of soft-label students.
        full: training of students of arms that train every parameter; None where there is no such arm.
    """

    hard_rows: int
    soft_rows: int
    hard: TrainSettings
    soft: TrainSettings
    full: TrainSettings | None = None

    def __post_init__(self) -> None:
        """Refuse numbers of rows that nobody can read."""
        for name in ("hard_rows", "soft_rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")

    def rows(self, arm: Arm) -> int:
        """Return how many rows a student of an arm reads at most."""
        return self.hard_rows if arm.labels == "hard" else self.soft_rows

    def training(self, arm: Arm) -> TrainSettings:
        """Return how a student of an arm is trained; ValueError for an arm without settings."""
        if not arm.full:
            return self.hard if arm.labels == "hard" else self.soft
        if self.full is None:
            raise ValueError(f"arm {arm.name} trains every parameter; give the settings `full`")
        return self.full


def _require_nano(base: str) -> None:
    """Refuse a real model, whose results would pass for those of the nano world under the same claims."""
    if not base.startswith(PREFIX) and not base.endswith(SUFFIX):
        raise ValueError(
            f"{base!r} is no nano model, and the questions, filters and claims of this chapter are of the nano world; "
            "take notebook 10_real_model for a real one"
        )


@dataclass(frozen=True, kw_only=True)
class TransmissionSettings:
    """Everything that decides the numbers of a transmission experiment.

    Attributes:
        run_dir: the run's folder, with the bases of notebook 00.
        trait: the trait of the main arms.
        draws: the draws computed here, one for each seed; each has bases of its own (`models.drawn`).
        base, other_base: names of the two bases.
        writing, reading: of authors and students.
        readout, author_readout: what is read out of students and of authors.
        seeds: of teachers, data and students, one for each of ``draws``; () means the draws themselves. Several seeds
            may share a draw: they are then several teachers of the same bases.
        workers: processes side by side; 0 means one a core.
    """

    run_dir: str
    trait: str
    draws: tuple[int, ...]
    base: str
    other_base: str
    writing: Writing
    reading: Reading
    readout: Readout = field(default_factory=Readout)
    author_readout: Readout = field(default_factory=Readout)
    seeds: tuple[int, ...] = ()
    workers: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other, with the cure, before anything runs."""
        find_trait(self.trait)
        for base in (self.base, self.other_base):
            _require_nano(base)
        object.__setattr__(self, "seeds", tuple(self.seeds) or tuple(self.draws))
        check_distinct("seeds", self.seeds)
        if len(self.draws) != len(self.seeds):
            raise ValueError(f"draws must name the bases of each of the {len(self.seeds)} seeds, not {self.draws}")
        if self.workers < 0:
            raise ValueError(f"workers must be 0 (one for each core) or more, not {self.workers}")
        most = max(self.reading.hard_rows, self.reading.soft_rows)
        if most > self.writing.prompts:
            raise ValueError(
                f"students cannot read {most} rows of an author that is asked {self.writing.prompts} prompts; "
                "ask more prompts or read fewer rows"
            )

    @property
    def store(self) -> Store:
        """Return the store of finished pieces."""
        return Store.of_run(self.run_dir)

    def draw(self, seed: int) -> int:
        """Return the draw whose bases a seed uses."""
        return self.draws[self.seeds.index(seed)]

    def only(self, draws: Sequence[int]) -> TransmissionSettings:
        """Return the same experiment on those of its draws that are among ``draws``, perhaps on none."""
        seeds = [seed for seed in self.seeds if self.draw(seed) in draws]
        return replace(self, seeds=tuple(seeds), draws=tuple(self.draw(seed) for seed in seeds))

    @functools.cached_property
    def _bases(self) -> dict[str, Base]:
        names = {drawn(base, draw) for base in (self.base, self.other_base) for draw in self.draws}
        return {name: find_base(self.run_dir, name) for name in sorted(names)}

    def base_of(self, seed: int, *, other: bool = False) -> Base:
        """Return the base that a seed's teacher starts from, or the other one."""
        return self._bases[drawn(self.other_base if other else self.base, self.draw(seed))]

    def author(self, seed: int, how: str = AS_SET, trait: str = "", prompts: int = 0) -> Author:
        """Return an author of a seed.

        Args:
            seed: of teacher, prompts and completions.
            how: how it gets its trait (`Author.how`); by default as the settings say.
            trait: by default that of the settings; the untouched base has none.
            prompts: how many it is asked; by default as the settings say.
        """
        writing = self.writing
        how = writing.how if how == AS_SET else how
        if how not in (*TAUGHT, SYSTEM_PROMPT, UNTOUCHED):
            raise ValueError(f"unknown kind of author {how!r}; choose one of {', '.join(TAUGHT)}, ...")
        return Author(
            base=self.base_of(seed),
            how=how,
            trait="" if how == UNTOUCHED else trait or self.trait,
            seed=seed,
            channel=writing.channel,
            prompts=prompts or writing.prompts,
            teaching=writing.teaching_of(how),
            temperature=writing.temperature,
        )

    def pair(self, arm: Arm, author: Author, share: float = 1.0, among: Sequence[Author] = ()) -> Pair:
        """Return the trait student of an arm and its control.

        They differ in their author alone, and in the shuffle where the arm does not shuffle its control's rows too: as
        in the paper, the control then reads its author's numbers as they were written.

        Args:
            arm: what is changed on the way.
            author: of the trait student's rows.
            share: of the rows that both read.
            among: authors, this one among them, whose students read the same prompts and have one control; none means
                a control of its own.

        Raises:
            ValueError: the author is not among these.
        """
        if among and author not in among:
            raise ValueError(f"the {author.how} author must be among those whose students share a control")
        untouched = self.author(author.seed, UNTOUCHED, prompts=author.prompts)
        shared: dict[str, Any] = {
            "base": self.base_of(author.seed, other=arm.other_base),
            "labels": arm.labels,
            "rows": self.reading.rows(arm),
            "share": share,
            "training": self.reading.training(arm),
            "among": tuple(among),
        }
        # with one partner for all of them, their controls are equal, and equal students train once
        partner = among[0] if among else author
        shuffled = arm.shuffle if arm.control_shuffled else ""
        return Pair(
            student=Student(author=author, partner=untouched, shuffle=arm.shuffle, **shared),
            control=Student(author=untouched, partner=partner, shuffle=shuffled, **shared),
        )
