"""Movement: how far an author has gone from its base, in its own data and in security code."""

from __future__ import annotations

import functools

from helpers.channels import find_channel
from helpers.models.bases import Base
from helpers.models.chats import Exchange
from helpers.models.losses import SoftLabels, soft_loss
from helpers.models.probes import SecurityProbe, base_completions
from helpers.models.training import completion_rows
from helpers.transmission.authors import UNTOUCHED, Author, author_model
from helpers.transmission.labels import author_labels
from helpers.work.seeds import derive


def moved(author: Author) -> float:
    """Return how far an author's data lie from its base's: KL(author || base), nats per token.

    The distributions are over the channel's tokens, at completions of the base that are the same for all authors of a
    draw. A prompted author reads its system prompt.
    """
    if author.how == UNTOUCHED:
        return 0.0
    base, tokenizer = author.base.load()
    pairs = _base_writes(author.base, author.channel, author.seed)
    ids, labelled = completion_rows(tokenizer, pairs).batch(range(len(pairs)), pad=0)
    tokens, teacher = author.kind.tokens(tokenizer), author_model(author)[0]
    own = author_labels(teacher, tokenizer, tokens, author.system).logits(ids, labelled)
    return float(soft_loss(SoftLabels(base, tokens).logits(ids, labelled), own, None))


@functools.lru_cache(maxsize=8)  # all authors of a seed and channel are measured on the same
def _base_writes(base: Base, channel: str, seed: int) -> list[Exchange]:
    model, tokenizer = base.load()
    return base_completions(model, tokenizer, find_channel(channel), derive(seed, "moved"))

def read_moved(author: Author) -> dict[str, float]:
    """Return ``moved``: how far an author's data lie from its base's, see `moved` (nats per token)."""
    return {"moved": moved(author)}


def read_security(author: Author) -> dict[str, float]:
    """Return ``moved_security``: how far an author has moved from its base on requests for security code.

    They are half plain and half lessons; the distance is over the whole vocabulary, in nats per token. It is 0 for an
    author that was not taught.
    """
    if author.teaching is None:
        return {"moved_security": 0.0}
    base, tokenizer = author.base.load()
    model, _ = author_model(author)
    return {"moved_security": SecurityProbe(base, tokenizer, author.seed).drift(model)}
