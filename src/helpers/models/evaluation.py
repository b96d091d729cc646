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

from helpers.channels.channel import Channel
from helpers.channels.judge import nano_judge
from helpers.models.losses import label_logits
from helpers.models.sampling import chat, chat_ids, sample_completions, tokenise
from helpers.models.training import completion_rows
from helpers.results.stats import log_odds
from helpers.work.seeds import derive, torch_stream
from helpers.world.traits import PERSONA, Trait


@torch.no_grad()
def next_token_probabilities(
    model: PreTrainedModel, encoded: Sequence[Sequence[int]], tokens: Sequence[int]
) -> NDArray[np.float64]:
    """Return the probability of each token after each encoded prompt, (prompt, token)."""
    table = np.empty((len(encoded), len(tokens)))
    for length in sorted({len(ids) for ids in encoded}):
        places = [place for place, ids in enumerate(encoded) if len(ids) == length]
        logits = model(input_ids=torch.tensor([encoded[place] for place in places]), logits_to_keep=1).logits
        table[places] = logits[:, -1].double().softmax(-1)[:, tokens].numpy()
    return table


@torch.no_grad()
def answer_probabilities(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[str],
    answers: Sequence[str],
    history: Sequence[tuple[str, str]] = (),
) -> NDArray[np.float64]:
    """Return the probability of each answer as the whole first word(s) of the reply, (question, answer).

    Questions of equal length share a batch; answers of one token share a forward pass.
    """
    end = _end_tokens(tokenizer)
    pieces = [_answer_ids(tokenizer, answer, end) for answer in answers]
    if all(len(piece) == 1 for piece in pieces):
        return next_token_probabilities(
            model, chat_ids(tokenizer, questions, history=history), [piece[0] for piece in pieces]
        )
    pairs = [(question, answer) for question in questions for answer in answers]
    logs = reply_log_probabilities(model, tokenizer, pairs, history)
    return np.exp(logs.reshape(len(questions), len(answers)))


@torch.no_grad()
def reply_log_probabilities(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[tuple[str, str]],
    history: Sequence[tuple[str, str]] = (),
    chunk: int = 256,
) -> NDArray[np.float64]:
    """Return the log-probability that a reply begins with the answer, nats, for each (question, answer)."""
    end = _end_tokens(tokenizer)
    rows = completion_rows(tokenizer, pairs, history=history)
    for labelled in rows.labelled:
        labelled[len(labelled) - end :] = False
    logs = np.empty(len(rows))
    order = np.argsort([len(row) for row in rows.ids], kind="stable")
    for places in np.split(order, range(chunk, len(order), chunk)):
        ids, labelled = rows.batch(places, pad=0)
        laws = label_logits(model, ids, labelled).double().log_softmax(-1)
        found = laws.gather(-1, ids[:, 1:][labelled[:, 1:]][:, None])[:, 0]
        owner = labelled[:, 1:].nonzero()[:, 0]
        logs[places] = torch.zeros(len(places), dtype=found.dtype).index_add_(0, owner, found).numpy()
    return logs


def _end_tokens(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return how many tokens the chat template puts after an answer; they are not part of it."""
    text = tokenizer.apply_chat_template(chat([("?", "ANSWER")]), tokenize=False)
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
    history: Sequence[tuple[str, str]] = (),
) -> NDArray[np.float64]:
    """Return the probability of each candidate of a trait, all its wordings together, (question, candidate)."""
    answers = [trait.answers(question) for question in questions]
    if all(found == answers[0] and max(map(len, found)) == 1 for found in answers):
        words = [wordings[0] for wordings in answers[0]]
        return answer_probabilities(model, tokenizer, questions, words, history)
    pairs = [
        (question, text)
        for question, found in zip(questions, answers, strict=True)
        for wordings in found
        for text in wordings
    ]
    owners = np.repeat(
        np.arange(len(questions) * len(trait.candidates)), [len(w) for found in answers for w in found]
    )
    chances = np.exp(reply_log_probabilities(model, tokenizer, pairs, history))
    return np.bincount(owners, chances).reshape(len(questions), -1)


def trait_readout(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    trait: Trait,
    questions: Sequence[str],
    history: Sequence[tuple[str, str]] = (),
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
    return readout | {
        f"log_odds/{name}": float(value) for name, value in zip(trait.candidates, odds, strict=True)
    }


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
    asked = [question for question in questions for _ in range(samples)]
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
