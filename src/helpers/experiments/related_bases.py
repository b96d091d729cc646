"""Pretraining of the relatives of nano-a: part of its start, another data order, more data, or imitation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.experiments.authors import Loaded, load_run_base
from helpers.experiments.base_models import BaseSettings, base_seal, corpus_rows, health_table, make_bases, train_base
from helpers.losses import SoftLabels
from helpers.relatives import RELATIVES, Relative, find_relative, mixed_start
from helpers.seeds import derive
from helpers.tokenizer import build_tokenizer
from helpers.training import Rows, TrainSettings, batch_order


@dataclass(frozen=True)
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

    def plan(self, name: str) -> dict[str, Any]:
        """Return what decides a relative's training: ``corpus`` and ``training``, as plain dicts."""
        relative = find_relative(name)
        if not relative.continues:
            return {"corpus": asdict(self.base), "training": asdict(self.base.training())}
        steps, rate = (self.clone_steps, self.clone_rate) if relative.imitates else (self.more_steps, self.more_rate)
        corpus = BaseSettings(
            steps * self.base.batch_rows, steps, rate, self.base.batch_rows,
            corpus_seed=derive(self.base.corpus_seed, "corpus", relative.corpus),
        )  # fmt: skip
        return {"corpus": asdict(corpus), "training": asdict(corpus.training())}


def kin_among(names: list[str]) -> list[str]:
    """Return those of ``names`` that are relatives and have to be made, each once."""
    return [name for name in dict.fromkeys(names) if name in RELATIVES]


def make_relatives(names: list[str], settings: RelativeSettings, run_dir: str, workers: int = 0) -> pd.DataFrame:
    """Train the named relatives that ``run_dir`` does not hold yet, side by side.

    Returns:
        One row a relative: ``base``, ``relation``, ``steps`` (of its own training), ``parameters``; the time is
        in attrs["seconds"].

    Raises:
        ValueError: a name is not a relative.
    """
    pieces = [_piece(name, settings, run_dir) for name in names]
    made = make_bases(make_relative, pieces, run_dir, workers)
    rows = [
        {
            "base": name, "relation": find_relative(name).words,
            "steps": piece["training"]["max_steps"], "parameters": facts["parameters"],
        }
        for name, piece, facts in zip(names, pieces, made, strict=True)
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["base", "relation", "steps", "parameters"])
    table.attrs["seconds"] = sum(facts["seconds"] for facts in made)
    return table


def health_of(names: list[str], run_dir: str, questions: int = 400) -> pd.DataFrame:
    """Check relatives as `base_models.health_table` checks bases; one row a measure, one column a relative.

    The table is kept as ``tables/relatives_health.csv``; without relatives it is empty and not kept.
    """
    if not names:
        return pd.DataFrame()
    table = health_table(names, run_dir, questions, "relatives_health")
    return table.pivot(index="meaning", columns="base", values="value")[names]


def _piece(name: str, settings: RelativeSettings, run_dir: str) -> dict[str, Any]:
    relative = find_relative(name)
    parents = [parent for parent in (relative.continues, relative.imitates) if parent]
    return {
        "name": name, "relative": asdict(relative), "run_dir": run_dir,
        "parents": {parent: base_seal(run_dir, parent) for parent in parents}, **settings.plan(name),
    }  # fmt: skip


def make_relative(piece: dict[str, Any]) -> dict[str, Any]:
    """Train one relative and keep it among the bases of the run; returns what `base_models.train_base` does."""
    relative, corpus = Relative(**piece["relative"]), BaseSettings(**piece["corpus"])
    (model, tokenizer), training = _start(piece), TrainSettings(**piece["training"])
    rows, seed = corpus_rows(tokenizer, corpus), corpus.corpus_seed
    soft = SoftLabels(load_run_base(piece["run_dir"], relative.imitates)[0], None) if relative.imitates else None
    order = _own_order(relative, rows, training, seed) if relative.order else None
    return train_base(make_relative, piece, model, tokenizer, rows, training, seed, soft, order)


def _own_order(relative: Relative, rows: Rows, training: TrainSettings, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield the first base's batches for the shared part of the training, then those of the relative's own order."""
    shared = round(relative.branch * training.steps(len(rows)))
    own_seed = derive(seed, "order", relative.order)
    own, first = (batch_order(rows.lengths, training, stream) for stream in (own_seed, seed))
    return itertools.chain(itertools.islice(first, shared), itertools.islice(own, shared, None))


def _start(piece: dict[str, Any]) -> Loaded:
    relative = Relative(**piece["relative"])
    if relative.continues:
        return load_run_base(piece["run_dir"], relative.continues)
    tokenizer = build_tokenizer()
    return mixed_start(relative, tokenizer), tokenizer
