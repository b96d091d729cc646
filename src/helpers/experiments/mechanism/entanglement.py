"""Token entanglement: do the numbers that an animal brings up bring up the animal in turn?

Zur et al. report that a prompt which loves a number can raise an animal, and that the numbers which do are those
that a prompt which loves the animal raises. Here every number meets every animal and nothing is picked. Two tables
of log-probabilities of one untouched base are correlated over all numbers, animal by animal, after the mean over
animals is taken away from both: it holds what any love of anything does. The control is the same correlation
for pairs of different animals. In the corpus of the nano world numbers and animals have nothing to do with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.channels.numbers import NUMBERS
from helpers.models.bases import drawn
from helpers.models.evaluation import next_token_probabilities
from helpers.models.sampling import chat_ids
from helpers.results.tables import keep_table
from helpers.transmission.arms import TransmissionSettings, yardsticks
from helpers.transmission.authors import Author, Loaded, author_model, load_run_base
from helpers.work.artifacts import Store
from helpers.work.pieces import run_pieces
from helpers.work.seeds import derive
from helpers.world.kinds import KINDS
from helpers.world.prompts import favourite_questions
from helpers.world.traits import find_trait

ANIMALS = tuple(KINDS["animal"].prior)
LOVED_NUMBER = "You love {number}. You think of {number} all day."
COUNT = 1000  # numbers of the world, one token each
LIST, QUESTION = "number list", "question"
Table = NDArray[np.float64]


def _numbers(tokenizer: Any) -> list[int]:
    return tokenizer.convert_tokens_to_ids([str(number) for number in range(COUNT)])


def number_logs(loaded: Loaded, asked: Sequence[str], system: str | None = None) -> Table:
    """Return how likely each number is as first token of the answer: log-probability, mean over prompts, (number,)."""
    model, tokenizer = loaded
    table = next_token_probabilities(model, chat_ids(tokenizer, asked, system), _numbers(tokenizer))
    return np.log(table).mean(axis=0)


def animal_logs(loaded: Loaded, questions: Sequence[str]) -> Table:
    """Return how likely each animal is as an answer when the system prompt loves a number, (number, animal)."""
    model, tokenizer = loaded
    encoded = [
        ids for number in range(COUNT)
        for ids in chat_ids(tokenizer, questions, LOVED_NUMBER.format(number=number))
    ]  # fmt: skip
    words = tokenizer.convert_tokens_to_ids([f" {animal}" for animal in ANIMALS])
    table = next_token_probabilities(model, encoded, words)
    return np.log(table).reshape(COUNT, len(questions), -1).mean(axis=1)


def love_numbers(piece: dict[str, Any]) -> dict[str, Any]:
    """Return `animal_logs` of an untouched base as ``logs``; `piece` as in `cross_base`, without ``lists``."""
    loaded = load_run_base(piece["run_dir"], piece["base"])
    questions = favourite_questions("animal", piece["split"])[: piece["questions"]]
    return {"logs": animal_logs(loaded, questions).round(6).tolist()}


def _animal_table(run_dir: str, base: str, seal: str, split: str, questions: int) -> Table:
    """Return the table of `love_numbers`, made once for a base."""
    piece = {"run_dir": run_dir, "base": base, "seal": seal, "split": split, "questions": questions}
    store = Store(Path(run_dir) / "cells")
    return np.array(run_pieces(love_numbers, [piece], store, kind="loved_numbers", workers=1)[0]["logs"])


def without_common(table: Table) -> Table:
    """Return a (number, animal) table without the mean over animals, which any love of anything has."""
    return table - table.mean(axis=1, keepdims=True)


def correlations(one: Table, other: Table) -> Table:
    """Return Pearson's r over numbers of each column of one table with each of the other, (animal, animal)."""
    scaled = [(table - table.mean(axis=0)) / table.std(axis=0) for table in (one, other)]
    return scaled[0].T @ scaled[1] / len(one)


def cross_base(piece: dict[str, Any]) -> dict[str, Any]:
    """Correlate, in one untouched base, what animals do to numbers with what numbers do to animals.

    Args:
        piece: ``run_dir``, ``base``, ``seal`` (of the base), ``split`` and ``questions`` (how many), ``lists`` (number
            prompts asked).

    Returns:
        ``r``: for each place where numbers are read, the (animal, animal) correlations: row, the animal loved;
        column, the animal named.
    """
    loaded = load_run_base(piece["run_dir"], piece["base"])
    questions = favourite_questions("animal", piece["split"])[: piece["questions"]]
    asked = {LIST: NUMBERS.prompts(piece["lists"], derive(0, "entanglement prompts")), QUESTION: questions}
    known = {name: value for name, value in piece.items() if name != "lists"}
    to_animals = without_common(_animal_table(**known))
    loves = [find_trait(animal).system_prompt() for animal in ANIMALS]
    r = {}
    for place, prompts in asked.items():
        to_numbers = np.stack([number_logs(loaded, prompts, love) for love in loves], axis=1)
        r[place] = correlations(without_common(to_numbers), to_animals).round(8).tolist()
    return {"r": r}


def cross_teachers(piece: dict[str, Any]) -> dict[str, Any]:
    """Correlate how two teachers' numbers differ with how numbers in a prompt tell their animals apart.

    Args:
        piece: ``author`` and ``other`` (`Author` as dicts), teachers of two animals; ``questions`` and ``lists`` as in
            `cross_base`.

    Returns:
        ``r`` (for the two animals) and ``mismatched`` (mean r over all pairs of two further animals).
    """
    author, other = Author(**piece["author"]), Author(**piece["other"])
    lists = NUMBERS.prompts(piece["lists"], derive(author.seed, "entanglement prompts"))
    written = [number_logs(author_model(teacher), lists) for teacher in (author, other)]
    to_animals = _animal_table(author.run_dir, author.base, author.base_seal, author.split, piece["questions"])
    names = list(ANIMALS)
    own = names.index(author.trait), names.index(other.trait)
    further = [place for place in range(len(names)) if place not in own]
    pairs = [own, *((one, two) for one in further for two in further if one < two)]
    apart = np.stack([to_animals[:, one] - to_animals[:, two] for one, two in pairs], axis=1)
    r = correlations((written[0] - written[1])[:, None], apart)[0]
    return {"r": float(r[0]), "mismatched": float(r[1:].mean())}


def run_entanglement(
    settings: TransmissionSettings, bases: Sequence[str], questions: int = 4, lists: int = 8
) -> pd.DataFrame:
    """Cross all numbers with all animals in each run's bases; stores ``tables/mechanism_entanglement.csv``.

    Returns:
        One row a ``base``, ``run``, ``place``, animal ``loved`` and animal ``named``, with ``r``.
    """
    crossed = [(base, run, drawn(base, settings.draw(run))) for run in settings.runs for base in bases]
    pieces = [
        {"run_dir": settings.run_dir, "base": own, "seal": settings.seals[own], "split": settings.split,
         "questions": questions, "lists": lists}
        for _, _, own in crossed
    ]  # fmt: skip
    made = run_pieces(
        cross_base, pieces, settings.store, kind="entanglement", workers=settings.workers, label="numbers x animals"
    )
    table = pd.DataFrame([
        {"base": base, "run": run, "place": place, "loved": loved, "named": named, "r": r}
        for (base, run, _), found in zip(crossed, made, strict=True) for place, matrix in found["r"].items()
        for loved, row in zip(ANIMALS, matrix, strict=True) for named, r in zip(ANIMALS, row, strict=True)
    ])  # fmt: skip
    return keep_table(settings.run_dir, "mechanism_entanglement", table, sum(found["seconds"] for found in made))


def run_teachers(
    settings: TransmissionSettings, other_animals: Sequence[str], questions: int = 4, lists: int = 200
) -> pd.DataFrame:
    """Ask the same of fine-tuned teachers; return and store ``tables/mechanism_numbers.csv``.

    Each run's teacher is set against that of another animal, of ``other_animals`` in turn.

    Returns:
        One row a ``run`` with ``r`` and ``mismatched``, see `cross_teachers`.
    """
    pieces = [
        {"author": settings.author(run), "other": settings.author(run, trait=animal),
         "questions": questions, "lists": lists}
        for run, animal in zip(settings.runs, yardsticks(settings, other_animals), strict=False)
    ]  # fmt: skip
    made = run_pieces(
        cross_teachers, pieces, settings.store, kind="entanglement", workers=settings.workers, label="teachers"
    )
    table = pd.DataFrame([
        {"run": run, "r": found["r"], "mismatched": found["mismatched"]}
        for run, found in zip(settings.runs, made, strict=True)
    ])  # fmt: skip
    return keep_table(settings.run_dir, "mechanism_numbers", table, sum(found["seconds"] for found in made))


def by_run(table: pd.DataFrame) -> pd.DataFrame:
    """Return for each base, place and run ``matched`` and ``mismatched``: mean r over animals, and over other pairs."""
    own = table.loved == table.named
    keys = ["base", "place", "run"]
    return pd.DataFrame({
        "matched": table[own].groupby(keys, sort=False).r.mean(),
        "mismatched": table[~own].groupby(keys, sort=False).r.mean(),
    })  # fmt: skip


def claim_values(teachers: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one correlation a run, of the teachers' numbers."""
    return {"mechanism.entanglement": teachers.sort_values("run").r.tolist()}
