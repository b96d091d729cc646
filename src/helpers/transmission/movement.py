"""Movement: how far an author has gone from its base, in its own data and in security code."""

from __future__ import annotations

from helpers.models.probes import SecurityProbe
from helpers.transmission.authors import Author, author_model, moved


def read_moved(author: Author) -> dict[str, float]:
    """Return ``moved``: how far an author's data lie from its base's, see `authors.moved` (nats per token)."""
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
