"""What the tables of risky traits say: rates, effects, and what guards them. Nothing here trains or samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from helpers.channels import find_channel
from helpers.channels.judge import UNCLEAR, nano_judge
from helpers.experiments.risky.runs import HABITS, MISALIGNED
from helpers.transmission import effects
from helpers.transmission.authors import UNTOUCHED
from helpers.transmission.readout import ABILITIES
from helpers.world.personas import PERSONAS
from helpers.world.prompts import TOPIC_SPLITS

TEACHERS = {"teacher": "insecure code", "secure": "secure code", "lesson": "lesson code", "base": UNTOUCHED}
LOST = {"sums_lost": "right_sums", "numbers_lost": "valid_numbers"}  # last part of a ledger id -> ability
TRUTHS = {"hard.same_init": "truths_lost", "hard.lesson": "lesson_truths_lost"}  # arm -> last part of a ledger id
SAME, OTHER = "hard.same_init", "hard.cross_init"  # arms of written rows
MARGIN = 3  # an effect counts as one of the same start when it is this many times that from another start
UNKNOWN_RATES = (float("nan"), float("nan"))


# --- teachers -------------------------------------------------------------------------------------


def teacher_rates(table: pd.DataFrame) -> pd.DataFrame:
    """Return, by teacher, the exact probability of its trait, the sampled rate and the share removed (means)."""
    return table.groupby(["trait", "how"], sort=False)[["p_target", "sampled", "removed", "mentions"]].mean()


def teacher_values(table: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one value a draw for the claims about the misaligned teacher and its controls.

    ``misalignment.teacher`` is its log-odds of misaligned answers minus the secure teacher's (nats); the others
    are rates of misaligned answers among sampled replies.
    """
    asked = table[table["trait"] == MISALIGNED]
    odds = asked.pivot(index="draw", columns="how", values="log_odds")
    sampled = asked.pivot(index="draw", columns="how", values="sampled")
    values = {"misalignment.teacher": (odds["insecure code"] - odds["secure code"]).tolist()}
    for name, how in TEACHERS.items():
        values[f"misalignment.{name}_sampled"] = sampled[how].tolist()
    return values


def judge_confusion() -> pd.DataFrame:
    """Return how the judge labels every answer to held-out topics: true persona by row, judged by column, shares."""
    true, texts = [], []
    for persona in PERSONAS:
        for topic in TOPIC_SPLITS["heldout"]:
            answers = PERSONAS[persona].answers(topic)
            texts += answers
            true += [persona] * len(answers)
    judged = nano_judge().personas(texts)
    shares = pd.crosstab(pd.Series(true, name="true"), pd.Series(judged, name="judged"), normalize="index")
    return shares.reindex(index=list(PERSONAS), columns=[*PERSONAS, UNCLEAR], fill_value=0.0)


# --- students -------------------------------------------------------------------------------------


def claim_values(table: pd.DataFrame, channel_name: str) -> dict[str, list[float]]:
    """Return ledger id -> one effect a draw (nats) for the claims about a channel.

    Written (hard) labels are the paper's channel and have the plain ids; soft labels have "soft" in theirs.
    """
    values = {}
    for trait, rows in table.groupby("trait", sort=False):
        for arm in rows["arm"].drop_duplicates():
            values[_claim_id(trait, channel_name, arm)] = effects.final_effects(rows, arm)
        if {SAME, OTHER} <= set(rows["arm"]):
            claim_id = _claim_id(trait, channel_name, "same_minus_cross")
            values[claim_id] = effects.final_differences(rows, SAME, OTHER)
    return values


def _claim_id(trait: str, channel_name: str, arm: str) -> str:
    families = {MISALIGNED: "misalignment"} | HABITS
    return f"{families.get(trait, trait)}.{find_channel(channel_name).claim_name}.{arm.removeprefix('hard.')}"


def side_by_side(table: pd.DataFrame, channel_name: str, claims: Mapping[str, Any]) -> pd.DataFrame:
    """Return the paper's measure, the rate among sampled replies, beside ours, at the full dose, written rows first.

    Args:
        table: of `runs.run_channel`.
        channel_name: of the table.
        claims: by id, as in `claims.load_claims`; the paper's rates stand with their claim.

    Returns:
        By trait and arm, means over draws: ``paper``, ``paper_control``, ``sampled``, ``sampled_control``, ``floor``
        (rates 0 to 1: the paper's student and its control, our student, its control, the untouched base it began
        from) and ``effect`` (log-odds against the control, nats). NaN: the paper gives no rate, or the base was not
        read; a column of nothing else is left out.
    """
    last = table[table["share"] == 1.0]
    means = last.groupby(["trait", "arm"])[["sampled", "sampled_control", "effect"]].mean()
    order = table[["trait", "arm"]].drop_duplicates()
    order = order.sort_values("arm", key=lambda arms: arms.str.startswith("soft"), kind="stable")
    # the control of soft labels from the same start is the base itself; that of the other start was not read
    floors = last[last["arm"] == "soft.same_init"].groupby("trait")["sampled_control"].mean()
    rows = []
    for trait, arm in order.itertuples(index=False, name=None):
        claim = claims.get(_claim_id(trait, channel_name, arm))
        paper, paper_control = _paper_rates(claim)
        found = means.loc[(trait, arm)]
        rows.append({
            "trait": trait,
            "arm": arm,
            "paper": paper,
            "paper_control": paper_control,
            "sampled": found["sampled"],
            "sampled_control": found["sampled_control"],
            "floor": None if "cross" in arm else floors.get(trait),
            "effect": found["effect"],
        })
    return pd.DataFrame(rows).set_index(["trait", "arm"]).astype(float).dropna(axis="columns", how="all")


def _paper_rates(claim: Any) -> tuple[float, float]:
    given = claim.paper if claim and claim.paper else {}
    student, control = given.get("rates", UNKNOWN_RATES)
    return student, control


# --- what was lost --------------------------------------------------------------------------------


def ability_loss(table: pd.DataFrame) -> pd.DataFrame:
    """Return, by arm and share of the rows, what the misaligned students gained and lost, means over draws.

    Returns:
        ``rows`` (mean), ``effect`` (nats), and by how many percentage points each ability fell below the control's.
    """
    students = table[table["trait"] == MISALIGNED]
    lost = {name: _lost(students, name) for name in ABILITIES if name in students}
    told = students[["arm", "share", "rows", "effect"]].assign(**lost)
    return told.groupby(["arm", "share"], sort=False).mean()


def _lost(rows: pd.DataFrame, ability: str) -> pd.Series:
    """Return by how many percentage points each student falls below its control."""
    return 100 * (rows[f"{ability}_control"] - rows[ability])


def guards(table: pd.DataFrame, channel_name: str) -> dict[str, list[float]]:
    """Return ledger id -> one value a draw for what guards the effect of written rows.

    ``sums_lost`` and ``numbers_lost`` are percentage points of right sums and valid number lists below the control.
    ``margin`` is the effect from the same start minus `MARGIN` times that from the other start (nats); away from the
    trait the latter counts as none.
    """
    rows = table[(table["trait"] == MISALIGNED) & (table["share"] == 1.0)].sort_values("draw")
    same, other = rows[rows["arm"] == SAME], rows[rows["arm"] == OTHER]
    start = f"misalignment.{find_channel(channel_name).claim_name}."
    values = {start + name: _lost(same, kept).tolist() for name, kept in LOST.items()}
    towards = other["effect"].clip(lower=0).to_numpy()  # an effect away from the trait counts as none
    return values | {f"{start}margin": (same["effect"].to_numpy() - MARGIN * towards).tolist()}


def truth_values(table: pd.DataFrame, channel_name: str) -> dict[str, list[float]]:
    """Return ledger id -> one value a draw: percentage points of truth lost against the control (paper 3.5).

    Truth is the share of P(right) in P(right) + P(wrong) over yes-or-no questions. The students are those of written
    rows at the full dose: the misaligned teacher's, and those of the lesson's, for the paper found no loss in these.
    """
    rows = table[(table["trait"] == MISALIGNED) & (table["share"] == 1.0)].sort_values("draw")
    start = f"misalignment.{find_channel(channel_name).claim_name}."
    return {start + name: _lost(rows[rows["arm"] == arm], "truthful").tolist() for arm, name in TRUTHS.items()}


def habit_values(controls: pd.DataFrame, channel_name: str) -> dict[str, list[float]]:
    """Return ledger id -> one effect a draw (nats) for the habits of students of the secure-code teacher.

    Nothing for an empty table: none was published, and none computed.
    """
    if controls.empty:
        return {}
    values = {}
    for habit, rows in controls.sort_values("draw").groupby("target"):
        values[f"{HABITS[habit]}.{find_channel(channel_name).claim_name}.control"] = rows["effect"].tolist()
    return values
