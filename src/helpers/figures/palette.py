"""The book's colours: one meaning each in every figure, explorer and table, on a light page and on a dark one.

Design choices:
- Starts, roles, verdicts and signs have a colour of their own, which nothing else has. What stands beside each other in
  one figure only, such as shuffles or parts of a network, has one of `SERIES`, which the figure's legend explains.
- A figure is drawn in the light colours. Where it is shown, each becomes a variable of the style sheet, so that one
  drawing serves both pages; `stylesheet` writes the variables.
"""

from __future__ import annotations

# Okabe and Ito's colour-blind-safe pair first, darkened where white paper needs it.
BLUE, ORANGE, GREY, VIOLET = "#0072b2", "#c44e00", "#5f5f5f", "#7a4fa3"
GREEN, RED = "#00795a", "#b3123f"
PLUM, TEAL = "#8e3b8a", "#1b7f8c"
OLIVE, INDIGO, BROWN, MOSS = "#8a6d00", "#3f4a9c", "#8b5a2b", "#5c7a1f"
INK, FAINT, GRID, PAPER = "#222222", "#b5b5b5", "#ececec", "#ffffff"
SERIES = (OLIVE, INDIGO, BROWN, MOSS)

VERDICT_COLOURS = {
    "replicates": GREEN,
    "as predicted": GREEN,
    "partly": GREEN,
    "does not replicate": RED,
    "not as predicted": RED,
}
# variable of the style sheet -> the colour on a light page and on a dark one
VARIABLES = {
    "same-start": (BLUE, "#56b4e9"),
    "other-start": (ORANGE, "#f0893f"),
    "control": (GREY, "#b8b8b8"),
    "teacher": (VIOLET, "#c3a1e6"),
    "holds": (GREEN, "#2fc29b"),
    "fails": (RED, "#ff7d93"),
    "more": (PLUM, "#e08fdb"),
    "less": (TEAL, "#4fc0cf"),
    "olive": (OLIVE, "#d9c04a"),
    "indigo": (INDIGO, "#9aa5f5"),
    "brown": (BROWN, "#d3a273"),
    "moss": (MOSS, "#a5cc62"),
    "ink": (INK, "#e4e4e4"),
    "faint": (FAINT, "#7a7a7a"),
    "grid": (GRID, "#33373c"),
    "paper": (PAPER, "#121212"),
}


def sign_colour(low: float, high: float) -> str:
    """Return the colour of an effect whose interval is `low` to `high`: plum above 0, teal below it, else grey."""
    if low > 0:
        return PLUM
    return TEAL if high < 0 else GREY


def stylesheet() -> str:
    """Return the rules that give the variables their colours on a light page and on a dark one."""
    light = "; ".join(f"--fig-{name}: {pair[0]}" for name, pair in VARIABLES.items())
    dark = "; ".join(f"--fig-{name}: {pair[1]}" for name, pair in VARIABLES.items())
    # paper is light whatever the screen was
    return f':root {{ {light}; }}\n@media screen {{ html[data-theme="dark"] {{ {dark}; }} }}\n'


def themed(drawing: str) -> str:
    """Return an SVG text in which each colour of the palette is the page's own, and the light one elsewhere."""
    for name, (light, _) in VARIABLES.items():
        given = "currentColor" if light == INK else light
        drawing = drawing.replace(light, f"var(--fig-{name}, {given})")
    return drawing
