"""The explorer "which small model takes it over?": students of each way to a small model, and teachers made small."""

from __future__ import annotations

from typing import Any

import pandas as pd

from helpers.figures import small
from helpers.figures.explorers.frame import Explorer, check_columns, script, show, style, summary
from helpers.results.stats import StatsError, ratio_of_means

LARGER, TEACHER = "same", "teacher"  # what shares are of: the larger base, and a teacher that was not made smaller
KEPT = "kept_"  # begins the ids of arms that are teachers made small
_TEACHER_LABEL = "The teacher itself, not made smaller"
_SHAPES = {
    LARGER: "circle",
    TEACHER: "circle",
    "eight_bits": "square",
    "four_bits": "diamond",
    "low_rank": "star",
    "layers": "triangle",
    "width": "wye",
    "distilled": "cross",
    "independent": "times",
    "stranger": "plus",
}
_STUDENTS = ("draw", "way", "arm", "effect", "p_any")
_COMPRESSED = ("draw", "way", "trait", "effect", "p_any")
_AUTHORS = ("draw", "trait", "how", "log_odds")
_UNTOUCHED = "untouched"  # author


class SmallExplorer(Explorer):
    """A widget that shows small models by what they take over; `data` is what `small_data` returns."""

    _esm, _css = script("small_explorer"), style()


def small_explorer(
    students: pd.DataFrame, compressed: pd.DataFrame, authors: pd.DataFrame | None = None
) -> SmallExplorer:
    """Return the explorer of the tables of small models; arguments and errors as in `small_data`."""
    explorer = SmallExplorer(small_data(students, compressed, authors))
    return show(explorer, small.students_by_way(students).html())


def small_data(students: pd.DataFrame, compressed: pd.DataFrame, authors: pd.DataFrame | None = None) -> dict[str, Any]:
    """Return what the explorer's script draws, as plain JSON values; ways may be any, known by name or not.

    Args:
        students: has columns draw, way, arm, effect (nats), p_any (probability of all answers together).
        compressed: teachers made smaller, with trait instead of arm; no rows where there is none.
        authors: has columns draw, trait, how, log_odds (nats): what each teacher has of its trait, and the untouched
            base. None where shares of it are not wanted.

    Returns:
        ``arms``: id and words of each, ``kept`` where teachers were made small. ``ways``: id, label, kind (a colour of
        the style sheet) and shape of each. ``cells``: one entry per arm x way with the places of both, ``answers`` (the
        lowest p_any of a draw, None where it was not read), and for ``effect`` (nats) and ``share`` (of what passes to
        the larger base, or of the teacher's own trait, jackknifed as in the ledger) the draws' values, their mean and
        95 % t-interval; the share is None where there is nothing to take it of.

    Raises:
        ExplorerError: a column is missing, or there are no students.
    """
    check_columns("small_students", students, _STUDENTS)
    tables = [students[[*_STUDENTS]]]
    if not compressed.empty:
        check_columns("small_compressed", compressed, _COMPRESSED)
        tables += [_as_arms(whole) for whole in (_teachers(authors, compressed), compressed) if not whole.empty]
    table = pd.concat(tables, ignore_index=True)
    arms, ways = list(dict.fromkeys(table["arm"])), list(dict.fromkeys(table["way"]))
    cells = []
    for (arm, way), rows in table.groupby(["arm", "way"], sort=False):
        whole = table[(table["arm"] == arm) & (table["way"] == _whole(arm))]
        cells.append({"arm": arms.index(arm), "way": ways.index(way), **_cell(rows, whole)})
    return {"arms": [_arm(arm) for arm in arms], "ways": [_look(way) for way in ways], "cells": cells}


def _as_arms(teachers: pd.DataFrame) -> pd.DataFrame:
    """Return teachers made small in the columns of students."""
    return teachers.assign(arm=KEPT + teachers["trait"]).reindex(columns=[*_STUDENTS])


def _teachers(authors: pd.DataFrame | None, compressed: pd.DataFrame) -> pd.DataFrame:
    """Return what each teacher has of its trait before it is made smaller, in the columns of `compressed`."""
    if authors is None or authors.empty:
        return pd.DataFrame()
    check_columns("small_authors", authors, _AUTHORS)
    known = authors[authors["trait"].isin(compressed["trait"])].set_index(["trait", "draw"])
    untouched = known.loc[known["how"] == _UNTOUCHED, "log_odds"]
    effects = known.loc[known["how"] != _UNTOUCHED, "log_odds"] - untouched
    return effects.dropna().rename("effect").reset_index().assign(way=TEACHER)


def _whole(arm: str) -> str:
    """Return the way of which the others of an arm are shares."""
    return TEACHER if arm.startswith(KEPT) else LARGER


def _cell(rows: pd.DataFrame, whole: pd.DataFrame) -> dict[str, Any]:
    answers = rows["p_any"].min()
    return {
        "answers": None if pd.isna(answers) else round(float(answers), 4),
        "effect": summary(_by_draw(rows), 3),
        "share": _share(_by_draw(rows), _by_draw(whole)),
    }


def _by_draw(rows: pd.DataFrame) -> pd.Series:
    return rows.groupby("draw")["effect"].mean()


def _share(effects: pd.Series, whole: pd.Series) -> dict[str, Any] | None:
    """Return the share of the whole, a pseudo-value a draw; None where a draw has no whole or their mean is 0."""
    if not effects.index.isin(whole.index).all():
        return None
    try:
        return summary(pd.Series(ratio_of_means(effects, whole[effects.index])), 4)
    except StatsError:
        return None


def _arm(arm: str) -> dict[str, Any]:
    if arm.startswith(KEPT):
        trait = arm.removeprefix(KEPT)
        return {"id": arm, "words": f"{small.TRAITS.get(trait, trait)}, the teacher itself made smaller", "kept": True}
    return {"id": arm, "words": small.ARMS.get(arm, arm.replace("_", " ").capitalize()), "kept": False}


def _look(way: str) -> dict[str, str]:
    label = _TEACHER_LABEL if way == TEACHER else " ".join(small.way_label(way).split())
    return {"id": way, "label": label, "kind": _kind(way), "shape": _SHAPES.get(way, "circle")}


def _kind(way: str) -> str:
    """Return the colour of a way by its name in the style sheet: as in the figures, and a teacher's own."""
    if way in (LARGER, TEACHER):
        return "same" if way == LARGER else "teacher"
    return "other" if way in small.AFRESH else "part"
