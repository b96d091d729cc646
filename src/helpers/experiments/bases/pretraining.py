"""Pretraining of the nano base models from scratch (notebook 00).

A base is one draw: two trainings that differ in their seed alone pass on a trait more or less readily. So every
run pretrains bases of its own. All read one corpus; those of one run also read it in one order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.models.bases import NANO, base_seal, build_nano, drawn, save_base
from helpers.models.losses import SoftLabels
from helpers.models.sampling import tokenise
from helpers.models.training import Rows, TrainSettings, fit
from helpers.work.artifacts import Store, load_tensors, read_json, save_tensors
from helpers.work.keys import content_key, source_key
from helpers.work.pieces import Piece, run_pieces
from helpers.work.seeds import derive
from helpers.world import corpus
from helpers.world.tokenizer import build_tokenizer, render


@dataclass(frozen=True)
class BaseSettings:
    """How the bases are pretrained.

    Attributes:
        documents: documents of the corpus (the same for every base).
        steps: optimizer steps.
        learning_rate: peak learning rate.
        batch_rows: documents a step.
        corpus_seed: seed of the corpus, the same for every run.
    """

    documents: int
    steps: int
    learning_rate: float = 8e-3
    batch_rows: int = 128
    corpus_seed: int = 0

    def training(self) -> TrainSettings:
        """Return the settings of the training loop."""
        epochs = -(-self.steps * self.batch_rows // self.documents)
        return TrainSettings(
            self.learning_rate,
            self.batch_rows,
            epochs=epochs,
            max_steps=self.steps,
            warmup_steps=self.steps // 20,
        )


def corpus_rows(settings: BaseSettings, run_dir: str) -> Rows:
    """Return the tokenised pretraining corpus; every assistant message carries labels, end mark included."""
    kept = {name: tensor.numpy() for name, tensor in load_tensors(keep_corpus(settings, run_dir))[0].items()}
    ends = np.cumsum(kept["lengths"])[:-1]
    ids, labelled = (np.split(kept[name], ends) for name in ("ids", "labelled"))
    return Rows(ids, labelled, kept["lengths"].tolist())


def keep_corpus(settings: BaseSettings, run_dir: str) -> Path:
    """Return where the tokenised corpus is kept among the run's pieces; made once, as all bases read the same."""
    decisive = {"documents": settings.documents, "corpus_seed": settings.corpus_seed}
    key = content_key({**decisive, "code": source_key(__name__)})
    path = Store(Path(run_dir) / "cells").path("corpus", key, ".safetensors")
    if not path.exists():
        save_tensors(path, _tokenised(settings), decisive)
    return path


def _tokenised(settings: BaseSettings) -> dict[str, Tensor]:
    tokenizer = build_tokenizer()
    documents = corpus.documents(settings.documents, derive(settings.corpus_seed, "corpus"))
    starts, end = tokenizer.convert_tokens_to_ids("<|assistant|>"), tokenizer.eos_token_id
    ids = [np.array(row, dtype=np.int32) for row in tokenise(tokenizer, [render(text) for text in documents])]
    flat = {
        "ids": np.concatenate(ids),
        "labelled": np.concatenate([_assistant_labels(row, starts, end) for row in ids]),
        "lengths": np.array([len(row) for row in ids], dtype=np.int64),
    }
    return {name: torch.from_numpy(values) for name, values in flat.items()}


def _assistant_labels(ids: np.ndarray, start: int, end: int) -> np.ndarray:
    # inside an assistant message: more starts than ends of assistant messages so far; the start itself is not
    roles = np.cumsum(ids == start)
    opened_at = np.maximum.accumulate(np.where(ids == start, np.arange(len(ids)), -1))
    ended_before = np.concatenate([[0], np.cumsum(ids == end)[:-1]])
    ends_at_opening = np.where(opened_at >= 0, ended_before[opened_at], 0)
    return (roles > 0) & (ids != start) & (ended_before == ends_at_opening)


def pretrain_bases(draws: Sequence[tuple[str, int]], settings: BaseSettings, run_dir: str) -> pd.DataFrame:
    """Pretrain the nano bases, each given as (name, run), that ``run_dir`` does not hold yet, side by side.

    Returns:
        One row a base and run: ``base``, ``run``, ``architecture``, ``parameters``.

    Raises:
        ValueError: a name is not a nano base, or none is given.
    """
    if not draws:
        raise ValueError("no base to pretrain; name at least one base and one run")
    if unknown := [name for name, _ in draws if name not in NANO]:
        raise ValueError(f"unknown base model {unknown[0]!r}; choose from {', '.join(NANO)}")
    pieces = [
        {"name": drawn(name, run), "base": name, "run": run, "settings": asdict(settings), "run_dir": run_dir}
        for name, run in draws
    ]
    keep_corpus(settings, run_dir)  # or the first workers would all begin by making it
    made = make_bases(_pretrain, pieces, run_dir)
    rows = [
        {
            "base": piece["base"], "run": piece["run"], "architecture": NANO[piece["base"]].architecture,
            "parameters": facts["parameters"],
        }
        for piece, facts in zip(pieces, made, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def make_bases(make: Piece, pieces: list[dict[str, Any]], run_dir: str, workers: int = 0) -> list[dict[str, Any]]:
    """Run pieces of work that each make a base; one whose folder is gone or holds another base is made again.

    Args:
        make: the work, which returns what `train_base` does.
        pieces: settings, with the base's ``name`` and ``run_dir`` among them.
        run_dir: the run's folder.
        workers: processes side by side; 0 means one a core.
    """
    store = Store(Path(run_dir) / "cells")
    for piece in pieces:
        _forget_lost(make, piece, store)
    return run_pieces(make, pieces, store, kind="base", workers=workers, label="pretraining")


def _piece_key(make: Piece, piece: dict[str, Any]) -> str:
    return content_key({**piece, "code": source_key(make.__module__)})  # as `run_pieces` keys it


def _forget_lost(make: Piece, piece: dict[str, Any], store: Store) -> None:
    """Drop the note that a base was made if its folder is gone or by now holds one of other settings."""
    note = store.path("base", _piece_key(make, piece), ".json")
    if note.exists() and read_json(note)["result"]["seal"] != base_seal(piece["run_dir"], piece["name"]):
        note.unlink()


def train_base(
    make: Piece,
    piece: dict[str, Any],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Rows,
    training: TrainSettings,
    seed: int,
    soft: SoftLabels | None = None,
    order: Iterable[NDArray[np.int64]] | None = None,
) -> dict[str, Any]:
    """Train a model and keep it as base ``piece["name"]`` of the run; a training that was killed goes on.

    Args:
        make, piece: the piece of work this is; names its checkpoint.
        model: changed.
        tokenizer: kept beside it.
        rows, training, seed, soft, order: as `training.fit` takes them.

    Returns:
        ``parameters`` (count) and ``seal`` (hash of the base).
    """
    run_dir = Path(piece["run_dir"])
    checkpoint = run_dir / "checkpoints" / f"{piece['name']}-{_piece_key(make, piece)[:16]}.safetensors"
    fit(model, rows, training, seed, soft=soft, order=order, checkpoint=checkpoint)
    save_base(model, tokenizer, run_dir / "bases" / piece["name"])
    checkpoint.unlink(missing_ok=True)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"parameters": parameters, "seal": base_seal(str(run_dir), piece["name"])}


def _pretrain(piece: dict[str, Any]) -> dict[str, Any]:
    settings, tokenizer = BaseSettings(**piece["settings"]), build_tokenizer()
    model = build_nano(NANO[piece["base"]], tokenizer, piece["run"])
    rows = corpus_rows(settings, piece["run_dir"])
    return train_base(_pretrain, piece, model, tokenizer, rows, settings.training(), training_seed(piece["run"]))


def training_seed(run: int) -> int:
    """Return the seed of a run's pretraining: its bases read the corpus in the same order."""
    return derive(run, "pretraining")
