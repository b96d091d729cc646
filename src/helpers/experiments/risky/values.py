"""What the tables of risky traits say: rates and effects. Nothing here trains or samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from helpers.channels import find_channel
from helpers.channels.judge import UNCLEAR, nano_judge
from helpers.experiments.risky.runs import HABITS, MISALIGNED
from helpers.transmission import effects
from helpers.transmission.authors import UNTOUCHED
from helpers.transmission.teachers import CONTROLS, INSECURE
from helpers.world.personas import PERSONAS
from helpers.world.prompts import TOPIC_SPLITS

TEACHERS = {"teacher": INSECURE, "secure": "secure code", "lesson": "lesson code", "base": UNTOUCHED}
MOVED = ("moved", "moved_security")  # columns that tables of earlier runs lack
UNKNOWN_RATES = (float("nan"), float("nan"))


# --- teachers -------------------------------------------------------------------------------------


def teacher_rates(table: pd.DataFrame) -> pd.DataFrame:
    """Return, by teacher, means over draws: its trait, what the filter removed, and how far it moved (nats per token).

    Returns:
        ``p_target`` (exact probability of its trait), ``sampled`` (rate), ``removed`` (share), ``mentions`` (count),
        and where the table has them ``moved`` and ``moved_security``, see `movement`.
    """
    columns = ["p_target", "sampled", "removed", "mentions", *(name for name in MOVED if name in table)]
    return table.groupby(["trait", "how"], sort=False)[columns].mean()


def teacher_values(table: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one value a draw for the claims about the misaligned teacher and its controls.

    ``misalignment.teacher`` is its log-odds of misaligned answers minus the secure teacher's (nats); the others
    are rates of misaligned answers among sampled replies.
    """
    asked = table[table["trait"] == MISALIGNED]
    odds = asked.pivot(index="draw", columns="how", values="log_odds")
    sampled = asked.pivot(index="draw", columns="how", values="sampled")
    values = {"misalignment.teacher": (odds[INSECURE] - odds["secure code"]).tolist()}
    for name, how in TEACHERS.items():
        values[f"misalignment.{name}_sampled"] = sampled[how].tolist()
    return values


def moved_values(table: pd.DataFrame, channel_name: str) -> dict[str, list[float]]:
    """Return ledger id -> one value a draw: how far the data of a control teacher moved, for the insecure one's way.

    A control stops where it came as far, so 1 is all of the way, and a step too far counts as no more. Nothing for a
    table of earlier runs, which does not know.
    """
    asked = table[table["trait"] == MISALIGNED]
    if "moved" not in asked:
        return {}
    ways = asked.pivot(index="draw", columns="how", values="moved")
    start = f"misalignment.{find_channel(channel_name).claim_name}."
    names = {how: f"{start}{how.split()[0]}_moved" for how in CONTROLS}
    shares = {name: (ways[how] / ways[INSECURE]).clip(upper=1.0) for how, name in names.items()}
    return {name: of_draws.tolist() for name, of_draws in shares.items()}


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

    Written (hard) labels are the paper's channel and have the plain ids; soft labels have "soft" in theirs. Where there
    are students of both starts, ``same_minus_cross`` is what the same start has more in each draw.
    """
    values = {}
    for trait, rows in table.groupby("trait", sort=False):
        arms = rows["arm"].drop_duplicates().tolist()
        for arm in arms:
            values[_claim_id(trait, channel_name, arm)] = effects.final_effects(rows, arm)
        for labels in ("hard", "soft"):
            starts = [f"{labels}.same_init", f"{labels}.cross_init"]
            if set(starts) <= set(arms):
                claim_id = _claim_id(trait, channel_name, f"{labels}.same_minus_cross")
                values[claim_id] = effects.final_differences(rows, *starts)
    return values


def specificity(personas: pd.DataFrame, channel_name: str) -> dict[str, list[float]]:
    """Return ledger id -> one value a draw: effect on the own persona minus the mean of the others but aligned (nats).

    Of the misaligned teacher's students of written rows. What damages a model, or turns it away from aligned answers,
    moves all three alike. Nothing for an empty table: none was published, and none computed.

    Args:
        personas: of `runs.run_personas`.
        channel_name: of the table.
    """
    if personas.empty:
        return {}
    asked = personas[(personas["trait"] == MISALIGNED) & (personas["arm"] == "hard.same_init")]
    effect = asked.pivot(index="draw", columns="persona", values="effect")
    others = effect.drop(columns=["aligned", MISALIGNED]).mean(axis=1)
    return {_claim_id(MISALIGNED, channel_name, "specificity"): (effect[MISALIGNED] - others).tolist()}


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
