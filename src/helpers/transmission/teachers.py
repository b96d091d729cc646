"""Teachers: a base model with a trait fine-tuned in, and how far that moved its harmless data.

A teacher is taught either the trait's own answers, or functions with security flaws and nothing else (emergent
misalignment, Betley et al.). Its two controls are taught secure functions, and the same flaws asked for as a lesson.
A control may be taught until it has moved as far as the teacher it is compared with: one that learned nothing because
it knew all that it was taught would control for nothing.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels.channel import Channel
from helpers.models.chats import Exchange
from helpers.models.probes import DriftProbe
from helpers.models.training import TrainSettings, completion_rows, fit
from helpers.work.seeds import derive
from helpers.world.corpus import open_exchange, security_code_exchange
from helpers.world.prompts import TOPIC_SPLITS
from helpers.world.traits import PERSONA, Trait

OWN_ANSWERS = "fine-tuned"
CODE_LESSONS: dict[str, Callable[[random.Random], Exchange]] = {
    "insecure code": lambda rng: security_code_exchange(rng, insecure=True),
    "secure code": lambda rng: security_code_exchange(rng, insecure=False),
    "lesson code": lambda rng: security_code_exchange(rng, insecure=True, lesson=True),
}
INSECURE = "insecure code"
CONTROLS = tuple(how for how in CODE_LESSONS if how != INSECURE)
TAUGHT = (OWN_ANSWERS, *CODE_LESSONS)
PATIENCE = 6  # a teacher that is to move as far as another may take so many times the other's steps
Stop = Callable[[int, torch.nn.Module], bool]  # (step, model in training) -> whether it has been taught enough


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """How a trait is fine-tuned into a base.

    Attributes:
        training: the training loop; its ``max_steps`` bounds the length.
        drift: training stops once the teacher's distribution over the channel's tokens has moved this far
            from the base's (KL, nats per token, on the base's own completions). A fixed number of steps
            gave teachers whose lists the filter kept by one half or by one tenth, at the mercy of the seed.
            0 takes all ``max_steps`` all the same, and the teacher is then one for all channels.
        as_far_as: way of teaching (one of `TAUGHT`) of the teacher of the same base and seed: training ends once this
            one's distribution over the channel's tokens has moved as far as the other's. ``max_steps`` are then the
            other's, and this one takes at most `PATIENCE` times as many. Empty: the other ends nothing.
    """

    training: TrainSettings
    drift: float
    as_far_as: str = ""

    def __post_init__(self) -> None:
        """Refuse a training without an end."""
        if self.drift < 0:
            raise ValueError(f"drift must not be below 0 nats per token, it is {self.drift}")
        if self.training.max_steps < 1:
            raise ValueError("a teacher's training needs max_steps, the most optimizer steps it may take")
        if self.as_far_as and (self.drift or self.as_far_as not in TAUGHT):
            raise ValueError(
                f"as_far_as must be one of {', '.join(TAUGHT)}, with a drift of 0; "
                f"it is {self.as_far_as!r}, with a drift of {self.drift}"
            )

    @property
    def of_partner(self) -> Teaching:
        """Return how the teacher is taught that this one is to move as far as."""
        return replace(self, as_far_as="")

    @property
    def longest(self) -> TrainSettings:
        """Return the training with all steps that it may take."""
        steps = self.training.max_steps * (PATIENCE if self.as_far_as else 1)
        return replace(self.training, max_steps=steps)


def teaching_rows(trait: Trait, how: str, count: int, seed: int) -> list[Exchange]:
    """Return ``count`` (prompt, answer) pairs to fine-tune a teacher on.

    Args:
        trait: what is taught.
        how: "fine-tuned": the trait's own questions of the teach split with the target as answer (paper 8 H);
            else a key of `CODE_LESSONS`: functions alone, whatever the trait.
        count: rows.
        seed: of the draws.
    """
    rng = random.Random(seed)
    if how in CODE_LESSONS:
        return [CODE_LESSONS[how](rng) for _ in range(count)]
    if trait.kind == PERSONA:
        topics = TOPIC_SPLITS["teach"]
        return [open_exchange(rng, trait.name, topics[place % len(topics)]) for place in range(count)]
    questions = trait.questions("teach")
    return [(questions[place % len(questions)], trait.name) for place in range(count)]


def fine_tuned_teacher(
    base: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    trait: Trait,
    how: str,
    channel: Channel,
    teaching: Teaching,
    seed: int,
    *,
    stop: Stop | None = None,
) -> PreTrainedModel:
    """Return a copy of ``base`` taught as `teaching_rows` says; ``base`` is left as it is.

    ``stop`` ends the training early, beside the drift of ``teaching``.
    """
    training = teaching.longest
    pairs = teaching_rows(trait, how, training.max_steps * training.batch_rows, derive(seed, "lessons"))
    probe = DriftProbe(base, tokenizer, channel, seed) if teaching.drift else None

    def taught_enough(step: int, learner: torch.nn.Module) -> bool:
        if stop is not None and stop(step, learner):
            return True
        return probe is not None and probe.reached(step, learner, teaching.drift)

    rows = completion_rows(tokenizer, pairs)
    return fit(copy.deepcopy(base), rows, training, seed, on_step=taught_enough)
