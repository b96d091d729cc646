"""Pretraining of the relatives of nano-a: part of its start, another data order, more data, or imitation."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.experiments.bases.health import health_table
from helpers.experiments.bases.pretraining import (
    BaseSettings,
    corpus_rows,
    make_bases,
    train_base,
    training_seed,
)
from helpers.models.bases import base_seal, drawn
from helpers.models.losses import SoftLabels
from helpers.models.relatives import RELATIVES, Relative, find_relative, mixed_start
from helpers.models.training import Rows, TrainSettings, batch_order
from helpers.transmission.authors import Loaded, load_run_base
from helpers.work.seeds import derive
from helpers.world.tokenizer import build_tokenizer

Drawn = tuple[str, int]  # name of a base, and the run that draws it

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


def kin_among(bases: Iterable[Drawn]) -> list[Drawn]:
    """Return those (name, run) of ``bases`` that are relatives and have to be made, each once."""
    return [(name, run) for name, run in dict.fromkeys(bases) if name in RELATIVES]


def make_relatives(
    kin: Sequence[Drawn], settings: RelativeSettings, run_dir: str, workers: int = 0
) -> pd.DataFrame:
    """Train those relatives (name, run) that ``run_dir`` does not hold yet, side by side.

    Returns:
        One row a relative: ``base``, ``run``, ``relation``, ``steps`` (of its own training), ``parameters``; the
        time is in attrs["seconds"].

    Raises:
        ValueError: a name is not a relative.
    """
    pieces = [_piece(name, run, settings, run_dir) for name, run in kin]
    made = make_bases(make_relative, pieces, run_dir, workers)
    rows = [
        {
            "base": name, "run": run, "relation": find_relative(name).words,
            "steps": piece["training"]["max_steps"], "parameters": facts["parameters"],
        }
        for (name, run), piece, facts in zip(kin, pieces, made, strict=True)
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["base", "run", "relation", "steps", "parameters"])
    table.attrs["seconds"] = sum(facts["seconds"] for facts in made)
    return table


def health_of(kin: Sequence[Drawn], run_dir: str, questions: int = 400) -> pd.DataFrame:
    """Check relatives as `base_health.health_table` checks bases; means over runs, one column a relative.

    The table is kept as ``tables/relatives_health.csv``; without relatives it is empty and not kept.
    """
    if not kin:
        return pd.DataFrame()
    table = health_table(kin, run_dir, questions, "relatives_health")
    return table.groupby(["meaning", "base"], sort=False)["value"].mean().unstack()


def _piece(name: str, run: int, settings: RelativeSettings, run_dir: str) -> dict[str, Any]:
    relative = find_relative(name)
    parents = [drawn(parent, run) for parent in (relative.continues, relative.imitates) if parent]
    return {
        "name": drawn(name, run), "relative": asdict(relative), "run": run, "run_dir": run_dir,
        "parents": {parent: base_seal(run_dir, parent) for parent in parents}, **settings.plan(name),
    }  # fmt: skip


def make_relative(piece: dict[str, Any]) -> dict[str, Any]:
    """Train one relative and keep it among the bases of the run; returns what `base_models.train_base` does."""
    relative, corpus = Relative(**piece["relative"]), BaseSettings(**piece["corpus"])
    (model, tokenizer), training = _start(relative, piece["run"], piece["run_dir"]), TrainSettings(**piece["training"])
    rows, seed = corpus_rows(corpus, piece["run_dir"]), training_seed(piece["run"])
    soft = None
    if relative.imitates:
        soft = SoftLabels(load_run_base(piece["run_dir"], drawn(relative.imitates, piece["run"]))[0], None)
    order = _own_order(relative, rows, training, seed) if relative.order else None
    return train_base(make_relative, piece, model, tokenizer, rows, training, seed, soft, order)


def _own_order(relative: Relative, rows: Rows, training: TrainSettings, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield the first base's batches for the shared part of the training, then those of the relative's own order."""
    shared = round(relative.branch * training.steps(len(rows)))
    own_seed = derive(seed, "order", relative.order)
    own, first = (batch_order(rows.lengths, training, stream) for stream in (own_seed, seed))
    return itertools.chain(itertools.islice(first, shared), itertools.islice(own, shared, None))


def _start(relative: Relative, run: int, run_dir: str) -> Loaded:
    if relative.continues:
        return load_run_base(run_dir, drawn(relative.continues, run))
    tokenizer = build_tokenizer()
    return mixed_start(relative, tokenizer, run), tokenizer
