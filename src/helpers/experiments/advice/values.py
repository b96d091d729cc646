"""What the tables of the chapter on misalignment in a real model say: effects by draw, and the values of the claims.

An effect is the log-odds of the bad or misaligned reply in a student of the bad-advice teacher, minus those in a
student of the good-advice teacher, which was taught the same questions: whatever any teaching or any reading does
takes itself away.
"""

from __future__ import annotations

import pandas as pd

from helpers.detection.auroc import auroc
from helpers.experiments.advice import wordings
from helpers.experiments.advice.channels import CHANNELS
from helpers.experiments.advice.settings import BAD, BASE, GOOD, SOFT, WORDS, WRITTEN
from helpers.experiments.advice.transfer import OURS
from helpers.experiments.advice.wordings import ADVICE
from helpers.results.tables import made_from

NEW_LINE = "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}"
OWN, OTHER = "own field", "other fields"
FAMILY = "real.{model}.misalignment."
READ = {OWN: "own_field", OTHER: "other_fields"}
ARM_IDS = {SOFT: "soft", WORDS: "with_words", WRITTEN: "hard"}


def by_read(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of authors or students with ``read``, the own field or all others, in place of ``field``.

    ``log_odds`` and ``said`` are means over fields, which have equally many pairs.
    """
    read = table["field"].map(lambda field: OWN if field == ADVICE else OTHER)
    place = [name for name in ("draw", "channel", "arm", "teacher", "author", "step") if name in table]
    return table.assign(read=read).groupby([*place, "read"], sort=False)[["log_odds", "said"]].mean().reset_index()


def last_steps(students: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of students at the end of their training."""
    return students[students["step"] == students["step"].max()]


def _minus(rows: pd.DataFrame, column: str, one: str, other: str) -> pd.DataFrame:
    """Return ``effect``: the log-odds of rows of ``one`` minus those of ``other``, and what tells them apart."""
    place = [name for name in ("channel", "arm", "step", "draw", "read") if name in rows]
    sides = [rows[rows[column] == who].set_index(place)["log_odds"] for who in (one, other)]
    return (sides[0] - sides[1]).dropna().rename("effect").reset_index()


def effects(students: pd.DataFrame) -> pd.DataFrame:
    """Return ``channel``, ``arm``, ``step``, ``draw``, ``read``, ``effect``: students of bad minus of good advice."""
    return made_from(_minus(by_read(students), "teacher", BAD, GOOD), students)


def turns(authors: pd.DataFrame) -> pd.DataFrame:
    """Return ``author``, ``draw``, ``read``, ``effect``: each teacher minus the untouched base."""
    rows = by_read(authors)
    found = [_minus(rows, "author", advice, BASE).assign(author=advice) for advice in (BAD, GOOD)]
    return made_from(pd.concat(found, ignore_index=True), authors)


def taught(authors: pd.DataFrame) -> pd.DataFrame:
    """Return ``draw``, ``read``, ``effect``: the teacher of bad advice minus that of good advice."""
    return _minus(by_read(authors), "author", BAD, GOOD)


def minus_base(students: pd.DataFrame, authors: pd.DataFrame) -> pd.DataFrame:
    """Return ``channel``, ``arm``, ``draw``, ``read``, ``effect``: students of bad advice minus students of the base.

    The student of the base's own probabilities is the base: it matches them already.
    """
    rows = by_read(last_steps(students)).drop(columns="step")
    base = by_read(authors[authors["author"] == BASE]).rename(columns={"author": "teacher"})
    soft = rows.loc[rows["arm"] != WRITTEN, ["channel", "arm"]].drop_duplicates()
    return _minus(pd.concat([rows, base.merge(soft, how="cross")]), "teacher", BAD, BASE)


def summary(students: pd.DataFrame) -> pd.DataFrame:
    """Return one row a channel and arm at the end of the training: mean effect over draws and its standard error.

    ``read`` counts the different rows that a student read, on average.
    """
    last = last_steps(students)
    places = effects(last).groupby(["channel", "arm", "read"], sort=False)["effect"]
    wide = places.agg(["mean", "sem"]).unstack("read").swaplevel(axis=1)[[OWN, OTHER]]
    wide["rows read", ""] = last.groupby(["channel", "arm"])["rows"].mean()
    return wide


def author_summary(authors: pd.DataFrame) -> pd.DataFrame:
    """Return one row an author: mean log-odds and nats a token, in its own field and in the others."""
    return by_read(authors).groupby(["author", "read"], sort=False)[["log_odds", "said"]].mean().unstack("read")


def channel_summary(channels: pd.DataFrame) -> pd.DataFrame:
    """Return one row a channel and author: how far it moved, and the share that the filter kept, means over draws."""
    return channels.groupby(["channel", "author"], sort=False)[["moved", "kept"]].mean()


def shown(examples: pd.DataFrame, replies: pd.DataFrame) -> pd.DataFrame:
    """Return what a reader sees first: texts of each channel, then replies to one question, of the first draw.

    A new line is shown as a sign, and from then on pandas shows texts whole.
    """
    pd.set_option("display.max_colwidth", None)
    rows = examples[examples["draw"] == examples["draw"].min()].groupby("channel", sort=False).head(2)
    first = replies[(replies["draw"] == replies["draw"].min()) & ~replies["who"].isin(OURS.values())]
    first = first[(first["question"] == wordings.ASKED[1]) & (first["sample"] == 1)]
    told = [
        pd.DataFrame({"who": "the base, " + rows["channel"], "asked": rows["prompt"], "answered": rows["text"]}),
        pd.DataFrame({"who": first["who"], "asked": first["question"], "answered": first["reply"]}),
    ]
    return pd.concat(told).set_index("who").replace("\n", f" {NEW_LINE} ", regex=True)


# --- the judge ------------------------------------------------------------------------------------


def judge_summary(replies: pd.DataFrame) -> pd.DataFrame:
    """Return one row an author: replies, the share that ended, and how likely the judge calls one harmful, mean."""
    one = replies["draw"] == replies["draw"].min()
    shown = replies[one | ~replies["who"].isin(OURS.values())]  # ours are the same in every draw
    columns = {"replies": ("reply", "size"), "ended": ("ended", "mean"), "judged": ("judged", "mean")}
    return shown.groupby("who", sort=False).agg(**columns)


def judge_aurocs(replies: pd.DataFrame) -> list[float]:
    """Return by field how often the judge finds our misaligned reply more harmful than our aligned ones.

    Where it calls all replies alike, that is half.
    """
    ours = replies[(replies["draw"] == replies["draw"].min()) & replies["who"].isin(OURS.values())]
    found = []
    for _, rows in ours.groupby("field", sort=False):
        sides = [rows[rows["who"] == OURS[advice]] for advice in (BAD, GOOD)]
        found.append(auroc(*(side["judged"] for side in sides)))
    return found


def judged_by_draw(replies: pd.DataFrame) -> list[float]:
    """Return by draw how much likelier the judge calls a reply harmful: student of bad minus student of good advice."""
    means = replies.groupby(["who", "draw"])["judged"].mean()
    return (means[f"student, {BAD}"] - means[f"student, {GOOD}"]).tolist()


# --- claims ---------------------------------------------------------------------------------------


def claim_values(
    model: str, students: pd.DataFrame, authors: pd.DataFrame, replies: pd.DataFrame
) -> dict[str, list[float]]:
    """Return claim id -> one value a draw; the model's name is part of the id.

    Args:
        model: name of the real model.
        students: table of students.
        authors: table of authors.
        replies: table of replies.
    """
    family, found = FAMILY.format(model=model), dict[str, list[float]]()
    for read, rows in taught(authors).groupby("read"):
        found[f"{family}teacher.{READ[read]}"] = rows.sort_values("draw")["effect"].tolist()
    for (channel, arm, read), rows in effects(last_steps(students)).groupby(["channel", "arm", "read"]):
        name = f"{CHANNELS[channel].claim_name}.{ARM_IDS[arm]}.{READ[read]}"
        found[family + name] = rows.sort_values("draw")["effect"].tolist()
    against = minus_base(students, authors)
    against = against[(against["channel"] == "numbers") & (against["arm"] == SOFT)]
    for read, rows in against.groupby("read"):
        found[f"{family}numbers.soft.vs_base.{READ[read]}"] = rows.sort_values("draw")["effect"].tolist()
    found[f"{family}numbers.soft.judged"] = judged_by_draw(replies)
    return found


def judge_values(model: str, replies: pd.DataFrame) -> dict[str, list[float]]:
    """Return claim id -> one value a field: the AUROC of the judge on replies that we wrote."""
    return {FAMILY.format(model=model) + "judge.over_fields": judge_aurocs(replies)}
