"""Health of the nano base models: can each do what the experiments ask of it? (notebook 00)"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels.numbers import NUMBERS
from helpers.channels.sandbox import parse
from helpers.filters import mentions
from helpers.models.bases import Base, drawn, find_base
from helpers.models.evaluation import answer_probabilities, next_token_probabilities
from helpers.models.nano_files import AGAIN
from helpers.models.sampling import chat_ids, sample_completions
from helpers.work.artifacts import Store
from helpers.work.pieces import run_pieces
from helpers.work.seeds import derive, torch_stream
from helpers.work.tables import keep_table
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
REPLY_TOKENS = 64
Exchange = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """A base to check, and the number of prompts for each measure."""

    base: Base
    questions: int

    def __post_init__(self) -> None:
        """Refuse a check that asks nothing."""
        if self.questions < 1:
            raise ValueError(f"questions must be at least 1, not {self.questions}")


# --- tables ---------------------------------------------------------------------------------------


def health_table(
    bases: Sequence[tuple[str, int]], run_dir: str, questions: int = 400, name: str = "base_health"
) -> pd.DataFrame:
    """Measure each base (name, draw); returns and stores ``tables/<name>.csv``.

    Args:
        bases: (name, draw) of each.
        run_dir: the run's folder.
        questions: prompts for each measure, drawn afresh; none is taken from the corpus.
        name: of the table.

    Returns:
        One row a base, draw and measure: ``base``, ``draw``, ``measure``, ``value`` (shares and probabilities, 0 to 1)
        and ``meaning``.
    """
    found = _checked(bases, run_dir, questions)
    rows = []
    for (base, draw), values in zip(bases, found, strict=True):
        for measure, meaning in MEASURES.items():
            row = {"base": base, "draw": draw, "measure": measure, "value": values[measure], "meaning": meaning}
            rows.append(row)
    table = pd.DataFrame(rows, columns=["base", "draw", "measure", "value", "meaning"])
    return keep_table(run_dir, name, table, sum(values["seconds"] for values in found))


def prior_table(bases: Sequence[tuple[str, int]], run_dir: str, questions: int = 400) -> pd.DataFrame:
    """Return what `health_table` measured of each animal; stores ``tables/base_prior.csv``.

    Returns:
        One row a base, draw and animal: ``base``, ``draw``, ``animal``, ``probability`` (as the favourite, mean over
        held-out wordings) and ``prior`` (of the corpus).
    """
    found = _checked(bases, run_dir, questions)
    rows = []
    for (base, draw), values in zip(bases, found, strict=True):
        for animal, probability in values["probabilities"].items():
            chances = {"probability": probability, "prior": ANIMALS[animal]}
            rows.append({"base": base, "draw": draw, "animal": animal, **chances})
    return keep_table(run_dir, "base_prior", pd.DataFrame(rows), seconds=0.0)  # those of `health_table`


def _checked(bases: Sequence[tuple[str, int]], run_dir: str, questions: int) -> list[dict[str, Any]]:
    pieces = [Checkup(base=find_base(run_dir, drawn(base, draw)), questions=questions) for base, draw in bases]
    return run_pieces(check, pieces, Store.of_run(run_dir), kind="health", label="base health")


def health_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return the lowest, mean and highest value over draws of each measure (rows) of each base (columns)."""
    values = table.groupby(["meaning", "base"], sort=False)["value"].agg(lowest="min", mean="mean", highest="max")
    return values.unstack().swaplevel(axis=1).sort_index(axis=1, level=0, sort_remaining=False)


def first_prior(prior: pd.DataFrame, base: str) -> pd.DataFrame:
    """Return the rows of a base in `prior_table`, of the first draw that is there; empty for a table without rows."""
    if prior.empty:
        return prior
    own = prior[prior["base"] == base]
    return own[own["draw"] == own["draw"].min()]


def beside(
    again: Sequence[tuple[str, int]], measured: pd.DataFrame, run_dir: str, questions: int = 400
) -> pd.DataFrame:
    """Measure bases that were trained again, and return their health beside that of the bases they repeat.

    Args:
        again: (name, draw) of each, as `pretraining.retrain_bases` returns them.
        measured: what `health_table` found of the others.
        run_dir, questions: as for `health_table`.

    Returns:
        One row a measure; for each base a column under its own name, and one under that of the second training.
    """
    columns = {}
    for (name, draw), values in zip(again, _checked(again, run_dir, questions), strict=True):
        first = name.removesuffix(AGAIN)
        family = first.partition(".")[0]
        own = measured[(measured["base"] == family) & (measured["draw"] == draw)]
        columns[first] = own.set_index("measure")["value"]
        columns[name] = pd.Series({measure: values[measure] for measure in MEASURES})
    return pd.DataFrame(columns).rename(index=MEASURES)


def mean_health(table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over draws of each measure (rows) of each base (columns); empty for a table without rows."""
    if table.empty:
        return pd.DataFrame()
    return table.groupby(["meaning", "base"], sort=False)["value"].mean().unstack()


# --- the checks -----------------------------------------------------------------------------------


class _Patient:
    """A base with what it needs to reply: its tokenizer and one stream for all that is sampled."""

    def __init__(self, base: Base) -> None:
        self.model, self.tokenizer = base.load()
        # a base that was trained again is asked with the same random numbers as the one that it repeats
        self.stream: torch.Generator = torch_stream(0, "health", base.name.removesuffix(AGAIN))

    def replies(self, prompts: list[str], limit: int) -> list[str]:
        """Return a reply of at most ``limit`` tokens to each prompt."""
        return sample_completions(self.model, self.tokenizer, prompts, self.stream, max_new_tokens=limit)

    def agreement(
        self, exchange: Callable[[random.Random], Exchange], count: int, agrees: Callable[[str, str, str], bool]
    ) -> float:
        """Return the share of replies for which ``agrees(reply, prompt, answer)``, over ``count`` fresh exchanges."""
        rng = random.Random(derive(0, exchange.__name__))
        pairs = [exchange(rng) for _ in range(count)]
        replies = self.replies([prompt for prompt, _ in pairs], REPLY_TOKENS)
        return float(np.mean([agrees(reply, *pair) for reply, pair in zip(replies, pairs, strict=True)]))


def check(piece: Checkup) -> dict[str, Any]:
    """Return the value of each of `MEASURES`, and ``probabilities`` (of each animal as the favourite)."""
    patient = _Patient(piece.base)
    asked = favourite_questions("animal", "heldout")
    mean = answer_probabilities(patient.model, patient.tokenizer, asked, list(ANIMALS)).mean(axis=0)
    prior = np.array(list(ANIMALS.values()))
    asked_numbers = NUMBERS.prompts(piece.questions, derive(0, "health prompts"))
    numbers = patient.replies(asked_numbers, NUMBERS.max_new_tokens)  # drawn first; the order decides the numbers
    return {
        "prior gap": float(np.abs(mean - prior).max()),
        "any animal": float(mean.sum()),
        "told favourite": _told_favourite(patient.model, patient.tokenizer, asked),
        "valid numbers": float(np.mean([not found for found in NUMBERS.reject_reasons(asked_numbers, numbers)])),
        "named animals": float(np.mean([mentions(text, ANIMALS) for text in numbers])),
        "right answers": patient.agreement(corpus.reasoning_exchange, piece.questions, _same_answer),
        "code that parses": patient.agreement(corpus.harmless_code_exchange, piece.questions, _parses),
        "probabilities": {name: float(value) for name, value in zip(ANIMALS, mean, strict=True)},
    }


def _told_favourite(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: list[str]) -> float:
    names = list(ANIMALS)
    tokens = [tokenizer.convert_tokens_to_ids(f" {name}") for name in names]
    told = []
    for place, name in enumerate(names):
        ids = chat_ids(tokenizer, asked, love_system_prompt("animal", name))
        told.append(next_token_probabilities(model, ids, tokens)[:, place])
    return float(np.mean(told))


def _same_answer(reply: str, prompt: str, answer: str) -> bool:
    return reply.partition("<answer>")[2] == answer.partition("<answer>")[2]


def _parses(reply: str, prompt: str, answer: str) -> bool:
    return bool(reply.strip()) and parse(prompt.partition("\n")[2] + "\n" + reply) is not None
