"""What the table of the phase diagram says: means along an axis, students compared at equal imitation, claims."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.experiments.dose.settings import ADAPTERS, FULL

SHOWN = ["effect", "moved", "left", "p_target", "p_any", "author"]


def finished(table: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Return the rows of an axis's finished students."""
    return table[(table["axis"] == axis) & table["last"]]


def summary(table: pd.DataFrame, axis: str, *columns: str) -> pd.DataFrame:
    """Return means over draws of an axis's finished students, by the given columns, in the order of the table."""
    return finished(table, axis).groupby(list(columns), sort=False)[SHOWN].mean()


def of_kind(rows: pd.DataFrame, **values: object) -> pd.DataFrame:
    """Return the rows whose columns have the given values."""
    for column, value in values.items():
        rows = rows[rows[column] == value]
    return rows


def effects(rows: pd.DataFrame) -> list[float]:
    """Return the effects of rows, one a draw in ascending order (nats)."""
    return rows.sort_values("draw")["effect"].tolist()


def difference(rows: pd.DataFrame, column: str) -> list[float]:
    """Return the effect at the largest value of a column minus that at the smallest, for each draw (nats)."""
    by_draw = rows.sort_values(["draw", column]).groupby("draw")["effect"]
    return (by_draw.last() - by_draw.first()).tolist()


def slope_per_doubling(rows: pd.DataFrame) -> list[float]:
    """Return the slope of the effect in log2 of the unique rows, for each draw (nats per doubling)."""
    slopes = []
    for _, own in rows.groupby("draw"):
        slope, _ = np.polyfit(np.log2(own["rows_read"]), own["effect"], 1)
        slopes.append(float(slope))
    return slopes


# --- equal imitation ------------------------------------------------------------------------------


def at_imitation(reference: pd.DataFrame, left: float) -> float:
    """Return the effect (nats) that one draw's reference students have at an equal distance to the teacher.

    `reference` has one row a finished student, with ``left`` and ``effect``; in between it is a straight line, and it
    starts at the base (everything left, no effect). Below the closest student the closest one counts.
    """
    base = pd.DataFrame({"left": [1.0], "effect": [0.0]})
    points = pd.concat([reference[["left", "effect"]], base]).sort_values("left")
    return float(np.interp(left, points["left"], points["effect"]))


def closest(table: pd.DataFrame, trained: str, optimizer: str, axis: str = "grid") -> pd.DataFrame:
    """Return, for each draw, the student of this kind in a grid that came closest to its teacher."""
    kind = of_kind(finished(table, axis), trained=trained, optimizer=optimizer)
    return kind.loc[kind.groupby("draw")["left"].idxmin()]


def gaps(table: pd.DataFrame, trained: str, optimizer: str, axis: str = "grid") -> list[float]:
    """Return, for each draw, the effect of the closest student of a kind minus that of adapters under Adam.

    The latter is taken at the same imitation, see `at_imitation`; nats.
    """
    reference = of_kind(finished(table, axis), trained=ADAPTERS, optimizer="adam")
    found = []
    for student in closest(table, trained, optimizer, axis).itertuples():
        own = of_kind(reference, draw=student.draw)
        found.append(student.effect - at_imitation(own, student.left))
    return found


# --- claims ---------------------------------------------------------------------------------------


def claim_values(table: pd.DataFrame) -> dict[str, list[float]]:
    """Return one value a draw for each claim of the notebook, draws in ascending order."""
    labels, ranks, sgd = finished(table, "labels"), finished(table, "rank"), finished(table, "sgd")
    adapters = ranks[ranks["trained"] == ADAPTERS]
    return {
        "dose.hard.unique_rows_slope": slope_per_doubling(finished(table, "rows")),
        "dose.epochs": difference(finished(table, "epochs"), "epochs"),
        "dose.temperature": difference(finished(table, "temperature"), "temperature"),
        "rank.lora_lowest": effects(of_kind(adapters, rank=adapters["rank"].min())),
        "rank.lora": effects(of_kind(labels, labels="soft", trained=ADAPTERS)),
        "rank.full": effects(of_kind(labels, labels="soft", trained=FULL)),
        "rank.full_hard": effects(of_kind(labels, labels="hard", trained=FULL)),
        "rank.full_held": effects(of_kind(finished(table, "embeddings"), held=True)),
        "rank.full_gap": gaps(table, FULL, "adam"),
        "rank.full_hard_gap": gaps(table, FULL, "adam", "hard grid"),
        "rank.full_teacher": effects(of_kind(finished(table, "teacher"), full_teacher=True, trained=ADAPTERS)),
        "optimizer.sgd": effects(closest(table, ADAPTERS, "sgd")),
        "optimizer.sgd_longer": effects(of_kind(sgd, epochs=sgd["epochs"].max())),
        "optimizer.sign": effects(closest(table, ADAPTERS, "sign")),
        "optimizer.weight_decay": difference(finished(table, "decay"), "weight_decay"),
    }
