"""Other favourites than the main one, on some of the draws: a matrix of animals, one of trees, other animals' rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from helpers.transmission import effects
from helpers.transmission.arms import ARMS, Arm
from helpers.transmission.authors import Author
from helpers.transmission.pairs import ReadPair, effect_row, run_pairs, total_seconds
from helpers.transmission.settings import TransmissionSettings
from helpers.transmission.students import Student, StudentReading, read_student
from helpers.work.tables import keep_table
from helpers.world.traits import find_trait

OTHER_ANIMALS = "hard.other_animals"  # the arm's name
MATRIX_ARM = Arm("matrix.same_init", labels="soft")
TREES_ARM = replace(MATRIX_ARM, name="trees.soft.same_init")
TREE_ARM = Arm("trees.same_init")
MATRIX_COLUMNS = ("draw", "teacher", "target", "effect", "p_any")


@dataclass(frozen=True, kw_only=True)
class Others:
    """Favourites that are compared with the main one, and the draws on which they are.

    Attributes:
        draws: these draws.
        animals: teachers and columns of the animal matrix.
        trees: teachers and columns of the tree matrix; the first one's also writes as many rows as the main teacher.
        prompts: prompts asked of each teacher of a matrix, so that all of it has one dose.
        writers: animals whose teachers write as many rows as the main one, for a control of its written rows.
    """

    draws: tuple[int, ...]
    animals: tuple[str, ...]
    trees: tuple[str, ...]
    prompts: int
    writers: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse a matrix with nothing off its diagonal, and a mixture of kinds."""
        for name in ("draws", "animals", "trees", "writers"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # a notebook gives lists
        for name in ("animals", "trees"):
            given = getattr(self, name)
            if len(set(given)) < 2 or len({find_trait(each).kind for each in given}) > 1:
                raise ValueError(f"{name} must name at least two favourites of one kind, not {list(given)}")
        if not self.writers:
            raise ValueError("writers must name at least one animal besides the main one")

    def small(self, settings: TransmissionSettings) -> TransmissionSettings:
        """Return the experiment at the dose of the matrices, on these draws."""
        reading = settings.reading
        rows = {name: min(getattr(reading, name), self.prompts) for name in ("hard_rows", "soft_rows")}
        return replace(
            settings.only(self.draws),
            writing=replace(settings.writing, prompts=self.prompts),
            reading=replace(reading, **rows),
        )


def other_authors(settings: TransmissionSettings, others: Others) -> list[tuple[Author, str]]:
    """Return every author of a draw that has others, each with the trait it is asked about."""
    small, asked = others.small(settings), []
    for seed in small.seeds:
        asked += [(settings.author(seed, trait=name), name) for name in (*others.writers, others.trees[0])]
        asked += [(small.author(seed, trait=name), name) for name in (*others.animals, *others.trees)]
    return asked


# --- matrices -------------------------------------------------------------------------------------


def run_matrix(settings: TransmissionSettings, others: Others, kind: str) -> pd.DataFrame:
    """Cross teachers of several favourites with read-outs of the same favourites, soft labels, same start.

    Args:
        settings: the experiment.
        others: favourites, dose and draws.
        kind: "animal" or "tree".

    Returns:
        ``tables/<kind>_matrix.csv``, one row a draw, teacher and target: ``draw``, ``teacher``, ``target``, ``effect``
        (log-odds of the target in the teacher's student minus in the control student, nats), ``p_any`` (of all
        favourites together, the smaller of the two). No row where none of the draws has others.
    """
    small, names = others.small(settings), others.animals if kind == "animal" else others.trees
    asked = []
    for seed in small.seeds:
        asked += [(small.pair(MATRIX_ARM, small.author(seed, trait=name)), name) for name in names]
    reads = effects.read_pairs(small, asked, label=f"{kind} matrix")
    rows = []
    for (pair, name), read in zip(asked, reads, strict=True):
        place = {"draw": small.draw(pair.student.seed), "teacher": name, "p_any": effect_row(read)["p_any"]}
        rows += [{**place, "target": target, "effect": read.effect_on(target)} for target in names]
    table = pd.DataFrame(rows, columns=list(MATRIX_COLUMNS))
    return keep_table(settings.run_dir, f"{kind}_matrix", table, total_seconds(reads))


def tree_rows(settings: TransmissionSettings, others: Others) -> tuple[list[dict[str, Any]], float]:
    """Return rows as `effects.arm_rows` makes them for the students of trees' teachers, and seconds.

    Arm "trees.same_init" has written rows of the first tree's teacher, as many as the main one's; arm
    "trees.soft.same_init" has every tree, and is the diagonal of the tree matrix.
    """
    rows, seconds = effects.arm_rows(settings.only(others.draws), [(TREE_ARM, others.trees[0])])
    more, spent = effects.arm_rows(others.small(settings), [(TREES_ARM, tree) for tree in others.trees])
    return rows + more, seconds + spent


# --- rows that other animals' teachers wrote -------------------------------------------------------


def other_animal_rows(
    settings: TransmissionSettings, others: Others, matched: Sequence[str]
) -> tuple[list[dict[str, Any]], float]:
    """Return a row a draw for the written rows of the main teacher against those of other animals' teachers.

    The effect is the log-odds of the main animal in its teacher's student of the arm "hard.same_init" minus the mean of
    the same in the students of the others, which read as many rows of theirs (nats). So what reading any changed
    teacher does to an answer is taken out.

    Args:
        settings: the experiment.
        others: the other animals and the draws.
        matched: as the arm's own students are matched, see `effects.arm_rows`.

    Returns:
        Rows as `effects.arm_rows` makes them, the control's columns being means over the others, and seconds.
    """
    some, arm = settings.only(others.draws), ARMS["hard.same_init"]
    pieces = []
    for seed in some.seeds:
        among = [some.author(seed, how) for how in matched]
        own = _reading(some, some.pair(arm, some.author(seed), among=among).student)
        written = [some.pair(arm, some.author(seed, trait=name)).student for name in others.writers]
        pieces += [(own, _reading(some, student)) for student in written]
    reads = run_pairs(
        read_student, pieces, some.store, kind="student", workers=some.workers, label="other animals' rows"
    )
    rows, each = [], len(others.writers)
    for place, seed in enumerate(some.seeds):
        found = _mean_of_controls(reads[place * each : (place + 1) * each])
        rows.append({"draw": some.draw(seed), "arm": OTHER_ANIMALS, "trait": some.trait, "share": 1.0, **found})
    return rows, total_seconds(reads)


def _reading(settings: TransmissionSettings, student: Student) -> StudentReading:
    return StudentReading(student=student, trait=settings.trait, readout=settings.readout)


def _mean_of_controls(reads: Sequence[ReadPair]) -> dict[str, Any]:
    """Return what a table says of one student against several, as a mean; of the healths the smallest."""
    found = pd.DataFrame([effect_row(read) | effects.beside_effect(read) for read in reads]).astype(float)
    lowest = [name for name in found if name.endswith("p_any")]
    return {**found.mean(), **found[lowest].min(), "rows": int(found["rows"].iloc[0])}
