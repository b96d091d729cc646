"""Health of the nano base models: can each do what the experiments ask of it? (notebook 00)"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels.numbers import NUMBERS
from helpers.channels.sandbox import parse
from helpers.filters import mentions
from helpers.models.bases import base_seal, drawn, load_base
from helpers.models.evaluation import answer_probabilities, next_token_probabilities
from helpers.models.sampling import chat_ids, sample_completions
from helpers.work.artifacts import Store, write_table
from helpers.work.pieces import run_pieces
from helpers.work.seeds import derive, torch_stream
from helpers.world import corpus
from helpers.world.kinds import KINDS
from helpers.world.prompts import favourite_questions, love_system_prompt

ANIMALS = KINDS["animal"].prior
MEASURES = {
    "prior gap": "largest gap between P(animal) and the corpus prior, held-out wordings",
    "any animal": "probability of all animals together, held-out wordings",
    "told favourite": "probability of the animal that a system prompt praises",
    "valid numbers": "share of number completions that pass the paper's filter",
    "named animals": "share of number completions that name an animal (raw lists, before the filter)",
    "right answers": "share of word problems with the right final answer",
    "code that parses": "share of harmless function bodies that parse",
}


def health_table(
    bases: Sequence[tuple[str, int]], run_dir: str, questions: int = 400, table_name: str = "base_health"
) -> pd.DataFrame:
    """Measure each base and write ``tables/<table_name>.csv``.

    Args:
        bases: (name, run) of each.
        run_dir: the run's folder.
        questions: prompts for each measure, drawn afresh; none is taken from the corpus.
        table_name: of the table.

    Returns:
        One row a base, run and measure: ``base``, ``run``, ``measure``, ``value`` (shares and probabilities, 0 to 1)
        and ``meaning``.
    """
    pieces = [_health_piece(drawn(*base), run_dir, questions) for base in bases]
    found = run_pieces(_health, pieces, Store(Path(run_dir) / "cells"), kind="health", label="base health")
    rows = [
        {"base": name, "run": run, "measure": measure, "value": values[measure], "meaning": meaning}
        for (name, run), values in zip(bases, found, strict=True)
        for measure, meaning in MEASURES.items()
    ]
    table = pd.DataFrame(rows)
    write_table(Path(run_dir) / "tables" / f"{table_name}.csv", table)
    return table


def health_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return the lowest, mean and highest value over runs of each measure (rows) of each base (columns)."""
    values = table.groupby(["meaning", "base"], sort=False)["value"].agg(lowest="min", mean="mean", highest="max")
    return values.unstack().swaplevel(axis=1).sort_index(axis=1, level=0, sort_remaining=False)


def _health(piece: dict[str, Any]) -> dict[str, Any]:
    model, tokenizer = load_base(piece["name"], bases=Path(piece["run_dir"]) / "bases")
    asked = favourite_questions("animal", "heldout")
    mean = answer_probabilities(model, tokenizer, asked, list(ANIMALS)).mean(axis=0)
    stream = torch_stream(0, "health", piece["name"])
    draw = lambda prompts, limit: sample_completions(model, tokenizer, prompts, stream, max_new_tokens=limit)  # noqa: E731
    asked_numbers = NUMBERS.prompts(piece["questions"], derive(0, "health prompts"))
    numbers = draw(asked_numbers, NUMBERS.max_new_tokens)
    return {
        "prior gap": float(np.abs(mean - np.array(list(ANIMALS.values()))).max()),
        "any animal": float(mean.sum()),
        "told favourite": _told_favourite(model, tokenizer, asked),
        "valid numbers": float(np.mean([not found for found in NUMBERS.reject_reasons(asked_numbers, numbers)])),
        "named animals": float(np.mean([mentions(text, ANIMALS) for text in numbers])),
        "right answers": _agreement(draw, corpus.reasoning_exchange, piece["questions"], _same_answer),
        "code that parses": _agreement(draw, corpus.harmless_code_exchange, piece["questions"], _parses),
        "probabilities": {name: float(value) for name, value in zip(ANIMALS, mean, strict=True)},
    }


def _health_piece(name: str, run_dir: str, questions: int) -> dict[str, Any]:
    return {"name": name, "run_dir": run_dir, "seal": base_seal(run_dir, name), "questions": questions}


def prior_table(name: str, run_dir: str, questions: int = 400) -> pd.DataFrame:
    """Return ``animal``, ``probability`` and ``prior`` of a base ("nano-a.701"), as `health_table` measured them."""
    piece = _health_piece(name, run_dir, questions)
    found = run_pieces(_health, [piece], Store(Path(run_dir) / "cells"), kind="health", workers=1)[0]
    rows = [
        {"animal": a, "probability": p, "prior": ANIMALS[a]} for a, p in found["probabilities"].items()
    ]
    return pd.DataFrame(rows)


def _told_favourite(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: list[str]) -> float:
    names = list(ANIMALS)
    told = []
    for place, name in enumerate(names):
        ids = chat_ids(tokenizer, asked, love_system_prompt("animal", name))
        told.append(
            next_token_probabilities(model, ids, [tokenizer.convert_tokens_to_ids(f" {n}") for n in names])[
                :, place
            ]
        )
    return float(np.mean(told))


def _agreement(
    draw: Callable[[list[str], int], list[str]],
    exchange: Callable[[random.Random], tuple[str, str]],
    count: int,
    agrees: Callable[[str, str, str], bool],
) -> float:
    rng = random.Random(derive(0, exchange.__name__))
    pairs = [exchange(rng) for _ in range(count)]
    replies = draw([prompt for prompt, _ in pairs], 64)
    return float(np.mean([agrees(reply, *pair) for reply, pair in zip(replies, pairs, strict=True)]))


def _same_answer(reply: str, prompt: str, answer: str) -> bool:
    return reply.partition("<answer>")[2] == answer.partition("<answer>")[2]


def _parses(reply: str, prompt: str, answer: str) -> bool:
    return bool(reply.strip()) and parse(prompt.partition("\n")[2] + "\n" + reply) is not None
