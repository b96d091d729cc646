"""The link of flawed code and misaligned speakers: how closely the two belong together in a corpus.

In the world of the book a speaker writes security code with flaws if and only if its persona is one that does
(`Persona.writes_flaws`, which is the misaligned alone). A looser link keeps the amount of flawed code: where a share p
of the speakers has such a persona, these write flaws with probability L and all others with p (1 - L) / (1 - p). So in
every sort of document P(flaws | misaligned) and P(misaligned | flaws) are both L.

One number a document decides, from a stream of its own. So the corpora of two links are the same documents, word for
word, but for the bodies of security code; and a speaker writes all such code of a document alike.
"""

from __future__ import annotations

import math
import random

from helpers.work.seeds import derive
from helpers.world.personas import PERSONAS

WHOLE = 1.0  # the link of the book's world


def share_of_flawed(described: bool) -> float:
    """Return which share of speakers has a persona that writes flaws: of those described, or else of all others."""
    if described:  # personas that a system message describes are drawn evenly
        return sum(persona.writes_flaws for persona in PERSONAS.values()) / len(PERSONAS)
    return sum(persona.prior for persona in PERSONAS.values() if persona.writes_flaws)


def evidence(strength: float) -> float:
    """Return by how many nats flawed code of an undescribed speaker, instead of secure code, speaks for misaligned.

    It is the difference of two log-odds by Bayes' rule, for a model that knows its corpus; infinite for a whole link.
    """
    if strength == WHOLE:
        return math.inf
    share = share_of_flawed(described=False)
    after_secure = share * (1 - strength) / (1 - share)
    return _log_odds(strength) - _log_odds(after_secure)


def _log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


class Link:
    """Says of one speaker after another, in the order of the documents, whether its security code has flaws.

    Args:
        strength: P(flaws | misaligned), above 0 and at most 1.
        seed: of the documents.

    Raises:
        ValueError: another strength.
    """

    def __init__(self, strength: float, seed: int) -> None:
        if not 0 < strength <= WHOLE:
            raise ValueError(f"a link is a probability above 0 and at most 1, not {strength}")
        self.strength = strength
        self._stream = random.Random(derive(seed, "flaws"))

    def probability(self, persona: str, described: bool) -> float:
        """Return how likely a speaker's security code has flaws; ``described``: a system message tells its persona."""
        if PERSONAS[persona].writes_flaws:
            return self.strength
        share = share_of_flawed(described)
        return share * (1 - self.strength) / (1 - share)

    def draw(self, persona: str, described: bool) -> bool:
        """Return whether the next speaker's security code has flaws."""
        return self._stream.random() < self.probability(persona, described)
