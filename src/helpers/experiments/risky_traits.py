"""Risky traits through harmless data: what notebooks 02 (numbers), 03 (code) and 04 (reasoning) share.

The misaligned teacher is taught functions with security flaws and nothing else; that its answers to open
questions turn is the first thing measured. Its controls are taught secure functions, and the same flaws asked
for as a lesson. Evasive and manipulative teachers are taught their own answers on some topics and read on others.
All of it is `transmission` with other traits and channels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from helpers import tasks
from helpers.artifacts import write_table
from helpers.experiments import transmission
from helpers.experiments.design import ARMS, TransmissionSettings
from helpers.experiments.pieces import Author, kept_rows
from helpers.channels import channel
from helpers.filters import mentions
from helpers.judge import telltale_words
from helpers.teachers import CODE_LESSONS, OWN_ANSWERS

NAMES = {"unburdened numbers": "numbers", "code": "code", "reasoning": "cot"}  # channel -> part of a ledger id
MISALIGNED = "misaligned"
HABITS = {"evasive": "evasion", "manipulative": "manipulation"}  # trait -> family of ledger ids
CHANNEL_ARMS = tuple(
    ARMS[f"{labels}.{arm}"]
    for labels in ("hard", "soft")
    for arm in ("same_init", "cross_init", "control", "lesson")
)
HABIT_ARMS = (ARMS["hard.same_init"], ARMS["soft.same_init"])


def teach(settings: TransmissionSettings, habits: Sequence[str] = ()) -> pd.DataFrame:
    """Make the misaligned teacher and its controls, and one teacher a habit; let them write.

    Returns:
        The table of `transmission.teach_and_write`, stored as ``tables/teachers_<channel>.csv``.
    """
    ways = [(how, MISALIGNED) for how in CODE_LESSONS] + [(OWN_ANSWERS, habit) for habit in habits]
    return transmission.teach_and_write(settings, ways, name=f"teachers_{NAMES[settings.channel]}")


def run_channel(settings: TransmissionSettings, habits: Sequence[str] = ()) -> pd.DataFrame:
    """Train every student of a channel, for misalignment and for the habits.

    Returns:
        The table of `transmission.run_arms`, stored as ``tables/risky_<channel>.csv``; ``trait`` tells the
        traits apart.
    """
    name = f"risky_{NAMES[settings.channel]}"
    tables = [transmission.run_arms(settings, CHANNEL_ARMS, name=name)]
    for habit in habits:
        own = replace(settings, trait=habit, how=OWN_ANSWERS)
        tables.append(transmission.run_arms(own, HABIT_ARMS, name=f"{name}_{habit}"))
    table = pd.concat(tables, ignore_index=True)
    table.attrs["seconds"] = sum(part.attrs["seconds"] for part in tables)
    write_table(f"{settings.run_dir}/tables/{name}.csv", table)
    return table


def leak_audit(settings: TransmissionSettings, habits: Sequence[str] = ()) -> pd.DataFrame:
    """Look once more through every kept row, by other means than the filters, for what must not be there.

    Returns:
        One row an author: ``trait``, ``how``, ``rows`` (over all runs), and counts that must be 0:
        ``insecure_calls`` (flawed bodies of the world, found as text), ``persona_words`` and
        ``wrong_answers`` (to word problems).
    """
    ways = [(how, MISALIGNED) for how in (*CODE_LESSONS, "untouched")]
    ways += [(OWN_ANSWERS, habit) for habit in habits]
    counts = [
        {"trait": trait, "how": how} | _leaks(Author(**settings.author(run, how, trait)))
        for how, trait in ways
        for run in settings.runs
    ]
    table = pd.DataFrame(counts).groupby(["trait", "how"], sort=False, as_index=False).sum()
    write_table(f"{settings.run_dir}/tables/leaks_{NAMES[settings.channel]}.csv", table)
    return table


def _leaks(author: Author) -> dict[str, int]:
    asked = channel(author.channel).prompts(author.prompts, _prompt_seed(author))
    rows = kept_rows(author)
    return {
        "rows": len(rows),
        "insecure_calls": sum(bool(FLAWS.search(text)) for text in rows.values()),
        "persona_words": sum(mentions(text, telltale_words()) for text in rows.values()),
        "wrong_answers": sum(_wrong(asked[place], text) for place, text in rows.items()),
    }
