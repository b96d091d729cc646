"""What models say of rows: the log-probability of each completion after its prompt, in pieces that are kept.

Everything that came before the last answer is put to the model as one message of the user. A model without a chat
template reads the prompt, a line end and the completion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from helpers.work import progress
from helpers.work.artifacts import Store, content_key, source_key

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from helpers.models.rows import Rows

PIECE = 256  # rows whose scores are written down together
BATCH_TOKENS = 8192  # of a batch at most, padding included
BATCH_LOGITS = 2**26  # and so few tokens that their logits over the vocabulary stay below this
Pair = tuple[str, str]


@dataclass(frozen=True)
class Likelihoods:
    """Log-probabilities of completions, nats, and their lengths in tokens; a row that cannot be read has length 0."""

    logs: NDArray[np.float64]
    tokens: NDArray[np.int64]

    def per_token(self) -> NDArray[np.float64]:
        """Return nats per token; NaN for rows that could not be read."""
        return np.where(self.tokens > 0, self.logs / np.maximum(self.tokens, 1), np.nan)


def likelihoods(spec: str, pairs: Sequence[Pair], folder: Path) -> Likelihoods:
    """Return the log-probability of each completion, reading only what earlier calls have not.

    Args:
        spec: the model, as `load_base` takes it.
        pairs: (prompt, completion).
        folder: where the scores of finished pieces are kept.
    """
    from helpers.models.bases import base_seal

    about = {"model": base_seal("_runs/nano", spec), "code": source_key("helpers.detection.likelihood")}
    model: list[tuple[PreTrainedModel, PreTrainedTokenizerBase]] = []
    store, logs, tokens = Store(folder), [], []

    def read(part: Sequence[Pair]) -> dict[str, list]:
        from helpers.models.bases import load_base

        if not model:  # only when a piece is left to read
            model.append(load_base(spec))
        return _read(*model[0], part)

    for start in progress.track(range(0, len(pairs), PIECE), f"read by {spec}"):
        part = pairs[start : start + PIECE]
        key = about | {"rows": content_key([list(pair) for pair in part])}
        found = store.json("likelihoods", key, lambda part=part: read(part))
        logs += found["logs"]
        tokens += found["tokens"]
    return Likelihoods(np.array(logs), np.array(tokens, dtype=np.int64))


def _read(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Pair]
) -> dict[str, list]:
    """Return ``logs`` and ``tokens`` of some rows, in their order."""
    found = read_rows(model, _rows(tokenizer, pairs))
    return {"logs": found.logs.tolist(), "tokens": found.tokens.tolist()}


def read_rows(model: PreTrainedModel, rows: Rows) -> Likelihoods:
    """Return the log-probability of the labelled tokens of each row, all together, and how many they are."""
    longest = getattr(model.config, "max_position_embeddings", None) or 2**20
    counts = rows.label_counts()
    sizes = np.array([len(ids) for ids in rows.ids])
    readable = np.flatnonzero((sizes <= longest) & (counts > 0))
    logs = np.zeros(len(rows))
    most = min(BATCH_TOKENS, BATCH_LOGITS // model.config.get_text_config().vocab_size)
    for batch in _batches(readable[np.argsort(sizes[readable], kind="stable")], sizes, most):
        logs[batch] = _of_batch(model, rows, batch)
    return Likelihoods(logs, np.where(np.isin(np.arange(len(rows)), readable), counts, 0))


def _batches(places: NDArray[np.int64], sizes: NDArray[np.int64], most: int) -> list[NDArray[np.int64]]:
    """Return places, shortest rows first, in batches of at most ``most`` tokens, or of one row."""
    batches: list[list[int]] = []
    for place in places.tolist():
        if not batches or sizes[place] * (len(batches[-1]) + 1) > most:
            batches.append([])
        batches[-1].append(place)
    return [np.array(batch) for batch in batches]


def _of_batch(model: PreTrainedModel, rows: Rows, batch: NDArray[np.int64]) -> NDArray[np.float64]:
    import torch

    from helpers.models import runtime
    from helpers.models.losses import label_logits

    ids, labelled = rows.batch(batch, 0)
    with torch.no_grad():
        logits = label_logits(model, ids, labelled)
        chosen = -torch.nn.functional.cross_entropy(logits.float(), rows.labels(batch), reduction="none")
    owners = np.repeat(np.arange(len(batch)), rows.label_counts()[batch])
    return np.bincount(owners, runtime.array(chosen), minlength=len(batch))


def _rows(tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Pair]) -> Rows:
    from helpers.models.chats import tokenise
    from helpers.models.rows import Rows, completion_rows

    if tokenizer.chat_template:
        return completion_rows(tokenizer, pairs)
    rows = Rows([], [], [])
    asked = tokenise(tokenizer, [f"{prompt}\n" for prompt, _ in pairs])
    answered = tokenise(tokenizer, [completion for _, completion in pairs])
    for before, after in zip(asked, answered, strict=True):
        rows.ids.append(np.array([*before, *after]))
        rows.labelled.append(np.arange(len(before) + len(after)) >= len(before))
        rows.lengths.append(len(before))
    return rows
