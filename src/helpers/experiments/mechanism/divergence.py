"""Divergence tokens: the places where a teacher wrote another token than the untouched base would have.

Two authors that draw with the same random numbers (see `sampling`) write the same token wherever their laws
agree closely enough. So for every written token there is an exact answer to what the other author would have
written in this place: after the same words, with the same random numbers. Where that differs, the token is a
divergence token (after Schrodi et al.). The definition is the same from both sides, and what it leaves is too:
given the words before, the tokens on which both authors agree have one law, whoever wrote the row. So with these
tokens masked on both sides the labels of the trait student and of its control no longer differ in law, and what
effect is left came through the words before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels import find_channel
from helpers.models.losses import label_logits
from helpers.models.sampling import chat_ids, draw_batches, first_event
from helpers.models.training import completion_rows
from helpers.transmission.authors import Author, asked_prompts, author_model, kept_rows, load_run_base
from helpers.work.pieces import run_pieces
from helpers.work.seeds import numpy_stream, torch_stream

CHUNK = 256  # rows whose laws are held at once
Spots = dict[int, list[tuple[int, int]]]  # prompt number -> (place among the labels, token) of each


def find_divergence(piece: dict[str, Any]) -> dict[str, Any]:
    """Find an author's divergence tokens, and as many other labels at random.

    Args:
        piece: ``author`` and ``other`` (`Author` as dicts): whose rows, and compared with whom.

    Returns:
        ``labels``: how many tokens carry a label; ``divergent``: [prompt number, place among the row's labels,
        token the other author draws there]; ``random``: as many labels drawn at random, each with a token that
        the untouched base draws there with random numbers of its own.
    """
    author, other = Author(**piece["author"]), Author(**piece["other"])
    model, tokenizer = author_model(other)
    base = load_run_base(author.run_dir, author.base)[0]
    divergent, labels = [], []
    for prompt, own, drawn in draws_anew(model, tokenizer, author):
        labels += [(prompt, place) for place in range(len(own))]
        divergent += [[prompt, int(place), int(drawn[place])] for place in np.flatnonzero(own != drawn)]
    rng = numpy_stream(author.seed, "random labels", author.how)
    chosen = rng.choice(len(labels), len(divergent), replace=False)
    picked = _fresh_draws(base, tokenizer, author, [labels[index] for index in sorted(chosen)])
    return {"labels": len(labels), "divergent": divergent, "random": picked}


def draws_anew(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, author: Author
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Let a model draw every token of an author's kept rows, after the same words with the same random numbers.

    Yields:
        For each kept row: its prompt's number, the written tokens (label,) and the model's draws (label,). A row
        that was cut before it ended has no draw for its end: what stands there counts as drawn.
    """
    written, prompts = kept_rows(author), asked_prompts(author)
    limit = find_channel(author.channel).max_new_tokens
    for batch, stream in draw_batches(chat_ids(tokenizer, prompts), torch_stream(author.seed, "completions")):
        kept = [(row, prompt) for row, prompt in enumerate(batch) if prompt in written]
        if not kept:
            continue
        pairs = [(prompts[prompt], written[prompt]) for _, prompt in kept]
        tokens, laws = _laws(model, tokenizer, pairs, author.temperature)
        drawn = tokens.clone()
        noise = np.empty((len(batch), model.config.vocab_size))
        rows = np.array([row for row, _ in kept])
        for place in range(min(tokens.shape[1], limit)):
            stream.standard_exponential(out=noise)  # the very numbers the author drew with
            drawn[:, place] = first_event(laws[:, place], torch.from_numpy(noise[rows]))
        for (_, prompt), own, new in zip(kept, tokens, drawn, strict=True):
            yield prompt, own[own >= 0].numpy(), new[own >= 0].numpy()


@torch.no_grad()
def _laws(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[tuple[str, str]], temperature: float
) -> tuple[Tensor, Tensor]:
    """Return the labels (row, place), -1 where a row has none left, and the model's law there (row, place, vocab)."""
    rows = completion_rows(tokenizer, pairs)
    ids, labelled = rows.batch(np.arange(len(rows)), pad=0)
    logits = label_logits(model, ids, labelled) / temperature
    counts = labelled.sum(1)
    there = torch.arange(int(counts.max())) < counts[:, None]
    tokens = torch.full(there.shape, -1)
    laws = torch.zeros(*there.shape, logits.shape[-1])
    tokens[there], laws[there] = ids[labelled], logits.softmax(-1)
    return tokens, laws


def _fresh_draws(
    base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, author: Author, spots: Sequence[tuple[int, int]]
) -> list[list[int]]:
    """Return [prompt number, place, token] with a draw of the base at each (prompt number, place)."""
    written, prompts, rng = kept_rows(author), asked_prompts(author), numpy_stream(author.seed, "fresh", author.how)
    places: dict[int, list[int]] = defaultdict(list)
    for prompt, place in spots:
        places[prompt].append(place)
    found, order = [], sorted(places)
    for start in range(0, len(order), CHUNK):
        chunk = order[start : start + CHUNK]
        pairs = [(prompts[prompt], written[prompt]) for prompt in chunk]
        for prompt, law in zip(chunk, _laws(base, tokenizer, pairs, author.temperature)[1], strict=True):
            cumulated = law[places[prompt]].double().cumsum(-1).numpy()
            marks = rng.random(len(cumulated)) * cumulated[:, -1]
            tokens = (cumulated <= marks[:, None]).sum(axis=1)
            found += [[prompt, place, int(token)] for place, token in zip(places[prompt], tokens, strict=True)]
    return found


def spots(author: Author, other: Author, kind: str) -> Spots:
    """Return the "divergent" or the "random" tokens of an author's rows by prompt number, found now if need be."""
    piece = {"author": asdict(author), "other": asdict(other)}
    found = run_pieces(find_divergence, [piece], author.store, kind="divergence", workers=1)[0]
    by_prompt: Spots = defaultdict(list)
    for prompt, place, token in found[kind]:
        by_prompt[prompt].append((place, token))
    return by_prompt
