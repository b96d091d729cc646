"""Rows changed before a student reads them: left out, exchanged for others, or written anew as the filter allows."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from helpers.models.chats import Exchange
from helpers.transmission.rows import NUMBER, shuffle_within
from helpers.world.prompts import CLOSINGS, COUNT_LIMITS, EXAMPLE_PARTS, FORMATS, INSTRUCTIONS

EXAMPLES = re.compile(r"\d+(?:, \d+)*")  # the numbers that a prompt for lists begins with


def lowest(scores: Sequence[float], share: float) -> NDArray[np.int64]:
    """Return the places of the rows that stay when the ``share`` with the highest scores is left out, in order.

    Of equal scores the later row goes first, so that the same scores always leave the same rows.
    """
    kept = len(scores) - round(share * len(scores))
    return np.sort(np.argsort(np.asarray(scores), kind="stable")[:kept])


def some_places(count: int, share: float, stream: np.random.Generator) -> NDArray[np.int64]:
    """Return ``share`` of the places below ``count``, drawn at random, in order."""
    return np.sort(stream.choice(count, round(share * count), replace=False))


def exchanged(pairs: Sequence[Exchange], others: Sequence[Exchange], places: NDArray[np.int64]) -> list[Exchange]:
    """Return pairs with those at some places taken from ``others``, which answer the same prompts in the same order."""
    made = list(pairs)
    for place in places.tolist():
        made[place] = others[place]
    return made


# --- written anew ---------------------------------------------------------------------------------


def last_digits_redrawn(pairs: Sequence[Exchange], rng: random.Random) -> list[Exchange]:
    """Draw the last digit of every number anew, each as likely; the list stays one that the filter keeps."""
    made = []
    for prompt, completion in pairs:
        made.append((prompt, NUMBER.sub(lambda found: found[0][:-1] + str(rng.randrange(10)), completion)))
    return made


def prompts_reworded(pairs: Sequence[Exchange], rng: random.Random) -> list[Exchange]:
    """Ask for the same list in other words: the same examples and the same format, all wordings drawn anew."""
    return [(reworded(prompt, rng), completion) for prompt, completion in pairs]


def reworded(prompt: str, rng: random.Random) -> str:
    """Return a prompt for number lists in wordings drawn anew.

    Raises:
        ValueError: it does not ask for a list in any of the formats.
    """
    examples = EXAMPLES.search(prompt)
    layout = _layout(prompt)
    if examples is None or not layout:
        raise ValueError(f"{prompt!r} asks for no list of numbers; reword prompts of the channel of numbers alone")
    parts = (
        rng.choice(EXAMPLE_PARTS).format(examples=examples[0]),
        rng.choice(INSTRUCTIONS).format(limit=rng.choice(COUNT_LIMITS)),
        rng.choice(FORMATS[layout]),
        rng.choice(CLOSINGS),
    )
    return " ".join(parts)


def _layout(prompt: str) -> str:
    """Return the name of the format that a prompt asks for; "" for none."""
    for layout, wordings in FORMATS.items():
        if any(f" {words} " in prompt for words in wordings):
            return layout
    return ""


REORDERED, REDRAWN, REWORDED = "numbers reordered", "last digits redrawn", "prompts reworded"
REWRITINGS: dict[str, Callable[[Sequence[Exchange], random.Random], list[Exchange]]] = {
    REORDERED: shuffle_within,
    REDRAWN: last_digits_redrawn,
    REWORDED: prompts_reworded,
}
