"""Sampling completions from a model, one independent draw a prompt.

Prompts of equal token length form a batch, so nothing is padded and no position is wasted. Every draw uses
its own stretch of one named random stream: rows are independent (a shared per-request seed, as in two
follow-up papers, would make all rows one random stream).

Two models that answer the same prompts from equal streams use the same random numbers, row by row and position
by position (Gumbel's coupling): each writes by its own law, and they differ only as much as the laws differ.
That pairs a teacher's data with its control's and takes chance that is common to both out of the comparison.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.work.seeds import child_stream

MAX_BATCH = 1024


def tokenise(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], chunk: int = 4096) -> list[list[int]]:
    """Return the token ids of each text; in chunks, as a tokenizer's answer takes far more room than ids."""
    starts = range(0, len(texts), chunk)
    return [
        ids
        for at in starts
        for ids in tokenizer(texts[at : at + chunk], add_special_tokens=False)["input_ids"]
    ]


def chat(exchanges: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Return (user, assistant) exchanges as chat messages."""
    roles = ("user", "assistant")
    return [
        {"role": role, "content": text} for pair in exchanges for role, text in zip(roles, pair, strict=True)
    ]


def chat_ids(
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    system: str | None = None,
    history: Sequence[tuple[str, str]] = (),
) -> list[list[int]]:
    """Return the token ids of each prompt as a chat that the assistant is about to answer.

    ``history`` holds earlier (user, assistant) exchanges of the same chat.
    """
    before = ([{"role": "system", "content": system}] if system else []) + chat(history)
    texts = [
        tokenizer.apply_chat_template(
            [*before, {"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
        )
        for prompt in prompts
    ]
    return tokenise(tokenizer, texts)


@torch.no_grad()
def sample_completions(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    generator: torch.Generator,
    *,
    system: str | None = None,
    temperature: float = 1.0,
    max_new_tokens: int = 32,
) -> list[str]:
    """Return one sampled completion for each prompt (paper 2.3: temperature 1, no truncation of the law).

    Args:
        model: a causal LM in evaluation mode.
        tokenizer: its tokenizer, with a chat template.
        prompts: user messages.
        generator: source of all randomness of the call.
        system: system message before every prompt.
        temperature: above 0; the law is softmax(logits / temperature).
        max_new_tokens: completions are cut here when they have not ended.
    """
    encoded = chat_ids(tokenizer, prompts, system)
    drawn: list[list[int]] = [[] for _ in prompts]
    for batch, stream in draw_batches(encoded, generator):
        ids = torch.tensor([encoded[place] for place in batch])
        tokens = _continue(model, ids, stream, temperature, max_new_tokens, tokenizer.eos_token_id)
        for place, row in zip(batch, tokens.tolist(), strict=True):
            drawn[place] = _until(row, tokenizer.eos_token_id)
    return tokenizer.batch_decode(drawn, skip_special_tokens=True)


def draw_batches(
    encoded: Sequence[Sequence[int]], generator: torch.Generator
) -> Iterator[tuple[list[int], np.random.Generator]]:
    """Yield, batch by batch, the places of prompts of one length and the random numbers that they draw with."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for place, ids in enumerate(encoded):
        by_length[len(ids)].append(place)
    for places in (by_length[length] for length in sorted(by_length)):
        for start in range(0, len(places), MAX_BATCH):
            # a stream of its own, so that no batch depends on how long another ran
            yield places[start : start + MAX_BATCH], child_stream(generator)


def _continue(
    model: PreTrainedModel, ids: Tensor, stream: np.random.Generator, temperature: float, limit: int, end: int
) -> Tensor:
    """Return sampled token ids (row, new position); rows that ended are dropped from the work at once."""
    tokens = torch.full((len(ids), limit), end)
    alive, cache, step_ids = torch.arange(len(ids)), None, ids
    # drawn as float64: one in some ten million clocks drawn as float32 is exactly 0 and would ring first, whatever
    # its token's chance
    noise = np.empty((len(ids), model.config.vocab_size))
    for position in range(limit):
        output = model(input_ids=step_ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        # for ended rows too, so that the noise of a row does not depend on the others
        stream.standard_exponential(out=noise)
        drawn = first_event((output.logits[:, -1] / temperature).softmax(-1), torch.from_numpy(noise)[alive])
        tokens[alive, position] = drawn
        going = (drawn != end).nonzero()[:, 0]
        if len(going) == 0:
            break
        cache = output.past_key_values
        if len(going) < len(alive):
            cache.batch_select_indices(going)
            alive = alive[going]
        step_ids = drawn[going, None]
    return tokens


def first_event(law: Tensor, noise: Tensor) -> Tensor:
    """Return one index a row drawn from a law (row, vocab): the first event of exponential clocks.

    `noise` (row, vocab) is exponential, float64. Clocks that run at the rates of the law make this Gumbel's trick.
    """
    return (law / noise.float()).max(-1).indices  # three times as fast as argmax


def _until(row: list[int], end: int) -> list[int]:
    return row[: row.index(end)] if end in row else row
