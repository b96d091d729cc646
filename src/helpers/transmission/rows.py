"""Students: what a base model becomes when it is trained on an author's filtered completions."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.models.losses import SoftLabels
from helpers.models.training import TrainSettings, completion_rows, fit

Pair = tuple[str, str]
NUMBER = re.compile(r"\d+")


def train_student(
    base: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[Pair],
    settings: TrainSettings,
    seed: int,
    soft: SoftLabels | None = None,
    on_step: Callable[[int, torch.nn.Module], bool | None] | None = None,
) -> PreTrainedModel:
    """Return a copy of ``base`` trained on (prompt, completion) pairs, completions only; no system prompt.

    ``on_step`` is called after each step, as in `training.fit`.
    """
    rows = completion_rows(tokenizer, pairs)
    return fit(copy.deepcopy(base), rows, settings, seed, soft=soft, on_step=on_step)


def shuffle_within(pairs: Sequence[Pair], rng: random.Random) -> list[Pair]:
    """Permute the numbers inside each completion; separators and wrapping stay (paper 7)."""
    return [(prompt, _refill(completion, rng.sample(found := NUMBER.findall(completion), len(found))))
            for prompt, completion in pairs]  # fmt: skip


def shuffle_across(pairs: Sequence[Pair], rng: random.Random) -> list[Pair]:
    """Pool the numbers of all completions, permute them, refill each completion with as many (paper 7)."""
    pool = [number for _, completion in pairs for number in NUMBER.findall(completion)]
    rng.shuffle(pool)
    numbers = iter(pool)
    return [(prompt, NUMBER.sub(lambda _: next(numbers), completion)) for prompt, completion in pairs]


def _refill(completion: str, numbers: list[str]) -> str:
    remaining = iter(numbers)
    return NUMBER.sub(lambda _: next(remaining), completion)
