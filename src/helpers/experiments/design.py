"""The design of the transmission experiments: arms, and the settings that decide every number.

An arm is one way from author to student. The experiment is the product run x arm x author; the author is
a teacher with the trait or, for the control, the untouched base.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from helpers.artifacts import Store
from helpers.channels import channel
from helpers.experiments.base_models import base_seal
from helpers.experiments.pieces import Author, Student
from helpers.training import TrainSettings
from helpers.traits import preference


@dataclass(frozen=True)
class Arm:
    """One way from author to student.

    Attributes:
        name: ledger id without the trait and channel, e.g. "hard.same_init".
        labels: "hard", "soft" or "soft leaky".
        other_base: whether the student starts from the other base.
        shuffle: "", "within" or "across".
        how: how the teacher got its trait, "fine-tuned" or "system prompt".
        full: whether every parameter is trained instead of LoRA adapters.
        doses: whether smaller numbers of rows are read as well.
    """

    name: str
    labels: str = "hard"
    other_base: bool = False
    shuffle: str = ""
    how: str = "fine-tuned"
    full: bool = False
    doses: bool = False


ARMS = {
    arm.name: arm
    for arm in (
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
}


@dataclass(frozen=True)
class TransmissionSettings:
    """Everything that decides the numbers of notebook 01.

    Attributes:
        run_dir: the run's folder, with the bases of notebook 00.
        animal: the trait of the main arms.
        runs: seeds; each is one independent run (own teacher, data, students).
        base, other_base: names of the two bases.
        channel: kind of data.
        prompts: prompts asked of each author.
        hard_rows, soft_rows: kept rows a student reads at most, by the kind of labels.
        matrix_prompts: prompts asked of the further teachers of the animal matrix.
        split: question wordings of the read-out, "heldout" for anything reported.
        teaching, hard, soft, full: training of teacher, hard-label, soft-label and full fine-tuned students.
        drift: where a teacher's fine-tuning stops (`TeacherSettings.drift`, nats per token).
        samples: replies sampled for each question, for the sampled rates beside the exact log-odds.
        workers: processes side by side; 0 means one a core.
    """

    run_dir: str
    animal: str
    runs: tuple[int, ...]
    base: str
    other_base: str
    channel: str
    prompts: int
    hard_rows: int
    soft_rows: int
    matrix_prompts: int
    split: str
    teaching: TrainSettings
    hard: TrainSettings
    soft: TrainSettings
    full: TrainSettings
    drift: float = 0.1
    samples: int = 20
    workers: int = 0
    seals: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        preference(self.animal)
        channel(self.channel)
        if len(set(self.runs)) < len(self.runs) or not self.runs:
            raise ValueError(f"runs must be different seeds, at least one; got {list(self.runs)}")
        seals = {name: base_seal(self.run_dir, name) for name in (self.base, self.other_base)}
        object.__setattr__(self, "seals", seals)

    def author(self, run: int, how: str, trait: str, prompts: int = 0) -> dict[str, Any]:
        """Return the author of a run as a plain dict; the untouched base is one author for all traits."""
        return asdict(Author(
            run_dir=self.run_dir, base=self.base, base_seal=self.seals[self.base], how=how,
            trait=self.animal if how == "untouched" else trait, seed=run, channel=self.channel,
            prompts=prompts or self.prompts, teaching=asdict(self.teaching), drift=self.drift,
        ))  # fmt: skip

    def student(self, arm: Arm, author: dict[str, Any], trait: str, rows: int) -> dict[str, Any]:
        """Return one student of an arm as a plain dict."""
        base = self.other_base if arm.other_base else self.base
        training = self.full if arm.full else self.hard if arm.labels == "hard" else self.soft
        return asdict(Student(
            author=author, base=base, base_seal=self.seals[base], labels=arm.labels, shuffle=arm.shuffle,
            rows=rows, training=asdict(training), trait=trait, split=self.split, samples=self.samples,
        ))  # fmt: skip

    @property
    def store(self) -> Store:
        """Return the store of finished pieces."""
        return Store(Path(self.run_dir) / "cells")
