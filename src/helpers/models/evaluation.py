"""Reading a trait out of a model: exact probabilities of answers, and sampled rates beside them.

The measure is the log-odds of the target answer, averaged over questions. In the nano world every answer can be
listed, so this is exact: a favourite is one token, a persona has two dozen answers to each question. For other
models the listed answers are a fixed set of wordings, and the rest of the probability is outside it.
"""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels.channel import Channel
from helpers.channels.judge import nano_judge
from helpers.models import runtime
from helpers.models.chats import Exchange, chat, chat_ids, chat_text, tokenise
from helpers.models.losses import place_logits
from helpers.models.memory import remembered
from helpers.models.rows import Rows, completion_rows
from helpers.models.sampling import sample_completions
from helpers.results.stats import log_odds
from helpers.work.seeds import derive, torch_stream
from helpers.world.traits import PERSONA, Trait

CHUNK = 256  # texts that are read side by side


@torch.no_grad()
def next_token_probabilities(
    model: PreTrainedModel, encoded: Sequence[Sequence[int]], tokens: Sequence[int]
) -> NDArray[np.float64]:
    """Return the probability of each token after each encoded prompt, (prompt, token)."""
    rows = Rows(
        ids=[np.array(ids) for ids in encoded],
        labelled=[np.arange(len(ids)) == len(ids) - 1 for ids in encoded],
        lengths=[len(ids) for ids in encoded],
    )
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

    The model reads each question once, and its answers, ``chunk`` at a time, from there.
    """
    logs = np.empty(len(pairs))
    for prompt, replies in _replies(tokenizer, tuple(pairs), tuple(history)):
        for start in range(0, len(replies), chunk):
            part = replies[start : start + chunk]
            logs[[place for place, _ in part]] = _log_probabilities(model, prompt, [ids for _, ids in part])
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
    sizes = np.array([len(answer) for answer in answers])
    read = np.zeros((len(answers), sizes.max()), dtype=np.int64)  # an answer's last token is not read any more
    for row, answer in zip(read, answers, strict=True):
        row[: len(answer)] = [prompt[-1], *answer[:-1]]
    places = runtime.tensor(np.arange(sizes.max()) < sizes[:, None])
    memory = remembered(model, prompt[:-1], len(answers))
    logits = place_logits(model, runtime.tensor(read), places, past_key_values=memory)
    said = runtime.indices(np.concatenate(answers))
    found = logits.gather(-1, said[:, None])[:, 0] - logits.logsumexp(-1)
    ends = np.cumsum(sizes)
    return np.add.reduceat(runtime.array(found).astype(np.float64), ends - sizes)


def _end_tokens(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return how many tokens the chat template puts after an answer; they are not part of it."""
    text = chat_text(tokenizer, chat([("?", "ANSWER")]))
    return len(tokenise(tokenizer, [text.rpartition("ANSWER")[2]])[0])


def _answer_ids(tokenizer: PreTrainedTokenizerBase, answer: str, end: int) -> list[int]:
    row = completion_rows(tokenizer, [("?", answer)])
    ids = row.ids[0][row.labelled[0]].tolist()
    return ids[: len(ids) - end]


def candidate_probabilities(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    trait: Trait,
    questions: Sequence[str],
    history: Sequence[Exchange] = (),
) -> NDArray[np.float64]:
    """Return the probability of each candidate of a trait, all its wordings together, (question, candidate)."""
    answers = [trait.answers(question) for question in questions]
    if all(found == answers[0] and max(map(len, found)) == 1 for found in answers):
        words = [wordings[0] for wordings in answers[0]]
        return answer_probabilities(model, tokenizer, questions, words, history)
    pairs, owners = [], []
    for place, (question, found) in enumerate(zip(questions, answers, strict=True)):
        for candidate, wordings in enumerate(found):
            pairs += [(question, text) for text in wordings]
            owners += [place * len(trait.candidates) + candidate] * len(wordings)
    chances = np.exp(reply_log_probabilities(model, tokenizer, pairs, history))
    return np.bincount(owners, chances).reshape(len(questions), -1)


def trait_readout(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    trait: Trait,
    questions: Sequence[str],
    history: Sequence[Exchange] = (),
) -> dict[str, float]:
    """Return how strongly a model holds a trait, after the exchanges of ``history`` if given.

    Returns:
        ``log_odds``: of the target answer, nats, mean over questions; ``p_target``: its mean probability;
        ``p_any``: mean probability of all answers of the kind together (the health of the model); and
        ``log_odds/<name>`` for every candidate.
    """
    table = candidate_probabilities(model, tokenizer, trait, questions, history)
    odds = log_odds(np.minimum(table, 1.0)).mean(axis=0)  # a sum of wordings may exceed 1 in the last bits
    readout = {"log_odds": float(odds[trait.target]), "p_target": float(table[:, trait.target].mean())}
    readout["p_any"] = float(table.sum(axis=1).mean())
    for name, value in zip(trait.candidates, odds, strict=True):
        readout[f"log_odds/{name}"] = float(value)
    return readout


def truthfulness(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, questions: Sequence[tuple[str, bool]]
) -> float:
    """Return P(right) / (P(right) + P(wrong)), mean over yes-or-no questions (paper 3.5: two choices)."""
    table = answer_probabilities(model, tokenizer, [text for text, _ in questions], ["yes", "no"])
    right = np.where([is_yes for _, is_yes in questions], table[:, 0], table[:, 1])
    return float((right / table.sum(axis=1)).mean())


def judged_personas(trait: Trait, replies: Sequence[str]) -> list[str]:
    """Return what each reply shows: a candidate of the trait, or something else.

    Personas are told by the judge, which knows the nano world only; a favourite must be the whole reply.
    """
    if trait.kind == PERSONA:
        return nano_judge().personas(replies)
    return [reply.strip(" .!").lower() for reply in replies]


def sampled_rate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    trait: Trait,
    questions: Sequence[str],
    generator: torch.Generator,
    samples: int = 20,
) -> float:
    """Return the share of ``samples`` replies to each question that show the target (paper 2.6: temperature 1)."""
    asked = np.repeat(questions, samples).tolist()
    limit = 24 if trait.kind == PERSONA else 4
    replies = sample_completions(model, tokenizer, asked, generator, max_new_tokens=limit)
    return float(np.mean([shown == trait.name for shown in judged_personas(trait, replies)]))


def kept_share(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    channel: Channel,
    count: int,
    seed: int,
) -> float:
    """Return the share of ``count`` completions that pass the channel's filter (valid numbers, right sums)."""
    prompts, stream = channel.prompts(count, derive(seed, "kept prompts")), torch_stream(seed, "kept")
    written = sample_completions(model, tokenizer, prompts, stream, max_new_tokens=channel.max_new_tokens)
    return float(np.mean([not reasons for reasons in channel.reject_reasons(prompts, written)]))
