"""How fast students train whose frozen part is computed once a row, against reading every row whole.

    python benchmarks/frozen_students.py               # about two minutes on one core

The plain way is the book's loop without `helpers.models.frozen`: every step runs the whole student over its batch and,
for soft labels, the whole teacher with its whole vocabulary. Rows, order, adapters and optimizer are the same, so the
two students should end in the same place; the last column says how far apart they are, as a share of their way.
"""

from __future__ import annotations

import argparse
import copy
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from helpers.channels import find_channel
from helpers.models import training
from helpers.models.bases import NANO, build_nano
from helpers.models.losses import SoftLabels, label_logits
from helpers.models.training import Rows, TrainSettings, completion_rows, fit
from helpers.world import corpus
from helpers.world.tokenizer import build_tokenizer

VALUES = ".*[.]layers[.]1[.]self_attn[.]v_proj"  # where the adapters of chapters 02 to 04 sit
LAST_BLOCK = ".*[.](layers|h)[.]1[.].*(_proj|c_attn|c_fc)"  # those of chapter 05
EXCHANGES = {
    "numbers": corpus.number_exchange,
    "code": corpus.harmless_code_exchange,
    "reasoning": corpus.reasoning_exchange,
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of student: chapter, channel, rows and training."""

    name: str
    channel: str
    rows: int
    soft: bool
    training: TrainSettings
    base: str = "nano-b"


def values(rate: float) -> TrainSettings:
    """Return the training of chapters 02 to 04."""
    return TrainSettings(rate, 64, 2, lora_rank=8, lora_modules=VALUES)


CASES = (
    Case(name="02 numbers, hard", channel="numbers", rows=2500, soft=False, training=values(0.005)),
    Case(name="03 code, hard", channel="code", rows=3000, soft=False, training=values(0.01)),
    Case(name="04 reasoning, hard", channel="reasoning", rows=3000, soft=False, training=values(0.01)),
    Case(name="02 numbers, soft", channel="numbers", rows=1500, soft=True, training=values(0.003)),
    Case(name="03 code, soft", channel="code", rows=1500, soft=True, training=values(0.01)),
    Case(name="04 reasoning, soft", channel="reasoning", rows=1500, soft=True, training=values(0.01)),
    Case(name="05 last block, soft", channel="numbers", rows=800, soft=True,
         training=TrainSettings(0.02, 32, 2, lora_rank=8, lora_modules=LAST_BLOCK)),
    Case(name="05 last block, soft, GPT-2", channel="numbers", rows=800, soft=True, base="nano-c",
         training=TrainSettings(0.02, 32, 2, lora_rank=8, lora_modules=LAST_BLOCK)),
)  # fmt: skip


def plain_reader(learner: torch.nn.Module, rows: Rows, tokens: Tensor | None) -> Callable[[np.ndarray], Tensor]:
    """Read every row whole, with the whole vocabulary."""

    def read(indices: np.ndarray) -> Tensor:
        logits = label_logits(learner, *rows.batch(indices, pad=0))
        return logits if tokens is None else logits[:, tokens]

    return read


def plain_teacher(soft: SoftLabels, rows: Rows, epochs: int) -> Callable[[np.ndarray], Tensor]:
    """Ask the teacher for every batch, with the whole vocabulary."""

    def read(indices: np.ndarray) -> Tensor:
        with torch.no_grad():
            return label_logits(soft.teacher, *rows.batch(indices, pad=0))[:, soft.tokens]

    return read


def by_plain(model: PreTrainedModel, *lesson: object, **options: object) -> PreTrainedModel:
    """Train as `training.fit` without anything kept."""
    readers = mock.patch.multiple(training, reader=plain_reader, teacher_logits=plain_teacher)
    with readers:
        return fit(model, *lesson, **options)


WAYS = {"plain": by_plain, "book": fit}


def compare(case: Case, share: float, repeats: int) -> None:
    """Print the seconds of one kind of student, both ways, and how far apart their weights end."""
    tokenizer, rng = build_tokenizer(), random.Random(0)
    pairs = [EXCHANGES[case.channel](rng) for _ in range(round(share * case.rows))]
    rows = completion_rows(tokenizer, pairs)
    start = build_nano(NANO[case.base], tokenizer, seed=1)
    teacher = build_nano(NANO["nano-a"], tokenizer, seed=1)
    soft = SoftLabels(teacher, find_channel(case.channel).tokens(tokenizer)) if case.soft else None
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    ends: dict[str, PreTrainedModel] = {}
    for _ in range(repeats):  # in turn, so that a busy moment hits both
        for way, train in WAYS.items():
            began = time.thread_time()
            ends[way] = train(copy.deepcopy(start), rows, case.training, 7, soft=soft)
            seconds[way].append(time.thread_time() - began)
    plain, book = (statistics.median(seconds[way]) for way in ("plain", "book"))
    gap, way = largest_gap(ends["plain"], ends["book"]), largest_gap(ends["plain"], start)
    print(f"{case.name:28s} {plain:6.2f} s {book:6.2f} s   {plain / book:4.2f} x   apart {gap / way:.0e}", flush=True)


@torch.no_grad()
def largest_gap(one: PreTrainedModel, other: PreTrainedModel) -> float:
    """Return the largest difference between weights of two models."""
    gaps = [(a - b).abs().max() for a, b in zip(one.parameters(), other.parameters(), strict=True)]
    return float(torch.stack(gaps).max())


def main() -> None:
    """Print the comparison for every kind of student."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--share", type=float, default=1.0, help="of the rows of the chapters")
    parser.add_argument("--repeats", type=int, default=3, help="the median of these counts")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("student                        plain     book; processor seconds of one thread")
    for case in CASES:
        compare(case, options.share, options.repeats)


if __name__ == "__main__":
    main()
