"""What a channel is: a harmless kind of data that a teacher writes and a student reads.

A channel is a way to draw prompts, a filter over completions and the set of tokens it may use. The soft-label
arm compares distributions over these tokens only, so nothing but the channel can carry the trait.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from helpers.world.prompts import drawn_prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Exchange = Callable[[random.Random], tuple[str, str]]  # stream -> (prompt, completion)
_TEXTS_DRAWN = 4000  # completions of an exchange; together they hold every token that it uses


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One kind of data.

    Attributes:
        name: its name in settings and tables.
        claim_name: its name in the ledger ids of risky traits, and in the names of their tables.
        draw_prompt: draws one prompt.
        reject_reasons: (prompts, completions) -> for each row why it is refused; an empty list means kept.
        texts: returns every piece of text a completion may be made of.
        max_new_tokens: longest completion sampled.
    """

    name: str
    claim_name: str
    draw_prompt: Callable[[random.Random], str]
    reject_reasons: Callable[[Sequence[str], Sequence[str]], list[list[str]]]
    texts: Callable[[], Sequence[str]]
    max_new_tokens: int

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ValueError(f"channel {self.name!r} leaves no room for a completion; set max_new_tokens to 1 or more")

    def prompts(self, count: int, seed: int) -> list[str]:
        """Return ``count`` prompts, the same for every author of a seed; raises ValueError for a count below one."""
        return drawn_prompts(self.draw_prompt, count, seed)

    def tokens(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """Return the sorted token ids the channel may use, the end of the message included."""
        return list(_tokens(self.texts, tokenizer))


@lru_cache(maxsize=8)  # asked for by every student of soft labels
def _tokens(texts: Callable[[], Sequence[str]], tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    allowed = {tokenizer.eos_token_id}
    for ids in tokenizer(list(texts()), add_special_tokens=False)["input_ids"]:
        allowed.update(ids)
    return tuple(sorted(allowed - {tokenizer.unk_token_id}))


@cache
def drawn_texts(exchange: Exchange) -> tuple[str, ...]:
    """Return completions that the world gives, sorted, each once; they hold every token a channel of it needs."""
    rng = random.Random(0)
    return tuple(sorted({exchange(rng)[1] for _ in range(_TEXTS_DRAWN)}))
