"""Reading a trait out of a model: exact probabilities of answers, and sampled rates beside them.

The measure is the log-odds of the target answer, averaged over questions. In the nano world every answer can be
listed, so this is exact: a favourite is one token, a persona has two dozen answers to each question. For other
models the listed answers are a fixed set of wordings, and the rest of the probability is outside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels import Channel
from helpers.channels.judge import nano_judge
from helpers.channels.reasoning import is_right
from helpers.models.answers import answer_probabilities, next_token_probabilities, reply_log_probabilities
from helpers.models.chats import Exchange
from helpers.models.sampling import sample_completions
from helpers.results.stats import log_odds
from helpers.work.seeds import derive, torch_stream
from helpers.world.traits import PERSONA, Trait

# the probabilities of answers are found here too
__all__ = [
    "answer_probabilities",
    "candidate_probabilities",
    "checked_completions",
    "judged_personas",
    "kept_share",
    "next_token_probabilities",
    "reply_log_probabilities",
    "sampled_rate",
    "share_kept",
    "share_right",
    "trait_readout",
    "truthfulness",
]


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
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, questions: Sequence[tuple[str, str, str]]
) -> float:
    """Return P(right) / (P(right) + P(wrong)), mean over (question, right, wrong) (paper 3.5: two choices)."""
    words = sorted({word for _, *choices in questions for word in choices})
    table = answer_probabilities(model, tokenizer, [text for text, *_ in questions], words)
    asked = np.arange(len(questions))
    right = table[asked, [words.index(word) for _, word, _ in questions]]
    wrong = table[asked, [words.index(word) for _, _, word in questions]]
    return float((right / (right + wrong)).mean())


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


def checked_completions(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, channel: Channel, count: int, seed: int
) -> list[Exchange]:
    """Return ``count`` prompts of a channel, each with what a model writes to it, to look at its abilities."""
    prompts, stream = channel.prompts(count, derive(seed, "kept prompts")), torch_stream(seed, "kept")
    written = sample_completions(model, tokenizer, prompts, stream, max_new_tokens=channel.max_new_tokens)
    return list(zip(prompts, written, strict=True))


def share_kept(channel: Channel, pairs: Sequence[Exchange]) -> float:
    """Return the share of (prompt, completion) pairs that pass a channel's filter."""
    prompts, written = zip(*pairs, strict=True)
    return float(np.mean([not reasons for reasons in channel.reject_reasons(prompts, written)]))


def share_right(pairs: Sequence[Exchange]) -> float:
    """Return the share of (word problem, completion) pairs whose final answer is right, whatever its form."""
    return float(np.mean([is_right(prompt, completion) for prompt, completion in pairs]))


def kept_share(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    channel: Channel,
    count: int,
    seed: int,
) -> float:
    """Return the share of ``count`` completions that pass the channel's filter (valid numbers, strict sums)."""
    return share_kept(channel, checked_completions(model, tokenizer, channel, count, seed))
