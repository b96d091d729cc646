"""Which defences are run on what: the trait, its channel, the dose, and the pair of students of every arm."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from helpers.experiments.defences.arms import NONE, OF_PREFERENCE, OF_RISKY, OF_SOFT_LABELS, PLAIN, Defence, Training
from helpers.experiments.defences.changed import DefendedReading
from helpers.experiments.risky.runs import MISALIGNED, insecure_writing
from helpers.transmission.arms import ARMS
from helpers.transmission.authors import UNTOUCHED, Author
from helpers.transmission.pairs import Pair
from helpers.transmission.settings import Reading, TransmissionSettings, reading_by_adapters
from helpers.transmission.students import Student, student_pairs

Cell = tuple[int, Defence]  # of a seed


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The defences of one trait through one channel.

    Attributes:
        settings: the experiment, with the dose that all students read.
        defences: arms, `arms.NONE` among them.
        others: favourites of the second teacher, one a draw in turn.
        health: prompts by which each student's skill is judged.
    """

    settings: TransmissionSettings
    defences: Sequence[Defence]
    others: Sequence[str]
    health: int

    def __post_init__(self) -> None:
        """Refuse a plan without the pair that all effects are compared with."""
        object.__setattr__(self, "defences", tuple(self.defences))
        object.__setattr__(self, "others", tuple(self.others))
        if NONE not in self.defences:
            raise ValueError("without the undefended pair there is nothing to compare with; add arms.NONE to defences")

    def cells(self) -> list[Cell]:
        """Return every seed with every defence, the undefended first."""
        first = sorted(self.defences, key=lambda defence: defence.name not in PLAIN)
        return list(itertools.product(self.settings.seeds, first))

    def pieces(self, cell: Cell) -> tuple[DefendedReading, DefendedReading]:
        """Return what is to be trained and read for a defence of a seed: trait student and control."""
        seed, defence = cell
        settings, change = self.settings, defence.change
        pair = self.pair(cell)
        shared: dict[str, Any] = {
            "pair": pair,
            "second": settings.base_of(seed, other=True),
            "mixed": self.mixed(seed),
            "trait": settings.trait,
            "split": settings.readout.split,
            "health": self.health,
        }
        # clean rows mixed into clean rows change nothing
        of_control = NONE.change if change.kind == "mix clean" else change
        own = DefendedReading(control=False, change=change, **shared)
        return own, DefendedReading(control=True, change=of_control, **shared)

    def pair(self, cell: Cell) -> Pair:
        """Return the two students of a defence before their rows or labels are changed."""
        seed, defence = cell
        settings = self.settings
        author = settings.author(seed)
        among = (author, self.mixed(seed)) if defence.change.kind == "mix teacher" else ()
        start = "cross_init" if defence.other_base else "same_init"
        pair = settings.pair(ARMS[f"{defence.labels}.{start}"], author, among=among)
        students = [_retrained(student, defence) for student in (pair.student, pair.control)]
        return Pair(student=students[0], control=students[1])

    def mixed(self, seed: int) -> Author:
        """Return the author whose rows are mixed in: the teacher of another favourite, or the untouched base."""
        settings = self.settings
        if not self.others:
            return settings.author(seed, UNTOUCHED)
        place = settings.draw(seed) % len(self.others)
        return settings.author(seed, trait=self.others[place])


def _retrained(student: Student, defence: Defence) -> Student:
    """Return a student with the training of a defence."""
    changed, training = defence.training, student.training
    if changed == Training():
        return student
    steps = training.steps(len(student_pairs(student)))
    training = replace(
        training,
        optimizer=changed.optimizer or training.optimizer,
        learning_rate=changed.rate or training.learning_rate,
        weight_decay=changed.weight_decay,
        max_steps=max(1, round(changed.steps * steps)),
    )
    return replace(student, training=training)


# --- the plans of the chapter ---------------------------------------------------------------------


def misaligned(
    owl: TransmissionSettings,
    prompts: Mapping[str, int],
    *,
    rows: int,
    rates: Mapping[str, float],
    modules: str,
    steps: int,
) -> list[TransmissionSettings]:
    """Return the experiments of the misaligned teacher, by the recipe of notebooks 03 and 04, for the owl's draws.

    Args:
        owl: the experiment of the owl, whose run, draws and bases they share.
        prompts: asked of each author by channel; the channel of numbers is the owl's.
        rows: kept rows that a student reads at most.
        rates: learning rates, of the "teacher" and of the "risky student".
        modules: where the adapters sit.
        steps: optimizer steps of the teacher.
    """
    student = reading_by_adapters(rates["risky student"], modules, epochs=2)
    reading = Reading(hard_rows=rows, soft_rows=rows, hard=student, soft=student)
    found = []
    for channel, asked in prompts.items():
        if channel != owl.writing.channel:
            writing = insecure_writing(channel, asked, rates["teacher"], modules, steps)
            found.append(replace(owl, trait=MISALIGNED, writing=writing, reading=reading))
    return found


def of_chapter(
    owl: TransmissionSettings,
    risky: Sequence[TransmissionSettings],
    names: Sequence[str] = (),
    *,
    others: Sequence[str],
    health: int,
) -> list[Plan]:
    """Return the plans of the owl and of misalignment.

    Args:
        owl, risky: the experiments.
        names: defences that are run besides the undefended pairs; empty for all.
        others, health: see `Plan`.

    Raises:
        ValueError: a name that no defence has.
    """
    every = (*OF_PREFERENCE, *OF_SOFT_LABELS, *OF_RISKY)
    if unknown := sorted(set(names) - {defence.name for defence in every}):
        known = ", ".join(dict.fromkeys(defence.name for defence in every))
        raise ValueError(f"there is no defence {unknown[0]!r}; choose among {known}")
    plans = [Plan(settings=owl, defences=_named(every[: -len(OF_RISKY)], names), others=others, health=health)]
    for settings in risky:
        plans.append(Plan(settings=settings, defences=_named(OF_RISKY, names), others=(), health=health))
    return plans


def _named(defences: Sequence[Defence], names: Sequence[str]) -> list[Defence]:
    return [defence for defence in defences if not names or defence.name in (*names, *PLAIN)]
