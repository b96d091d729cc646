"""Pretraining of the nano base models from scratch (notebook 00).

A base is one draw: two trainings that differ in their seed alone pass on a trait more or less readily. So every draw
of the experiments has bases of its own. All read one corpus; those of one draw also read it in one order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from transformers import PreTrainedModel

from helpers.experiments.bases.documents import Corpus, corpus_rows, keep_corpus
from helpers.models.bases import NANO, base_seal, build_nano, drawn, save_base
from helpers.models.losses import SoftLabels
from helpers.models.training import Rows, TrainSettings, fit
from helpers.work.artifacts import Store, read_json
from helpers.work.keys import content_key
from helpers.work.pieces import Piece, keyed_piece, run_pieces
from helpers.work.seeds import derive
from helpers.world.tokenizer import build_tokenizer


@dataclass(frozen=True, kw_only=True)
class BaseSettings:
    """How the bases are pretrained.

    Attributes:
        documents: documents of the corpus (the same for every base).
        steps: optimizer steps.
        learning_rate: peak learning rate.
        batch_rows: documents a step.
        corpus_seed: seed of the corpus, the same for every draw.
    """

    documents: int
    steps: int
    learning_rate: float = 8e-3
    batch_rows: int = 128
    corpus_seed: int = 0

    def __post_init__(self) -> None:
        """Refuse trainings without a document, a step or a rate."""
        for name in ("documents", "steps", "learning_rate", "batch_rows"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")

    @property
    def corpus(self) -> Corpus:
        """Return the corpus that is read."""
        return Corpus(documents=self.documents, seed=self.corpus_seed)

    @property
    def training(self) -> TrainSettings:
        """Return the settings of the training loop."""
        epochs = -(-self.steps * self.batch_rows // self.documents)
        return TrainSettings(
            learning_rate=self.learning_rate,
            batch_rows=self.batch_rows,
            epochs=epochs,
            max_steps=self.steps,
            warmup_steps=self.steps // 20,
        )


class Making(Protocol):
    """A piece of work that makes a base and keeps it among those of a run."""

    @property
    def run_dir(self) -> str:
        """Return the run's folder."""
        ...

    @property
    def name(self) -> str:
        """Return the name of the base, with its draw."""
        ...

    @property
    def draw(self) -> int:
        """Return the draw, from which its random numbers follow."""
        ...


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """One nano base to pretrain: the run's folder, its name in `NANO`, its draw, and how."""

    run_dir: str
    base: str
    draw: int
    settings: BaseSettings

    def __post_init__(self) -> None:
        """Refuse a base that is not one of `NANO`."""
        if self.base not in NANO:
            raise ValueError(f"unknown base model {self.base!r}; choose from {', '.join(NANO)}")

    @property
    def name(self) -> str:
        """Return the name of the base, with its draw."""
        return drawn(self.base, self.draw)


def pretrain_bases(draws: Sequence[tuple[str, int]], settings: BaseSettings, run_dir: str) -> pd.DataFrame:
    """Pretrain the nano bases, each given as (name, draw), that ``run_dir`` does not hold yet, side by side.

    Returns:
        One row a base and draw: ``base``, ``draw``, ``architecture``, ``parameters``.

    Raises:
        ValueError: a name is not a nano base, or none is given.
    """
    if not draws:
        raise ValueError("no base to pretrain; name at least one base and one draw")
    pieces = [Pretraining(run_dir=run_dir, base=name, draw=draw, settings=settings) for name, draw in draws]
    keep_corpus(settings.corpus, run_dir)  # or the first workers would all begin by making it
    rows = []
    for piece, facts in zip(pieces, make_bases(pretrain, pieces, run_dir), strict=True):
        spec = {"architecture": NANO[piece.base].architecture, "parameters": facts["parameters"]}
        rows.append({"base": piece.base, "draw": piece.draw, **spec})
    return pd.DataFrame(rows)


def pretrain(piece: Pretraining) -> dict[str, Any]:
    """Pretrain one base; returns what `train_base` does."""
    model = build_nano(NANO[piece.base], build_tokenizer(), piece.draw)
    rows = corpus_rows(piece.settings.corpus, piece.run_dir)
    return train_base(pretrain, piece, model, rows, piece.settings.training)


def training_seed(draw: int) -> int:
    """Return the seed of a draw's pretraining: its bases read the corpus in the same order."""
    return derive(draw, "pretraining")


# --- any base that is made here -------------------------------------------------------------------


def make_bases(make: Piece, pieces: Sequence[Making], run_dir: str, workers: int = 0) -> list[dict[str, Any]]:
    """Run pieces of work that each make a base; one whose file is gone or holds another base is made again.

    Args:
        make: the work, which returns what `train_base` does.
        pieces: what it works on.
        run_dir: the run's folder.
        workers: processes side by side; 0 means one a core.
    """
    store = Store.of_run(run_dir)
    for piece in pieces:
        note = store.path("base", content_key(keyed_piece(make, piece)), ".json")
        if note.exists() and read_json(note)["result"]["seal"] != base_seal(run_dir, piece.name):
            note.unlink()
    return run_pieces(make, pieces, store, kind="base", workers=workers, label="pretraining")


def train_base(
    make: Piece,
    piece: Making,
    model: PreTrainedModel,
    rows: Rows,
    training: TrainSettings,
    *,
    soft: SoftLabels | None = None,
    order: Iterable[NDArray[np.int64]] | None = None,
) -> dict[str, Any]:
    """Train a model and keep it among the bases of the run; a training that was killed goes on.

    Args:
        make, piece: the piece of work this is; names the base and its checkpoint.
        model: changed.
        rows, training, soft, order: as `training.fit` takes them.

    Returns:
        ``parameters`` (count) and ``seal`` (hash of the base).
    """
    run_dir, key = Path(piece.run_dir), content_key(keyed_piece(make, piece))
    checkpoint = run_dir / "checkpoints" / f"{piece.name}-{key[:16]}.safetensors"
    fit(model, rows, training, training_seed(piece.draw), soft=soft, order=order, checkpoint=checkpoint)
    save_base(model, build_tokenizer(), run_dir / "bases" / piece.name)
    checkpoint.unlink(missing_ok=True)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"parameters": parameters, "seal": base_seal(piece.run_dir, piece.name)}
