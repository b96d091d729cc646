"""One training loop for every language model here: pretraining, teachers, students and controls.

Design choices, all for speed on few cores, none changing the loss:
- rows of similar length share a batch, padded on the right, so a causal model needs no attention mask. Similar
  is the length of the prompt: two students that read other answers to the same prompts see the same batches;
- nothing is computed for positions without a label that can be spared (`losses`; completions only, paper 2.5);
- a checkpoint every `block_steps` holds all that the next step needs: a killed training ends as one that was not.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from helpers.models import runtime
from helpers.models.adapters import add_adapters, take_adapters
from helpers.models.frozen import reader, teacher_logits
from helpers.models.losses import Targets, soft_loss, token_indices
from helpers.models.optimizers import OPTIMIZERS, make_optimizer
from helpers.models.parts import computed_again, plain_model
from helpers.models.rows import Rows, completion_rows
from helpers.work.artifacts import load_tensors, save_tensors
from helpers.work.progress import bar, quiet
from helpers.work.seeds import numpy_stream

BUCKET_BATCHES = 16  # batches that are sorted by length together
LAST_LOSSES = 10  # steps whose mean loss is the loss at the end
OnStep = Callable[[int, torch.nn.Module], bool | None]  # (step from 1, model in training) -> whether to stop
WORSE = 1.0  # nats per label by which a training may end above its start

__all__ = ["Rows", "TrainSettings", "batch_order", "completion_rows", "fit", "fit_adapters", "trainable"]


@dataclass(frozen=True)
class TrainSettings:
    """How one model is trained.

    Attributes:
        learning_rate: peak learning rate.
        batch_rows: rows per optimizer step.
        epochs: passes over the rows.
        max_steps: optimizer steps at most (0: no limit beyond the epochs).
        warmup_steps: steps of linear warm-up; then linear decay to 0 over the whole training.
        decay: whether the learning rate falls to 0; else it stays.
        weight_decay: decoupled from the gradient.
        lora_rank: rank of the LoRA adapters; 0 trains every parameter.
        lora_modules: where the adapters sit: "all-linear", or a regular expression of module names.
        clip: largest norm of the gradient.
        optimizer: one of `optimizers.OPTIMIZERS`.
    """

    learning_rate: float
    batch_rows: int = 128
    epochs: int = 1
    max_steps: int = 0
    warmup_steps: int = 10
    decay: bool = True
    weight_decay: float = 0.0
    lora_rank: int = 0
    lora_modules: str = "all-linear"
    clip: float = 1.0
    optimizer: str = "adam"

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"unknown optimizer {self.optimizer!r}; choose one of {', '.join(OPTIMIZERS)}")
        for name in ("learning_rate", "batch_rows", "epochs"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        if min(self.max_steps, self.warmup_steps, self.lora_rank, self.weight_decay) < 0:
            raise ValueError("max_steps, warmup_steps, lora_rank and weight_decay must not be negative")

    def rate_at(self, step: int, steps: int) -> float:
        """Return the learning rate of a step (from 1) of a training of this many steps."""
        warm = min(1.0, step / max(1, self.warmup_steps))
        return self.learning_rate * warm * (1.0 - (step - 1) / steps if self.decay else 1.0)

    def steps(self, rows: int) -> int:
        """Return the number of optimizer steps for this many rows."""
        steps = math.ceil(rows / self.batch_rows) * self.epochs
        return min(steps, self.max_steps) if self.max_steps else steps


def batch_order(lengths: Sequence[int], settings: TrainSettings, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield row indices batch by batch: shuffled anew each epoch, rows of similar length together."""
    rng, size = numpy_stream(seed, "order"), settings.batch_rows
    known = np.asarray(lengths)
    for _ in range(settings.epochs):
        shuffled = rng.permutation(len(known))
        batches = []
        for start in range(0, len(shuffled), size * BUCKET_BATCHES):
            chunk = shuffled[start : start + size * BUCKET_BATCHES]
            chunk = chunk[np.argsort(known[chunk], kind="stable")]
            batches += [chunk[at : at + size] for at in range(0, len(chunk), size)]
        yield from (batches[place] for place in rng.permutation(len(batches)))


def trainable(model: PreTrainedModel, settings: TrainSettings, seed: int) -> torch.nn.Module:
    """Return the model ready for training: itself, or with fresh LoRA adapters drawn from ``seed``."""
    if not settings.lora_rank:
        return model.requires_grad_(True)
    return add_adapters(model, settings.lora_rank, settings.lora_modules, seed)


def fit(
    model: PreTrainedModel,
    rows: Rows,
    settings: TrainSettings,
    seed: int,
    *,
    soft: Targets | None = None,
    order: Iterable[NDArray[np.int64]] | None = None,
    on_step: OnStep | None = None,
    checkpoint: Path | None = None,
    block_steps: int = 100,
    label: str = "",
) -> PreTrainedModel:
    """Train ``model`` in place and return it (adapters merged).

    Args:
        model: a transformers causal LM; changed.
        rows: training rows.
        settings: how to train.
        seed: of the data order and the LoRA initialisation.
        soft: match a teacher's distribution instead of the rows' own tokens.
        order: batches of row indices, as `batch_order` yields them; by default in the order of ``seed``.
        on_step: called after each step with its number (from 1) and the model; True stops the training.
        checkpoint: where the state is kept every ``block_steps``; a training that finds it goes on there.
        block_steps: optimizer steps between two checkpoints.
        label: name of a progress bar; empty shows none.

    Raises:
        ValueError: there are no rows, the soft labels have another vocabulary, or the training diverged; the message
            names the cure.
    """
    given = {"soft": soft, "order": order, "on_step": on_step, "checkpoint": checkpoint, "block_steps": block_steps}
    learner = _taught(model, rows, settings, seed, label=label, **given)
    merged = learner.merge_and_unload() if settings.lora_rank else learner
    return merged.requires_grad_(False).eval()


def fit_adapters(
    model: PreTrainedModel,
    rows: Rows,
    settings: TrainSettings,
    seed: int,
    *,
    soft: Targets | None = None,
    on_step: OnStep | None = None,
) -> dict[str, Tensor]:
    """Train adapters on ``model`` as `fit` does and return them alone; the model is left as it was.

    So teacher, students and controls share one model, see `adapters.wearing`.

    Raises:
        ValueError: the settings train every weight; else as `fit`.
    """
    if not settings.lora_rank:
        raise ValueError("these settings train every weight, and there are no adapters to keep; set lora_rank")
    return take_adapters(_taught(model, rows, settings, seed, soft=soft, on_step=on_step))


def _taught(
    model: PreTrainedModel,
    rows: Rows,
    settings: TrainSettings,
    seed: int,
    *,
    soft: Targets | None,
    on_step: OnStep | None,
    order: Iterable[NDArray[np.int64]] | None = None,
    checkpoint: Path | None = None,
    block_steps: int = 100,
    label: str = "",
) -> torch.nn.Module:
    """Return the trained model with its adapters, if it has any, not yet merged; see `fit`."""
    _check_lesson(model, rows, soft)
    runtime.keep_memory()
    learner = trainable(runtime.place(model), settings, seed).train()
    run = _Run(learner, rows, settings, soft)
    done = run.resume(checkpoint)
    batches = enumerate(order or batch_order(rows.lengths, settings, seed), start=1)
    left = itertools.islice(batches, done, run.steps)
    spared = computed_again(plain_model(learner)) if runtime.current().checkpointing else nullcontext()
    with spared, bar(run.steps, label) if label else quiet() as shown:
        shown.update(done)
        for step, indices in left:
            run.step(step, indices)
            shown.update()
            if on_step and on_step(step, learner):
                break
            if checkpoint and step % block_steps == 0:
                run.save(checkpoint, step)
    run.check_losses()
    return learner


def _check_lesson(model: PreTrainedModel, rows: Rows, soft: Targets | None) -> None:
    """Refuse to train on nothing, or on soft labels whose token ids mean other tokens to the student."""
    if not len(rows):
        raise ValueError("no rows to train on; ask for more prompts, or let the filter keep more of them")
    if soft is not None and soft.vocab != model.config.vocab_size:
        raise ValueError(
            f"the teacher knows {soft.vocab} tokens and the student {model.config.vocab_size}; soft labels need one "
            "tokenizer: choose the teacher from the student's family, or hard labels"
        )


class _Run:
    """One training: its optimizer, how it reads rows, and its checkpoint."""

    def __init__(self, learner: torch.nn.Module, rows: Rows, settings: TrainSettings, soft: Targets | None) -> None:
        self.learner, self.rows, self.settings = learner, rows, settings
        self.steps = settings.steps(len(rows))
        self.parameters = {name: p for name, p in learner.named_parameters() if p.requires_grad}
        self.optimizer = make_optimizer(
            settings.optimizer, self.parameters.values(), settings.learning_rate, settings.weight_decay
        )
        self.losses: list[Tensor] = []  # of this process's steps, nats per label
        halves = plain_model(learner).dtype == torch.float16  # small gradients would vanish, so their loss is scaled
        self.scaler = torch.amp.GradScaler(runtime.current().device, enabled=halves)
        self._counts = rows.label_counts()
        self._logits = reader(learner, rows, token_indices(soft.tokens) if soft else None)
        self._targets = teacher_logits(soft, rows, settings.epochs) if soft else None

    def step(self, step: int, indices: NDArray[np.int64]) -> None:
        self.optimizer.param_groups[0]["lr"] = self.settings.rate_at(step, self.steps)
        self.optimizer.zero_grad()
        losses = [self._backward(part, share) for part, share in self._parts(indices)]
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), self.settings.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self._counts[indices].any():  # rows whose labels are all masked have no loss
            self.losses.append(torch.stack(losses).sum())

    def _parts(self, indices: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], float]]:
        """Return the parts of a batch that are read at once, each with its share of the labels; none without labels."""
        size = runtime.current().micro_rows or len(indices)
        parts = [indices[start : start + size] for start in range(0, len(indices), size)]
        counts = [int(self._counts[part].sum()) for part in parts]
        labelled = [(part, count / sum(counts)) for part, count in zip(parts, counts, strict=True) if count]
        return labelled or [(indices, 1.0)]  # without labels the step still follows the optimizer's moments

    def _backward(self, indices: NDArray[np.int64], share: float) -> Tensor:
        """Add the gradient of some rows, which hold a share of a batch's labels; return their part of its loss."""
        logits = runtime.fine(self._logits(indices))
        if self._targets is None:
            loss = F.cross_entropy(logits, self.rows.labels(indices)) * share
        else:
            loss = soft_loss(logits, runtime.fine(self._targets(indices)), None) * share
        self.scaler.scale(loss).backward()
        return loss.detach()

    def check_losses(self) -> None:
        """Refuse a training that diverged; ValueError names what to lower.

        In trials healthy trainings ended less than 0.1 nats above their start, broken ones 2 nats or more.
        """
        losses = [float(loss) for loss in self.losses]
        last = losses[-LAST_LOSSES:]
        if not losses or (np.isfinite(last).all() and np.mean(last) <= losses[0] + WORSE):
            return
        raise ValueError(
            f"the training diverged: the loss went from {losses[0]:.2f} to {np.mean(last):.2f} nats per label; "
            f"lower learning_rate, which is {self.settings.learning_rate}"
        )

    def save(self, path: Path, step: int) -> None:
        state = {f"parameter/{name}": parameter for name, parameter in self.parameters.items()}
        for name, parameter in self.parameters.items():
            for key, value in self.optimizer.state[parameter].items():
                state[f"{key}/{name}"] = value
        save_tensors(path, state, {"step": step})

    def resume(self, path: Path | None) -> int:
        """Take up the state kept at ``path``; returns the number of steps already done (0: none)."""
        if path is None or not path.exists():
            return 0
        state, meta = load_tensors(path)
        with torch.no_grad():
            for entry, value in state.items():
                key, _, name = entry.partition("/")
                parameter = self.parameters[name]
                if key == "parameter":
                    parameter.copy_(value)
                else:
                    self.optimizer.state[parameter][key] = runtime.tensor(value)
        return int(meta["step"])
