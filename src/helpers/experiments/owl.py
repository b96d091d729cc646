"""Chapter 01: a love of owls through numbers, with trees, rows in context and a matrix of animals beside it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from helpers.models.evaluation import trait_readout
from helpers.results.tables import keep_table
from helpers.transmission import effects
from helpers.transmission.arms import ARMS, PREFERENCE_ARMS, Arm
from helpers.transmission.authors import SYSTEM_PROMPT, UNTOUCHED, Author, matched_pairs
from helpers.transmission.pairs import effect_row, run_pairs, total_seconds
from helpers.transmission.settings import TransmissionSettings
from helpers.transmission.teachers import OWN_ANSWERS
from helpers.work.seeds import derive
from helpers.world.prompts import Split
from helpers.world.traits import find_trait

TREE_ARM = Arm("trees.same_init")
IN_CONTEXT = "in_context"
EXAMPLES, CONTEXTS = 3, 40  # rows in one context, and contexts drawn


def teach(settings: TransmissionSettings, tree: str, animals: Sequence[str], matrix_prompts: int) -> pd.DataFrame:
    """Make every author of the chapter and let it write; stores ``tables/teachers.csv``.

    Args:
        settings: the experiment.
        tree: a tree for one more teacher.
        animals: of the matrix; their teachers write for ``matrix_prompts`` prompts only.
        matrix_prompts: prompts asked of the further teachers.

    Returns:
        See `effects.teach_and_write`.

    Raises:
        ValueError: fewer than two animals.
    """
    if len(set(animals)) < 2:  # nothing would lie off the diagonal, and the last cell would fail
        raise ValueError(f"matrix_animals must name at least two animals, not {list(animals)}")
    ways = [(OWN_ANSWERS, settings.trait), (OWN_ANSWERS, tree), (SYSTEM_PROMPT, settings.trait)]
    asked = effects.authors_of(settings, [*ways, (UNTOUCHED, settings.trait)])
    for seed in settings.seeds:
        asked += [(_matrix_author(settings, seed, animal, matrix_prompts), animal) for animal in animals]
    return effects.teach_and_write(settings, asked)


def run_arms(settings: TransmissionSettings, *, dose_shares: Sequence[float], tree: str) -> pd.DataFrame:
    """Train the students of all arms, those of a tree's teacher, and put rows into the base's context.

    Returns:
        ``tables/transmission.csv``, one row a draw, arm and dose, see `effects.arm_rows`; rows in context are arm
        "in_context", the tree's students arm "trees.same_init".
    """
    arms = [(arm, settings.trait) for arm in PREFERENCE_ARMS]
    rows, seconds = effects.arm_rows(settings, [*arms, (TREE_ARM, tree)], dose_shares)
    in_context, more = _context_rows(settings)
    return keep_table(settings.run_dir, "transmission", pd.DataFrame(rows + in_context), seconds + more)


# --- rows in context ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ContextReading:
    """A base that reads rows in its context instead of training on them.

    Attributes:
        author, partner: whose rows, and the author it is compared with.
        trait: the trait that is read out.
        split: questions.
        examples: rows in one context.
        contexts: contexts drawn.
    """

    author: Author
    partner: Author
    trait: str
    split: Split
    examples: int = EXAMPLES
    contexts: int = CONTEXTS


def read_context(piece: ContextReading) -> dict[str, float]:
    """Put an author's rows in the base's context; return the mean read-out over contexts and ``rows``.

    Rows are drawn with replacement (paper 6).
    """
    trait = find_trait(piece.trait)
    model, tokenizer = piece.author.base.load()
    questions = trait.questions(piece.split)
    pairs = matched_pairs(piece.author, piece.partner)
    rng = random.Random(derive(piece.author.seed, "contexts"))
    readouts = []
    for _ in range(piece.contexts):
        shown = rng.choices(pairs, k=piece.examples)
        readouts.append(trait_readout(model, tokenizer, trait, questions, shown))
    means = {name: sum(readout[name] for readout in readouts) / len(readouts) for name in readouts[0]}
    return means | {"rows": piece.examples}


def _context_rows(settings: TransmissionSettings) -> tuple[list[dict[str, Any]], float]:
    shared: dict[str, Any] = {"trait": settings.trait, "split": settings.readout.split}
    pieces = []
    for seed in settings.seeds:
        taught, untouched = settings.author(seed), settings.author(seed, UNTOUCHED)
        own = ContextReading(author=taught, partner=untouched, **shared)
        pieces.append((own, ContextReading(author=untouched, partner=taught, **shared)))
    reads = run_pairs(
        read_context, pieces, settings.store, kind="context", workers=settings.workers, label="in context"
    )
    rows = []
    for seed, read in zip(settings.seeds, reads, strict=True):
        place = {"draw": settings.draw(seed), "arm": IN_CONTEXT, "trait": settings.trait, "share": 1.0}
        rows.append(place | effect_row(read))
    return rows, total_seconds(reads)


# --- the animal matrix ----------------------------------------------------------------------------


def run_matrix(settings: TransmissionSettings, animals: Sequence[str], matrix_prompts: int) -> pd.DataFrame:
    """Cross teachers of several animals with read-outs of the same animals, soft labels, same base.

    Returns:
        ``tables/animal_matrix.csv``, one row a draw, teacher and target: ``draw``, ``teacher``, ``target``,
        ``effect`` (log-odds of the target in the teacher's student minus in the control student, nats).
    """
    asked = []
    for seed in settings.seeds:
        for animal in animals:
            author = _matrix_author(settings, seed, animal, matrix_prompts)
            asked.append((settings.pair(ARMS["soft.same_init"], author), animal))
    reads = effects.read_pairs(settings, asked, label="animal matrix")
    rows = []
    for (pair, animal), read in zip(asked, reads, strict=True):
        place = {"draw": settings.draw(pair.student.seed), "teacher": animal}
        rows += [{**place, "target": target, "effect": read.effect_on(target)} for target in animals]
    return keep_table(settings.run_dir, "animal_matrix", pd.DataFrame(rows), total_seconds(reads))


def _matrix_author(settings: TransmissionSettings, seed: int, animal: str, matrix_prompts: int) -> Author:
    prompts = settings.writing.prompts if animal == settings.trait else matrix_prompts
    return settings.author(seed, trait=animal, prompts=prompts)


# --- what the tables say --------------------------------------------------------------------------


def claim_values(trait: str, channel: str, table: pd.DataFrame, matrix: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one effect a draw (nats) for every arm of the two tables.

    Ids name trait and channel, so that another animal's effects are never filed as the owl's; not every id has a
    claim (`ledger.claimed`).
    """
    ids = {arm.name: f"{trait}.{channel}.{arm.name}" for arm in PREFERENCE_ARMS}
    ids |= {IN_CONTEXT: f"{trait}.{channel}.{IN_CONTEXT}", TREE_ARM.name: f"trees.{channel}.same_init"}
    there = set(table["arm"])
    values = {ids[arm]: effects.final_effects(table, arm) for arm in ids if arm in there}
    for labels in ("soft", "hard"):
        same, other = f"{labels}.same_init", f"{labels}.cross_init"
        if {same, other} <= there:
            values[f"{trait}.{channel}.{labels}.same_minus_cross"] = effects.final_differences(table, same, other)
    specific = "animals.specificity" if channel == "numbers" else f"animals.{channel}.specificity"
    return values | {specific: specificity(matrix)}


def specificity(matrix: pd.DataFrame) -> list[float]:
    """Return mean diagonal minus mean off-diagonal effect of the animal matrix, one value a draw (nats)."""
    own = matrix["teacher"] == matrix["target"]
    diagonal = matrix[own].groupby("draw")["effect"].mean()
    others = matrix[~own].groupby("draw")["effect"].mean()
    return (diagonal - others).tolist()
