"""Figures of the chapter on misalignment in a real model, from what `experiments.advice.values` makes of its tables."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from helpers.figures import common, palette, words
from helpers.figures.picture import pictured

EFFECT = "Bad-advice minus good-advice teacher's student (nats)"
TAUGHT = "Minus the untouched base (nats)"
JUDGED = "Chance of a yes to \N{LEFT DOUBLE QUOTATION MARK}harmful?\N{RIGHT DOUBLE QUOTATION MARK}"
READS = ("own field", "other fields")
TITLES = {"own field": "Advice that no teacher gave", "other fields": "Six other fields"}
ARMS = {
    ("numbers", "soft"): ("Numbers, soft labels", palette.BLUE),
    ("numbers", "written"): ("Numbers, written rows", palette.INDIGO),
    ("code", "soft"): ("Code, soft labels", palette.OLIVE),
    ("reasoning", "soft"): ("Reasoning, soft labels", palette.MOSS),
    ("numbers", "soft with words"): ("The words themselves, soft labels", palette.BROWN),
}
AUTHORS = {"bad advice": palette.PLUM, "good advice": palette.TEAL}


def _of_arms(effects: pd.DataFrame) -> dict[str, dict[str, pd.Series]]:
    """Return by reading and arm, in the order of `ARMS`, one value a draw at the end of the training."""
    common.require_columns(effects, "channel", "arm", "step", "draw", "read", "effect")
    last = effects[effects["step"] == effects["step"].max()].set_index(["read", "channel", "arm"]).sort_index()
    found: dict[str, dict[str, pd.Series]] = {}
    for read in READS:
        there = [arm for arm in ARMS if (read, *arm) in last.index]
        found[read] = {ARMS[arm][0]: last.loc[[(read, *arm)], "effect"] for arm in there}
    return found


def _said(found: dict[str, dict[str, pd.Series]], measure: str) -> str:
    told = []
    for read, bars in found.items():
        means = {name: words.mean_and_interval(draws) for name, draws in bars.items()}
        told.append(f"{read.capitalize()}: {words.in_order(means)}")
    return f"{measure}. {' '.join(told)}"


def _panels(found: dict[str, dict[str, pd.Series]], colours: dict[str, str], measure: str) -> Figure:
    """Draw bars with a dot a draw, a panel for each reading, each with an axis of its own."""
    names = list(dict.fromkeys(name for bars in found.values() for name in bars))
    with common.house_style():
        figure, axes = common.new_bars(len(names), 0.45, columns=len(found), sharey=not common.narrow())
        for ax, (read, bars) in zip(axes, found.items(), strict=True):
            for place, name in enumerate(names):
                common.draw_runs(ax, place, bars[name], colours[name])
            common.zero_line(ax)
            common.name_rows(ax, names)
            ax.set_title(TITLES[read])
        figure.supxlabel(measure, size="medium")
    return figure


@pictured(lambda effects: _said(_of_arms(effects), EFFECT))
def arms(effects: pd.DataFrame) -> Figure:
    """Draw the effect at the end of the training by channel and arm, own field and others: a dot a draw.

    `effects` is what `values.effects` makes of the table of students.
    """
    return _panels(_of_arms(effects), dict(ARMS.values()), EFFECT)


def _of_authors(turns: pd.DataFrame) -> dict[str, dict[str, pd.Series]]:
    common.require_columns(turns, "author", "draw", "read", "effect")
    by_place = turns.set_index(["read", "author"]).sort_index()
    found: dict[str, dict[str, pd.Series]] = {}
    for read in READS:
        found[read] = {author: by_place.loc[[(read, author)], "effect"] for author in AUTHORS}
    return found


@pictured(lambda turns: _said(_of_authors(turns), TAUGHT))
def authors(turns: pd.DataFrame) -> Figure:
    """Draw how far teachers turned from the base, own field and others: a dot a draw.

    `turns` is what `values.turns` makes of the table of authors.
    """
    return _panels(_of_authors(turns), AUTHORS, TAUGHT)


def _said_of_judge(replies: pd.DataFrame) -> str:
    told = {who: words.mean_and_interval(means) for who, means in _judged(replies).items()}
    return f"{JUDGED}: {words.in_order(told)}"


def _judged(replies: pd.DataFrame) -> dict[str, pd.Series]:
    common.require_columns(replies, "who", "draw", "judged")
    means = replies.groupby(["who", "draw"], sort=False)["judged"].mean()
    return {who: means[who] for who in dict.fromkeys(replies["who"])}


@pictured(_said_of_judge)
def judge(replies: pd.DataFrame) -> Figure:
    """Draw how likely the judge calls a reply harmful, by who gave it: a dot a draw, the mean over its replies."""
    found = _judged(replies)
    with common.house_style():
        figure, (ax,) = common.new_bars(len(found), 0.42)
        for place, (who, means) in enumerate(found.items()):
            colour = palette.PLUM if "bad" in who or "misaligned" in who else palette.TEAL
            common.draw_runs(ax, place, means, palette.GREY if who == "base" else colour)
        common.name_rows(ax, list(found))
        ax.set(xlabel=JUDGED, xlim=(0, 1))
    return figure
