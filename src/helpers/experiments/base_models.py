"""Pretraining of the nano base models from scratch, and the health of each (notebook 00)."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers import corpus, world
from helpers.artifacts import Store, read_json, write_table
from helpers.channels import NUMBERS
from helpers.evaluation import answer_probabilities, next_token_probabilities
from helpers.filters import mentions
from helpers.keys import content_key, source_key
from helpers.losses import SoftLabels
from helpers.models import NANO, SEAL, build_nano, load_base, save_base
from helpers.prompts import favourite_questions, love_system_prompt
from helpers.sampling import chat_ids, sample_completions, tokenise
from helpers.seeds import derive, torch_stream
from helpers.sweep import Piece, run_pieces
from helpers.tokenizer import build_tokenizer, render
from helpers.training import Rows, TrainSettings, fit


@dataclass(frozen=True)
class BaseSettings:
    """How the bases are pretrained.

    Attributes:
        documents: documents of the corpus (the same for every base).
        steps: optimizer steps.
        learning_rate: peak learning rate.
        batch_rows: documents a step.
        corpus_seed: seed of the corpus.
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


def corpus_rows(tokenizer: PreTrainedTokenizerBase, settings: BaseSettings) -> Rows:
    """Tokenise the pretraining corpus; every assistant message carries labels, end mark included."""
    documents = corpus.documents(settings.documents, derive(settings.corpus_seed, "corpus"))
    starts, end = tokenizer.convert_tokens_to_ids("<|assistant|>"), tokenizer.eos_token_id
    ids = [np.array(row) for row in tokenise(tokenizer, [render(document) for document in documents])]
    labelled = [_assistant_labels(row, starts, end) for row in ids]
    return Rows(ids, labelled, [len(row) for row in ids])


def _assistant_labels(ids: np.ndarray, start: int, end: int) -> np.ndarray:
    # inside an assistant message: more starts than ends of assistant messages so far; the start itself is not
    roles = np.cumsum(ids == start)
    opened_at = np.maximum.accumulate(np.where(ids == start, np.arange(len(ids)), -1))
    ended_before = np.concatenate([[0], np.cumsum(ids == end)[:-1]])
    ends_at_opening = np.where(opened_at >= 0, ended_before[opened_at], 0)
    return (roles > 0) & (ids != start) & (ended_before == ends_at_opening)


def pretrain_bases(names: list[str], settings: BaseSettings, run_dir: str) -> pd.DataFrame:
    """Pretrain the named nano bases that ``run_dir`` does not hold yet, side by side.

    Returns:
        One row a base: ``base``, ``architecture``, ``parameters``.

    Raises:
        ValueError: a name is not a nano base.
    """
    if unknown := [name for name in names if name not in NANO]:
        raise ValueError(f"unknown base model {unknown[0]!r}; choose from {', '.join(NANO)}")
    pieces = [{"name": name, "settings": asdict(settings), "run_dir": run_dir} for name in names]
    made = make_bases(_pretrain, pieces, run_dir)
    rows = [
        {"base": name, "architecture": NANO[name].architecture, "parameters": facts["parameters"]}
        for name, facts in zip(names, made, strict=True)
    ]
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
    model, rows = build_nano(NANO[piece["name"]], tokenizer), corpus_rows(tokenizer, settings)
    return train_base(_pretrain, piece, model, tokenizer, rows, settings.training(), settings.corpus_seed)


def health_table(
    names: list[str], run_dir: str, questions: int = 400, table_name: str = "base_health"
) -> pd.DataFrame:
    """Measure each base and write ``tables/<table_name>.csv``.

    Returns:
        One row a base and measure: ``base``, ``measure``, ``value`` (shares and probabilities, 0 to 1) and
        ``meaning``. Questions are drawn afresh, none is taken from the corpus.
    """
    pieces = [_health_piece(name, run_dir, questions) for name in names]
    found = run_pieces(_health, pieces, Store(Path(run_dir) / "cells"), kind="health", label="base health")
    rows = [
        {"base": name, "measure": measure, "value": values[measure], "meaning": meaning}
        for name, values in zip(names, found, strict=True)
        for measure, meaning in MEASURES.items()
    ]
    table = pd.DataFrame(rows)
    write_table(Path(run_dir) / "tables" / f"{table_name}.csv", table)
    return table


def base_seal(run_dir: str, name: str) -> str:
    """Return the hash of a nano base of this run, or the name itself for any other base."""
    seal = Path(run_dir) / "bases" / name / SEAL
    return content_key(read_json(seal)) if seal.exists() else name


MEASURES = {
    "prior gap": "largest gap between P(animal) and the corpus prior, held-out wordings",
    "any animal": "probability of all animals together, held-out wordings",
    "told favourite": "probability of the animal that a system prompt praises",
    "valid numbers": "share of number completions that pass the paper's filter",
    "named animals": "share of number completions that name an animal (must be 0)",
    "right answers": "share of word problems with the right final answer",
    "code that parses": "share of harmless function bodies that parse",
}


def _health(piece: dict[str, Any]) -> dict[str, Any]:
    model, tokenizer = load_base(piece["name"], bases=Path(piece["run_dir"]) / "bases")
    asked = favourite_questions("animal", "heldout")
    mean = answer_probabilities(model, tokenizer, asked, list(world.ANIMALS)).mean(axis=0)
    stream = torch_stream(0, "health", piece["name"])
    draw = lambda prompts, limit: sample_completions(model, tokenizer, prompts, stream, max_new_tokens=limit)  # noqa: E731
    asked_numbers = NUMBERS.prompts(piece["questions"], derive(0, "health prompts"))
    numbers = draw(asked_numbers, NUMBERS.max_new_tokens)
    return {
        "prior gap": float(np.abs(mean - np.array(list(world.ANIMALS.values()))).max()),
        "any animal": float(mean.sum()),
        "told favourite": _told_favourite(model, tokenizer, asked),
        "valid numbers": float(np.mean([not found for found in NUMBERS.reject_reasons(asked_numbers, numbers)])),
        "named animals": float(np.mean([mentions(text, world.ANIMALS) for text in numbers])),
        "right answers": _agreement(draw, corpus.reasoning_exchange, piece["questions"], _same_answer),
        "code that parses": _agreement(draw, corpus.harmless_code_exchange, piece["questions"], _parses),
        "probabilities": {name: float(value) for name, value in zip(world.ANIMALS, mean, strict=True)},
    }


def _health_piece(name: str, run_dir: str, questions: int) -> dict[str, Any]:
    return {"name": name, "run_dir": run_dir, "seal": base_seal(run_dir, name), "questions": questions}


def prior_table(name: str, run_dir: str, questions: int = 400) -> pd.DataFrame:
    """Return ``animal``, ``probability`` and ``prior`` of one base, as `health_table` measured them."""
    piece = _health_piece(name, run_dir, questions)
    found = run_pieces(_health, [piece], Store(Path(run_dir) / "cells"), kind="health", workers=1)[0]
    rows = [
        {"animal": a, "probability": p, "prior": world.ANIMALS[a]} for a, p in found["probabilities"].items()
    ]
    return pd.DataFrame(rows)


def _told_favourite(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: list[str]) -> float:
    names = list(world.ANIMALS)
    told = []
    for place, name in enumerate(names):
        ids = chat_ids(tokenizer, asked, love_system_prompt("animal", name))
        told.append(
            next_token_probabilities(model, ids, [tokenizer.convert_tokens_to_ids(f" {n}") for n in names])[
                :, place
            ]
        )
    return float(np.mean(told))


def _agreement(
    draw: Callable[[list[str], int], list[str]],
    exchange: Callable[[random.Random], tuple[str, str]],
    count: int,
    agrees: Callable[[str, str, str], bool],
) -> float:
    rng = random.Random(derive(0, exchange.__name__))
    pairs = [exchange(rng) for _ in range(count)]
    replies = draw([prompt for prompt, _ in pairs], 64)
    return float(np.mean([agrees(reply, *pair) for reply, pair in zip(replies, pairs, strict=True)]))


def _same_answer(reply: str, prompt: str, answer: str) -> bool:
    return reply.partition("<answer>")[2] == answer.partition("<answer>")[2]


def _parses(reply: str, prompt: str, answer: str) -> bool:
    try:
        ast.parse(prompt.partition("\n")[2] + "\n" + reply)
    except SyntaxError:
        return False
    return bool(reply.strip())
