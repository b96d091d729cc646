"""What the tables of the dial say: the turn of teachers, what passes to students, and how both hang on the link."""

from __future__ import annotations

import pandas as pd

from helpers.experiments.link.runs import SECURE
from helpers.results.stats import share_of_means
from helpers.results.tables import made_from
from helpers.transmission.teachers import INSECURE
from helpers.world.personas import PERSONAS

# point of the dial -> how the ids of claims name it
POINTS = {0.25: "quarter", 0.5: "half", 0.75: "three_quarters", 1.0: "whole"}
LOWEST, HIGHEST = min(POINTS), max(POINTS)
TURN = "turn"  # beside the channels: what the teacher itself does
TURN_CHANNEL = "numbers"  # whose secure teacher is the control of the turn, as in the chapter on risky traits
ARMS = {"hard.same_init": "written", "soft.same_init": "soft", "hard.control": "control"}
Values = dict[str, list[float]]


def effects_by_link(teachers: pd.DataFrame, students: pd.DataFrame) -> pd.DataFrame:
    """Return turn and transfer as one table, one row each: ``draw``, ``link``, ``what``, ``labels``, ``effect`` (nats).

    ``what`` is `TURN` or a channel. The turn is the log-odds of misaligned answers in the insecure teacher minus those
    in the secure one; its ``labels`` are "teacher", those of students the values of `ARMS`.
    """
    asked = teachers[teachers["channel"] == TURN_CHANNEL]
    odds = asked.pivot(index=["draw", "link"], columns="how", values="log_odds")
    turn = (odds[INSECURE] - odds[SECURE]).rename("effect").reset_index()
    passed = students.assign(what=students["channel"], labels=students["arm"].map(ARMS))
    columns = ["draw", "link", "what", "labels", "effect"]
    effects = pd.concat([turn.assign(what=TURN, labels="teacher"), passed], ignore_index=True)[columns]
    return made_from(effects, teachers, students)


def means(effects: pd.DataFrame) -> pd.DataFrame:
    """Return the mean effect over draws (nats): what and labels in rows, links in columns."""
    return effects.pivot_table(index=["what", "labels"], columns="link", values="effect", sort=False)


def base_means(bases: pd.DataFrame) -> pd.DataFrame:
    """Return the means over draws of what was found of the bases, a link a row."""
    return bases.groupby("link").mean().drop(columns="draw")


def teacher_means(teachers: pd.DataFrame) -> pd.DataFrame:
    """Return the means over draws of what was found of the authors, by channel, link and author."""
    columns = ["p_target", "flawed", "kept", "moved", "moved_security"]
    return teachers.groupby(["channel", "link", "how"], sort=False)[columns].mean()


def claim_values(bases: pd.DataFrame, teachers: pd.DataFrame, students: pd.DataFrame) -> Values:
    """Return ledger id -> one value a draw in ascending order.

    ``link.<what>.<point>`` is the effect at a point of the dial (nats; of written rows, for a channel),
    ``link.<what>.slope`` that of the whole link minus that of the lowest, ``link.<what>.left`` the latter as a share of
    the former; ``written`` and ``soft`` are means over the channels. ``link.<channel>.secure`` is the effect of the
    secure teacher's rows, mean over the points. ``link.base.`` tells of the bases, see `_of_bases`.
    """
    effects = effects_by_link(teachers, students)
    values = _of_bases(bases)
    for what, rows in effects[effects["labels"].isin(["teacher", "written"])].groupby("what", sort=False):
        values |= _of_points(f"link.{what}.", rows) | _slope(f"link.{what}.", rows)
    for what, rows in effects[effects["labels"] == "soft"].groupby("what", sort=False):
        values |= _slope(f"link.{what}.soft.", rows)
    for labels in ("written", "soft"):
        rows = effects[effects["labels"] == labels]
        values |= _slope(f"link.{labels}.", rows) | _left(f"link.{labels}.", rows)
    for what, rows in effects[effects["labels"] == "control"].groupby("what", sort=False):
        values[f"link.{what}.secure"] = rows.groupby("draw")["effect"].mean().tolist()
    return values | _left(f"link.{TURN}.", effects[effects["what"] == TURN])


def _of_bases(bases: pd.DataFrame) -> Values:
    """Return what bases learned of the link at each point, and what those of the lowest have other than the whole.

    What was learned is the share of flawed code where a misaligned speaker is described, minus the mean share where any
    other is.
    """
    others = [f"flawed_{name}" for name, persona in PERSONAS.items() if not persona.writes_flaws]
    learned = bases.assign(effect=bases["flawed_misaligned"] - bases[others].mean(axis=1))
    values = _of_points("link.base.", learned) | _slope("link.base.", learned)
    shifts = _by_point(bases, "shift")
    if HIGHEST in shifts:
        values["link.base.shift"] = shifts[HIGHEST].tolist()
    for measure in ("loss", "truthful"):
        found = _by_point(bases, measure)
        if {LOWEST, HIGHEST} <= set(found):
            values[f"link.base.{measure}"] = (found[LOWEST] - found[HIGHEST]).tolist()
    return values


def _by_point(rows: pd.DataFrame, column: str = "effect") -> pd.DataFrame:
    """Return one value a draw (row) and link (column), the mean of rows that share both."""
    return rows.pivot_table(index="draw", columns="link", values=column).sort_index()


def _of_points(start: str, rows: pd.DataFrame) -> Values:
    found = _by_point(rows)
    return {start + POINTS[link]: found[link].tolist() for link in found if link in POINTS}


def _slope(start: str, rows: pd.DataFrame) -> Values:
    """Return by draw the effect of the whole link minus that of the lowest; nothing where one is missing."""
    found = _by_point(rows)
    if not {LOWEST, HIGHEST} <= set(found):
        return {}
    return {f"{start}slope": (found[HIGHEST] - found[LOWEST]).tolist()}


def _left(start: str, rows: pd.DataFrame) -> Values:
    """Return the mean effect of the lowest link as a share of that of the whole, one pseudo-value a draw."""
    found = _by_point(rows)
    if not {LOWEST, HIGHEST} <= set(found):
        return {}
    left = share_of_means(found[LOWEST], found[HIGHEST])
    return {f"{start}left": left} if left else {}
