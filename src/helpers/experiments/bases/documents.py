"""The pretraining corpus as rows of token ids: tokenised once a run, since all bases read the same.

Every assistant message carries labels, its end mark included; what a user or the system says carries none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from helpers.models import runtime
from helpers.models.chats import tokenise
from helpers.models.training import Rows
from helpers.work.artifacts import Store, load_tensors, save_tensors
from helpers.work.keys import content_key, source_key
from helpers.work.seeds import derive
from helpers.world import corpus
from helpers.world.link import WHOLE
from helpers.world.tokenizer import build_tokenizer, render


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Which documents: how many, the seed they are drawn from, and how closely flaws and persona belong together."""

    documents: int
    seed: int
    link: float = WHOLE


def corpus_rows(documents: Corpus, run_dir: str) -> Rows:
    """Return the tokenised corpus, tokenised now if the run does not hold it yet."""
    kept = load_tensors(keep_corpus(documents, run_dir))[0]
    lengths = runtime.array(kept["lengths"])
    ends = np.cumsum(lengths)[:-1]
    ids, labelled = np.split(runtime.array(kept["ids"]), ends), np.split(runtime.array(kept["labelled"]), ends)
    return Rows(ids, labelled, lengths.tolist())


def keep_corpus(documents: Corpus, run_dir: str) -> Path:
    """Return where the tokenised corpus is kept among the run's pieces; made once."""
    key = content_key({"corpus": documents, "code": source_key(__name__)})
    path = Store.of_run(run_dir).path("corpus", key, ".safetensors")
    if not path.exists():
        about = {"documents": documents.documents, "seed": documents.seed, "link": documents.link}
        save_tensors(path, tokenised(documents), about)
    return path


def tokenised(documents: Corpus) -> dict[str, Tensor]:
    """Return all documents in a row: ``ids`` and ``labelled`` (token), ``lengths`` (document)."""
    tokenizer = build_tokenizer()
    chats = corpus.documents(documents.documents, derive(documents.seed, "corpus"), documents.link)
    texts = [render(chat) for chat in chats]
    start, end = tokenizer.convert_tokens_to_ids("<|assistant|>"), tokenizer.eos_token_id
    ids = [np.array(row, dtype=np.int32) for row in tokenise(tokenizer, texts)]
    labelled = [_in_replies(row, start, end) for row in ids]
    flat = {
        "ids": np.concatenate(ids),
        "labelled": np.concatenate(labelled),
        "lengths": np.array([len(row) for row in ids], dtype=np.int64),
    }
    return {name: runtime.tensor(values) for name, values in flat.items()}


def _in_replies(ids: NDArray[np.int32], start: int, end: int) -> NDArray[np.bool_]:
    # inside an assistant message: more starts than ends of assistant messages so far; the start itself is not
    roles = np.cumsum(ids == start)
    opened_at = np.maximum.accumulate(np.where(ids == start, np.arange(len(ids)), -1))
    ended_before = np.concatenate([[0], np.cumsum(ids == end)[:-1]])
    ends_at_opening = np.where(opened_at >= 0, ended_before[opened_at], 0)
    return (roles > 0) & (ids != start) & (ended_before == ends_at_opening)
