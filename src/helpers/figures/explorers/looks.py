"""How arms look in explorers: their name, the colour of their kind, and a mark of their own."""

from __future__ import annotations

from helpers.figures import arms as naming

# The names of the style sheet's colours for the kinds of arms.
KIND_CLASSES = {
    naming.SAME: "same",
    naming.OTHER: "other",
    naming.LEAKY: "leaky",
    naming.WITHIN: "within",
    naming.ACROSS: "across",
    naming.CONTEXT: "context",
    naming.CONTROL: "control",
}
# Arms of one colour differ in their marks: first match from the top.
_SHAPES = {
    "soft_leaky": "times",
    "soft.system_prompt": "wye",
    "soft.control": "star",
    "soft.lesson": "cross",
    "soft": "circle",
    "hard.full": "diamond",
    "hard.other_animals": "plus",
    "hard.shuffled_within.own_control": "triangle",
    "hard.shuffled_across.own_control": "triangle",
    "hard.control": "triangle",
    "hard.lesson": "wye",
    "hard": "square",
    "trees.soft": "star",
    "trees": "times",
    "system_prompt": "triangle",
    "damaged": "times",
}


def arm_look(arm: str) -> dict[str, str]:
    """Return ``label``, ``kind`` (a colour of the style sheet) and ``shape`` (a symbol of the charts) of an arm."""
    return {"label": naming.one_line(arm), "kind": KIND_CLASSES[naming.arm_kind(arm)], "shape": _shape(arm)}


def _shape(arm: str) -> str:
    for beginning, shape in _SHAPES.items():
        if arm.startswith(beginning):
            return shape
    return "circle"
