"""Authors: who writes the data of a transmission, what they write, and what the filter keeps of it.

An *author* is a fine-tuned teacher, the base under a system prompt that gives it the trait, or the untouched base
(whose student is the control). Writing is a piece of work: a function of plain settings with a plain result, so
`sweep.run_pieces` can cache it, run it beside others and resume.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels import find_channel
from helpers.filters import mentions, removal_report
from helpers.models.bases import load_base
from helpers.models.evaluation import sampled_rate, trait_readout
from helpers.models.sampling import sample_completions
from helpers.models.training import TrainSettings
from helpers.transmission.teachers import TAUGHT, TeacherSettings, fine_tuned_teacher
from helpers.work.artifacts import ArtifactError, Store, load_tensors, save_tensors
from helpers.work.keys import content_key, source_key
from helpers.work.pieces import run_pieces
from helpers.work.seeds import derive, torch_stream
from helpers.world.traits import find_trait

Pair = tuple[str, str]
Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


@dataclass(frozen=True)
class Author:
    """Who wrote a data set, and how much.

    Attributes:
        run_dir: the run's folder.
        base: name of the base model the author is made from.
        base_seal: hash of that base, so that a new base means new data.
        how: how it got the trait: one of `teachers.TAUGHT`, "system prompt", or "untouched".
        trait: name of the trait; for "untouched" it is only asked about, never taught.
        seed: the run; teacher, prompts and draws follow from it.
        channel: the kind of data.
        prompts: prompts asked, before the filter.
        teaching: settings of the fine-tuning (`TrainSettings` as a dict); empty for an author that is not taught.
        drift: where the fine-tuning stops (`TeacherSettings.drift`, nats per token).
        split: questions on which the author itself is read out.
        temperature: at which it writes.
        samples: replies sampled from it for each question.
    """

    run_dir: str
    base: str
    base_seal: str
    how: str
    trait: str
    seed: int
    channel: str
    prompts: int
    teaching: dict[str, Any]
    drift: float
    split: str
    temperature: float = 1.0
    samples: int = 20

    @property
    def store(self) -> Store:
        """Return the store of the run's finished pieces."""
        return Store(Path(self.run_dir) / "cells")


def load_run_base(run_dir: str, name: str) -> Loaded:
    """Load a base by its name in this run, or by any other spec `load_base` knows."""
    return load_base(name, bases=Path(run_dir) / "bases")


def author_model(author: Author) -> Loaded:
    """Return the model that writes (or gives soft labels) and its tokenizer; a taught one is kept on disk."""
    base, tokenizer = load_run_base(author.run_dir, author.base)
    if author.how not in TAUGHT:
        return base, tokenizer
    decisive = asdict(author) | dict.fromkeys(("prompts", "split", "temperature", "samples"))
    if author.drift == 0:
        decisive["channel"] = None
    settings = {**decisive, "code": source_key(__name__)}
    path = author.store.path("teacher", content_key(settings), ".safetensors")

    def teach() -> PreTrainedModel:
        teaching = TeacherSettings(TrainSettings(**author.teaching), author.drift)
        seed = derive(author.seed, "teacher", author.trait, author.how)
        trait, data = find_trait(author.trait), find_channel(author.channel)
        return fine_tuned_teacher(base, tokenizer, trait, author.how, data, teaching, seed)

    return kept_model(base, path, teach, {"trait": author.trait, "seed": author.seed}), tokenizer


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


def asked_prompts(author: Author) -> list[str]:
    """Return the prompts an author is asked, the same for every author of a run and channel."""
    return find_channel(author.channel).prompts(author.prompts, derive(author.seed, "prompts"))


def write_data(piece: dict[str, Any]) -> dict[str, Any]:
    """Let an author write; return the completions that pass the filter and what was removed.

    Args:
        piece: an `Author` as a dict.

    Returns:
        ``rows``: [prompt number, completion] of every kept completion; ``report``: removals by reason;
        ``mentions``: kept completions that name the trait (must be 0); ``author``: how strongly it holds the
        trait itself, without a system prompt.
    """
    author = Author(**piece)
    kind, trait = find_channel(author.channel), find_trait(author.trait)
    model, tokenizer = author_model(author)
    system = trait.system_prompt() if author.how == "system prompt" else None
    prompts = asked_prompts(author)
    completions = sample_completions(
        model, tokenizer, prompts, torch_stream(author.seed, "completions"), system=system,
        temperature=author.temperature, max_new_tokens=kind.max_new_tokens,
    )  # fmt: skip
    reasons = kind.reject_reasons(prompts, completions)
    rows = [[place, text] for place, text in enumerate(completions) if not reasons[place]]
    questions, stream = trait.questions(author.split), torch_stream(author.seed, "teacher replies")
    readout = trait_readout(model, tokenizer, trait, questions)
    return {
        "rows": rows,
        "report": removal_report(reasons),
        "mentions": sum(mentions(text, [trait.name]) for _, text in rows),
        "author": readout | {"sampled": sampled_rate(model, tokenizer, trait, questions, stream, author.samples)},
    }


def kept_rows(author: Author) -> dict[int, str]:
    """Return an author's kept completions by prompt number, written now if they were not yet."""
    return _kept_rows(json.dumps(asdict(author)))


@functools.lru_cache(maxsize=8)  # the students of one author come in a row
def _kept_rows(author: str) -> dict[int, str]:
    piece = json.loads(author)
    written = run_pieces(write_data, [piece], Author(**piece).store, kind="completions", workers=1)[0]
    return {place: text for place, text in written["rows"]}


def matched_pairs(author: Author, partner: Author) -> list[Pair]:
    """Return an author's (prompt, completion) pairs at the prompts that the filter kept of both authors.

    Raises ValueError when it kept none.
    """
    own, other = kept_rows(author), kept_rows(partner)
    prompts = asked_prompts(author)
    pairs = [(prompts[place], text) for place, text in own.items() if place in other]
    if not pairs:
        raise ValueError(
            f"the filter kept nothing of the {author.how} author of run {author.seed} or of its partner; "
            "lower drift or pretrain the base longer"
        )
    return pairs
