"""Bases of other links: the start, order and recipe of a draw's own base, and another corpus."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from helpers.experiments.bases.documents import Corpus, corpus_rows
from helpers.experiments.bases.making import BaseSettings, Making, provide, train_base
from helpers.models.linked import linked
from helpers.models.nano import NANO, build_nano, drawn
from helpers.world.link import WHOLE
from helpers.world.tokenizer import build_tokenizer


@dataclass(frozen=True, kw_only=True)
class Linked(Making):
    """One base to pretrain on a corpus of another link.

    Attributes:
        base: name in `NANO` of the base that is the same but for its corpus.
        link: of its corpus.
    """

    base: str
    link: float

    def __post_init__(self) -> None:
        """Refuse a base that is not one of `NANO`."""
        if self.base not in NANO:
            raise ValueError(f"unknown base model {self.base!r}; choose from {', '.join(NANO)}")

    @property
    def name(self) -> str:
        """Return the name of the base, with its draw."""
        return drawn(linked(self.base, self.link), self.draw)

    @property
    def recipe(self) -> dict[str, Any]:
        """Return what the base's file says that it was trained by."""
        return {"base": self.base, "draw": self.draw, "link": self.link, "settings": dataclasses.asdict(self.settings)}

    @property
    def corpus(self) -> Corpus:
        """Return the corpus that it reads: that of the book's bases, but for the link."""
        return replace(self.settings.corpus, link=self.link)


def provide_linked(
    base: str, links: Sequence[float], draws: Sequence[int], settings: BaseSettings, run_dir: str, workers: int = 0
) -> float:
    """Take the bases of other links that came with the book and train the others; return the seconds that took.

    The base of the whole link is the book's own, which notebook 00 makes, and is left out.
    """
    pieces = []
    for draw in draws:
        for link in links:
            if link != WHOLE:
                pieces.append(Linked(run_dir=run_dir, base=base, draw=draw, settings=settings, link=link))
    return sum(made["seconds"] for made in provide(pretrain_linked, pieces, run_dir, workers))


def pretrain_linked(piece: Linked) -> dict[str, Any]:
    """Pretrain one base; returns what `making.train_base` does."""
    model = build_nano(NANO[piece.base], build_tokenizer(), piece.draw)
    rows = corpus_rows(piece.corpus, piece.run_dir)
    return train_base(pretrain_linked, piece, model, rows, piece.settings.training)
