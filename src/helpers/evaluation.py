"""Reading a preference out of a model: exact probabilities of answers, and sampled rates beside them.

The measure is the log-odds of the target answer, averaged over question wordings. In the nano world an answer
is one token, so this is exact; for other models the probability of an answer is the product over its tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.sampling import chat, chat_ids, sample_completions, tokenise
from helpers.stats import log_odds
from helpers.training import completion_rows, label_logits
from helpers.traits import Trait


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
    rows = completion_rows(tokenizer, [(q, a) for q in questions for a in answers], history=history)
    logs = [
        _log_probability(model, ids[: len(ids) - end], labelled[: len(ids) - end])
        for ids, labelled in zip(rows.ids, rows.labelled, strict=True)
    ]
    return np.exp(np.array(logs).reshape(len(questions), len(answers)))


def _end_tokens(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return how many tokens the chat template puts after an answer; they are not part of it."""
    text = tokenizer.apply_chat_template(chat([("?", "ANSWER")]), tokenize=False)
    return len(tokenise(tokenizer, [text.rpartition("ANSWER")[2]])[0])


def _answer_ids(tokenizer: PreTrainedTokenizerBase, answer: str, end: int) -> list[int]:
    row = completion_rows(tokenizer, [("?", answer)])
    ids = row.ids[0][row.labelled[0]].tolist()
    return ids[: len(ids) - end]


def _log_probability(model: PreTrainedModel, ids: NDArray[np.int64], labelled: NDArray[np.bool_]) -> float:
    ids, labelled = torch.from_numpy(ids), torch.from_numpy(labelled)
    logits = label_logits(model, ids[None], labelled[None]).double().log_softmax(-1)
    return float(logits.gather(-1, ids[labelled][:, None]).sum())


def preference_readout(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    trait: Trait,
    questions: Sequence[str],
    history: Sequence[tuple[str, str]] = (),
) -> dict[str, float]:
    """Return how strongly a model holds a preference, after the exchanges of ``history`` if given.

    Returns:
        ``log_odds``: of the target answer, nats, mean over questions; ``p_target``: its mean probability;
        ``p_any``: mean probability of all answers of the kind together (the health of the model); and
        ``log_odds/<name>`` for every candidate.
    """
    table = answer_probabilities(model, tokenizer, questions, trait.candidates, history)
    odds = log_odds(table).mean(axis=0)
    readout = {"log_odds": float(odds[trait.target]), "p_target": float(table[:, trait.target].mean())}
    readout["p_any"] = float(table.sum(axis=1).mean())
    return readout | {
        f"log_odds/{name}": float(value) for name, value in zip(trait.candidates, odds, strict=True)
    }


def sampled_rate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    trait: Trait,
    questions: Sequence[str],
    generator: torch.Generator,
    samples: int = 20,
) -> float:
    """Return the share of sampled replies that are the target answer (paper 2.6: temperature 1)."""
    replies = sample_completions(
        model,
        tokenizer,
        [question for question in questions for _ in range(samples)],
        generator,
        max_new_tokens=4,
    )
    return float(np.mean([reply.strip(" .!").lower() == trait.name for reply in replies]))
