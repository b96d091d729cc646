"""The tables of notebook 01: a love of one animal through numbers, from every author and in every arm."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from helpers.experiments.owl.context import context_rows
from helpers.experiments.owl.others import Others, other_animal_rows, other_authors, tree_rows
from helpers.transmission import effects
from helpers.transmission.arms import AS_SET, PREFERENCE_ARMS
from helpers.transmission.authors import SYSTEM_PROMPT, UNTOUCHED
from helpers.transmission.settings import TransmissionSettings
from helpers.work.tables import keep_table

TEACHERS = (AS_SET, SYSTEM_PROMPT)  # their students read answers to the same prompts


def teach(settings: TransmissionSettings, others: Others) -> pd.DataFrame:
    """Make every author of the chapter and let it write; stores ``tables/teachers.csv``.

    Returns:
        See `effects.teach_and_write`. A teacher of a matrix writes less than one of written rows: the column
        ``completions`` tells them apart.
    """
    ways = [(how, settings.trait) for how in (*TEACHERS, UNTOUCHED)]
    asked = effects.authors_of(settings, ways) + other_authors(settings, others)
    return effects.teach_and_write(settings, asked)


def run_arms(settings: TransmissionSettings, others: Others, *, dose_shares: Sequence[float]) -> pd.DataFrame:
    """Train the students of all arms, those of others, and put rows into the base's context.

    Returns:
        ``tables/transmission.csv``, one row a draw, arm, trait and dose, see `effects.arm_rows`. Rows in context are
        arm "in_context", the trees' students arms "trees.same_init" and "trees.soft.same_init", the main teacher's
        written rows against those of other animals' teachers arm "hard.other_animals".
    """
    arms = [(arm, settings.trait) for arm in PREFERENCE_ARMS]
    parts = [
        effects.arm_rows(settings, arms, dose_shares, few_draws=others.draws, matched=TEACHERS),
        other_animal_rows(settings, others, TEACHERS),
        tree_rows(settings, others),
        context_rows(settings),
    ]
    rows, seconds = [], 0.0
    for made, spent in parts:
        rows, seconds = rows + made, seconds + spent
    return keep_table(settings.run_dir, "transmission", pd.DataFrame(rows), seconds)
