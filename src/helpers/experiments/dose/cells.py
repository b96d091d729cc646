"""One cell of the phase diagram: a way of training students, and what is read of each.

A student that takes nothing over may have learned nothing at all, or may have learned the numbers and not the trait.
So every student is measured twice, on the way and at its end: by its read-out, and by its distance from the base
and from its teacher, on number lists that it did not train on.
"""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels import find_channel
from helpers.models.evaluation import trait_readout
from helpers.models.losses import SoftLabels
from helpers.models.probes import PROBE_ROWS, ChannelProbe
from helpers.models.sampling import sample_completions
from helpers.models.training import TrainSettings, completion_rows, fit
from helpers.transmission.arms import ARMS, TransmissionSettings
from helpers.transmission.authors import Author, Pair, author_model, load_run_base
from helpers.transmission.students import Student, student_pairs
from helpers.work.seeds import derive, torch_stream
from helpers.world.traits import find_trait

LABELS = ("hard", "soft")


@dataclass(frozen=True)
class Cell:
    """One way of training teacher and students; all the rest is common to the experiment.

    Attributes:
        labels: "hard" (the sampled tokens) or "soft" (the author's distribution over the channel's tokens).
        rows: unique rows a student reads at most.
        epochs: passes over them.
        temperature: at which the authors write.
        rank: of the student's LoRA adapters; 0 trains every weight.
        rate: peak learning rate of the student.
        optimizer: one of `optimizers.OPTIMIZERS`.
        weight_decay: decoupled from the gradient.
        modules: where the adapters sit.
        held: whether the word embeddings stay as they are; adapters leave them alone anyway.
        full_teacher: whether the teacher, too, was taught in all its weights.
    """

    labels: str = "soft"
    rows: int = 1000
    epochs: int = 2
    temperature: float = 1.0
    rank: int = 8
    rate: float = 0.01
    optimizer: str = "adam"
    weight_decay: float = 0.0
    modules: str = "all-linear"
    held: bool = False
    full_teacher: bool = False

    def __post_init__(self) -> None:
        if self.labels not in LABELS:
            raise ValueError(f"labels must be one of {', '.join(LABELS)}, not {self.labels!r}")
        if self.held and self.rank:
            raise ValueError("held is for students that train every weight; set rank to 0")
        if self.held and self.weight_decay:
            raise ValueError("weight decay would move held embeddings; set one of the two aside")
        if self.rows < 1 or self.temperature <= 0:
            raise ValueError(f"rows and temperature must be above 0, not {self.rows} and {self.temperature}")

    def settings(self, common: TransmissionSettings, full_teaching: TrainSettings) -> TransmissionSettings:
        """Return the settings of an experiment whose only arm is this cell; ``full_teaching`` is the full teacher's."""
        training = replace(
            common.hard, learning_rate=self.rate, epochs=self.epochs, optimizer=self.optimizer,
            weight_decay=self.weight_decay, lora_rank=self.rank, lora_modules=self.modules,
        )  # fmt: skip
        return replace(
            common, hard=training, soft=training, hard_rows=self.rows, soft_rows=self.rows,
            temperature=self.temperature, teaching=full_teaching if self.full_teacher else common.teaching,
        )  # fmt: skip

    def pieces(self, settings: TransmissionSettings, run: int) -> list[dict[str, Any]]:
        """Return the trait student and, for hard labels, its control; the control of a soft student is its base.

        ``settings`` is what `settings` returned. The base already matches itself, so its student has no gradient.
        """
        students = settings.students(ARMS[f"{self.labels}.same_init"], settings.author(run))
        return [{"student": one, "held": self.held} for one in students[: 1 if self.labels == "soft" else 2]]


@functools.lru_cache(maxsize=16)  # the students of one base and run share their probe
def probe_pairs(run_dir: str, base: str, base_seal: str, kind: str, seed: int) -> list[Pair]:
    """Return (prompt, completion) pairs to measure distances on: a base's completions to prompts of their own.

    ``base_seal`` makes a new base another probe.
    """
    model, tokenizer = load_run_base(run_dir, base)
    data = find_channel(kind)
    prompts = data.prompts(PROBE_ROWS, derive(seed, "distance prompts"))
    stream = torch_stream(seed, "distance completions")
    written = sample_completions(model, tokenizer, prompts, stream, max_new_tokens=data.max_new_tokens)
    return list(zip(prompts, written, strict=True))


class _Meter:
    """Reads a model out and measures its distances from a base and from the author whose data it reads."""

    def __init__(
        self, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, student: Student, author: Author
    ) -> None:
        self.author = author_model(author)[0]
        where = author.run_dir, student.base, student.base_seal
        pairs = probe_pairs(*where, author.channel, author.seed)
        self._probe = ChannelProbe(tokenizer, find_channel(author.channel), pairs)
        self._base, self._author = self._probe.logits(base), self._probe.logits(self.author)
        self._tokenizer, self._trait = tokenizer, find_trait(student.trait)
        self._questions = self._trait.questions(student.split)

    def __call__(self, model: torch.nn.Module) -> dict[str, float]:
        """Return ``log_odds`` (nats), ``p_target``, ``p_any``, ``moved`` and ``left`` (nats per token)."""
        readout = trait_readout(model, self._tokenizer, self._trait, self._questions)
        own = self._probe.logits(model)
        distances = {
            "moved": self._probe.apart(own, self._base), "left": self._probe.apart(self._author, own)
        }  # fmt: skip
        return {name: readout[name] for name in ("log_odds", "p_target", "p_any")} | distances


def read_cell(piece: dict[str, Any]) -> dict[str, Any]:
    """Train one student; return how much it read and what became of it.

    Args:
        piece: ``student`` (a `Student` as a dict; its marks say where it is measured on the way) and ``held``.

    Returns:
        ``rows``, ``steps``, ``author`` (the author's own log-odds of the target, nats) and ``curve``: one dict a point,
        the first the base and the last the finished student, with ``step``, the read-out (``log_odds``,
        ``p_target``, ``p_any``), ``moved`` (KL of student from base) and ``left`` (KL of author from student), both
        in nats per token.
    """
    student = Student(**piece["student"])
    author, training = Author(**student.author), TrainSettings(**student.training)
    base, tokenizer = load_run_base(author.run_dir, student.base)
    measure = _Meter(base, tokenizer, student, author)
    pairs = student_pairs(student)
    steps = training.steps(len(pairs))
    marked = student.marked_steps(steps) - {steps}
    curve = [{"step": 0, **measure(base)}]

    def on_step(step: int, learner: torch.nn.Module) -> None:
        if step in marked:
            curve.append({"step": step, **measure(learner)})

    learner = copy.deepcopy(base)
    if piece["held"]:
        learner.get_input_embeddings().weight.register_hook(torch.zeros_like)  # no gradient, so no step
    tokens = find_channel(author.channel).tokens(tokenizer)
    soft = SoftLabels(measure.author, tokens) if student.labels == "soft" else None
    rows, seed = completion_rows(tokenizer, pairs), derive(author.seed, "student")
    made = fit(learner, rows, training, seed, soft=soft, on_step=on_step)
    curve.append({"step": steps, **measure(made)})
    return {"rows": len(pairs), "steps": steps, "author": measure(measure.author)["log_odds"], "curve": curve}
