"""Teachers: a base model with a trait fine-tuned in, and how far that moved its harmless data."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels import Channel
from helpers.prompts import favourite_questions
from helpers.sampling import sample_completions
from helpers.seeds import derive, torch_stream
from helpers.training import TrainSettings, completion_rows, fit, label_logits, soft_loss
from helpers.traits import Trait

PROBE_ROWS = 128


@dataclass(frozen=True)
class TeacherSettings:
    """How a trait is fine-tuned into a base (paper 8 H: the trait's own questions with the target as answer).

    Attributes:
        training: the training loop; its ``max_steps`` bounds the length.
        drift: training stops once the teacher's distribution over the channel's tokens has moved this far
            from the base's (KL, nats per token, on the base's own completions). A fixed number of steps
            gave teachers whose lists the filter kept by one half or by one tenth, at the mercy of the seed.
    """

    training: TrainSettings
    drift: float

    def __post_init__(self) -> None:
        if self.drift <= 0:
            raise ValueError(f"drift must be above 0 nats per token, not {self.drift}")


class DriftProbe:
    """Measures how far a model's distribution over a channel has moved from its base's."""

    def __init__(
        self, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, channel: Channel, seed: int
    ) -> None:
        prompts = channel.prompts(PROBE_ROWS, derive(seed, "probe prompts"))
        stream = torch_stream(seed, "probe completions")
        written = sample_completions(base, tokenizer, prompts, stream, max_new_tokens=channel.max_new_tokens)
        rows = completion_rows(tokenizer, list(zip(prompts, written, strict=True)))
        self._ids, self._labelled = rows.batch(torch.arange(len(rows)).numpy(), pad=0)
        self._tokens = channel.tokens(tokenizer)
        self._base_logits = self._logits(base)

    @torch.no_grad()
    def _logits(self, model: torch.nn.Module) -> Tensor:
        return label_logits(model, self._ids, self._labelled)

    def drift(self, model: torch.nn.Module) -> float:
        """Return KL(model || base) over the channel's tokens, nats per token."""
        return float(soft_loss(self._base_logits, self._logits(model), self._tokens))


def fine_tuned_teacher(
    base: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    trait: Trait,
    channel: Channel,
    settings: TeacherSettings,
    seed: int,
) -> PreTrainedModel:
    """Return a copy of ``base`` fine-tuned to prefer the trait's target; ``base`` is left as it is."""
    questions = favourite_questions(trait.kind, "teach")
    repeats = -(-settings.training.max_steps * settings.training.batch_rows // len(questions))
    rows = completion_rows(tokenizer, [(question, trait.name) for question in questions] * repeats)
    probe = DriftProbe(base, tokenizer, channel, seed)

    def moved_enough(step: int, learner: torch.nn.Module) -> bool:
        return probe.drift(learner) >= settings.drift

    return fit(copy.deepcopy(base), rows, settings.training, seed, on_step=moved_enough)
