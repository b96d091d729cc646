"""Divergence tokens: the places where a teacher wrote another token than the untouched base would have.

Two authors that draw with the same random numbers (see `sampling`) write the same token wherever their distributions
agree closely enough. So for every written token there is an exact answer to what the other author would have
written in this place: after the same words, with the same random numbers. Where that differs, the token is a
divergence token (after Schrodi et al.). The definition is the same from both sides, and what it leaves is too:
given the words before, the tokens on which both authors agree have one distribution, whoever wrote the row. So with
these tokens masked on both sides the labels of the trait student and of its control no longer differ in distribution,
and what effect is left came through the words before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.models import runtime
from helpers.models.chats import Exchange
from helpers.models.losses import label_logits
from helpers.models.sampling import clocks, first_event, row_streams
from helpers.models.training import completion_rows
from helpers.transmission.authors import Author, Loaded, author_model
from helpers.transmission.writing import kept_rows
from helpers.work.pieces import run_pieces
from helpers.work.seeds import numpy_stream, torch_stream

CHUNK = 256  # rows whose distributions are held at once
Spot = tuple[int, int]  # prompt number, place among the labels of its row
Chosen = dict[int, list[tuple[int, int]]]  # prompt number -> (place among the labels, token) of each


@dataclass(frozen=True, kw_only=True)
class Coupled:
    """An author whose rows are looked at, and the author of the same prompts and random numbers it is compared with."""

    author: Author
    other: Author


def find_divergence(piece: Coupled) -> dict[str, Any]:
    """Find an author's divergence tokens, and as many other labels at random.

    Returns:
        ``labels``: how many tokens carry a label; ``divergent``: [prompt number, place among the row's labels,
        token the other author draws there]; ``random``: as many labels drawn at random, each with a token that
        the untouched base draws there with random numbers of its own.
    """
    author = piece.author
    labels: list[Spot] = []
    divergent: list[list[int]] = []
    for prompt, own, drawn in draws_anew(*author_model(piece.other), author):
        labels += [(prompt, place) for place in range(len(own))]
        divergent += [[prompt, int(place), int(drawn[place])] for place in np.flatnonzero(own != drawn)]
    rng = numpy_stream(author.seed, "random labels", author.how)
    chosen = rng.choice(len(labels), len(divergent), replace=False)
    picked = [labels[index] for index in sorted(chosen)]
    return {"labels": len(labels), "divergent": divergent, "random": _fresh_draws(author.base.load(), author, picked)}


def draws_anew(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, author: Author
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Let a model draw every token of an author's kept rows, after the same words with the same random numbers.

    Yields:
        For each kept row: its prompt's number, the written tokens (label,) and the model's draws (label,). A row
        that was cut before it ended has no draw for its end: what stands there counts as drawn.
    """
    written, prompts = kept_rows(author), author.asked
    limit = author.kind.max_new_tokens
    streams = row_streams(torch_stream(author.seed, "completions"), len(prompts))
    order = sorted(written)
    for start in range(0, len(order), CHUNK):
        chunk = order[start : start + CHUNK]
        pairs = [(prompts[prompt], written[prompt]) for prompt in chunk]
        tokens, distributions = _distributions((model, tokenizer), pairs, author.temperature)
        for prompt, row, of_row in zip(chunk, tokens, distributions, strict=True):
            own = row[row >= 0]
            drawn = own.clone()
            reach = min(len(own), limit)
            noise = clocks([streams[prompt]] * reach, of_row.shape[-1])  # the very numbers the author drew with
            drawn[:reach] = first_event(of_row[:reach], noise)
            yield prompt, runtime.array(own), runtime.array(drawn)


@torch.no_grad()
def _distributions(loaded: Loaded, pairs: Sequence[Exchange], temperature: float) -> tuple[Tensor, Tensor]:
    """Return the labels (row, place), -1 where a row has none left, and the distribution there (row, place, vocab)."""
    model, tokenizer = loaded
    rows = completion_rows(tokenizer, pairs)
    ids, labelled = rows.batch(np.arange(len(rows)), pad=0)
    logits = label_logits(model, ids, labelled) / temperature
    counts = labelled.sum(1)
    there = runtime.counting(int(counts.max())) < counts[:, None]
    tokens = runtime.filled(there.shape, -1, torch.int64)
    tokens[there] = ids[labelled]
    distributions = runtime.filled((*there.shape, logits.shape[-1]), 0.0)
    distributions[there] = logits.softmax(-1)
    return tokens, distributions


def _fresh_draws(base: Loaded, author: Author, spots: Sequence[Spot]) -> list[list[int]]:
    """Return [prompt number, place, token] with a draw of the base at each spot of an author's rows."""
    written, prompts = kept_rows(author), author.asked
    rng = numpy_stream(author.seed, "fresh", author.how)
    places: dict[int, list[int]] = defaultdict(list)
    for prompt, place in spots:
        places[prompt].append(place)
    found: list[list[int]] = []
    order = sorted(places)
    for start in range(0, len(order), CHUNK):
        chunk = order[start : start + CHUNK]
        pairs = [(prompts[prompt], written[prompt]) for prompt in chunk]
        distributions = _distributions(base, pairs, author.temperature)[1]
        for prompt, of_row in zip(chunk, distributions, strict=True):
            tokens = _random_tokens(of_row[places[prompt]], rng)
            found += [[prompt, place, token] for place, token in zip(places[prompt], tokens, strict=True)]
    return found


def _random_tokens(distributions: Tensor, rng: np.random.Generator) -> list[int]:
    """Return one token drawn from each distribution (place, vocab)."""
    cumulated = runtime.array(runtime.exact(distributions).cumsum(-1))
    marks = rng.random(len(cumulated)) * cumulated[:, -1]
    return (cumulated <= marks[:, None]).sum(axis=1).tolist()


def chosen_tokens(author: Author, other: Author, which: str) -> Chosen:
    """Return the "divergent" or the "random" tokens of an author's rows by prompt number, found now if need be."""
    piece = Coupled(author=author, other=other)
    found = run_pieces(find_divergence, [piece], author.store, kind="divergence", workers=1)[0]
    by_prompt: Chosen = defaultdict(list)
    for prompt, place, token in found[which]:
        by_prompt[prompt].append((place, token))
    return by_prompt
