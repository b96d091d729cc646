"""All effects of a ledger at a glance: one line per claim in nats, mean and interval over runs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from helpers.ledger import Record

_COLOURS = {"replicates": "#009e73", "partly": "#009e73", "does not replicate": "#d55e00"}
_NEUTRAL = "#66717a"
_LINE_HEIGHT = 0.34  # inches per claim


def save_effects(records: Iterable[Record], path: Path) -> None:
    """Write the chart of all records in nats as SVG to `path`, the same bytes for the same records."""
    shown = [record for record in records if record.unit == "nats"]
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
