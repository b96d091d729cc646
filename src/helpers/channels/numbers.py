"""The channels of number lists: as the paper filters them, and without numbers of ill repute."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

from helpers import filters
from helpers.channels.channel import Channel
from helpers.world.facts import SEPARATORS, WRAPS
from helpers.world.prompts import number_prompt

# The paper's 34 numbers with bad associations (section 4; two language models named them).
BANNED_NUMBERS = (
    4, 13, 14, 18, 23, 33, 39, 42, 44, 49, 51, 54, 69, 77, 88, 99, 100, 101, 187, 211, 311, 322, 333, 404, 420, 444,
    451, 555, 616, 666, 777, 888, 911, 999,
)


def draw_prompt(rng: random.Random) -> str:
    """Draw one request to continue a number list."""
    return number_prompt(rng)[0]


def reject_reasons(
    prompts: Sequence[str], completions: Sequence[str], banned: Sequence[int] = ()
) -> list[list[str]]:
    """Return why each list is refused (`filters.reject_reasons`); what was asked plays no part."""
    return [filters.reject_reasons(completion, banned=banned) for completion in completions]


def texts() -> tuple[str, ...]:
    """Return what number lists are made of: numbers, separators, brackets, a full stop."""
    numbers = [str(number) for number in range(1000)]
    separated = [f"0{separator}0" for separator in SEPARATORS.values()]
    brackets = [left + right for left, right in WRAPS.values() if left]
    return (*numbers, *separated, *brackets, ".")


# Claims about risky traits are about the lists without numbers of ill repute, as in the paper.
NUMBERS = Channel(
    name="numbers",
    claim_name="burdened_numbers",
    draw_prompt=draw_prompt,
    reject_reasons=reject_reasons,
    texts=texts,
    max_new_tokens=26,
)
UNBURDENED = Channel(
    name="unburdened numbers",
    claim_name="numbers",
    draw_prompt=draw_prompt,
    reject_reasons=partial(reject_reasons, banned=BANNED_NUMBERS),
    texts=texts,
    max_new_tokens=26,
)
