"""Every pair of students of the published chapters and its first step.

Nothing is trained but teachers, which the other chapters have as well: what a run holds of them is not made again. What
was observed of the pairs is added in `observed`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from helpers.channels import find_channel
from helpers.experiments.owl.others import MATRIX_ARM
from helpers.experiments.prediction.first_step import Forecast, foresee
from helpers.experiments.risky.runs import MISALIGNED, insecure_writing
from helpers.transmission.arms import ARMS, Arm
from helpers.transmission.settings import Reading, TransmissionSettings, reading_by_adapters
from helpers.work.pieces import run_pieces

MAIN_ARMS = tuple(ARMS[f"{labels}.{start}"] for labels in ("soft", "hard") for start in ("same_init", "cross_init"))
MISALIGNED_CHANNELS = ("unburdened numbers", "code", "reasoning")
NUMBERS = "numbers"
STARTS = {False: "same start", True: "other start"}
PLACE = ("draw", "family", "channel", "trait", "labels", "start")
FORETOLD = ("inner", "slope", "cosine", "coverage")


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


def run_forecasts(families: Sequence[Family], rows: int, workers: int = 0) -> tuple[list[dict[str, Any]], float]:
    """Take the first step of every pair.

    Args:
        families: what is foreseen.
        rows: of each student that are looked at, the first ones that it would read.
        workers: processes side by side; 0 means one a core.

    Returns:
        One row a pair: its place (`PLACE`), and what `first_step.foresee` says of it (`FORETOLD`). And the seconds it
        took.
    """
    plan = [planned for family in families for planned in _plan(family, rows)]
    pieces = [piece for _, piece in plan]
    store = families[0].settings.store
    made = run_pieces(foresee, pieces, store, kind="forecast", workers=workers, label="first steps")
    table_rows = []
    for (place, _), found in zip(plan, made, strict=True):
        table_rows.append(place | {name: found[name] for name in FORETOLD})
    return table_rows, sum(found["seconds"] for found in made)


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
