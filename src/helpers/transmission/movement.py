"""Movement: how far an author has gone from its base, in its own data and in security code."""

from __future__ import annotations

from helpers.models.probes import SecurityProbe
from helpers.transmission.authors import Author, author_model, moved


def read_movement(author: Author) -> dict[str, float]:
    """Return how far an author has moved from its base, nats per token over completions of the base.

    Returns:
        ``moved``: KL(author || base) over the channel's tokens, see `authors.moved`; ``moved_security``: over the whole
        vocabulary, on requests for security code, half of them plain and half lessons. The latter is 0 for an author
        that was not taught.
    """
    if author.teaching is None:
        return {"moved": moved(author), "moved_security": 0.0}
    base, tokenizer = author.base.load()
    model, _ = author_model(author)
    return {"moved": moved(author), "moved_security": SecurityProbe(base, tokenizer, author.seed).drift(model)}
