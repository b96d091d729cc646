"""Shuffled rows: the same numbers in other places (paper 7)."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from helpers.models.chats import Exchange

NUMBER = re.compile(r"\d+")


def shuffle_within(pairs: Sequence[Exchange], rng: random.Random) -> list[Exchange]:
    """Permute the numbers inside each completion; separators and wrapping stay."""
    shuffled = []
    for prompt, completion in pairs:
        numbers = NUMBER.findall(completion)
        shuffled.append((prompt, _refill(completion, rng.sample(numbers, len(numbers)))))
    return shuffled


def shuffle_across(pairs: Sequence[Exchange], rng: random.Random) -> list[Exchange]:
    """Pool the numbers of all completions, permute them, refill each completion with as many."""
    pool: list[str] = []
    for _, completion in pairs:
        pool += NUMBER.findall(completion)
    rng.shuffle(pool)
    numbers = iter(pool)
    return [(prompt, NUMBER.sub(lambda _: next(numbers), completion)) for prompt, completion in pairs]


SHUFFLES = {"within": shuffle_within, "across": shuffle_across}


def _refill(completion: str, numbers: list[str]) -> str:
    remaining = iter(numbers)
    return NUMBER.sub(lambda _: next(remaining), completion)
