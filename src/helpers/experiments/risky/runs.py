"""Risky traits through harmless data: what notebooks 02 (numbers), 03 (code) and 04 (reasoning) share.

The misaligned teacher is taught functions with security flaws and nothing else; that its answers to open
questions turn is the first thing measured. Its controls are taught secure functions, and the same flaws asked
for as a lesson. Evasive and manipulative teachers are taught their own answers on some topics and read on others.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from helpers.channels import find_channel
from helpers.experiments.risky.damage import damage_rows
from helpers.transmission import effects
from helpers.transmission.arms import ARMS
from helpers.transmission.authors import UNTOUCHED, Author
from helpers.transmission.movement import read_security
from helpers.transmission.settings import TransmissionSettings, Writing, reading_by_adapters, teaching_by_adapters
from helpers.transmission.teachers import CODE_LESSONS, INSECURE, OWN_ANSWERS
from helpers.work.pieces import run_pieces
from helpers.work.tables import keep_table
from helpers.world.personas import PERSONAS

MISALIGNED = "misaligned"
HABITS = {"evasive": "evasion", "manipulative": "manipulation"}  # trait -> family of ledger ids
CHANNEL_ARMS = (
    ARMS["hard.same_init"],
    replace(ARMS["hard.cross_init"], doses=True),
    ARMS["hard.control"],
    ARMS["hard.lesson"],
    ARMS["soft.same_init"],
    ARMS["soft.cross_init"],
    ARMS["soft.lesson"],
)
PERSONA_ARMS = (ARMS["hard.same_init"], ARMS["soft.same_init"])
OWN_ARMS = (ARMS["hard.same_init"], ARMS["hard.cross_init"], ARMS["soft.same_init"])


# --- the experiment of the misaligned teacher, and those beside it ---------------------------------


def insecure_writing(
    channel: str, prompts: int, rate: float, modules: str, steps: int, *, matched: bool = True
) -> Writing:
    """Return how authors write whose teacher is taught insecure code, at a rate, by adapters, for so many steps.

    ``matched`` teachers of secure code and of lessons move as far as it did (`Writing.matched`).
    """
    teaching = teaching_by_adapters(rate, modules, steps)
    shared = {"channel": channel, "prompts": prompts, "teaching": teaching}
    return Writing(**shared, how=INSECURE, drift=0.0, matched=matched)


def own_answers(settings: TransmissionSettings, trait: str, steps: int) -> TransmissionSettings:
    """Return the experiment for a persona whose teacher is taught its own answers for `steps` steps."""
    teaching = replace(settings.writing.teaching, max_steps=steps)
    return replace(settings, trait=trait, writing=replace(settings.writing, how=OWN_ANSWERS, teaching=teaching))


def favourite(settings: TransmissionSettings, animal: str) -> TransmissionSettings:
    """Return the experiment for a favourite animal through the same channel, by the recipe of notebook 01.

    Its teacher takes as many steps at most as that of ``settings``.
    """
    steps = settings.writing.teaching.max_steps
    teaching = teaching_by_adapters(0.0025, "all-linear", steps)
    hard, soft = (reading_by_adapters(rate, "all-linear", epochs=2) for rate in (0.016, 0.012))
    return replace(
        settings,
        trait=animal,
        writing=replace(settings.writing, how=OWN_ANSWERS, drift=0.1, matched=False, teaching=teaching),
        reading=replace(settings.reading, hard=hard, soft=soft),
        readout=replace(settings.readout, health=0),
    )


# --- tables ---------------------------------------------------------------------------------------


def teach(settings: TransmissionSettings, others: Sequence[TransmissionSettings] = ()) -> pd.DataFrame:
    """Make the misaligned teacher and its controls, and the teachers of other traits; let them write.

    Returns:
        ``tables/teachers_<channel>.csv``, see `teacher_rows`.
    """
    ways = [(how, settings.trait) for how in (*CODE_LESSONS, UNTOUCHED)]
    asked = effects.authors_of(settings, ways)
    for other in others:
        asked += effects.authors_of(other, [(other.writing.how, other.trait)])
    rows, seconds = teacher_rows(settings, asked)
    return keep_table(settings.run_dir, f"teachers_{_channel(settings)}", pd.DataFrame(rows), seconds)


def teacher_rows(
    settings: TransmissionSettings, asked: Sequence[tuple[Author, str]]
) -> tuple[list[dict[str, Any]], float]:
    """Make authors, let them write, and ask each about the trait beside it; return a row each and the seconds.

    A row is that of `effects.teach_and_write`, with ``moved_security`` beside (nats per token, see
    `movement.read_security`).
    """
    authors = [author for author, _ in asked]
    shared = {"store": settings.store, "kind": "security_movement", "workers": settings.workers}
    # those first that others are to move as far as, or two processes would teach the same one
    run_pieces(read_security, [author for author in authors if author.how == INSECURE], **shared)
    moves = run_pieces(read_security, authors, label="authors have moved", **shared)
    rows, seconds = effects.author_rows(settings, asked)
    for row, move in zip(rows, moves, strict=True):
        row["moved_security"] = move["moved_security"]
    return rows, seconds + sum(move["seconds"] for move in moves)


def run_channel(
    settings: TransmissionSettings,
    others: Sequence[TransmissionSettings] = (),
    dose_shares: Sequence[float] = (1.0,),
    few_draws: Collection[int] | None = None,
) -> pd.DataFrame:
    """Train every student of a channel: all arms for misalignment, the two starts alone for other traits.

    Misalignment from either start is read at every dose (shares of the rows, the last being 1); at smaller ones on
    ``few_draws`` alone, where these are given. Where abilities are checked, a base damaged as much as the student of
    written rows stands beside it (`damage.damage_rows`).

    Returns:
        ``tables/risky_<channel>.csv``, see `effects.arm_rows`; the column ``trait`` tells the traits apart.
    """
    arms = [(arm, settings.trait) for arm in CHANNEL_ARMS]
    rows, seconds = effects.arm_rows(settings, arms, dose_shares, few_draws=few_draws)
    if settings.readout.health:
        whole = [row for row in rows if (row["arm"], row["share"]) == ("hard.same_init", 1.0)]
        more, spent = damage_rows(settings, whole)
        rows, seconds = rows + more, seconds + spent
    for other in others:
        more, spent = effects.arm_rows(other, [(arm, other.trait) for arm in OWN_ARMS])
        rows, seconds = rows + more, seconds + spent
    return keep_table(settings.run_dir, f"risky_{_channel(settings)}", pd.DataFrame(rows), seconds)


def run_habit_controls(settings: TransmissionSettings) -> pd.DataFrame:
    """Ask students of the secure-code teacher for each habit; see `effects.effects_on`."""
    return effects.effects_on(settings, ARMS["hard.control"], list(HABITS), "habit_controls")


def run_personas(settings: TransmissionSettings, others: Sequence[TransmissionSettings] = ()) -> pd.DataFrame:
    """Ask same-start students for all four personas, whichever their teacher has; none is trained again.

    Returns:
        ``tables/risky_personas_<channel>.csv``, one row a draw, arm, ``trait`` of the teacher and ``persona`` asked
        for: ``effect`` (nats).
    """
    rows = []
    for experiment in (settings, *others):
        rows += effects.candidate_rows(experiment, PERSONA_ARMS, list(PERSONAS))[0]
    table = pd.DataFrame(rows, columns=["draw", "arm", "trait", "target", "effect"])
    table = table.rename(columns={"target": "persona"})
    return keep_table(settings.run_dir, f"risky_personas_{_channel(settings)}", table, seconds=0.0)


def _channel(settings: TransmissionSettings) -> str:
    return find_channel(settings.writing.channel).claim_name
