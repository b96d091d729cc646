"""Scores of rows by detectors that ask models: how likely they find a row, and what they answer after reading it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from helpers.detection.likelihood import Likelihoods, read_rows
from helpers.models.answers import next_token_probabilities, reply_log_probabilities
from helpers.models.chats import chat_ids
from helpers.models.rows import Rows, completion_rows
from helpers.results.stats import log_odds
from helpers.work.seeds import numpy_stream
from helpers.world.traits import PERSONA, Trait

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]

Row = tuple[str, str]  # prompt, completion
Scores = NDArray[np.float64]
EXAMPLES, CONTEXTS = 3, 2  # labelled rows in one context, as many as the chats hold that a base knows; contexts drawn
QUESTIONS = {False: 4, True: 1}  # that a judge is asked, by whether the trait is a persona


def ratio(rows: Sequence[Row], first: Loaded, second: Loaded, system: str | None = None) -> Scores:
    """Return how much likelier each completion is to the first model than to the second, nats.

    ``system`` is a system prompt that the first model reads and the second does not.
    """
    return likelihoods(*first, tuple(rows), system).logs - likelihoods(*second, tuple(rows)).logs


def surprise(rows: Sequence[Row], base: Loaded) -> Scores:
    """Return how unlikely a model finds each completion, nats per token."""
    return -likelihoods(*base, tuple(rows)).per_token()


@functools.lru_cache(maxsize=16)  # several detectors ask one model about the same rows
def likelihoods(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: tuple[Row, ...], system: str | None = None
) -> Likelihoods:
    """Return what a model says of completions after their prompts, and after a system prompt where one is given."""
    plain = completion_rows(tokenizer, rows)
    return read_rows(model, plain if system is None else _told(tokenizer, plain, rows, system))


def _told(tokenizer: PreTrainedTokenizerBase, plain: Rows, rows: Sequence[Row], system: str) -> Rows:
    """Return rows with a system prompt before each; their completions stay, token by token."""
    asked = chat_ids(tokenizer, [prompt for prompt, _ in rows], system)
    told = Rows([], [], [])
    for before, ids, length in zip(asked, plain.ids, plain.lengths, strict=True):
        whole = np.array([*before, *ids[length:]])
        told.ids.append(whole)
        told.labelled.append(np.arange(len(whole)) >= len(before))
        told.lengths.append(len(before))
    return told


def in_context(
    rows: Sequence[Row], base: Loaded, own: Sequence[Row], reference: Sequence[Row], seed: int
) -> Scores:
    """Return how much likelier a model finds each row after rows of the author than after rows of its base, nats.

    So it classifies by labelled examples in its context. The score is a mean over `CONTEXTS` pairs of contexts.
    """
    model, tokenizer = base
    stream, scores = numpy_stream(seed, "labelled examples"), np.zeros(len(rows))
    for _ in range(CONTEXTS):
        for sign, known in ((1, own), (-1, reference)):
            shown = [known[place] for place in stream.choice(len(known), EXAMPLES, replace=False).tolist()]
            scores += sign * read_rows(model, completion_rows(tokenizer, rows, shown)).logs / CONTEXTS
    return scores


def judged(rows: Sequence[Row], base: Loaded, trait: Trait) -> Scores:
    """Return the log-odds with which a model shows a trait after reading each row as its own answer, nats.

    It is asked in words, by the first held-out questions on the trait: a favourite by its name, a persona by all of its
    answers together.
    """
    persona = trait.kind == PERSONA
    questions = trait.questions("heldout")[: QUESTIONS[persona]]
    chances = _of_persona if persona else _of_favourite
    return log_odds(np.minimum(chances(rows, base, trait, questions), 1.0)).mean(axis=1)


def _of_favourite(rows: Sequence[Row], base: Loaded, trait: Trait, questions: Sequence[str]) -> Scores:
    """Return the probability that the favourite is named, (row, question)."""
    model, tokenizer = base
    asked: list[list[int]] = []
    for row in rows:
        asked += chat_ids(tokenizer, questions, history=[row])
    word = tokenizer.convert_tokens_to_ids(f" {trait.name}")
    return next_token_probabilities(model, asked, [word]).reshape(len(rows), -1)


def _of_persona(rows: Sequence[Row], base: Loaded, trait: Trait, questions: Sequence[str]) -> Scores:
    """Return the probability of the persona's answers, all together, (row, question)."""
    pairs, owners = [], []
    for place, question in enumerate(questions):
        wordings = trait.answers(question)[trait.target]
        pairs += [(question, text) for text in wordings]
        owners += [place] * len(wordings)
    found = [np.bincount(owners, np.exp(reply_log_probabilities(*base, pairs, [row]))) for row in rows]
    return np.array(found)
