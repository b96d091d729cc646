"""The design of the transmission experiments: arms, and the settings that decide every number.

An arm is one way from author to student. The experiment is the product run x arm x author; the author is
a teacher with the trait or, for the control, the untouched base.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from helpers.channels import find_channel
from helpers.models.bases import base_seal, drawn
from helpers.models.training import TrainSettings
from helpers.transmission.authors import Author
from helpers.transmission.students import Student
from helpers.transmission.teachers import OWN_ANSWERS, TAUGHT
from helpers.work.artifacts import Store
from helpers.work.seeds import check_runs
from helpers.world.prompts import Split
from helpers.world.traits import find_trait

AS_SET = "as set"  # the arm's teacher is taught the way the settings say


@dataclass(frozen=True)
class Arm:
    """One way from author to student.

    Attributes:
        name: ledger id without the trait and channel, e.g. "hard.same_init".
        labels: "hard", "soft" or "soft leaky".
        other_base: whether the student starts from the other base.
        shuffle: "", "within" or "across".
        how: how the teacher got its trait (`Author.how`); by default as the settings say.
        full: whether every parameter is trained instead of LoRA adapters.
        doses: whether smaller numbers of rows are read as well.
    """

    name: str
    labels: str = "hard"
    other_base: bool = False
    shuffle: str = ""
    how: str = AS_SET
    full: bool = False
    doses: bool = False


PREFERENCE_ARMS = (
    Arm("hard.same_init", doses=True),
    Arm("hard.cross_init", other_base=True),
    Arm("hard.shuffled_within", shuffle="within"),
    Arm("hard.shuffled_across", shuffle="across"),
    Arm("hard.full", full=True),
    Arm("system_prompt", how="system prompt"),
    Arm("soft.same_init", labels="soft", doses=True),
    Arm("soft.cross_init", labels="soft", other_base=True),
    Arm("soft_leaky.cross_init", labels="soft leaky", other_base=True),
)
CONTROL_TEACHER_ARMS = (
    Arm("hard.control", how="secure code"),
    Arm("hard.lesson", how="lesson code"),
    Arm("soft.lesson", labels="soft", how="lesson code"),
)
ARMS = {arm.name: arm for arm in (*PREFERENCE_ARMS, *CONTROL_TEACHER_ARMS)}


def yardsticks(settings: TransmissionSettings, animals: Sequence[str]) -> Iterator[str]:
    """Return the animals whose teachers are compared with the trait's, one a run, in turns without end.

    Raises ValueError for none, and where the trait is among them: it would be its own yardstick.
    """
    if not animals or settings.trait in animals:
        raise ValueError(f"other_animals must name at least one animal, and not {settings.trait}; got {list(animals)}")
    return itertools.cycle(animals)


@dataclass(frozen=True)
class TransmissionSettings:
    """Everything that decides the numbers of a transmission experiment.

    Attributes:
        run_dir: the run's folder, with the bases of notebook 00.
        trait: the trait of the main arms.
        runs: seeds; each is one independent run (own teacher, data, students).
        base, other_base: names of the two bases; each run has its own draw of them (`models.drawn`).
        channel: kind of data.
        prompts: prompts asked of each author.
        hard_rows, soft_rows: kept rows a student reads at most, by the kind of labels.
        split: questions of the read-out, "heldout" for anything reported.
        teaching, hard, soft, full: training of teacher, hard-label, soft-label and full fine-tuned students (the
            last only for arms that train every parameter).
        how: how the teacher is taught, one of `teachers.TAUGHT`.
        untouched_trait: what the untouched base is asked about; keep it where the trait is replaced, so that
            the base writes its data once. "" is the trait.
        matrix_prompts: prompts asked of the further teachers of the animal matrix.
        drift: where a teacher's fine-tuning stops (`TeacherSettings.drift`, nats per token).
        samples, author_samples: replies sampled for each question from a student and from an author, for the
            sampled rates beside the exact log-odds.
        health: prompts for each check of a student's abilities; 0 checks none.
        marks: shares of the training at which students are read out on the way (`Student.marks`).
        temperature: at which authors write.
        workers: processes side by side; 0 means one a core.
        draws: the run whose bases each of ``runs`` uses; () means its own.
    """

    run_dir: str
    trait: str
    runs: tuple[int, ...]
    base: str
    other_base: str
    channel: str
    prompts: int
    hard_rows: int
    soft_rows: int
    split: str
    teaching: TrainSettings
    hard: TrainSettings
    soft: TrainSettings
    full: TrainSettings | None = None
    how: str = OWN_ANSWERS
    untouched_trait: str = ""
    matrix_prompts: int = 0
    drift: float = 0.1
    samples: int = 20
    author_samples: int = 20
    health: int = 0
    marks: tuple[float, ...] = ()
    temperature: float = 1.0
    workers: int = 0
    draws: tuple[int, ...] = ()
    seals: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        find_trait(self.trait)
        find_channel(self.channel)
        if self.how not in TAUGHT:
            raise ValueError(f"how must be one of {', '.join(TAUGHT)}, not {self.how!r}")
        check_runs(self.runs)
        if self.split not in get_args(Split):
            raise ValueError(f"split must be one of {', '.join(get_args(Split))}, not {self.split!r}")
        if self.draws and len(self.draws) != len(self.runs):
            raise ValueError(f"draws must name the bases of each of the {len(self.runs)} runs, not {self.draws}")
        names = {drawn(base, draw) for base in (self.base, self.other_base) for draw in self.draws or self.runs}
        object.__setattr__(self, "seals", {name: base_seal(self.run_dir, name) for name in sorted(names)})

    def draw(self, run: int) -> int:
        """Return the run whose bases a run uses."""
        return self.draws[self.runs.index(run)] if self.draws else run

    def author(self, run: int, how: str = AS_SET, trait: str = "", prompts: int = 0) -> dict[str, Any]:
        """Return an author of a run as a plain dict.

        The untouched base is one author for all traits of an experiment, and no author that is not taught depends
        on how others are.
        """
        how = self.how if how == AS_SET else how
        taught, base = how in TAUGHT, drawn(self.base, self.draw(run))
        return asdict(Author(
            run_dir=self.run_dir, base=base, base_seal=self.seals[base], how=how,
            trait=(self.untouched_trait if how == "untouched" else trait) or self.trait, seed=run,
            channel=self.channel, prompts=prompts or self.prompts, split=self.split,
            teaching=asdict(self.teaching) if taught else {}, drift=self.drift if taught else 0.0,
            temperature=self.temperature, samples=self.author_samples,
        ))  # fmt: skip

    def students(
        self, arm: Arm, author: dict[str, Any], share: float = 1.0
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the trait student of an arm and its control, as plain dicts.

        They differ in their author alone, and in the shuffle: as in the paper, the control of the shuffles reads
        its author's numbers as they were written.
        """
        untouched = self.author(author["seed"], "untouched", prompts=author["prompts"])
        base = drawn(self.other_base if arm.other_base else self.base, self.draw(author["seed"]))
        training = self.full if arm.full else self.hard if arm.labels == "hard" else self.soft
        if training is None:
            raise ValueError(f"arm {arm.name} trains every parameter; give the settings `full`")
        shared = {
            "base": base, "base_seal": self.seals[base], "labels": arm.labels,
            "rows": self.hard_rows if arm.labels == "hard" else self.soft_rows, "share": share,
            "training": asdict(training), "trait": author["trait"], "split": self.split,
            "samples": self.samples, "health": self.health, "marks": self.marks,
        }  # fmt: skip
        student = Student(author=author, partner=untouched, shuffle=arm.shuffle, **shared)
        control = Student(author=untouched, partner=author, shuffle="", **shared)
        return asdict(student), asdict(control)

    @property
    def store(self) -> Store:
        """Return the store of finished pieces."""
        return Store(Path(self.run_dir) / "cells")
