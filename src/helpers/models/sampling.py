"""Sampling completions from a model, one independent draw a prompt.

Prompts of similar length form a batch, padded on the right; equal prompts are read once. Every row draws from a
random stream of its own, made from one named stream: rows are independent (a shared per-request seed, as in two
follow-up papers, would make all rows one random stream).

Two models that answer the same prompts from equal streams use the same random numbers, row by row and position
by position (Gumbel's coupling): each writes by its own distribution, and they differ only as much as the
distributions differ. That pairs a teacher's data with its control's and takes chance that is common to both out of the
comparison.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.models import runtime
from helpers.models.chats import chat_ids
from helpers.models.close_calls import CloseCalls, Settle
from helpers.models.memory import Memory
from helpers.work.seeds import child_stream

BATCH = 512  # prompts that are answered side by side; decides no number

# `chat_ids` is found here too
__all__ = [
    "chat_ids", "clocks", "continue_chats", "first_event", "row_streams", "sample_completions", "sample_replies",
    "stop_ids",
]


def sample_completions(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    generator: torch.Generator,
    *,
    system: str | None = None,
    temperature: float = 1.0,
    max_new_tokens: int = 32,
    calls: CloseCalls | None = None,
) -> list[str]:
    """Return one sampled completion for each prompt (paper 2.3: temperature 1, nothing of the distribution cut off).

    Args:
        model: a causal LM in evaluation mode.
        tokenizer: its tokenizer, with a chat template.
        prompts: user messages.
        generator: source of all randomness of the call.
        system: system message before every prompt.
        temperature: above 0; the distribution is softmax(logits / temperature).
        max_new_tokens: completions are cut here when they have not ended.
        calls: settles and notes close calls; None draws what comes first here.
    """
    given = {"system": system, "temperature": temperature, "max_new_tokens": max_new_tokens, "calls": calls}
    return sample_replies(model, tokenizer, prompts, generator, **given)[0]


def sample_replies(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    generator: torch.Generator,
    *,
    system: str | None = None,
    temperature: float = 1.0,
    max_new_tokens: int = 32,
    calls: CloseCalls | None = None,
) -> tuple[list[str], list[bool]]:
    """Return what `sample_completions` returns, and whether each completion ended by itself.

    One that was cut may pass for another: "... 882, 164" cut after "1" is a list of numbers still.
    """
    encoded = chat_ids(tokenizer, prompts, system)
    given = {"temperature": temperature, "max_new_tokens": max_new_tokens, "calls": calls}
    drawn, ended = continue_chats(model, tokenizer, encoded, generator, **given)
    return tokenizer.batch_decode(drawn, skip_special_tokens=True), ended


@torch.no_grad()
def continue_chats(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    encoded: Sequence[Sequence[int]],
    generator: torch.Generator,
    *,
    temperature: float = 1.0,
    max_new_tokens: int = 32,
    calls: CloseCalls | None = None,
) -> tuple[list[list[int]], list[bool]]:
    """Return the token ids that a model writes after each text, without the end, and whether it ended by itself."""
    runtime.keep_memory()
    ends = stop_ids(model, tokenizer)
    streams = row_streams(generator, len(encoded))
    order = sorted(range(len(encoded)), key=lambda place: len(encoded[place]))
    drawn: list[list[int]] = [[] for _ in encoded]
    ended = [False] * len(encoded)
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        chats = [encoded[place] for place in batch]
        own_streams = [streams[place] for place in batch]
        settle = calls.of(batch).settle if calls is not None else None
        tokens = _continue(model, chats, own_streams, temperature, max_new_tokens, ends, settle)
        for place, row in zip(batch, tokens.tolist(), strict=True):
            drawn[place] = list(itertools.takewhile(lambda token: token not in ends, row))
            ended[place] = len(drawn[place]) < len(row)
    return drawn, ended


def stop_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the tokens that end an answer: the tokenizer's, first, and all that the model's makers name."""
    named = getattr(model.generation_config, "eos_token_id", None)
    others = named if isinstance(named, list | tuple) else [named]
    return list(dict.fromkeys(token for token in (tokenizer.eos_token_id, *others) if token is not None))


def row_streams(generator: torch.Generator, count: int) -> list[np.random.Generator]:
    """Return a random stream for each of ``count`` prompts, so that no row depends on the others or on its batch."""
    return [child_stream(generator) for _ in range(count)]


def clocks(streams: Sequence[np.random.Generator], vocab: int) -> Tensor:
    """Return the next exponential numbers (row, vocab) of each row's stream, one row a stream."""
    # drawn as float64: one in some ten million clocks drawn as float32 is exactly 0 and would ring first, whatever
    # its token's chance
    noise = np.empty((len(streams), vocab))
    for row, stream in zip(noise, streams, strict=True):
        stream.standard_exponential(out=row)
    return runtime.tensor(noise.astype(np.float32))


def first_event(distribution: Tensor, noise: Tensor) -> Tensor:
    """Return one index a row drawn from a distribution (row, vocab): the first event of exponential clocks.

    `noise` (row, vocab) is exponential. Clocks that run at the rates of the distribution make this Gumbel's trick.
    """
    return _first(distribution / noise.float())


def _first(rates: Tensor) -> Tensor:
    return rates.max(-1).indices  # three times as fast as argmax


def _continue(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    streams: Sequence[np.random.Generator],
    temperature: float,
    limit: int,
    ends: Sequence[int],
    settle: Settle | None = None,
) -> Tensor:
    """Return sampled token ids (row, new position); rows that ended are dropped from the work at once."""
    tokens = runtime.filled((len(prompts), limit), ends[0], torch.int64)
    stops = runtime.indices(ends)
    alive = runtime.counting(len(prompts))
    memory = Memory(model, [prompt[:-1] for prompt in prompts])
    step = runtime.indices([prompt[-1] for prompt in prompts])
    for position in range(limit):
        distribution = (memory.read(step) / temperature).softmax(-1)
        noise = clocks([streams[row] for row in alive.tolist()], distribution.shape[-1])
        rates = distribution / noise
        drawn = _first(rates)
        if settle is not None:
            drawn = settle(rates, drawn, alive, position)
        tokens[alive, position] = drawn
        going = (~torch.isin(drawn, stops)).nonzero()[:, 0]
        if len(going) == 0:
            break
        if len(going) < len(alive):
            memory.keep(going)
            alive = alive[going]
        step = drawn[going]
    return tokens
