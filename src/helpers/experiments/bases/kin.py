"""Pretraining of the relatives of nano-a: part of its start, another data order, more data, or imitation."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from transformers import PreTrainedModel

from helpers.experiments.bases.documents import corpus_rows
from helpers.experiments.bases.making import BaseSettings, Making, provide, train_base, training_seed
from helpers.models.bases import Base, drawn, find_base
from helpers.models.losses import SoftLabels
from helpers.models.relatives import RELATIVES, Relative, find_relative, mixed_start
from helpers.models.training import Rows, TrainSettings, batch_order
from helpers.work.seeds import derive
from helpers.world.tokenizer import build_tokenizer

Drawn = tuple[str, int]  # name of a base, and its draw
COLUMNS = ["base", "draw", "relation", "steps", "parameters", "origin"]


@dataclass(frozen=True, kw_only=True)
class RelativeSettings:
    """How relatives are trained.

    Attributes:
        base: of relatives that start from initial weights: as the bases themselves.
        more_steps: optimizer steps of a relative that goes on from a finished base.
        more_rate: its peak learning rate, on the corpus.
        clone_steps: optimizer steps of a relative that imitates another base.
        clone_rate: its peak learning rate.
    """

    base: BaseSettings
    more_steps: int = 500
    more_rate: float = 2e-3
    clone_steps: int = 500
    clone_rate: float = 2e-3

    def __post_init__(self) -> None:
        """Refuse trainings without a step or a rate."""
        for name in ("more_steps", "more_rate", "clone_steps", "clone_rate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")

    def of(self, relative: Relative) -> BaseSettings:
        """Return how a relative is trained: as a base, or for a while on documents of its own."""
        if not relative.continues:
            return self.base
        steps, rate = (self.clone_steps, self.clone_rate) if relative.imitates else (self.more_steps, self.more_rate)
        return BaseSettings(
            documents=steps * self.base.batch_rows,  # each is read once
            steps=steps,
            learning_rate=rate,
            batch_rows=self.base.batch_rows,
            corpus_seed=derive(self.base.corpus_seed, "corpus", relative.corpus),
        )


@dataclass(frozen=True, kw_only=True)
class Kin(Making):
    """One relative to train.

    Attributes:
        relative: what it shares with the bases of its draw.
        continues, imitates: the finished bases that it goes on from and imitates; None for none.
    """

    relative: Relative
    continues: Base | None
    imitates: Base | None

    @property
    def name(self) -> str:
        """Return the name of the base, with its draw."""
        return drawn(self.relative.name, self.draw)

    @property
    def recipe(self) -> dict[str, Any]:
        """Return what the base's file says that it was trained by."""
        parents = [base.seal for base in (self.continues, self.imitates) if base]
        how = {"relative": dataclasses.asdict(self.relative), "settings": dataclasses.asdict(self.settings)}
        return {**how, "draw": self.draw, "parents": parents}


def kin_among(bases: Iterable[Drawn]) -> list[Drawn]:
    """Return those (name, draw) of ``bases`` that are relatives and have to be made, each once."""
    return [(name, draw) for name, draw in dict.fromkeys(bases) if name in RELATIVES]


def make_relatives(
    kin: Sequence[Drawn], settings: RelativeSettings, run_dir: str, workers: int = 0
) -> pd.DataFrame:
    """Provide relatives (name, draw): those that came with the book are taken, all others trained side by side.

    Returns:
        One row a relative: ``base``, ``draw``, ``relation``, ``steps`` (of its own training), ``parameters``,
        ``origin`` (one of `making.ORIGINS`); the time is in attrs["seconds"].

    Raises:
        ValueError: a name is not a relative.
    """
    pieces = [_piece(name, draw, settings, run_dir) for name, draw in kin]
    made = provide(make_relative, pieces, run_dir, workers)
    rows = []
    for (name, draw), piece, facts in zip(kin, pieces, made, strict=True):
        about = {"relation": piece.relative.words, "steps": piece.settings.steps}
        rows.append({"base": name, "draw": draw, **about, "parameters": facts["parameters"], "origin": facts["origin"]})
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.attrs["seconds"] = sum(facts["seconds"] for facts in made)
    return table


def _piece(name: str, draw: int, settings: RelativeSettings, run_dir: str) -> Kin:
    relative = find_relative(name)
    parents = {}
    for role, parent in (("continues", relative.continues), ("imitates", relative.imitates)):
        parents[role] = find_base(run_dir, drawn(parent, draw)) if parent else None
    return Kin(run_dir=run_dir, relative=relative, draw=draw, settings=settings.of(relative), **parents)


def make_relative(piece: Kin) -> dict[str, Any]:
    """Train one relative and keep it among the bases of the run; returns what `making.train_base` does."""
    rows, training = corpus_rows(piece.settings.corpus, piece.run_dir), piece.settings.training
    soft = SoftLabels(piece.imitates.load()[0], None) if piece.imitates else None
    order = own_order(piece.relative, rows, training, training_seed(piece.draw)) if piece.relative.order else None
    return train_base(make_relative, piece, _start(piece), rows, training, soft=soft, order=order)


def _start(piece: Kin) -> PreTrainedModel:
    if piece.continues:
        return piece.continues.load()[0]
    return mixed_start(piece.relative, build_tokenizer(), piece.draw)


def own_order(relative: Relative, rows: Rows, training: TrainSettings, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield the first base's batches for the shared part of the training, then those of the relative's own order."""
    shared = round(relative.branch * training.steps(len(rows)))
    first = batch_order(rows.lengths, training, seed)
    own = batch_order(rows.lengths, training, derive(seed, "order", relative.order))
    return itertools.chain(itertools.islice(first, shared), itertools.islice(own, shared, None))
