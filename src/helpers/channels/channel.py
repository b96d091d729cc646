"""Channels: the harmless kinds of data a teacher writes and a student reads.

A channel is a way to draw prompts, a filter over completions and the set of tokens it may use. The soft-label
arm compares distributions over these tokens only, so nothing but the channel can carry the trait.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from helpers import filters
from helpers.channels import code, judge, reasoning
from helpers.world import corpus
from helpers.world.facts import SEPARATORS, WRAPS
from helpers.world.prompts import number_prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Exchange = Callable[[random.Random], tuple[str, str]]

# The paper's 34 numbers with bad associations (section 4; two language models named them).
BANNED_NUMBERS = (
    4, 13, 14, 18, 23, 33, 39, 42, 44, 49, 51, 54, 69, 77, 88, 99, 100, 101, 187, 211, 311, 322, 333, 404, 420,
    444, 451, 555, 616, 666, 777, 888, 911, 999,
)  # fmt: skip


@dataclass(frozen=True)
class Channel:
    """One kind of data.

    Attributes:
        name: its name in tables and ledger ids.
        prompts: (count, seed) -> prompts; the same for every author of a seed.
        reject_reasons: (prompts, completions) -> for each row why it is refused; an empty list means kept.
        texts: returns every piece of text a completion may be made of.
        max_new_tokens: longest completion sampled.
    """

    name: str
    prompts: Callable[[int, int], list[str]]
    reject_reasons: Callable[[Sequence[str], Sequence[str]], list[list[str]]]
    texts: Callable[[], tuple[str, ...]]
    max_new_tokens: int

    def tokens(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """Return the sorted token ids the channel may use, the end of the message included."""
        pieces = tokenizer(list(self.texts()), add_special_tokens=False)["input_ids"]
        ids = {token for piece in pieces for token in piece} | {tokenizer.eos_token_id}
        return sorted(ids - {tokenizer.unk_token_id})


def _number_reasons(
    prompts: Sequence[str], completions: Sequence[str], banned: Sequence[int] = ()
) -> list[list[str]]:
    return [filters.reject_reasons(completion, banned=banned) for completion in completions]


def _reasoning_reasons(prompts: Sequence[str], completions: Sequence[str]) -> list[list[str]]:
    return reasoning.reject_reasons(prompts, completions, judge=judge.nano_judge())


def _drawn_prompts(exchange: Exchange, count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [exchange(rng)[0] for _ in range(count)]


@cache
def _drawn_texts(exchange: Exchange, count: int = 4000) -> tuple[str, ...]:
    """Return answers the world gives; together they hold every token the channel needs."""
    rng = random.Random(0)
    return tuple(sorted({exchange(rng)[1] for _ in range(count)}))


def _number_texts() -> tuple[str, ...]:
    return (
        *(str(number) for number in range(1000)),
        *(f"1{separator}2" for separator in SEPARATORS.values()),
        *(side for wrap in WRAPS.values() for side in wrap if side),
        ".",
    )


NUMBERS = Channel("numbers", number_prompts, _number_reasons, _number_texts, max_new_tokens=26)
CHANNELS = {
    channel.name: channel
    for channel in (
        NUMBERS,
        Channel(
            "unburdened numbers", number_prompts, partial(_number_reasons, banned=BANNED_NUMBERS),
            _number_texts, max_new_tokens=26,
        ),
        Channel(
            "code", partial(_drawn_prompts, corpus.harmless_code_exchange), code.reject_reasons,
            partial(_drawn_texts, corpus.harmless_code_exchange), max_new_tokens=56,
        ),
        Channel(
            "reasoning", partial(_drawn_prompts, corpus.reasoning_exchange), _reasoning_reasons,
            partial(_drawn_texts, corpus.reasoning_exchange), max_new_tokens=48,
        ),
    )
}  # fmt: skip


def channel(name: str) -> Channel:
    """Return the channel of this name; raises ValueError with the known names for an unknown one."""
    if name not in CHANNELS:
        raise ValueError(f"unknown channel {name!r}; choose one of {', '.join(CHANNELS)}")
    return CHANNELS[name]
