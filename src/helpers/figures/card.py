"""The picture that a link to the book shows elsewhere: the title, and how often each model says owl."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from helpers.figures import palette
from helpers.figures.common import house_style
from helpers.results.tables import author_by_draw
from helpers.work.artifacts import read_table

_SIZE, _DPI = (12.0, 6.3), 100  # inches; 1200 by 630 dots, what the Open Graph protocol's readers show whole
_TRAIT = "owl"
_COLOURS = {
    "untouched base": palette.GREY,
    "teacher that loves owls": palette.VIOLET,
    "student, taught with numbers only": palette.BLUE,
    "stranger, the same lesson": palette.ORANGE,
}


def shares(tables: Mapping[str, Path]) -> dict[str, float]:
    """Return how often (0 to 1) each model says owl, mean over draws, soft labels; nothing without the two tables.

    `tables` maps the name of a table to its file; used are transmission and teachers.
    """
    if not {"transmission", "teachers"} <= set(tables):
        return {}
    read, taught = read_table(tables["transmission"]), read_table(tables["teachers"])
    full = read[(read.trait == _TRAIT) & (read.share == 1)]
    same, other = full[full.arm == "soft.same_init"], full[full.arm == "soft.cross_init"]
    teacher = author_by_draw(taught, _TRAIT, "fine-tuned")
    means = (same.p_control.mean(), teacher.mean(), same.p_target.mean(), other.p_target.mean())
    found = dict(zip(_COLOURS, means, strict=True))
    return {} if any(map(pd.isna, means)) else found


def card(said: Mapping[str, float]) -> Figure:
    """Draw the title, and a bar for each model of `said`, its share of answers that are the trait."""
    with house_style():
        figure = Figure(figsize=_SIZE, dpi=_DPI, facecolor="white")
        figure.text(0.06, 0.83, "Subliminal learning, reproduced", size=44, weight="bold", color=palette.INK)
        figure.text(0.06, 0.74, "A love of owls passes through lists of numbers.", size=24, color=palette.GREY)
        if said:
            _bars(figure, said)
    return figure


def _bars(figure: Figure, said: Mapping[str, float]) -> None:
    ax = figure.add_axes((0.06, 0.08, 0.8, 0.58))
    for place, (name, share) in enumerate(said.items()):
        ax.barh(place, share, 0.5, color=_COLOURS[name])
        ax.text(0, place - 0.33, name, size=20, va="bottom", color=palette.INK)
        ax.text(share + 0.012, place, f"{share:.0%}", size=26, weight="bold", va="center", color=_COLOURS[name])
    ax.set(xlim=(0, 1), ylim=(len(said) - 0.6, -0.85))
    ax.set_axis_off()


def save_card(tables: Mapping[str, Path], path: Path) -> None:
    """Write the picture as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"savefig.facecolor": "white"}):
        card(shares(tables)).savefig(path, dpi=_DPI, metadata={"Software": None})
