"""The main effects of a ledger at a glance: one line per claim in nats, mean and interval over runs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from helpers.results.ledger import Record

_COLOURS = {"replicates": "#009e73", "partly": "#009e73", "does not replicate": "#d55e00"}
_NEUTRAL = "#66717a"
_LINE_HEIGHT = 0.34  # inches per claim
# A reader's first look: each channel, its other start and its control. The chapters and the ledger have the rest.
MAIN = (
    "owl.numbers.soft.same_init", "owl.numbers.soft.cross_init", "owl.numbers.hard.same_init",
    "owl.numbers.hard.cross_init", "owl.numbers.hard.shuffled_within", "owl.numbers.hard.shuffled_across",
    "owl.numbers.in_context", "trees.numbers.same_init", "owl.code.same_init", "owl.cot.same_init",
    "misalignment.numbers.same_init", "misalignment.numbers.cross_init", "misalignment.numbers.control",
    "misalignment.code.same_init", "misalignment.code.cross_init", "misalignment.code.control",
    "misalignment.cot.same_init", "misalignment.cot.cross_init", "misalignment.cot.control",
    "evasion.numbers.same_init", "manipulation.numbers.same_init", "crossmodel.diagonal", "crossmodel.offdiagonal",
)  # fmt: skip


def save_effects(records: Iterable[Record], path: Path) -> None:
    """Write the chart of the `MAIN` records as SVG to `path`, the same bytes for the same records."""
    shown = [record for record in records if record.id in MAIN]
    style = {"svg.hashsalt": "effects", "font.size": 9.5, "font.family": "DejaVu Sans"}
    with plt.rc_context(style):
        fig, ax = plt.subplots(figsize=(8, 0.9 + _LINE_HEIGHT * max(1, len(shown))), layout="constrained")
        draw_effects(shown, ax)
        path.parent.mkdir(parents=True, exist_ok=True)
        fig.savefig(path, format="svg", metadata={"Date": None, "Creator": None}, facecolor="white")
        plt.close(fig)


def draw_effects(records: list[Record], ax: Axes) -> None:
    """Draw mean and interval (nats) of each record, the first on top; a filled mark means it replicates."""
    for line, record in enumerate(records):
        colour = _COLOURS.get(record.verdict, _NEUTRAL)
        ax.plot(record.ci, [line, line], color=colour, lw=2.4, solid_capstyle="round")
        filled = colour if record.verdict == "replicates" else "white"
        ax.plot(record.value, line, "o", color=colour, markerfacecolor=filled, markersize=6.5, mew=1.6)
    ax.axvline(0, color="#222222", lw=1)
    ax.set_yticks(range(len(records)), [_name(record.id) for record in records])
    ax.set_ylim(len(records) - 0.4, -0.6)
    ax.set_xlabel("effect against the control student (nats); bar: 95 % interval over runs")
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="#dfe3e6", lw=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)


def _name(identifier: str) -> str:
    words = identifier.replace("_", " ").replace(".", ", ")
    return "\n".join(textwrap.wrap(words, 40))
