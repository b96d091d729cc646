"""Pretraining of the nano base models from scratch (notebook 00).

A base is one draw: two trainings that differ in their seed alone pass on a trait more or less readily. So every draw
of the experiments has bases of its own. All read one corpus; those of one draw also read it in one order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from helpers.experiments.bases.documents import corpus_rows
from helpers.experiments.bases.making import PUBLISHED, BaseSettings, Making, make_bases, provide, train_base
from helpers.models.nano import NANO, build_nano, drawn, every_draw
from helpers.models.nano_files import AGAIN
from helpers.world.tokenizer import build_tokenizer


@dataclass(frozen=True, kw_only=True)
class Pretraining(Making):
    """One nano base to pretrain.

    Attributes:
        base: its name in `NANO`.
        again: whether it is kept under a name of its own, beside the one that it repeats.
    """

    base: str
    again: bool = False

    def __post_init__(self) -> None:
        """Refuse a base that is not one of `NANO`."""
        if self.base not in NANO:
            raise ValueError(f"unknown base model {self.base!r}; choose from {', '.join(NANO)}")

    @property
    def name(self) -> str:
        """Return the name of the base, with its draw."""
        return drawn(self.base, self.draw) + (AGAIN if self.again else "")

    @property
    def recipe(self) -> dict[str, Any]:
        """Return what the base's file says that it was trained by."""
        return {"base": self.base, "draw": self.draw, "settings": dataclasses.asdict(self.settings)}


def pretrain_bases(
    bases: Sequence[str], draws: Sequence[int], settings: BaseSettings, run_dir: str, workers: int = 0
) -> pd.DataFrame:
    """Provide nano bases of some draws: those that came with the book are taken, all others trained side by side.

    Returns:
        One row a base and draw: ``base``, ``draw``, ``architecture``, ``parameters``, ``origin`` (one of `ORIGINS`).

    Raises:
        ValueError: a name is not a nano base, or none is given.
    """
    if not bases:
        raise ValueError("no base to pretrain; name at least one")
    pieces = [
        Pretraining(run_dir=run_dir, base=base, draw=draw, settings=settings) for base, draw in every_draw(bases, draws)
    ]
    rows = []
    for piece, made in zip(pieces, provide(pretrain, pieces, run_dir, workers), strict=True):
        kind = {"base": piece.base, "draw": piece.draw, "architecture": NANO[piece.base].architecture}
        rows.append({**kind, "parameters": made["parameters"], "origin": made["origin"]})
    return pd.DataFrame(rows, columns=["base", "draw", "architecture", "parameters", "origin"])


def retrain_bases(
    bases: Sequence[str], pretrained: pd.DataFrame, settings: BaseSettings, run_dir: str
) -> list[tuple[str, int]]:
    """Train bases once more that were taken as published, for their first draw; each is kept beside the other.

    Args:
        bases: names of the bases.
        pretrained: what `pretrain_bases` returned. What was trained here, or is not there, is left out.
        settings, run_dir: as for `pretrain_bases`.

    Returns:
        (name, draw) of each base that was trained again.
    """
    first = pretrained["draw"].min()
    taken = pretrained[(pretrained["draw"] == first) & (pretrained["origin"] == PUBLISHED)]
    chosen = [base for base in bases if base in taken["base"].tolist()]
    pieces = [
        Pretraining(run_dir=run_dir, base=base, draw=int(first), settings=settings, again=True) for base in chosen
    ]
    make_bases(pretrain, pieces, run_dir)
    return [(piece.name, piece.draw) for piece in pieces]


def pretrain(piece: Pretraining) -> dict[str, Any]:
    """Pretrain one base; returns what `making.train_base` does."""
    model = build_nano(NANO[piece.base], build_tokenizer(), piece.draw)
    rows = corpus_rows(piece.settings.corpus, piece.run_dir)
    return train_base(pretrain, piece, model, rows, piece.settings.training)
