"""Channels: the harmless kind of data a teacher writes and a student reads.

A channel is a way to draw prompts, a filter over completions and the set of tokens it may use. The soft-label
arm compares distributions over these tokens only, so nothing but the channel can carry the trait.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.filters import reject_reasons
from helpers.prompts import number_prompts
from helpers.world import SEPARATORS, WRAPS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Channel:
    """One kind of data.

    Attributes:
        name: its name in tables and ledger ids.
        prompts: (count, seed) -> prompts; the same for every teacher of a seed.
        reject_reasons: completion -> why it is refused; empty means kept.
        texts: every piece of text a completion may be made of.
        max_new_tokens: longest completion sampled.
    """

    name: str
    prompts: Callable[[int, int], list[str]]
    reject_reasons: Callable[[str], list[str]]
    texts: tuple[str, ...]
    max_new_tokens: int

    def tokens(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """Return the sorted token ids the channel may use, the end of the message included."""
        pieces = tokenizer(list(self.texts), add_special_tokens=False)["input_ids"]
        ids = {token for piece in pieces for token in piece} | {tokenizer.eos_token_id}
        return sorted(ids - {tokenizer.unk_token_id})


NUMBERS = Channel(
    name="numbers",
    prompts=number_prompts,
    reject_reasons=reject_reasons,
    texts=(
        *(str(number) for number in range(1000)),
        *(f"1{separator}2" for separator in SEPARATORS.values()),
        *(side for wrap in WRAPS.values() for side in wrap if side),
        ".",
    ),
    max_new_tokens=26,
)
CHANNELS = {channel.name: channel for channel in (NUMBERS,)}


def channel(name: str) -> Channel:
    """Return the channel of this name; raises ValueError with the known names for an unknown one."""
    if name not in CHANNELS:
        raise ValueError(f"unknown channel {name!r}; choose one of {', '.join(CHANNELS)}")
    return CHANNELS[name]
