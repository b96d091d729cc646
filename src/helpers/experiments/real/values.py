"""What the tables of a real model say: effects by draw and by animal, and the values of the claims.

The effect is a difference of differences. How fond a student is of its teacher's animal is compared with how fond the
students of other teachers are of it, so that whatever all students learn alike takes itself away.
"""

from __future__ import annotations

import pandas as pd

FAMILY = "real.{model}.animals.numbers."
ARM_IDS = {
    "soft": "soft.own_minus_others",
    "written": "hard.own_minus_others",
    "prompted": "soft.system_prompt",
    "other start": "soft.other_start",
    "other start, own teacher": "soft.other_start.own_teacher",
}


def last_steps(students: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of students at the end of their training."""
    return students[students["step"] == students["step"].max()]


def own_minus_others(rows: pd.DataFrame, column: str = "log_odds") -> pd.DataFrame:
    """Return what own teachers do beyond other teachers.

    Args:
        rows: of students or teachers, with ``draw``, ``teacher``, ``target`` and further columns that tell arms apart:
            ``arm`` and ``step``, or ``start``.
        column: what is compared.

    Returns:
        The columns that tell arms apart, ``draw``, ``animal`` and ``effect``: the column of the animal's own student
        minus its mean over the students of other animals' teachers of the same arm and draw.
    """
    taught = rows[rows["teacher"] != "none"]
    place = [name for name in ("arm", "step", "start") if name in rows] + ["draw"]
    loved = taught[[*place, "teacher"]].drop_duplicates().rename(columns={"teacher": "target"})
    known = taught.merge(loved, on=[*place, "target"])  # an arm of few animals compares these alone
    own = known[known["teacher"] == known["target"]].set_index([*place, "target"])[column]
    others = known[known["teacher"] != known["target"]].groupby([*place, "target"])[column].mean()
    effects = (own - others).rename("effect").reset_index()
    return effects.rename(columns={"target": "animal"})


def minus_control(students: pd.DataFrame, teachers: pd.DataFrame) -> pd.DataFrame:
    """Return ``arm``, ``draw``, ``animal``, ``effect``: log-odds of the own animal, minus those of the control student.

    The control of soft labels is the untouched start itself: it matches its own distribution already.
    """
    rows = last_steps(students)
    bases = teachers[(teachers["teacher"] == "none") & (teachers["start"] == "own")]
    bases = bases.assign(arm="soft")
    controls = pd.concat([rows[rows["teacher"] == "none"], bases]).set_index(["arm", "draw", "target"])["log_odds"]
    own = rows[rows["teacher"] == rows["target"]].set_index(["arm", "draw", "target"])["log_odds"]
    effects = (own - controls).dropna().rename("effect").reset_index()
    return effects.rename(columns={"target": "animal"})


def by_draw(effects: pd.DataFrame) -> list[float]:
    """Return the mean over animals for each draw, ascending."""
    return effects.groupby("draw")["effect"].mean().tolist()


def by_animal(effects: pd.DataFrame) -> list[float]:
    """Return the mean over draws for each animal, in order of the alphabet."""
    return effects.groupby("animal")["effect"].mean().tolist()


def teacher_summary(teachers: pd.DataFrame) -> pd.DataFrame:
    """Return one row a start and teacher, means over draws.

    ``own``: log-odds of its own animal, minus the untouched start's; ``p_any``: chance of all candidates together;
    ``kl``: nats a token between its distribution over lists and the untouched model's; ``free``: see `students`.
    """
    own = teachers[(teachers["teacher"] == teachers["target"])].set_index(["start", "teacher", "draw"])["log_odds"]
    bases = teachers[teachers["teacher"] == "none"].set_index(["start", "target", "draw"])["log_odds"]
    gains = (own - bases.rename_axis(own.index.names)).dropna().groupby(["start", "teacher"]).mean().rename("own")
    facts = teachers.groupby(["start", "teacher"], sort=False)[["p_any", "kl", "free"]].mean()
    return facts.join(gains)[["own", "p_any", "kl", "free"]]


def student_summary(students: pd.DataFrame) -> pd.DataFrame:
    """Return one row an arm and animal at the end of the training: mean effect over draws, its standard error."""
    effects = own_minus_others(last_steps(students))
    return effects.groupby(["arm", "animal"], sort=False)["effect"].agg(["mean", "sem"])


def rate_summary(students: pd.DataFrame, teachers: pd.DataFrame) -> pd.DataFrame:
    """Return shares of sampled replies that name an animal, means over draws: base, its teacher, its student."""
    own = {"base": teachers[(teachers["teacher"] == "none") & (teachers["start"] == "own")]}
    own["teacher"] = teachers[(teachers["teacher"] == teachers["target"]) & (teachers["start"] == "own")]
    soft = last_steps(students[students["arm"] == "soft"])
    own["student"] = soft[soft["teacher"] == soft["target"]]
    own["other students"] = soft[soft["teacher"] != soft["target"]]
    means = {name: rows.dropna(subset=["rate"]).groupby("target")["rate"].mean() for name, rows in own.items()}
    return pd.DataFrame(means).dropna(subset=["teacher"])


def claim_values(model: str, students: pd.DataFrame, teachers: pd.DataFrame) -> dict[str, list[float]]:
    """Return claim id -> one value a draw; the model's name is part of the id."""
    family = FAMILY.format(model=model)
    effects = own_minus_others(last_steps(students))
    values = {family + name: by_draw(effects[effects["arm"] == arm]) for arm, name in ARM_IDS.items()}
    controlled = minus_control(students, teachers)
    values[family + "soft.vs_control"] = by_draw(controlled[controlled["arm"] == "soft"])
    values[family + "hard.vs_control"] = by_draw(controlled[controlled["arm"] == "written"])
    sampled = last_steps(students)
    sampled = own_minus_others(sampled[(sampled["arm"] == "soft") & sampled["rate"].notna()], "rate")
    values[family + "soft.sampled_rate"] = by_draw(sampled)
    taught = own_minus_others(teachers[teachers["start"] == "own"])
    values[family + "teacher"] = by_draw(taught)
    return values


def animal_values(model: str, students: pd.DataFrame) -> dict[str, list[float]]:
    """Return claim id -> one value an animal, means over draws: animals differ more than draws do."""
    effects = own_minus_others(last_steps(students))
    return {FAMILY.format(model=model) + "soft.over_animals": by_animal(effects[effects["arm"] == "soft"])}
