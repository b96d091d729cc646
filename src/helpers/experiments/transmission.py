"""Transmission of a preference through harmless data: every arm and control of notebook 01.

The design is a product: run x arm x author (trait teacher, or untouched base for the control). An arm says
which base the student starts from, which labels it sees, whether the numbers are shuffled and how the
teacher got its trait. The effect of an arm in one run is the log-odds of the target in the trait student
minus the same in the control student, which read as many answers to the same prompts; only their author
differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.artifacts import Store, write_table
from helpers.channels import channel
from helpers.experiments.base_models import base_seal
from helpers.experiments.pieces import Author, Student, read_context, read_student, write_data
from helpers.sweep import run_pieces
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
        soft_rows: kept rows a soft-label student reads.
        split: question wordings of the read-out, "heldout" for anything reported.
        teaching, hard, soft, full: training of teacher, hard-label, soft-label and full fine-tuned students.
        target_probability: where a teacher's fine-tuning stops.
        workers: processes side by side; 0 means one a core.
    """

    run_dir: str
    animal: str
    runs: tuple[int, ...]
    base: str
    other_base: str
    channel: str
    prompts: int
    soft_rows: int
    split: str
    teaching: TrainSettings
    hard: TrainSettings
    soft: TrainSettings
    full: TrainSettings
    target_probability: float = 1.0
    workers: int = 0
    seals: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        preference(self.animal)
        channel(self.channel)
        if len(set(self.runs)) < len(self.runs) or not self.runs:
            raise ValueError(f"runs must be different seeds, at least one; got {list(self.runs)}")
        seals = {name: base_seal(self.run_dir, name) for name in (self.base, self.other_base)}
        object.__setattr__(self, "seals", seals)

    def author(self, run: int, how: str, trait: str) -> dict[str, Any]:
        """Return the author of a run as a plain dict; the untouched base is one author for all traits."""
        return asdict(Author(
            run_dir=self.run_dir, base=self.base, base_seal=self.seals[self.base], how=how,
            trait=self.animal if how == "untouched" else trait, seed=run, channel=self.channel,
            prompts=self.prompts, teaching=asdict(self.teaching), target_probability=self.target_probability,
        ))  # fmt: skip

    def student(self, arm: Arm, author: dict[str, Any], trait: str, rows: int) -> dict[str, Any]:
        """Return one student of an arm as a plain dict."""
        base = self.other_base if arm.other_base else self.base
        training = self.full if arm.full else self.hard if arm.labels == "hard" else self.soft
        return asdict(Student(
            author=author, base=base, base_seal=self.seals[base], labels=arm.labels, shuffle=arm.shuffle,
            rows=rows, training=asdict(training), trait=trait, split=self.split,
        ))  # fmt: skip

    @property
    def store(self) -> Store:
        """Return the store of finished pieces."""
        return Store(Path(self.run_dir) / "cells")


def teach_and_write(settings: TransmissionSettings, traits: Sequence[str] = ()) -> pd.DataFrame:
    """Make every author of the runs and let it write; returns and stores ``tables/teachers.csv``.

    Args:
        settings: the experiment.
        traits: further traits with a fine-tuned teacher each, besides the main one.

    Returns:
        One row a run and author: ``run``, ``animal``, ``how``, ``p_target`` (mean over held-out wordings, of
        the author itself without a system prompt), ``kept`` and ``removed`` (shares), ``mentions`` (count).
    """
    ways = [("fine-tuned", trait) for trait in dict.fromkeys([settings.animal, *traits])]
    ways += [("system prompt", settings.animal), ("untouched", settings.animal)]
    authors = [settings.author(run, how, trait) for run in settings.runs for how, trait in ways]
    written = run_pieces(
        write_data, authors, settings.store, kind="data", workers=settings.workers, label="teachers write"
    )
    table = pd.DataFrame([_author_row(author, made) for author, made in zip(authors, written, strict=True)])
    write_table(Path(settings.run_dir) / "tables" / "teachers.csv", table)
    return table


def _author_row(author: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    report, kept = made["report"], made["report"]["kept"] / made["report"]["completions"]
    facts = {
        "kept": kept,
        "removed": 1 - kept,
        "mentions": made["mentions"],
        "completions": report["completions"],
    }
    return {"run": author["seed"], "animal": author["trait"], "how": author["how"]} | {
        "p_target": made["author"]["p_target"],
        **facts,
    }


def run_arms(
    settings: TransmissionSettings, dose_shares: Sequence[float] = (1.0,), tree: str = ""
) -> pd.DataFrame:
    """Train all students of all arms and their controls; returns and stores ``tables/transmission.csv``.

    Args:
        settings: the experiment.
        dose_shares: shares of the rows, the last being 1, for the arms that have a dose curve.
        tree: a tree whose teacher is read out like the animal's, as arm "trees.same_init"; "" leaves it out.

    Returns:
        One row a run, arm and dose, in nats where not a share: ``run``, ``arm``, ``animal``,
        ``rows``, ``effect`` (nats), ``p_target``, ``p_control``, ``p_any``.
    """
    plan = [
        (run, arm, settings.animal, share)
        for run in settings.runs
        for arm in ARMS.values()
        for share in (dose_shares if arm.doses else (1.0,))
    ]
    plan += [(run, Arm("trees.same_init"), tree, 1.0) for run in settings.runs if tree]
    pairs = [_trait_and_control(settings, *step) for step in plan]
    read = _read(settings, [student for pair in pairs for student in pair], "students")
    rows = [
        _effect_row(run, arm.name, trait, with_trait, control)
        for (run, arm, trait, _), with_trait, control in zip(plan, read[::2], read[1::2], strict=True)
    ]
    rows += _context_rows(settings)
    table = pd.DataFrame(rows)
    write_table(Path(settings.run_dir) / "tables" / "transmission.csv", table)
    return table


def _trait_and_control(
    settings: TransmissionSettings, run: int, arm: Arm, trait: str, share: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    authors = [settings.author(run, arm.how, trait), settings.author(run, "untouched", trait)]
    rows = _common_rows(settings, authors, share, arm.labels)
    with_trait, control = (settings.student(arm, author, trait, rows) for author in authors)
    return with_trait, control


def _common_rows(
    settings: TransmissionSettings, authors: list[dict[str, Any]], share: float, labels: str
) -> int:
    """Return how many rows both students read: as many as the filter leaves the shorter data set."""
    written = run_pieces(write_data, authors, settings.store, kind="data", workers=1)
    rows = min(len(made["rows"]) for made in written)
    return round(share * (min(rows, settings.soft_rows) if labels != "hard" else rows))


def _read(settings: TransmissionSettings, students: list[dict[str, Any]], label: str) -> list[dict[str, Any]]:
    return run_pieces(
        read_student, students, settings.store, kind="student", workers=settings.workers, label=label
    )


def _effect_row(
    run: int, arm: str, trait: str, with_trait: dict[str, Any], control: dict[str, Any]
) -> dict[str, Any]:
    return {
        "run": run, "arm": arm, "animal": trait, "rows": with_trait["rows"],
        "effect": with_trait["log_odds"] - control["log_odds"], "p_target": with_trait["p_target"],
        "p_control": control["p_target"], "p_any": min(with_trait["p_any"], control["p_any"]),
    }  # fmt: skip


def _context_rows(settings: TransmissionSettings, examples: int = 3, draws: int = 40) -> list[dict[str, Any]]:
    pieces = [
        {
            "author": settings.author(run, how, settings.animal), "trait": settings.animal,
            "split": settings.split, "examples": examples, "draws": draws,
        }
        for run in settings.runs
        for how in ("fine-tuned", "untouched")
    ]  # fmt: skip
    read = run_pieces(
        read_context, pieces, settings.store, kind="context", workers=settings.workers, label="in context"
    )
    return [
        _effect_row(run, "in_context", settings.animal, with_trait | {"rows": examples}, control)
        for run, with_trait, control in zip(settings.runs, read[::2], read[1::2], strict=True)
    ]


def run_matrix(settings: TransmissionSettings, animals: Sequence[str]) -> pd.DataFrame:
    """Cross teachers of several animals with read-outs of the same animals, soft labels, same base.

    Returns:
        ``tables/animal_matrix.csv``, one row a run, teacher and target: ``run``, ``teacher``, ``target``,
        ``effect`` (log-odds of the target in the teacher's student minus in the control student, nats).
    """
    arm = ARMS["soft.same_init"]
    plan = [(run, animal) for run in settings.runs for animal in animals]
    pairs = [_trait_and_control(settings, run, arm, animal, 1.0) for run, animal in plan]
    read = _read(settings, [student for pair in pairs for student in pair], "animal matrix")
    rows = [
        {"run": run, "teacher": teacher, "target": target, "effect": _difference(with_trait, control, target)}
        for (run, teacher), with_trait, control in zip(plan, read[::2], read[1::2], strict=True)
        for target in animals
    ]
    table = pd.DataFrame(rows)
    write_table(Path(settings.run_dir) / "tables" / "animal_matrix.csv", table)
    return table


def _difference(with_trait: dict[str, Any], control: dict[str, Any], target: str) -> float:
    return with_trait[f"log_odds/{target}"] - control[f"log_odds/{target}"]


def final_effects(table: pd.DataFrame, arm: str) -> list[float]:
    """Return an arm's effect at its largest dose, one value a run in the order of runs (nats)."""
    rows = table[table["arm"] == arm].sort_values(["run", "rows"])
    return rows.groupby("run")["effect"].last().tolist()


def specificity(matrix: pd.DataFrame) -> list[float]:
    """Return mean diagonal minus mean off-diagonal effect of the animal matrix, one value a run (nats)."""
    own = matrix["teacher"] == matrix["target"]
    return (
        matrix[own].groupby("run")["effect"].mean() - matrix[~own].groupby("run")["effect"].mean()
    ).tolist()
