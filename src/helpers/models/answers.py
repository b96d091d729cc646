"""Exact probabilities of answers: of the next token, or of whole replies, each among all that a model could say."""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.models import runtime
from helpers.models.answer_tree import AnswerTree
from helpers.models.chats import Exchange, answer_end, chat_ids, tokenise
from helpers.models.losses import place_logits
from helpers.models.rows import Rows, completion_rows

CHUNK = 256  # texts that are read side by side


@torch.no_grad()
def next_token_probabilities(
    model: PreTrainedModel, encoded: Sequence[Sequence[int]], tokens: Sequence[int]
) -> NDArray[np.float64]:
    """Return the probability of each token after each encoded prompt, (prompt, token)."""
    rows = Rows([], [], [])
    for ids in encoded:
        rows.ids.append(np.array(ids))
        rows.labelled.append(np.arange(len(ids)) == len(ids) - 1)
        rows.lengths.append(len(ids))
    parts = []
    for start in range(0, len(rows), CHUNK):
        # the last token of a prompt is marked, and the distribution after it is asked for
        ids, last = rows.batch(range(start, min(start + CHUNK, len(rows))), pad=0)
        shares = runtime.exact(place_logits(model, ids, last)).softmax(-1)
        parts.append(runtime.array(shares[:, list(tokens)]))
    return np.concatenate(parts)


def answer_probabilities(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[str],
    answers: Sequence[str],
    history: Sequence[Exchange] = (),
) -> NDArray[np.float64]:
    """Return the probability of each answer as the whole first word(s) of the reply, (question, answer).

    Answers of one token share a forward pass.
    """
    end = _end_tokens(tokenizer)
    pieces = [_answer_ids(tokenizer, answer, end) for answer in answers]
    if all(len(piece) == 1 for piece in pieces):
        asked = chat_ids(tokenizer, questions, history=history)
        return next_token_probabilities(model, asked, [piece[0] for piece in pieces])
    pairs = list(itertools.product(questions, answers))
    logs = reply_log_probabilities(model, tokenizer, pairs, history)
    return np.exp(logs.reshape(len(questions), len(answers)))


@torch.no_grad()
def reply_log_probabilities(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[Exchange],
    history: Sequence[Exchange] = (),
    chunk: int = CHUNK,
) -> NDArray[np.float64]:
    """Return the log-probability that a reply begins with the answer, nats, for each (question, answer).

    The model reads each question once, and what its answers, ``chunk`` at a time, begin with in common once too.
    """
    logs = np.empty(len(pairs))
    for prompt, replies in _replies(tokenizer, tuple(pairs), tuple(history)):
        for start in range(0, len(replies), chunk):
            part = replies[start : start + chunk]
            places, answers = zip(*part, strict=True)
            logs[list(places)] = _log_probabilities(model, prompt, answers)
    return logs


@functools.lru_cache(maxsize=8)  # a student is asked the same on the way and at the end
def _replies(
    tokenizer: PreTrainedTokenizerBase, pairs: tuple[Exchange, ...], history: tuple[Exchange, ...]
) -> list[tuple[tuple[int, ...], list[tuple[int, list[int]]]]]:
    """Return each prompt as token ids with its answers: their places among the pairs and their token ids."""
    end = _end_tokens(tokenizer)
    rows = completion_rows(tokenizer, pairs, history=history)
    replies: dict[tuple[int, ...], list[tuple[int, list[int]]]] = defaultdict(list)
    for place, ids in enumerate(rows.ids):
        start = rows.lengths[place]
        replies[tuple(ids[:start].tolist())].append((place, ids[start : len(ids) - end].tolist()))
    return list(replies.items())


def _log_probabilities(
    model: PreTrainedModel, prompt: Sequence[int], answers: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """Return the log-probability of each answer, given as token ids, after a prompt, nats."""
    tree = AnswerTree(prompt, answers)
    logits = place_logits(model, **tree.inputs(model.dtype))
    logs = runtime.array(runtime.exact(logits - logits.logsumexp(-1, keepdim=True)))
    return np.array([logs[places, answer].sum() for places, answer in zip(tree.asked, answers, strict=True)])


def _end_tokens(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return how many tokens the chat template puts after an answer; they are not part of it."""
    return len(tokenise(tokenizer, [answer_end(tokenizer)])[0])


def _answer_ids(tokenizer: PreTrainedTokenizerBase, answer: str, end: int) -> list[int]:
    row = completion_rows(tokenizer, [("?", answer)])
    ids = row.ids[0][row.labelled[0]].tolist()
    return ids[: len(ids) - end]
