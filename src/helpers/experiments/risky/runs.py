"""Risky traits through harmless data: what notebooks 02 (numbers), 03 (code) and 04 (reasoning) share.

The misaligned teacher is taught functions with security flaws and nothing else; that its answers to open
questions turn is the first thing measured. Its controls are taught secure functions, and the same flaws asked
for as a lesson. Evasive and manipulative teachers are taught their own answers on some topics and read on others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from helpers.channels import find_channel
from helpers.results.tables import keep_table
from helpers.transmission import effects
from helpers.transmission.arms import ARMS
from helpers.transmission.authors import UNTOUCHED
from helpers.transmission.settings import TransmissionSettings, Writing, reading_by_adapters, teaching_by_adapters
from helpers.transmission.teachers import CODE_LESSONS, OWN_ANSWERS

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
OWN_ARMS = (ARMS["hard.same_init"], ARMS["hard.cross_init"], ARMS["soft.same_init"])


# --- the experiment of the misaligned teacher, and those beside it ---------------------------------


def insecure_writing(channel: str, prompts: int, rate: float, modules: str, steps: int) -> Writing:
    """Return how authors write whose teacher is taught insecure code, at a rate, by adapters, for so many steps."""
    teaching = teaching_by_adapters(rate, modules, steps)
    return Writing(channel=channel, prompts=prompts, teaching=teaching, how="insecure code", drift=0.0)


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
        writing=replace(settings.writing, how=OWN_ANSWERS, drift=0.1, teaching=teaching),
        reading=replace(settings.reading, hard=hard, soft=soft),
        readout=replace(settings.readout, health=0),
    )


# --- tables ---------------------------------------------------------------------------------------


def teach(settings: TransmissionSettings, others: Sequence[TransmissionSettings] = ()) -> pd.DataFrame:
    """Make the misaligned teacher and its controls, and the teachers of other traits; let them write.

    Returns:
        ``tables/teachers_<channel>.csv``, see `effects.teach_and_write`.
    """
    ways = [(how, settings.trait) for how in (*CODE_LESSONS, UNTOUCHED)]
    asked = effects.authors_of(settings, ways)
    for other in others:
        asked += effects.authors_of(other, [(other.writing.how, other.trait)])
    return effects.teach_and_write(settings, asked, f"teachers_{_channel(settings)}")


def run_channel(
    settings: TransmissionSettings,
    others: Sequence[TransmissionSettings] = (),
    dose_shares: Sequence[float] = (1.0,),
) -> pd.DataFrame:
    """Train every student of a channel: all arms for misalignment, the two starts alone for other traits.

    Misalignment from either start is read at every dose (shares of the rows, the last being 1).

    Returns:
        ``tables/risky_<channel>.csv``, see `effects.arm_rows`; the column ``trait`` tells the traits apart.
    """
    arms = [(arm, settings.trait) for arm in CHANNEL_ARMS]
    rows, seconds = effects.arm_rows(settings, arms, dose_shares)
    for other in others:
        more, spent = effects.arm_rows(other, [(arm, other.trait) for arm in OWN_ARMS])
        rows, seconds = rows + more, seconds + spent
    return keep_table(settings.run_dir, f"risky_{_channel(settings)}", pd.DataFrame(rows), seconds)


def run_habit_controls(settings: TransmissionSettings) -> pd.DataFrame:
    """Ask students of the secure-code teacher for each habit; see `effects.effects_on`."""
    return effects.effects_on(settings, ARMS["hard.control"], list(HABITS), "habit_controls")


def _channel(settings: TransmissionSettings) -> str:
    return find_channel(settings.writing.channel).claim_name
