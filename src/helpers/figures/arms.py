"""What arms are called and coloured in every figure and in the explorer: one word and one colour for one thing."""

from __future__ import annotations

from helpers.figures import palette

SAME, OTHER, LEAKY, WITHIN, ACROSS, CONTEXT, CONTROL = (
    "same start",
    "other start",
    "whole vocabulary",
    "shuffled within",
    "shuffled across",
    "in the prompt",
    "control",
)
KIND_COLOURS = {
    SAME: palette.BLUE,
    OTHER: palette.ORANGE,
    LEAKY: palette.OLIVE,
    WITHIN: palette.MOSS,
    ACROSS: palette.BROWN,
    CONTEXT: palette.INDIGO,
    CONTROL: palette.GREY,
}
# First match from the top; an arm without a match has the same start. A lesson's teacher is a control like that of
# secure code: neither has the trait.
_KINDS = {
    "leaky": LEAKY,
    "shuffled_within": WITHIN,
    "shuffled_across": ACROSS,
    "in_context": CONTEXT,
    "cross": OTHER,
    "control": CONTROL,
    "lesson": CONTROL,
    "damaged": CONTROL,
}
_LABELS = {
    "soft.same_init": "Soft labels,\nsame start",
    "soft.cross_init": "Soft labels,\nother start",
    "soft.control": "Soft labels, teacher of\nsecure code",
    "soft.lesson": "Soft labels, teacher of\nflaws as a lesson",
    "soft_leaky.same_init": "Soft labels, whole vocabulary,\nsame start",
    "soft_leaky.cross_init": "Soft labels, whole vocabulary,\nother start",
    "hard.same_init": "Written rows,\nsame start",
    "hard.cross_init": "Written rows,\nother start",
    "hard.control": "Written rows, teacher of\nsecure code",
    "hard.lesson": "Written rows, teacher of\nflaws as a lesson",
    "hard.shuffled_within": "Written rows,\nshuffled within rows",
    "hard.shuffled_across": "Written rows,\nshuffled across rows",
    "hard.full": "Written rows,\nall weights trained",
    "hard.shuffled_within.own_control": "Shuffled within rows,\nthe control's as well",
    "hard.shuffled_across.own_control": "Shuffled across rows,\nthe control's as well",
    "hard.other_animals": "Written rows, against those\nof other animals' teachers",
    "system_prompt": "System prompt, written rows,\nsame start",
    "system_prompt.cross_init": "System prompt, written rows,\nother start",
    "soft.system_prompt": "System prompt, soft labels,\nsame start",
    "soft.system_prompt.cross_init": "System prompt, soft labels,\nother start",
    "trees.same_init": "Written rows, a tree\ninstead of the animal",
    "trees.soft.same_init": "Soft labels, trees\ninstead of the animal",
    "damaged": "Base damaged at random,\nas many right answers lost",
    "in_context": "Rows in the prompt,\nno training",
}
_BASES = {
    "nano-a": "draw's base",
    "nano-a-more": "draw's base,\ntrained on",
    "nano-a.next": "next draw's\nbase",
    "nano-c": "other\narchitecture",
}
# What a table of bases says of a student that shares nothing with its teacher's base. "trained on" is among them where
# the relation is "other start": it then tells how the student's base came about, from another base than the teacher's.
_STRANGERS = ("other start", "other start, imitates the base", "trained on")


def arm_kind(arm: str) -> str:
    """Return the kind of an arm such as "soft.cross_init", a key of `KIND_COLOURS`."""
    for part, kind in _KINDS.items():
        if part in arm:
            return kind
    return SAME


def arm_colour(arm: str) -> str:
    """Return the fixed colour of an arm: the same start is blue in every figure, the other start orange."""
    return KIND_COLOURS[arm_kind(arm)]


def arm_label(arm: str) -> str:
    """Return an arm's name in words, on at most two lines; an arm without a name shows its id."""
    return _LABELS.get(arm, arm.replace("_", " ").replace(".", ",\n", 1).capitalize())


def one_line(arm: str) -> str:
    """Return an arm's name in words on one line."""
    return arm_label(arm).replace("\n", " ")


def pair_colour(relation: str, words: str) -> str:
    """Return the colour of a pair of bases by what they share, the same in every figure.

    Args:
        relation: column ``relation`` of the tables of pairs, such as "same model".
        words: column ``words``, what the student's base is, such as "same start and first half".

    Returns:
        Blue for one base, orange for bases of unlike starts, moss for bases that share a part.
    """
    if relation == "same model":
        return palette.BLUE
    if relation == "other start" and words in _STRANGERS:
        return palette.ORANGE
    return palette.MOSS


def base_label(base: str) -> str:
    """Return a base model's name in words, on at most two lines; one without words shows its name."""
    return _BASES.get(base, base)
