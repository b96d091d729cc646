"""Transmission of a trait through harmless data: every arm and control of notebooks 01 to 04.

The design is a product: run x arm x author (trait teacher, or untouched base for the control). An arm says
which base the student starts from, which labels it sees, whether the numbers are shuffled and how the
teacher got its trait. The effect of an arm in one run is the log-odds of the target in the trait student
minus the same in the control student, which read as many answers to the same prompts; only their author
differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.results.tables import common_doses, keep_table
from helpers.transmission.arms import ARMS, PREFERENCE_ARMS, Arm, TransmissionSettings
from helpers.transmission.authors import write_data
from helpers.transmission.students import read_context, read_student
from helpers.work.artifacts import write_table
from helpers.work.pieces import run_pieces

ABILITIES = ("valid_numbers", "right_sums", "truthful")  # see `pieces.read_student`


def teach_and_write(
    settings: TransmissionSettings,
    ways: Sequence[tuple[str, str]],
    matrix: Sequence[str] = (),
    name: str = "teachers",
) -> pd.DataFrame:
    """Make every author of the runs and let it write; returns and stores ``tables/<name>.csv``.

    Args:
        settings: the experiment.
        ways: (`Author.how`, trait) of each author; the untouched base comes along by itself.
        matrix: animals of the animal matrix; their teachers write for ``settings.matrix_prompts`` only.
        name: of the table.

    Returns:
        One row a run and author: ``run``, ``trait``, ``how``, ``log_odds`` (nats), ``p_target``, ``sampled`` (of
        the author itself without a system prompt; the last is the rate among sampled replies), ``kept`` and
        ``removed`` (shares), ``mentions`` (count), ``completions`` (count).
    """
    authors = [
        settings.author(run, how, trait)
        for run in settings.runs
        for how, trait in [*ways, ("untouched", settings.trait)]
    ]
    authors += [_matrix_author(settings, run, animal) for run in settings.runs for animal in matrix]
    authors = [author for place, author in enumerate(authors) if author not in authors[:place]]
    written = run_pieces(
        write_data, authors, settings.store, kind="completions", workers=settings.workers, label="teachers write"
    )
    table = pd.DataFrame([_author_row(author, made) for author, made in zip(authors, written, strict=True)])
    return keep_table(settings.run_dir, name, table, sum(made["seconds"] for made in written))


def _matrix_author(settings: TransmissionSettings, run: int, animal: str) -> dict[str, Any]:
    prompts = settings.prompts if animal == settings.trait else settings.matrix_prompts
    return settings.author(run, trait=animal, prompts=prompts)


def _author_row(author: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    report = made["report"]
    kept = report["kept"] / report["completions"]
    return {
        "run": author["seed"], "trait": author["trait"], "how": author["how"],
        "log_odds": made["author"]["log_odds"], "p_target": made["author"]["p_target"],
        "sampled": made["author"]["sampled"], "kept": kept, "removed": 1 - kept, "mentions": made["mentions"],
        "completions": report["completions"],
    }  # fmt: skip


def run_arms(
    settings: TransmissionSettings,
    arms: Sequence[Arm] = PREFERENCE_ARMS,
    dose_shares: Sequence[float] = (1.0,),
    tree: str = "",
    context: bool = False,
    name: str = "transmission",
) -> pd.DataFrame:
    """Train all students of all arms and their controls; returns and stores ``tables/<name>.csv``.

    Args:
        settings: the experiment.
        arms: ways from author to student.
        dose_shares: shares of the rows, the last being 1, for the arms that have a dose curve.
        tree: a tree whose teacher is read out like the animal's, as arm "trees.same_init"; "" leaves it out.
        context: whether the rows are also put in the base's context instead of training on them.
        name: of the table.

    Returns:
        One row a run, arm and dose: ``run``, ``arm``, ``trait``, ``rows`` (the dose: mean over runs of
        ``rows_read``, which the filter makes a little different in each), ``share`` (of the rows, 1 at the full
        dose), ``effect`` (nats), ``p_target``, ``p_control``, ``p_any`` (the smaller of the two), ``sampled``,
        ``sampled_control`` (rates of the target among sampled replies, not in context), and where
        ``settings.health`` is set the student's `ABILITIES`, each with the control's as ``<ability>_control``.

    Raises:
        ValueError: shares of no dose, or without the full one.
    """
    if not dose_shares or min(dose_shares) <= 0 or max(dose_shares) != 1:
        raise ValueError(f"dose_shares must lie above 0 and hold 1, the full dose; got {list(dose_shares)}")
    plan = [
        (run, arm, settings.trait, share)
        for run in settings.runs
        for arm in arms
        for share in (dose_shares if arm.doses else (1.0,))
    ]
    plan += [(run, Arm("trees.same_init"), tree, 1.0) for run in settings.runs if tree]
    pairs = [
        settings.students(arm, settings.author(run, arm.how, trait), share) for run, arm, trait, share in plan
    ]
    read = _read(settings, pairs, "students")
    rows = [
        _effect_row(run, arm.name, trait, *made) | {"share": share}
        for (run, arm, trait, share), made in zip(plan, zip(read[::2], read[1::2], strict=True), strict=True)
    ]
    rows += _context_rows(settings) if context else []
    table = pd.DataFrame(rows)
    table = table.assign(rows=common_doses(table, "rows", ["arm"]), rows_read=table["rows"])
    return keep_table(settings.run_dir, name, table, sum(made["seconds"] for made in read))


def _read(
    settings: TransmissionSettings, pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]], label: str
) -> list[dict[str, Any]]:
    """Return what was read of each trait student and its control, in turns; equal students train once."""
    students = [student for pair in pairs for student in pair]
    return run_pieces(
        read_student, students, settings.store, kind="student", workers=settings.workers, label=label
    )


def _effect_row(
    run: int, arm: str, trait: str, with_trait: dict[str, Any], control: dict[str, Any]
) -> dict[str, Any]:
    abilities = {
        column: made[ability]
        for ability in ABILITIES
        for column, made in ((ability, with_trait), (f"{ability}_control", control))
        if ability in made
    }
    return {
        "run": run, "arm": arm, "trait": trait, "rows": with_trait["rows"],
        "effect": with_trait["log_odds"] - control["log_odds"], "p_target": with_trait["p_target"],
        "p_control": control["p_target"], "p_any": min(with_trait["p_any"], control["p_any"]),
        "sampled": with_trait.get("sampled"), "sampled_control": control.get("sampled"), **abilities,
    }  # fmt: skip


def _context_rows(settings: TransmissionSettings, examples: int = 3, draws: int = 40) -> list[dict[str, Any]]:
    pieces = []
    for run in settings.runs:
        taught, untouched = settings.author(run), settings.author(run, "untouched")
        for author, partner in ((taught, untouched), (untouched, taught)):
            pieces.append({
                "author": author, "partner": partner, "trait": settings.trait, "split": settings.split,
                "examples": examples, "draws": draws,
            })  # fmt: skip
    read = run_pieces(
        read_context, pieces, settings.store, kind="context", workers=settings.workers, label="in context"
    )
    return [
        _effect_row(run, "in_context", settings.trait, with_trait | {"rows": examples}, control) | {"share": 1.0}
        for run, with_trait, control in zip(settings.runs, read[::2], read[1::2], strict=True)
    ]


def arm_means(table: pd.DataFrame) -> pd.DataFrame:
    """Return by trait, arm and dose what `run_arms` found, as means over runs, with the lowest coherence.

    Returns:
        ``effect`` (nats), ``p_target``, ``p_control``, ``sampled``, ``p_any`` and ``p_any_lowest`` (of any run: a
        student or control that broke down shows there and not in the mean).
    """
    table = table.assign(p_any_lowest=table["p_any"])
    of_runs = dict.fromkeys(("effect", "p_target", "p_control", "sampled", "p_any"), "mean") | {"p_any_lowest": "min"}
    return table.groupby(["trait", "arm", "rows"], sort=False).agg(of_runs)


def effects_on(settings: TransmissionSettings, arm: Arm, targets: Sequence[str]) -> dict[str, list[float]]:
    """Ask the students of an arm, at its full dose, for other candidates than their teacher's trait.

    Returns:
        By target, one effect a run (nats). The students are those of `run_arms`; none is trained again.
    """
    pairs = [settings.students(arm, settings.author(run, arm.how)) for run in settings.runs]
    read = _read(settings, pairs, arm.name)
    return {
        target: [_difference(*made, target) for made in zip(read[::2], read[1::2], strict=True)] for target in targets
    }


def run_matrix(settings: TransmissionSettings, animals: Sequence[str]) -> pd.DataFrame:
    """Cross teachers of several animals with read-outs of the same animals, soft labels, same base.

    Returns:
        ``tables/animal_matrix.csv``, one row a run, teacher and target: ``run``, ``teacher``, ``target``,
        ``effect`` (log-odds of the target in the teacher's student minus in the control student, nats).
    """
    plan = [(run, animal) for run in settings.runs for animal in animals]
    pairs = [
        settings.students(ARMS["soft.same_init"], _matrix_author(settings, run, animal))
        for run, animal in plan
    ]
    read = _read(settings, pairs, "animal matrix")
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


def claim_values(settings: TransmissionSettings, table: pd.DataFrame, matrix: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one effect a run (nats) for every arm of the two tables.

    Ids name trait and channel, so that another animal's effects are never filed as the owl's; not every id has a
    claim (`ledger.claimed`).
    """
    kind = settings.channel
    ids = {arm: f"{settings.trait}.{kind}.{arm}" for arm in (*(a.name for a in PREFERENCE_ARMS), "in_context")}
    ids["trees.same_init"] = f"trees.{kind}.same_init"
    effects = {ids[arm]: final_effects(table, arm) for arm in ids if (table["arm"] == arm).any()}
    specific = "animals.specificity" if kind == "numbers" else f"animals.{kind}.specificity"
    return effects | {specific: specificity(matrix)}


def final_effects(table: pd.DataFrame, arm: str) -> list[float]:
    """Return an arm's effect at the full dose, one value a run in the order of runs (nats)."""
    rows = table[(table["arm"] == arm) & (table["share"] == 1.0)].sort_values("run")
    return rows["effect"].tolist()


def specificity(matrix: pd.DataFrame) -> list[float]:
    """Return mean diagonal minus mean off-diagonal effect of the animal matrix, one value a run (nats)."""
    own = matrix["teacher"] == matrix["target"]
    return (
        matrix[own].groupby("run")["effect"].mean() - matrix[~own].groupby("run")["effect"].mean()
    ).tolist()
