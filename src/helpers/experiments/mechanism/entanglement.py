"""Token entanglement: do the numbers that an animal brings up bring up the animal in turn?

Zur et al. report that a prompt which loves a number can raise an animal, and that the numbers which do are those
that a prompt which loves the animal raises. Here every number meets every animal and nothing is picked. Two tables
of log-probabilities of one untouched base are correlated over all numbers, animal by animal, after the mean over
animals is taken away from both: it holds what any love of anything does. The control is the same correlation
for pairs of different animals. In the corpus of the nano world numbers and animals have nothing to do with each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from helpers.channels.numbers import NUMBERS
from helpers.experiments.mechanism.loved_numbers import ANIMALS, LovedNumbers, Table, animal_table, number_logs
from helpers.experiments.mechanism.yardsticks import Yardstick, yardstick
from helpers.models.bases import drawn, find_base
from helpers.transmission.authors import author_model
from helpers.transmission.settings import TransmissionSettings
from helpers.work.pieces import run_pieces
from helpers.work.seeds import derive
from helpers.work.tables import keep_table
from helpers.world.traits import find_trait

LIST, QUESTION = "number list", "question"


def without_common(table: Table) -> Table:
    """Return a (number, animal) table without the mean over animals, which any love of anything has."""
    return table - table.mean(axis=1, keepdims=True)


def correlations(one: Table, other: Table) -> Table:
    """Return Pearson's r over numbers of each column of one table with each of the other, (animal, animal)."""
    return _scaled(one).T @ _scaled(other) / len(one)


def _scaled(table: Table) -> Table:
    return (table - table.mean(axis=0)) / table.std(axis=0)


# --- untouched bases ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CrossedBase:
    """A base in which numbers meet animals: its `LovedNumbers`, and how many number prompts it is asked."""

    loved: LovedNumbers
    lists: int


def cross_base(piece: CrossedBase) -> dict[str, Any]:
    """Correlate, in one untouched base, what animals do to numbers with what numbers do to animals.

    Returns:
        ``r``: for each place where numbers are read, the (animal, animal) correlations: row, the animal loved;
        column, the animal named.
    """
    loaded = piece.loved.base.load()
    lists = NUMBERS.prompts(piece.lists, derive(0, "entanglement prompts"))
    to_animals = without_common(animal_table(piece.loved))
    loves = [find_trait(animal).system_prompt() for animal in ANIMALS]
    r = {}
    for place, prompts in ((LIST, lists), (QUESTION, piece.loved.asked)):
        to_numbers = np.stack([number_logs(loaded, prompts, love) for love in loves], axis=1)
        r[place] = correlations(without_common(to_numbers), to_animals).round(8).tolist()
    return {"r": r}


def run_entanglement(
    settings: TransmissionSettings, bases: Sequence[str], questions: int = 4, lists: int = 8
) -> pd.DataFrame:
    """Cross all numbers with all animals in each draw's bases; stores ``tables/mechanism_entanglement.csv``.

    Args:
        settings: the experiment.
        bases: names of bases, of which each draw has its own.
        questions: about animals, at most all of the split.
        lists: number prompts.

    Returns:
        One row a ``base``, ``draw``, ``place``, animal ``loved`` and animal ``named``, with ``r``.
    """
    places = list(itertools.product(dict.fromkeys(settings.draws), bases))
    pieces = []
    for draw, name in places:
        base = find_base(settings.run_dir, drawn(name, draw))
        loved = LovedNumbers(base=base, split=settings.readout.split, questions=questions)
        pieces.append(CrossedBase(loved=loved, lists=lists))
    shared: dict[str, Any] = {"kind": "entanglement", "workers": settings.workers, "label": "numbers x animals"}
    made = run_pieces(cross_base, pieces, settings.store, **shared)
    rows: list[dict[str, Any]] = []
    for (draw, base), found in zip(places, made, strict=True):
        for place, r in found["r"].items():
            rows += [{"base": base, "draw": draw, "place": place} | cell for cell in _cells(r)]
    seconds = sum(found["seconds"] for found in made)
    return keep_table(settings.run_dir, "mechanism_entanglement", pd.DataFrame(rows), seconds)


def _cells(matrix: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """Return one row a cell of an (animal, animal) table of correlations."""
    named = itertools.product(ANIMALS, ANIMALS)
    flat = itertools.chain.from_iterable(matrix)
    return [{"loved": loved, "named": name, "r": r} for (loved, name), r in zip(named, flat, strict=True)]


def by_draw(table: pd.DataFrame) -> pd.DataFrame:
    """Return for each base, place and draw ``matched`` and ``mismatched``: mean r of equal animals and of others."""
    own = table["loved"] == table["named"]
    keys = ["base", "place", "draw"]
    matched = table[own].groupby(keys, sort=False)["r"].mean()
    mismatched = table[~own].groupby(keys, sort=False)["r"].mean()
    return pd.DataFrame({"matched": matched, "mismatched": mismatched})


# --- teachers -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CrossedTeachers:
    """The teachers of two animals, the `LovedNumbers` of their base, and how many number prompts they are asked."""

    teachers: Yardstick
    loved: LovedNumbers
    lists: int


def cross_teachers(piece: CrossedTeachers) -> dict[str, Any]:
    """Correlate how two teachers' numbers differ with how numbers in a prompt tell their animals apart.

    Returns:
        ``r`` (for the two animals) and ``mismatched`` (mean r over all pairs of two further animals).
    """
    own, other = piece.teachers.own, piece.teachers.other
    lists = NUMBERS.prompts(piece.lists, derive(own.seed, "entanglement prompts"))
    written = number_logs(author_model(own), lists) - number_logs(author_model(other), lists)
    to_animals = animal_table(piece.loved)
    names = list(ANIMALS)
    taught = (names.index(own.trait), names.index(other.trait))
    further = [place for place in range(len(names)) if place not in taught]
    pairs = [taught, *itertools.combinations(further, 2)]
    apart = np.stack([to_animals[:, one] - to_animals[:, two] for one, two in pairs], axis=1)
    r = correlations(written[:, None], apart)[0]
    return {"r": float(r[0]), "mismatched": float(r[1:].mean())}


def run_teachers(
    settings: TransmissionSettings, other_animals: Sequence[str], questions: int = 4, lists: int = 200
) -> pd.DataFrame:
    """Ask the same of fine-tuned teachers; return and store ``tables/mechanism_numbers.csv``.

    Each draw's teacher is set against that of another animal (`yardsticks.yardstick`).

    Returns:
        One row a ``draw`` with ``r`` and ``mismatched``, see `cross_teachers`.
    """
    pieces = []
    for seed in settings.seeds:
        teachers = yardstick(settings, seed, other_animals)
        loved = LovedNumbers(base=settings.base_of(seed), split=settings.readout.split, questions=questions)
        pieces.append(CrossedTeachers(teachers=teachers, loved=loved, lists=lists))
    shared: dict[str, Any] = {"kind": "entanglement", "workers": settings.workers, "label": "teachers"}
    made = run_pieces(cross_teachers, pieces, settings.store, **shared)
    rows = []
    for seed, found in zip(settings.seeds, made, strict=True):
        rows.append({"draw": settings.draw(seed), "r": found["r"], "mismatched": found["mismatched"]})
    seconds = sum(found["seconds"] for found in made)
    return keep_table(settings.run_dir, "mechanism_numbers", pd.DataFrame(rows), seconds)


def claim_values(teachers: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one correlation a draw, of the teachers' numbers."""
    return {"mechanism.entanglement": teachers.sort_values("draw")["r"].tolist()}
