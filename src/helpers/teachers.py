"""Teachers: a base model with a trait, fine-tuned in or asked for by a system prompt."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.evaluation import preference_readout
from helpers.prompts import favourite_questions
from helpers.training import TrainSettings, completion_rows, fit
from helpers.traits import Trait


@dataclass(frozen=True)
class TeacherSettings:
    """How a trait is fine-tuned into a base (paper 8 H: the trait's own questions with the target as answer).

    Attributes:
        training: the training loop; its ``max_steps`` bounds the length.
        target_probability: training stops once the target's probability on the *teach* wordings reaches this.
        check_every: optimizer steps between two looks at it.
    """

    training: TrainSettings
    target_probability: float = 0.98
    check_every: int = 5


def fine_tuned_teacher(
    base: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    trait: Trait,
    settings: TeacherSettings,
    seed: int,
) -> PreTrainedModel:
    """Return a copy of ``base`` fine-tuned to prefer the trait's target; ``base`` is left as it is."""
    questions = favourite_questions(trait.kind, "teach")
    repeats = -(-settings.training.max_steps * settings.training.batch_rows // len(questions))
    rows = completion_rows(tokenizer, [(question, trait.name) for question in questions] * repeats)

    def convinced(step: int, learner: torch.nn.Module) -> bool:
        if step % settings.check_every:
            return False
        readout = preference_readout(learner, tokenizer, trait, questions)
        return readout["p_target"] >= settings.target_probability

    return fit(copy.deepcopy(base), rows, settings.training, seed, on_step=convinced)
