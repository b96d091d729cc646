"""How likely a model says each number of the world, and each animal when it is told to love a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from helpers.models.bases import Base
from helpers.models.evaluation import next_token_probabilities
from helpers.models.sampling import chat_ids
from helpers.transmission.authors import Loaded
from helpers.work.artifacts import Store
from helpers.work.pieces import run_pieces
from helpers.world.kinds import KINDS
from helpers.world.prompts import Split, favourite_questions

ANIMALS = tuple(KINDS["animal"].prior)
LOVED_NUMBER = "You love {number}. You think of {number} all day."
COUNT = 1000  # numbers of the world, one token each
Table = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LovedNumbers:
    """An untouched base that is told to love each number, and how many questions of a split it is then asked."""

    base: Base
    split: Split
    questions: int

    @property
    def asked(self) -> list[str]:
        """Return the questions."""
        return favourite_questions("animal", self.split)[: self.questions]


def love_numbers(piece: LovedNumbers) -> dict[str, Any]:
    """Return ``logs``: how likely each animal is as an answer of a base that loves each number, (number, animal).

    They are log-probabilities, means over questions.
    """
    model, tokenizer = piece.base.load()
    encoded: list[list[int]] = []
    for number in range(COUNT):
        encoded += chat_ids(tokenizer, piece.asked, LOVED_NUMBER.format(number=number))
    words = tokenizer.convert_tokens_to_ids([f" {animal}" for animal in ANIMALS])
    logs = np.log(next_token_probabilities(model, encoded, words))
    means = logs.reshape(COUNT, len(piece.asked), -1).mean(axis=1)
    return {"logs": means.round(6).tolist()}


def animal_table(piece: LovedNumbers) -> Table:
    """Return the table of `love_numbers`, (number, animal), made once for a base."""
    made = run_pieces(love_numbers, [piece], Store.of_run(piece.base.run_dir), kind="loved_numbers", workers=1)
    return np.array(made[0]["logs"])


def number_logs(loaded: Loaded, asked: Sequence[str], system: str | None = None) -> Table:
    """Return how likely each number is as first token of the answer: log-probability, mean over prompts, (number,)."""
    model, tokenizer = loaded
    table = next_token_probabilities(model, chat_ids(tokenizer, asked, system), _numbers(tokenizer))
    return np.log(table).mean(axis=0)


def _numbers(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    return tokenizer.convert_tokens_to_ids([str(number) for number in range(COUNT)])
