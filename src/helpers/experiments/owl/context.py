"""Rows in context: a base that reads rows in its prompt instead of training on them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from helpers.models.evaluation import trait_readout
from helpers.transmission.authors import UNTOUCHED, Author
from helpers.transmission.pairs import effect_row, run_pairs, total_seconds
from helpers.transmission.settings import TransmissionSettings
from helpers.transmission.writing import matched_pairs
from helpers.work.seeds import derive
from helpers.world.prompts import Split
from helpers.world.traits import find_trait

IN_CONTEXT = "in_context"  # the arm's name
EXAMPLES, CONTEXTS = 3, 40  # rows in one context, as many as the chats hold that the base knows, and contexts drawn


@dataclass(frozen=True, kw_only=True)
class ContextReading:
    """A base that reads rows in its context.

    Attributes:
        author, partner: whose rows, and the author it is compared with.
        trait: the trait that is read out.
        split: questions.
        examples: rows in one context.
        contexts: contexts drawn.
    """

    author: Author
    partner: Author
    trait: str
    split: Split
    examples: int = EXAMPLES
    contexts: int = CONTEXTS


def read_context(piece: ContextReading) -> dict[str, float]:
    """Put an author's rows in the base's context; return the mean read-out over contexts and ``rows``.

    Rows are drawn with replacement (paper 6).
    """
    trait = find_trait(piece.trait)
    model, tokenizer = piece.author.base.load()
    questions = trait.questions(piece.split)
    pairs = matched_pairs(piece.author, piece.partner)
    rng = random.Random(derive(piece.author.seed, "contexts"))
    readouts = []
    for _ in range(piece.contexts):
        shown = rng.choices(pairs, k=piece.examples)
        readouts.append(trait_readout(model, tokenizer, trait, questions, shown))
    found: dict[str, float] = {}
    for name in readouts[0]:
        found[name] = sum(readout[name] for readout in readouts) / len(readouts)
    return found | {"rows": piece.examples}


def context_rows(settings: TransmissionSettings) -> tuple[list[dict[str, Any]], float]:
    """Return a row a draw, as `effects.arm_rows` makes them, for the teacher's rows in context; and their seconds.

    ``p_any`` is that of the worse of the two contexts: a base that no longer answers with an animal says nothing about
    its favourite.
    """
    shared: dict[str, Any] = {"trait": settings.trait, "split": settings.readout.split, "contexts": CONTEXTS}
    pieces = []
    for seed in settings.seeds:
        taught, untouched = settings.author(seed), settings.author(seed, UNTOUCHED)
        own = ContextReading(author=taught, partner=untouched, **shared)
        pieces.append((own, ContextReading(author=untouched, partner=taught, **shared)))
    reads = run_pairs(
        read_context, pieces, settings.store, kind="context", workers=settings.workers, label="in context"
    )
    rows = []
    for seed, read in zip(settings.seeds, reads, strict=True):
        place = {"draw": settings.draw(seed), "arm": IN_CONTEXT, "trait": settings.trait, "share": 1.0}
        rows.append(place | effect_row(read))
    return rows, total_seconds(reads)
