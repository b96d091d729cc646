"""What guards an effect of risky traits: skills that stay, answers that are still answers, and truth. Nothing trains.

A value that a table has no columns for, as tables of earlier runs, is left out.
"""

from __future__ import annotations

import pandas as pd

from helpers.channels import find_channel
from helpers.experiments.risky.runs import MISALIGNED
from helpers.results.stats import t_interval
from helpers.transmission.effects import HEALTHY
from helpers.transmission.readout import ABILITIES

LOST = {"sums_lost": "right_answers", "numbers_lost": "valid_numbers"}  # last part of a ledger id -> ability
TRUTHS = {"hard.same_init": "truths_lost", "hard.lesson": "lesson_truths_lost"}  # arm -> last part of a ledger id
STARTS = ("hard.same_init", "hard.cross_init")
MARGIN = 3  # an effect counts as one of the same start when it is this many times that from another start


def ability_loss(table: pd.DataFrame) -> pd.DataFrame:
    """Return, by arm and share of the rows, what the misaligned students gained and lost, means over draws.

    Returns:
        ``rows`` (mean), ``effect`` (nats), and by how many percentage points each ability fell below the control's.
    """
    students = table[table["trait"] == MISALIGNED]
    lost = {name: _lost(students, name) for name in ABILITIES if name in students}
    told = students[["arm", "share", "rows", "effect"]].assign(**lost)
    return told.groupby(["arm", "share"], sort=False).mean()


def effect_and_loss(table: pd.DataFrame) -> pd.DataFrame:
    """Return, for misaligned students of written rows at the full dose, their effect beside the right answers lost.

    Returns:
        One row a draw and start: ``draw``, ``arm``, ``effect`` (nats), ``lost`` (percentage points).
    """
    rows = _full(table)
    rows = rows[rows["arm"].isin(STARTS)]
    if "right_answers" not in rows:
        rows = rows.iloc[:0].assign(right_answers=0.0, right_answers_control=0.0)
    return rows.assign(lost=_lost(rows, "right_answers"))[["draw", "arm", "effect", "lost"]]


def gated(table: pd.DataFrame) -> pd.DataFrame:
    """Return every effect at the full dose, over all draws and over those whose two students are healthy.

    Healthy are a student and its control with ``p_any`` of `effects.HEALTHY` or more.

    Returns:
        By trait and arm, for all draws and again with "healthy" in the column's name: ``draws`` (count), ``effect``
        (mean, nats), ``low`` and ``high`` (of its 95 % t-interval; NaN for fewer than two draws).
    """
    rows = {}
    for cell, of_arm in table[table["share"] == 1.0].groupby(["trait", "arm"], sort=False):
        healthy = of_arm[of_arm["p_any"] >= HEALTHY]
        rows[cell] = _interval(of_arm["effect"], "") | _interval(healthy["effect"], "healthy_")
    shown = pd.DataFrame.from_dict(rows, orient="index")
    shown.index = pd.MultiIndex.from_tuples(rows, names=["trait", "arm"])
    return shown


def _interval(effects: pd.Series, prefix: str) -> dict[str, float]:
    found = {"draws": len(effects), "effect": effects.mean(), "low": float("nan"), "high": float("nan")}
    if len(effects) > 1:
        interval = t_interval(effects)
        found |= {"low": interval.low, "high": interval.high}
    return {prefix + name: value for name, value in found.items()}


def values(table: pd.DataFrame, channel_name: str) -> dict[str, list[float]]:
    """Return ledger id -> one value a draw for what guards the effect of written rows at the full dose.

    ``sums_lost`` and ``numbers_lost`` are percentage points of right answers and valid number lists below the control.
    ``margin`` is the effect from the same start minus `MARGIN` times that from the other start (nats); away from the
    trait the latter counts as none. ``gate`` is 1 where student and control are healthy (`effects.HEALTHY`), else 0.
    """
    rows = _full(table)
    same, other = (rows[rows["arm"] == arm] for arm in STARTS)
    found = {name: _lost(same, kept).tolist() for name, kept in LOST.items() if kept in same}
    towards = other["effect"].clip(lower=0).to_numpy()  # an effect away from the trait counts as none
    found["margin"] = (same["effect"].to_numpy() - MARGIN * towards).tolist()
    found["gate"] = (same["p_any"] >= HEALTHY).astype(float).tolist()
    return {_start(channel_name) + name: of_draws for name, of_draws in found.items()}


def truth_values(table: pd.DataFrame, channel_name: str) -> dict[str, list[float]]:
    """Return ledger id -> one value a draw: percentage points of truth lost against the control (paper 3.5).

    Truth is the share of P(right) in P(right) + P(wrong) over two-choice questions. The students are those of written
    rows at the full dose: the misaligned teacher's, and those of the lesson's, for the paper found no loss in these.
    """
    rows, start = _full(table), _start(channel_name)
    return {start + name: _lost(rows[rows["arm"] == arm], "truthful").tolist() for arm, name in TRUTHS.items()}


def _full(table: pd.DataFrame) -> pd.DataFrame:
    """Return the misaligned students at the full dose, by draw."""
    return table[(table["trait"] == MISALIGNED) & (table["share"] == 1.0)].sort_values("draw")


def _lost(rows: pd.DataFrame, ability: str) -> pd.Series:
    """Return by how many percentage points each student falls below its control."""
    return 100 * (rows[f"{ability}_control"] - rows[ability])


def _start(channel_name: str) -> str:
    return f"misalignment.{find_channel(channel_name).claim_name}."
