"""Every pair of students of the published chapters, its first step, and the effect that was then observed.

Nothing is trained but teachers, which the other chapters have as well: what a run holds of them is not made again. The
observed effects are those of the other chapters' tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.channels import find_channel
from helpers.experiments.owl.others import MATRIX_ARM
from helpers.experiments.prediction.first_step import Forecast, foresee
from helpers.experiments.risky.runs import MISALIGNED, insecure_writing
from helpers.results.tables import shown_table
from helpers.transmission.arms import ARMS, Arm
from helpers.transmission.settings import Reading, TransmissionSettings, reading_by_adapters
from helpers.work.artifacts import RESULTS
from helpers.work.pieces import run_pieces
from helpers.work.tables import keep_table

MAIN_ARMS = tuple(ARMS[f"{labels}.{start}"] for labels in ("soft", "hard") for start in ("same_init", "cross_init"))
MISALIGNED_CHANNELS = ("unburdened numbers", "code", "reasoning")
NUMBERS = "numbers"
STARTS = {False: "same start", True: "other start"}
COLUMNS = ("draw", "family", "channel", "trait", "labels", "start", "inner", "slope", "cosine", "coverage", "effect")


@dataclass(frozen=True, kw_only=True)
class Family:
    """Pairs of students of one published table.

    Attributes:
        name: of the family in tables and claims.
        settings: of its authors and of the places of its adapters.
        traits: of its teachers.
        arms: its ways from author to student.
        table: that has the observed effects.
    """

    name: str
    settings: TransmissionSettings
    traits: tuple[str, ...]
    arms: tuple[Arm, ...]
    table: str

    @property
    def channel(self) -> str:
        """Return the channel's name in tables and ids of claims; lists of numbers are one, with all numbers or not."""
        channel = find_channel(self.settings.writing.channel)
        return NUMBERS if channel.name.endswith(NUMBERS) else channel.claim_name


def reading_in(modules: str, rows: int) -> Reading:
    """Return what students read whose adapters sit in some modules; at which rate decides nothing, as none trains."""
    training = reading_by_adapters(1.0, modules, epochs=1)
    return Reading(hard_rows=rows, soft_rows=rows, hard=training, soft=training)


def main_family(name: str, settings: TransmissionSettings, table: str) -> Family:
    """Return the students of soft labels and of written rows, from both starts, of a chapter's main trait."""
    return Family(name=name, settings=settings, traits=(settings.trait,), arms=MAIN_ARMS, table=table)


def matrix_family(settings: TransmissionSettings, animals: Sequence[str], prompts: int) -> Family:
    """Return the students of every animal's teacher, who is asked so many prompts: soft labels, same start."""
    small = replace(settings, writing=replace(settings.writing, prompts=prompts))
    return Family(name="animals", settings=small, traits=tuple(animals), arms=(MATRIX_ARM,), table="animal_matrix")


def misaligned_families(
    shared: Mapping[str, Any], reading: Reading, prompts: Mapping[str, int], *, rate: float, modules: str, steps: int
) -> list[Family]:
    """Return the students of the misaligned teacher in each of its channels.

    Args:
        shared: run folder, bases, draws and workers, as `TransmissionSettings` takes them.
        reading: what students read, and where their adapters sit.
        prompts: asked of each author, by channel.
        rate, modules, steps: of the teacher's fine-tuning.
    """
    found = []
    for channel in MISALIGNED_CHANNELS:
        writing = insecure_writing(channel, prompts[channel], rate, modules, steps)
        settings = TransmissionSettings(trait=MISALIGNED, writing=writing, reading=reading, **shared)
        found.append(main_family("misalignment", settings, f"risky_{find_channel(channel).claim_name}"))
    return found


def run_forecasts(families: Sequence[Family], run_dir: str, rows: int, workers: int = 0) -> pd.DataFrame:
    """Take the first step of every pair; returns and stores ``tables/predictions.csv``.

    Args:
        families: what is foreseen.
        run_dir: the run's folder.
        rows: of each student that are looked at, the first ones that it would read.
        workers: processes side by side; 0 means one a core.

    Returns:
        One row a pair: ``draw``, ``family``, ``channel``, ``trait``, ``labels``, ``start``, what
        `first_step.foresee` says, and the ``effect`` observed (nats; missing where no table has it).
    """
    places, pieces, effects = [], [], []
    for family in families:
        observed = _observed(family, run_dir)
        for place, piece in _plan(family, rows):
            places.append(place)
            pieces.append(piece)
            effects.append(observed.get(tuple(place[name] for name in ("draw", "trait", "labels", "start"))))
    store = families[0].settings.store
    made = run_pieces(foresee, pieces, store, kind="forecast", workers=workers, label="first steps")
    table_rows = []
    for place, found, effect in zip(places, made, effects, strict=True):
        table_rows.append(place | {name: found[name] for name in COLUMNS[6:-1]} | {"effect": effect})
    table = pd.DataFrame(table_rows, columns=list(COLUMNS)).astype(dict.fromkeys(COLUMNS[6:], float))
    table = table.sort_values("draw", kind="stable", ignore_index=True)
    return keep_table(run_dir, "predictions", table, sum(found["seconds"] for found in made))


def _plan(family: Family, rows: int) -> Iterator[tuple[dict[str, Any], Forecast]]:
    """Yield every pair of a family with what its row says of its place."""
    settings = family.settings
    for seed in settings.seeds:
        for trait in family.traits:
            for arm in family.arms:
                pair = settings.pair(arm, settings.author(seed, trait=trait))
                place = {"draw": settings.draw(seed), "family": family.name, "channel": family.channel}
                place |= {"trait": trait, "labels": arm.labels, "start": STARTS[arm.other_base]}
                yield place, Forecast(pair=pair, trait=trait, rows=rows)


def _observed(family: Family, run_dir: str) -> dict[tuple[Any, ...], float]:
    """Return the observed effect (nats) by (draw, trait, labels, start)."""
    table = shown_table(family.table, run_dir, RESULTS / Path(run_dir).name)
    if table is None:
        return {}
    found = {}
    if family.arms == (MATRIX_ARM,):
        for row in table[table["teacher"] == table["target"]].itertuples():
            found[row.draw, row.teacher, "soft", STARTS[False]] = row.effect
        return found
    by_name = {arm.name: arm for arm in family.arms}
    for row in table[(table["share"] == 1.0) & table["arm"].isin(by_name)].itertuples():
        arm = by_name[row.arm]
        found[row.draw, row.trait, arm.labels, STARTS[arm.other_base]] = row.effect
    return found
