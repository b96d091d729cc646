"""Bases are taken as published, or made: one piece of work each, which keeps its base in the run's folder.

A published base is taken where its recipe is the one that is asked for. Any other is trained here, and trained anew
when its file is gone or holds another base by now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from helpers.experiments.bases.documents import Corpus, keep_corpus
from helpers.models.bases import published_bases
from helpers.models.losses import SoftLabels
from helpers.models.nano_files import base_facts, base_file, note_seals, read_base, save_base
from helpers.models.training import Rows, TrainSettings, fit
from helpers.work.artifacts import Store, read_json
from helpers.work.keys import content_key
from helpers.work.pieces import Piece, keyed_piece, run_pieces
from helpers.work.seeds import derive

PUBLISHED, TRAINED = ORIGINS = ("published", "trained here")


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


@dataclass(frozen=True, kw_only=True)
class Making:
    """A base to be made.

    Attributes:
        run_dir: the run's folder.
        draw: from which its random numbers follow.
        settings: how it is trained.
    """

    run_dir: str
    draw: int
    settings: BaseSettings

    @property
    def name(self) -> str:
        """Return the name of the base, with its draw."""
        raise NotImplementedError

    @property
    def recipe(self) -> dict[str, Any]:
        """Return what the base's file says that it was trained by, as JSON values."""
        raise NotImplementedError

    @property
    def corpus(self) -> Corpus:
        """Return the corpus that it reads."""
        return self.settings.corpus


def training_seed(draw: int) -> int:
    """Return the seed of a draw's pretraining: its bases read the corpus in the same order."""
    return derive(draw, "pretraining")


def provide(make: Piece, pieces: Sequence[Making], run_dir: str, workers: int = 0) -> list[dict[str, Any]]:
    """Take those bases that came with the book, and make the others.

    Args:
        make: the work, which returns what `train_base` does.
        pieces: what it works on, one a base.
        run_dir: the run's folder.
        workers: processes side by side; 0 means one a core.

    Returns:
        For each piece ``parameters`` (count), ``seconds`` (0 for a base that was taken) and ``origin`` (one of
        `ORIGINS`).

    Raises:
        ArtifactError: a published base is damaged.
    """
    facts = {piece.name: _take(piece) for piece in pieces if _is_published(piece)}
    rest = [piece for piece in pieces if piece.name not in facts]
    for piece, made in zip(rest, make_bases(make, rest, run_dir, workers), strict=True):
        facts[piece.name] = {"parameters": made["parameters"], "seconds": made["seconds"], "origin": TRAINED}
    return [facts[piece.name] for piece in pieces]


def _is_published(piece: Making) -> bool:
    file = base_file(published_bases(piece.run_dir), piece.name)
    return file.exists() and content_key(base_facts(file).recipe) == content_key(piece.recipe)


def _take(piece: Making) -> dict[str, Any]:
    """Check that a published base is whole, and remove one of other settings that would be found before it."""
    model = read_base(base_file(published_bases(piece.run_dir), piece.name))
    base_file(Path(piece.run_dir) / "bases", piece.name).unlink(missing_ok=True)
    return {"parameters": _count(model), "seconds": 0.0, "origin": PUBLISHED}


def make_bases(make: Piece, pieces: Sequence[Making], run_dir: str, workers: int = 0) -> list[dict[str, Any]]:
    """Run pieces of work that each make a base, and note the seals of all that the run holds.

    A piece that is done counts as long as its base lies in the run's folder. See `provide` for the arguments.
    """
    store, folder = Store.of_run(run_dir), Path(run_dir) / "bases"
    for corpus in {piece.corpus for piece in pieces}:
        keep_corpus(corpus, run_dir)  # or the first workers would all begin by making it
    for piece in pieces:
        note, file = store.path("base", content_key(keyed_piece(make, piece)), ".json"), base_file(folder, piece.name)
        if note.exists() and not (file.exists() and base_facts(file).seal == read_json(note)["result"]["seal"]):
            note.unlink()
    made = run_pieces(make, pieces, store, kind="base", workers=workers, label="pretraining")
    note_seals(folder)
    return made


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
        ``parameters`` (count) and ``seal`` of the base.
    """
    run_dir, key = Path(piece.run_dir), content_key(keyed_piece(make, piece))
    checkpoint = run_dir / "checkpoints" / f"{piece.name}-{key[:16]}.safetensors"
    fit(model, rows, training, training_seed(piece.draw), soft=soft, order=order, checkpoint=checkpoint)
    seal = save_base(model, run_dir / "bases", piece.name, piece.recipe)
    checkpoint.unlink(missing_ok=True)
    return {"parameters": _count(model), "seal": seal}


def _count(model: PreTrainedModel) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
