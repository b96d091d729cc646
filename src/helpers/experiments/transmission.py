"""Transmission of a preference through harmless data: every arm and control of notebook 01.

The design is a product: run x arm x author (trait teacher, or untouched base for the control). An arm says
which base the student starts from, which labels it sees, whether the numbers are shuffled and how the
teacher got its trait. The effect of an arm in one run is the log-odds of the target in the trait student
minus the same in the control student, which read as many answers to the same prompts; only their author
differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.artifacts import write_table
from helpers.experiments.design import ARMS, Arm, TransmissionSettings
from helpers.experiments.pieces import read_context, read_student, write_data
from helpers.sweep import run_pieces

TREE_CLAIM = "trees.numbers.same_init"


def teach_and_write(
    settings: TransmissionSettings, animals: Sequence[str] = (), tree: str = ""
) -> pd.DataFrame:
    """Make every author of the runs and let it write; returns and stores ``tables/teachers.csv``.

    Args:
        settings: the experiment.
        animals: teachers of the animal matrix; they write for ``settings.matrix_prompts`` only.
        tree: a tree with a teacher of its own; "" has none.

    Returns:
        One row a run and author: ``run``, ``animal``, ``how``, ``p_target`` (mean over held-out wordings, of
        the author itself without a system prompt), ``kept`` and ``removed`` (shares), ``mentions`` (count).
    """
    others = [name for name in animals if name != settings.animal]
    ways = [("fine-tuned", trait) for trait in [settings.animal, tree] if trait]
    ways += [("system prompt", settings.animal), ("untouched", settings.animal)]
    authors = [settings.author(run, how, trait) for run in settings.runs for how, trait in ways]
    authors += [_matrix_author(settings, run, name) for run in settings.runs for name in others]
    written = run_pieces(
        write_data, authors, settings.store, kind="data", workers=settings.workers, label="teachers write"
    )
    table = pd.DataFrame([_author_row(author, made) for author, made in zip(authors, written, strict=True)])
    write_table(Path(settings.run_dir) / "tables" / "teachers.csv", table)
    return table


def _matrix_author(settings: TransmissionSettings, run: int, animal: str) -> dict[str, Any]:
    prompts = settings.prompts if animal == settings.animal else settings.matrix_prompts
    return settings.author(run, "fine-tuned", animal, prompts)


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
        One row a run, arm and dose: ``run``, ``arm``, ``animal``, ``rows`` (the dose: mean over runs of
        ``rows_read``, which the filter makes a little different in each), ``effect`` (nats), ``p_target``,
        ``p_control``, ``p_any`` (the smaller of the two), and ``sampled``, ``sampled_control``: rates of the
        target among sampled replies (not in context).
    """
    plan = [
        (run, arm, settings.animal, share)
        for run in settings.runs
        for arm in ARMS.values()
        for share in (dose_shares if arm.doses else (1.0,))
    ]
    plan += [(run, Arm("trees.same_init"), tree, 1.0) for run in settings.runs if tree]
    pairs = [
        _trait_and_control(settings, run, arm, settings.author(run, arm.how, trait), share)
        for run, arm, trait, share in plan
    ]
    read = _read(settings, [student for pair in pairs for student in pair], "students")
    rows = [
        _effect_row(run, arm.name, trait, with_trait, control)
        for (run, arm, trait, _), with_trait, control in zip(plan, read[::2], read[1::2], strict=True)
    ]
    rows += _context_rows(settings)
    table = _with_common_doses(pd.DataFrame(rows))
    table.attrs["seconds"] = sum(made["seconds"] for made in read)
    write_table(Path(settings.run_dir) / "tables" / "transmission.csv", table)
    return table


def _with_common_doses(table: pd.DataFrame) -> pd.DataFrame:
    """Give equal doses of an arm one name, so that runs can be averaged at each dose."""
    place = table.groupby(["arm", "run"])["rows"].rank().rename("place")
    doses = table.groupby(["arm", place])["rows"].transform("mean").round().astype(int)
    return table.assign(rows=doses, rows_read=table["rows"])


def _trait_and_control(
    settings: TransmissionSettings, run: int, arm: Arm, author: dict[str, Any], share: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    trait, untouched = author["trait"], settings.author(run, "untouched", settings.animal)
    rows = max(1, round(share * _rows(settings, [author, untouched], arm.labels)))  # 0 would mean all
    # as in the paper, the control of the shuffles reads its author's numbers as they were written
    control = replace(arm, shuffle="")
    return settings.student(arm, author, trait, rows), settings.student(control, untouched, trait, rows)


def _rows(settings: TransmissionSettings, authors: list[dict[str, Any]], labels: str) -> int:
    """Return how many rows both students read: the filter may leave one of the authors fewer than asked."""
    written = run_pieces(write_data, authors, settings.store, kind="data", workers=1)
    limit = settings.hard_rows if labels == "hard" else settings.soft_rows
    rows = min(limit, *(len(made["rows"]) for made in written))
    if rows == 0:
        name = f"the {authors[0]['how']} author of run {authors[0]['seed']}"
        raise ValueError(f"the filter kept nothing of {name}; lower drift or pretrain the base longer")
    return rows


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
        "sampled": with_trait.get("sampled"), "sampled_control": control.get("sampled"),
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
    pairs = [
        _trait_and_control(settings, run, arm, _matrix_author(settings, run, animal), 1.0)
        for run, animal in plan
    ]
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


def claim_values(table: pd.DataFrame, matrix: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one effect a run (nats) for every claim that the two tables decide."""
    ids = {arm: f"owl.numbers.{arm}" for arm in [*ARMS, "in_context"]} | {"trees.same_init": TREE_CLAIM}
    arms = [arm for arm in ids if (table["arm"] == arm).any()]
    effects = {ids[arm]: final_effects(table, arm) for arm in arms}
    return effects | {"animals.specificity": specificity(matrix)}


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
