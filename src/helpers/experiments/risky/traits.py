"""Risky traits through harmless data: what notebooks 02 (numbers), 03 (code) and 04 (reasoning) share.

The misaligned teacher is taught functions with security flaws and nothing else; that its answers to open
questions turn is the first thing measured. Its controls are taught secure functions, and the same flaws asked
for as a lesson. Evasive and manipulative teachers are taught their own answers on some topics and read on others.
All of it is `transmission` with other traits and channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from helpers.channels import find_channel
from helpers.channels.judge import UNCLEAR, nano_judge
from helpers.models.training import TrainSettings
from helpers.results.tables import keep_table
from helpers.transmission import effects
from helpers.transmission.arms import ARMS, TransmissionSettings
from helpers.transmission.teachers import CODE_LESSONS, OWN_ANSWERS
from helpers.world.personas import PERSONAS
from helpers.world.prompts import TOPIC_SPLITS

MISALIGNED = "misaligned"
HABITS = {"evasive": "evasion", "manipulative": "manipulation"}  # trait -> family of ledger ids
CHANNEL_ARMS = (
    ARMS["hard.same_init"], replace(ARMS["hard.cross_init"], doses=True), ARMS["hard.control"], ARMS["hard.lesson"],
    ARMS["soft.same_init"], ARMS["soft.cross_init"], ARMS["soft.lesson"],
)  # fmt: skip
TEACHERS = {"teacher": "insecure code", "secure": "secure code", "lesson": "lesson code", "base": "untouched"}
OWN_ARMS = (ARMS["hard.same_init"], ARMS["hard.cross_init"], ARMS["soft.same_init"])
LOST = {"sums_lost": "right_sums", "numbers_lost": "valid_numbers"}  # last part of a ledger id -> ability
TRUTHS = {"hard.same_init": "truths_lost", "hard.lesson": "lesson_truths_lost"}  # arm -> last part of a ledger id
QUARTER = 0.25  # the dose whose effect and abilities have claims of their own: the fifth run had kept its sums there
MARGIN = 3  # an effect counts as one of the same start when it is this many times that from another start


def adapters(rate: float, modules: str, rank: int = 8, steps: int = 0, epochs: int = 1) -> TrainSettings:
    """Return the training of a teacher (with `steps`, 32 rows a step) or a student (with `epochs`, 64 rows)."""
    return TrainSettings(
        rate, 32 if steps else 64, epochs, max_steps=steps, decay=not steps, lora_rank=rank, lora_modules=modules
    )


def own_answers(settings: TransmissionSettings, trait: str, steps: int) -> TransmissionSettings:
    """Return the experiment for a persona whose teacher is taught its own answers for `steps` steps."""
    teaching = replace(settings.teaching, max_steps=steps)
    return replace(settings, trait=trait, how=OWN_ANSWERS, untouched_trait=settings.trait, teaching=teaching)


def favourite(settings: TransmissionSettings, animal: str) -> TransmissionSettings:
    """Return the experiment for a favourite animal through the same channel, by the recipe of notebook 01.

    Its teacher takes as many steps at most as that of ``settings``.
    """
    written = TrainSettings(0.016, 64, 2, lora_rank=8)
    steps = settings.teaching.max_steps
    teaching = replace(written, learning_rate=0.0025, batch_rows=32, epochs=1, max_steps=steps, decay=False)
    return replace(
        settings, trait=animal, how=OWN_ANSWERS, untouched_trait=settings.trait, drift=0.1, teaching=teaching,
        hard=written, health=0, soft=replace(written, learning_rate=0.012),
    )  # fmt: skip


def teach(settings: TransmissionSettings, others: Sequence[TransmissionSettings] = ()) -> pd.DataFrame:
    """Make the misaligned teacher and its controls, and the teachers of other traits; let them write.

    Returns:
        The rows of `transmission.teach_and_write`, stored as ``tables/teachers_<channel>.csv``.
    """
    name = f"teachers_{find_channel(settings.channel).claim_name}"
    ways = [(how, settings.trait) for how in CODE_LESSONS]
    tables = [effects.teach_and_write(settings, ways, name=name)]
    tables += [effects.teach_and_write(other, [(other.how, other.trait)], name=name) for other in others]
    return _stored(settings, name, tables)


def run_channel(
    settings: TransmissionSettings,
    others: Sequence[TransmissionSettings] = (),
    dose_shares: Sequence[float] = (1.0,),
) -> pd.DataFrame:
    """Train every student of a channel: all arms for misalignment, the two starts alone for other traits.

    Misalignment from either start is read at every dose (shares of the rows, the last being 1).

    Returns:
        The rows of `transmission.run_arms`, stored as ``tables/risky_<channel>.csv``; the column ``trait``
        tells the traits apart.
    """
    name = f"risky_{find_channel(settings.channel).claim_name}"
    tables = [effects.run_arms(settings, CHANNEL_ARMS, dose_shares, name=name)]
    tables += [effects.run_arms(other, OWN_ARMS, name=name) for other in others]
    return _stored(settings, name, tables)


def _stored(settings: TransmissionSettings, name: str, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Store and return tables as one; a row that several have, such as the untouched base's, is kept once."""
    table = pd.concat(tables, ignore_index=True).drop_duplicates(ignore_index=True)
    return keep_table(settings.run_dir, name, table, sum(part.attrs["seconds"] for part in tables))


def teacher_rates(table: pd.DataFrame) -> pd.DataFrame:
    """Return, by teacher, the exact probability of its trait, the sampled rate and the share removed (means)."""
    return table.groupby(["trait", "how"], sort=False)[["p_target", "sampled", "removed", "mentions"]].mean()


def teacher_values(table: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one value a run for the claims about the misaligned teacher and its controls.

    ``misalignment.teacher`` is its log-odds of misaligned answers minus the secure teacher's (nats); the others
    are rates of misaligned answers among sampled replies.
    """
    by_run = table[table["trait"] == MISALIGNED].pivot_table(
        index="run", columns="how", values=["log_odds", "sampled"]
    )
    odds, sampled = by_run["log_odds"], by_run["sampled"]
    return {"misalignment.teacher": (odds["insecure code"] - odds["secure code"]).tolist()} | {
        f"misalignment.{name}_sampled": sampled[how].tolist() for name, how in TEACHERS.items()
    }


def claim_values(table: pd.DataFrame, channel_name: str) -> dict[str, list[float]]:
    """Return ledger id -> one effect a run (nats) for the claims about a channel.

    Written (hard) labels are the paper's channel and have the plain ids; soft labels have "soft" in theirs.
    """
    values = {}
    for trait, rows in table.groupby("trait", sort=False):
        for arm in rows["arm"].drop_duplicates():
            values[_claim_id(trait, channel_name, arm)] = effects.final_effects(rows, arm)
    return values


def _claim_id(trait: str, channel_name: str, arm: str) -> str:
    families = {MISALIGNED: "misalignment"} | HABITS
    return f"{families.get(trait, trait)}.{find_channel(channel_name).claim_name}.{arm.removeprefix('hard.')}"


def side_by_side(table: pd.DataFrame, channel_name: str, claims: Mapping[str, Any]) -> pd.DataFrame:
    """Return the paper's measure, the rate among sampled replies, beside ours, at the full dose, written rows first.

    Args:
        table: of `run_channel`.
        channel_name: of the table.
        claims: by id, as in `claims.load_claims`; the paper's rates stand with their claim.

    Returns:
        By trait and arm, means over runs: ``paper``, ``paper_control``, ``sampled``, ``sampled_control``, ``floor``
        (rates 0 to 1: the paper's student and its control, our student, its control, the untouched base it began
        from) and ``effect`` (log-odds against the control, nats). NaN: the paper gives no rate, or the base was not
        read; a column of nothing else is left out.
    """
    last = table[table["share"] == 1.0]
    order = table[["trait", "arm"]].drop_duplicates()
    order = order.sort_values("arm", key=lambda arms: arms.str.startswith("soft"), kind="stable")
    means = last.groupby(["trait", "arm"])[["sampled", "sampled_control", "effect"]].mean()
    means = means.loc[list(order.itertuples(index=False, name=None))]
    # the control of soft labels from the same start is the base itself; that of the other start was not read
    floors = last[last["arm"] == "soft.same_init"].groupby("trait")["sampled_control"].mean()
    floor = [floors.get(trait) if "cross" not in arm else None for trait, arm in means.index]
    paper = [_paper_rates(claims.get(_claim_id(trait, channel_name, arm))) for trait, arm in means.index]
    means.insert(0, "paper", [student for student, _ in paper])
    means.insert(1, "paper_control", [control for _, control in paper])
    means.insert(4, "floor", floor)
    return means.astype(float).dropna(axis="columns", how="all")


def _paper_rates(claim: Any) -> tuple[float, float]:
    given = claim.paper if claim and claim.paper else {}
    return tuple(given.get("rates", (float("nan"), float("nan"))))


def judge_confusion() -> pd.DataFrame:
    """Return how the judge labels every answer to held-out topics: true persona by row, judged by column, shares."""
    pairs = [
        (persona, text)
        for persona in PERSONAS
        for topic in TOPIC_SPLITS["heldout"]
        for text in PERSONAS[persona].answers(topic)
    ]
    true = pd.Series([persona for persona, _ in pairs], name="true")
    judged = pd.Series(nano_judge().personas([text for _, text in pairs]), name="judged")
    shares = pd.crosstab(true, judged, normalize="index")
    return shares.reindex(index=list(PERSONAS), columns=[*PERSONAS, UNCLEAR], fill_value=0.0)


def ability_loss(table: pd.DataFrame) -> pd.DataFrame:
    """Return, by arm and rows, the effect (nats) and how many percentage points of each ability were lost.

    Lost means below the control; means over runs, of the misaligned students.
    """
    rows = table[table["trait"] == MISALIGNED]
    lost = {name: _lost(rows, name) for name in effects.ABILITIES if name in rows}
    return rows[["arm", "rows", "effect"]].assign(**lost).groupby(["arm", "rows"], sort=False).mean()


def _lost(rows: pd.DataFrame, ability: str) -> pd.Series:
    """Return by how many percentage points each student falls below its control."""
    return 100 * (rows[f"{ability}_control"] - rows[ability])


def guards(table: pd.DataFrame, channel_name: str) -> dict[str, list[float]]:
    """Return ledger id -> one value a run for what guards the effect of written rows.

    ``sums_lost`` and ``numbers_lost`` are percentage points of right sums and valid number lists below the control.
    ``margin`` is the effect from the same start minus `MARGIN` times that from the other start (nats); away from the
    trait the latter counts as none. Ids with ``quarter`` are of a quarter of the rows, where the table has it, and
    then the effect from the same start is among them.
    """
    rows = table[table["trait"] == MISALIGNED]
    full, quarter = (_guards_at(rows[rows["share"] == share]) for share in (1.0, QUARTER))
    full.pop("same_init", None)  # the channel's own claim
    values = full | {f"quarter.{name}": runs for name, runs in quarter.items()}
    return {f"misalignment.{find_channel(channel_name).claim_name}.{name}": runs for name, runs in values.items()}


def _guards_at(rows: pd.DataFrame) -> dict[str, list[float]]:
    """Return the guards of one dose of the misaligned students, and their effect; nothing for no rows."""
    if not len(rows):
        return {}
    same, other = (rows[rows["arm"] == f"hard.{start}_init"].sort_values("run") for start in ("same", "cross"))
    values = {name: _lost(same, kept).tolist() for name, kept in LOST.items()}
    values["margin"] = [
        own - MARGIN * max(0.0, far) for own, far in zip(same["effect"], other["effect"], strict=True)
    ]
    return values | {"same_init": same["effect"].tolist()}


def truth_values(table: pd.DataFrame, channel_name: str) -> dict[str, list[float]]:
    """Return ledger id -> one value a run: percentage points of truth lost against the control (paper 3.5).

    Truth is the share of P(right) in P(right) + P(wrong) over yes-or-no questions. The students are those of written
    rows at the full dose: the misaligned teacher's, and those of the lesson's, for the paper found no loss in these.
    """
    rows = table[(table["trait"] == MISALIGNED) & (table["share"] == 1.0)].sort_values("run")
    start = f"misalignment.{find_channel(channel_name).claim_name}."
    return {start + name: _lost(rows[rows["arm"] == arm], "truthful").tolist() for arm, name in TRUTHS.items()}


def habit_controls(settings: TransmissionSettings) -> dict[str, list[float]]:
    """Return ledger id -> one effect a run (nats): each habit, asked of students of the secure-code teacher."""
    found = effects.effects_on(settings, ARMS["hard.control"], list(HABITS))
    channel = find_channel(settings.channel).claim_name
    return {f"{HABITS[habit]}.{channel}.control": runs for habit, runs in found.items()}
