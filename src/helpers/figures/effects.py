"""The main effects of a ledger at a glance: one line per claim in nats, mean and interval over draws."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.figures import common, palette
from helpers.figures.common import signed
from helpers.figures.picture import pictured
from helpers.results.claims import HOLDS
from helpers.results.ledger import Record

_LINE_HEIGHT = 0.32  # inches per claim
# A reader's first look, by claim: each channel, its other start and its control. The chapters and the ledger have the
# rest.
MAIN = {
    "owl.numbers.soft.same_init": "Owl, numbers, soft labels, same start",
    "owl.numbers.soft.cross_init": "Owl, numbers, soft labels, other start",
    "owl.numbers.soft.same_minus_cross": "Owl, numbers, soft labels, difference",
    "owl.numbers.hard.same_init": "Owl, numbers, written rows, same start",
    "owl.numbers.hard.cross_init": "Owl, numbers, written rows, other start",
    "owl.numbers.hard.same_minus_cross": "Owl, numbers, written rows, difference",
    "owl.numbers.system_prompt": "Owl, numbers, prompted teacher, same start",
    "owl.numbers.system_prompt.cross_init": "Owl, numbers, prompted teacher, other start",
    "owl.numbers.soft.system_prompt": "Owl, numbers, soft labels, prompted teacher",
    "owl.numbers.hard.shuffled_within": "Owl, numbers, shuffled within rows",
    "owl.numbers.hard.shuffled_across": "Owl, numbers, shuffled across rows",
    "owl.numbers.in_context": "Owl, numbers in the prompt, no training",
    "trees.numbers.same_init": "Tree, numbers, written rows, same start",
    "owl.code.same_init": "Owl, code, written rows, same start",
    "owl.cot.same_init": "Owl, reasoning, written rows, same start",
    "misalignment.numbers.same_init": "Misalignment, numbers, same start",
    "misalignment.numbers.cross_init": "Misalignment, numbers, other start",
    "misalignment.numbers.same_minus_cross": "Misalignment, numbers, difference",
    "misalignment.numbers.control": "Secure-code teacher, numbers, same start",
    "misalignment.code.same_init": "Misalignment, code, same start",
    "misalignment.code.cross_init": "Misalignment, code, other start",
    "misalignment.code.same_minus_cross": "Misalignment, code, difference",
    "misalignment.cot.same_init": "Misalignment, reasoning, same start",
    "misalignment.cot.cross_init": "Misalignment, reasoning, other start",
    "misalignment.cot.same_minus_cross": "Misalignment, reasoning, difference",
    "misalignment.cot.control": "Secure-code teacher, reasoning, same start",
    "evasion.numbers.same_init": "Evasion, numbers, same start",
    "manipulation.numbers.same_init": "Manipulation, numbers, same start",
    "crossmodel.diagonal": "Owl, soft labels, each model to itself",
    "crossmodel.offdiagonal": "Owl, soft labels, between other starts",
}


def _said_of_effects(records: Iterable[Record]) -> str:
    shown = _shown(records)
    told = "; ".join(f"{MAIN[record.id]} {signed(record.value)} ({record.verdict})" for record in shown)
    return f"Effects in nats against the control student, with the verdict on each: {told}."


@pictured(_said_of_effects)
def effects(records: Iterable[Record]) -> Figure:
    """Draw the chart of the `MAIN` records."""
    shown = _shown(records)
    with common.house_style():
        figure, (ax,) = common.new_bars(len(shown), _LINE_HEIGHT)
        draw_effects(shown, ax)
    return figure


def _shown(records: Iterable[Record]) -> list[Record]:
    return [record for record in records if record.id in MAIN]


def save_effects(records: Iterable[Record], path: Path) -> None:
    """Write the chart of the `MAIN` records as SVG to `path`, the same bytes for the same records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # the salt names the parts of the picture, which would have random names otherwise
    with common.house_style(), mpl.rc_context({"svg.hashsalt": "effects"}):
        figure = effects(records).wide
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None}, facecolor="white")


def draw_effects(records: list[Record], ax: Axes) -> None:
    """Draw mean and interval (nats) of each record, the first on top; a filled mark means the claim holds."""
    for line, record in enumerate(records):
        colour = palette.VERDICT_COLOURS.get(record.verdict, palette.GREY)
        ax.plot(record.ci, [line, line], color=colour, linewidth=2.4, solid_capstyle="round")
        filled = colour if record.verdict in HOLDS else palette.PAPER
        ax.plot(record.value, line, "o", color=colour, markerfacecolor=filled, markersize=6.5, markeredgewidth=1.6)
    common.zero_line(ax)
    common.name_rows(ax, [MAIN[record.id] for record in records], size="small")
    ax.set_xlabel("Effect against the control student (nats)\nbar: 95 % interval over draws")
