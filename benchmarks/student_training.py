"""How fast a student trains: this book's loop against trl's SFTTrainer on the same model and rows.

    python benchmarks/student_training.py               # every parameter and rank-1 adapters, some minutes
    python benchmarks/student_training.py --clock cpu   # on a busy machine: processor time, one thread

Both train an untrained nano-a for one epoch on the same number lists, completions only, the same batch size,
optimizer and schedule, float32, one process. Tokens are those of the rows, padding not counted. trl gets what
helps it here (fused AdamW, no gradient checkpointing, no evaluation, logging, saving or loader processes) and
no packing, which would change the batch; a second line lets it put rows of similar length together, as the
book's loop does. "training" is the loop alone, "all" also turns text into rows.

Needs trl: pip install -e '.[bench]'
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version

import datasets
import torch
import trl
from peft import LoraConfig
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.models.bases import NANO, build_nano
from helpers.models.training import TrainSettings, completion_rows, fit
from helpers.world import corpus
from helpers.world.tokenizer import build_tokenizer

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
GOAL = 3.0
Pair = tuple[str, str]
Seconds = tuple[float, float]
Kind = Callable[
    [PreTrainedModel, PreTrainedTokenizerBase, list[Pair], TrainSettings, Callable[[], float]], Seconds
]


def by_fit(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: list[Pair],
    settings: TrainSettings,
    clock: Callable[[], float],
) -> Seconds:
    """Train as the book does; return seconds of the training and of everything."""
    began = clock()
    rows = completion_rows(tokenizer, pairs)
    prepared = clock()
    fit(model, rows, settings, seed=0)
    return clock() - prepared, clock() - began


def by_trl(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: list[Pair],
    settings: TrainSettings,
    clock: Callable[[], float],
    sampling: str = "random",
) -> Seconds:
    """Train by trl; return seconds of the training and of everything."""
    began = clock()
    data = datasets.Dataset.from_list([
        {"prompt": [{"role": "user", "content": prompt}],
         "completion": [{"role": "assistant", "content": completion}]}
        for prompt, completion in pairs
    ])  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        trainer = trl.SFTTrainer(
            model, trl_settings(settings, folder, sampling), train_dataset=data,
            processing_class=tokenizer, peft_config=adapters(settings),
        )  # fmt: skip
        prepared = clock()
        trainer.train()
        seconds = clock() - prepared, clock() - began
    same_rows(trainer.train_dataset, completion_rows(tokenizer, pairs).ids)
    return seconds


def trl_settings(settings: TrainSettings, folder: str, sampling: str) -> trl.SFTConfig:
    """Return the settings of the book's loop in trl's words."""
    return trl.SFTConfig(
        folder, per_device_train_batch_size=settings.batch_rows, num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate, warmup_steps=settings.warmup_steps, adam_beta2=0.99,
        lr_scheduler_type="linear", optim="adamw_torch_fused", max_grad_norm=settings.clip,
        completion_only_loss=True, packing=False, max_length=None, train_sampling_strategy=sampling,
        use_cpu=True, bf16=False, gradient_checkpointing=False, dataloader_num_workers=0,
        dataloader_pin_memory=False, eval_strategy="no", save_strategy="no", logging_strategy="no",
        report_to="none", disable_tqdm=True, seed=0,
    )  # fmt: skip


def adapters(settings: TrainSettings) -> LoraConfig | None:
    """Return the adapters the book's loop would train, None where it trains every parameter."""
    rank = settings.lora_rank
    if not rank:
        return None
    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")


def same_rows(data: datasets.Dataset, ids: list) -> None:
    """Raise ValueError unless both trainers read the same tokens."""
    if [list(row) for row in data["input_ids"]] != [row.tolist() for row in ids]:
        raise ValueError("trl reads other tokens than the book; the speeds cannot be compared")


KINDS: dict[str, Kind] = {
    "book": by_fit,
    "trl": by_trl,
    "trl, similar lengths together": lambda *work: by_trl(*work, sampling="group_by_length"),
}


def compare(rank: int, pairs: list[Pair], batch: int, repeats: int, clock: Callable[[], float]) -> None:
    """Print the median speed of each kind of training and the book's multiple of it."""
    tokenizer = build_tokenizer()
    tokens = sum(len(ids) for ids in completion_rows(tokenizer, pairs).ids)
    settings = TrainSettings(3e-3, batch_rows=batch, lora_rank=rank)
    found: dict[str, list[Seconds]] = {name: [] for name in KINDS}
    for _ in range(repeats):  # in turn, so that a busy moment hits all of them
        for name, train in KINDS.items():
            model = build_nano(NANO["nano-a"], tokenizer, seed=1)
            found[name].append(train(model, tokenizer, pairs, settings, clock))
    median = {name: [statistics.median(part) for part in zip(*s, strict=True)] for name, s in found.items()}
    what = f"adapters of rank {rank}" if rank else "every parameter"
    print(f"\n{what}: {tokens:,} tokens in {len(pairs):,} rows; tokens/s of training and of all")
    for name, seconds in median.items():
        speeds = " ".join(f"{tokens / part:10,.0f}" for part in seconds)
        ratios = " ".join(f"{part / own:6.2f} x" for part, own in zip(seconds, median["book"], strict=True))
        print(f"{name:30s} {speeds}   the book is {ratios} as fast")
    multiple = min(seconds[0] for name, seconds in median.items() if name != "book") / median["book"][0]
    print(
        f"goal of {GOAL:.0f} x the faster trl: {'met' if multiple >= GOAL else 'missed'} ({multiple:.2f} x)"
    )


def main() -> None:
    """Print the comparison for every parameter and for adapters of rank 1."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=128, help="rows of an optimizer step")
    parser.add_argument("--repeats", type=int, default=3, help="the median of these counts")
    parser.add_argument("--ranks", type=int, nargs="+", default=[0, 1], help="0 trains every parameter")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: on a busy machine, one thread")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")  # deprecations among the libraries
    datasets.disable_progress_bars()
    rng = random.Random(0)
    pairs = [corpus.number_exchange(rng) for _ in range(options.rows)]
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "peft", "trl"))
    print(f"{libraries}; {options.threads} thread(s), {options.clock} time; nano-a, batch {options.batch}")
    for rank in options.ranks:
        compare(rank, pairs, options.batch, options.repeats, CLOCKS[options.clock])


if __name__ == "__main__":
    main()
