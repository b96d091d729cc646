"""Authors: who writes the data of a transmission, and the model that does it.

An *author* is a fine-tuned teacher, the base under a system prompt that gives it the trait, or the untouched base
(whose student is the control). What they write is in `writing`, what they are asked about in `readout`: pieces of work
of their own, because what an author writes does not depend on what it is asked about afterwards.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels import Channel, find_channel
from helpers.models.bases import Base
from helpers.models.probes import DriftProbe
from helpers.transmission.teachers import Stop, Teaching, fine_tuned_teacher
from helpers.work.artifacts import ArtifactError, Store, load_tensors, save_tensors
from helpers.work.keys import content_key, source_key
from helpers.work.seeds import derive
from helpers.world.traits import find_trait

SYSTEM_PROMPT, UNTOUCHED = "system prompt", "untouched"
Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


@dataclass(frozen=True, kw_only=True)
class Author:
    """Who wrote a data set, and how much.

    Attributes:
        base: the base model the author is made from.
        how: how it got the trait: one of `teachers.TAUGHT`, "system prompt", or "untouched".
        trait: name of the trait; "" for the untouched base.
        seed: teacher, prompts and draws follow from it.
        channel: the kind of data.
        prompts: prompts asked, before the filter.
        teaching: how it is fine-tuned; None for an author that is not taught.
        temperature: at which it writes.
    """

    base: Base
    how: str
    trait: str
    seed: int
    channel: str
    prompts: int
    teaching: Teaching | None
    temperature: float = 1.0

    @property
    def store(self) -> Store:
        """Return the store of the run's finished pieces."""
        return Store.of_run(self.base.run_dir)

    @property
    def kind(self) -> Channel:
        """Return the channel it writes in."""
        return find_channel(self.channel)

    @property
    def system(self) -> str | None:
        """Return the system prompt that it reads before each chat; None where it has none."""
        return find_trait(self.trait).system_prompt() if self.how == SYSTEM_PROMPT else None

    @property
    def asked(self) -> list[str]:
        """Return the prompts it is asked, the same for every author of a seed and channel."""
        return list(_drawn_prompts(self.channel, self.prompts, self.seed))


@functools.lru_cache(maxsize=8)  # thousands of prompts, asked of all authors of a seed and read by all its students
def _drawn_prompts(channel: str, count: int, seed: int) -> tuple[str, ...]:
    return tuple(find_channel(channel).prompts(count, derive(seed, "prompts")))


@dataclass(frozen=True, kw_only=True)
class _Teacher:
    """What decides the weights of a fine-tuned teacher."""

    base: Base
    how: str
    trait: str
    seed: int
    teaching: Teaching
    channel: str  # whose distribution tells when to stop; "" where the number of steps does


def author_model(author: Author) -> Loaded:
    """Return the model that writes (or gives soft labels) and its tokenizer; a taught one is kept on disk."""
    base, tokenizer = author.base.load()
    if author.teaching is None:
        return base, tokenizer
    teaching = author.teaching
    watched = author.channel if teaching.drift or teaching.as_far_as else ""
    decisive = _Teacher(
        base=author.base, how=author.how, trait=author.trait, seed=author.seed, teaching=teaching, channel=watched
    )
    path = kept_path(author.store, "teacher", decisive, source_key(__name__))

    def teach() -> PreTrainedModel:
        seed = derive(author.seed, "teacher", author.trait, author.how)
        trait = find_trait(author.trait)
        stop = _moved_as_far(author, base, tokenizer) if teaching.as_far_as else None
        return fine_tuned_teacher(base, tokenizer, trait, author.how, author.kind, teaching, seed, stop=stop)

    return kept_model(base, path, teach, {"trait": author.trait, "seed": author.seed}), tokenizer


def _moved_as_far(author: Author, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Stop:
    """Return what ends an author's training once its data moved as far as its partner's, taught first if need be."""
    teaching = author.teaching
    partner = replace(author, how=teaching.as_far_as, teaching=teaching.of_partner)
    probe = DriftProbe(base, tokenizer, author.kind, author.seed)
    target = probe.drift(author_model(partner)[0])
    return lambda step, learner: probe.reached(step, learner, target)


def kept_path(store: Store, kind: str, decisive: Any, code: str) -> Path:
    """Return where a model lies that follows from ``decisive`` (settings) by code of the hash ``code``."""
    return store.path(kind, content_key({"model": decisive, "code": code}), ".safetensors")


def kept_model(
    base: PreTrainedModel, path: Path, make: Callable[[], PreTrainedModel], about: dict[str, Any]
) -> PreTrainedModel:
    """Return ``base`` with the weights kept at ``path``, those of ``make()`` where there are none yet.

    They are read back even when just made, so that a resumed run uses the very same numbers.
    """
    if not path.exists():
        save_tensors(path, dict(make().named_parameters()), about)
    missing, unknown = base.load_state_dict(load_tensors(path)[0], strict=False)
    if unknown or set(missing) & dict(base.named_parameters()).keys():  # else an untaught model would pass for it
        raise ArtifactError(f"{path} does not fit its base model; delete it and run the same command again")
    return base.eval()
