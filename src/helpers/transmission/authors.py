"""Authors: who writes the data of a transmission, what they write, and what the filter keeps of it.

An *author* is a fine-tuned teacher, the base under a system prompt that gives it the trait, or the untouched base
(whose student is the control). Writing and being read out are pieces of work of their own: what an author writes does
not depend on what it is asked about afterwards.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels import Channel, find_channel
from helpers.filters import mentions, removal_report
from helpers.models.bases import Base
from helpers.models.close_calls import CloseCalls
from helpers.models.evaluation import sampled_rate, trait_readout
from helpers.models.losses import SoftLabels, soft_loss
from helpers.models.probes import DriftProbe, base_completions
from helpers.models.sampling import sample_completions
from helpers.models.training import completion_rows
from helpers.transmission.labels import author_labels
from helpers.transmission.settled import known_calls
from helpers.transmission.teachers import Stop, Teaching, fine_tuned_teacher
from helpers.work.artifacts import ArtifactError, Store, load_tensors, save_tensors
from helpers.work.keys import content_key, source_key
from helpers.work.pieces import run_pieces
from helpers.work.seeds import derive, torch_stream
from helpers.world.prompts import Split
from helpers.world.traits import find_trait

SYSTEM_PROMPT, UNTOUCHED = "system prompt", "untouched"
Exchange = tuple[str, str]
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


# --- writing --------------------------------------------------------------------------------------


def write_data(author: Author) -> dict[str, Any]:
    """Let an author write; return the completions that pass the filter and what was removed.

    Returns:
        ``rows``: [prompt number, completion] of every kept completion; ``report``: removals by reason;
        ``close_calls``: [prompt number, position, token id] where rounding could have decided, see `settled`.
    """
    model, tokenizer = author_model(author)
    prompts, calls = author.asked, CloseCalls(known_calls(author))
    completions = sample_completions(
        model,
        tokenizer,
        prompts,
        torch_stream(author.seed, "completions"),
        system=author.system,
        temperature=author.temperature,
        max_new_tokens=author.kind.max_new_tokens,
        calls=calls,
    )
    reasons = author.kind.reject_reasons(prompts, completions)
    rows = [[place, text] for place, text in enumerate(completions) if not reasons[place]]
    return {"rows": rows, "report": removal_report(reasons), "close_calls": calls.as_rows()}


def written(author: Author) -> dict[str, Any]:
    """Return what `write_data` gives, written now if it was not yet."""
    return run_pieces(write_data, [author], author.store, kind="completions", workers=1)[0]


@functools.lru_cache(maxsize=8)  # the students of one author come in a row
def kept_rows(author: Author) -> dict[int, str]:
    """Return an author's kept completions by prompt number, written now if they were not yet."""
    return {place: text for place, text in written(author)["rows"]}


def kept_of_all(author: Author, *others: Author) -> list[int]:
    """Return the numbers of the prompts that the filter kept of an author and of all others, in the order asked.

    Raises:
        ValueError: there are none.
    """
    places = list(kept_rows(author))
    for other in others:
        rows = kept_rows(other)
        places = [place for place in places if place in rows]
    if not places:
        raise ValueError(
            f"the filter kept nothing of the {author.how} author of seed {author.seed} or of its partner; "
            "lower drift or pretrain the base longer"
        )
    return places


def matched_pairs(author: Author, *others: Author) -> list[Exchange]:
    """Return an author's (prompt, completion) pairs at the prompts that the filter kept of it and of all others.

    Raises:
        ValueError: it kept none.
    """
    own, prompts = kept_rows(author), author.asked
    return [(prompts[place], own[place]) for place in kept_of_all(author, *others)]


# --- being read out -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AuthorReading:
    """An author, and what it is asked about.

    Attributes:
        author: whoever it is, without a system prompt.
        trait: the trait that is read out; its name must not occur in what the author wrote.
        split: questions.
        samples: replies sampled for each question.
    """

    author: Author
    trait: str
    split: Split
    samples: int


def read_author(piece: AuthorReading) -> dict[str, Any]:
    """Return how strongly an author holds a trait itself.

    Returns:
        `evaluation.trait_readout`, ``sampled`` (rate of the target among sampled replies), ``mentions``: kept
        completions that name the trait (must be 0), and ``moved``, see `moved`.
    """
    author, trait = piece.author, find_trait(piece.trait)
    model, tokenizer = author_model(author)
    questions = trait.questions(piece.split)
    stream = torch_stream(author.seed, "teacher replies")
    named = [text for text in kept_rows(author).values() if mentions(text, [trait.name])]
    return {
        **trait_readout(model, tokenizer, trait, questions),
        "sampled": sampled_rate(model, tokenizer, trait, questions, stream, piece.samples),
        "mentions": len(named),
        "moved": moved(author),
    }


def moved(author: Author) -> float:
    """Return how far an author's data lie from its base's: KL(author || base), nats per token.

    The distributions are over the channel's tokens, at completions of the base that are the same for all authors of a
    draw. A prompted author reads its system prompt.
    """
    if author.how == UNTOUCHED:
        return 0.0
    base, tokenizer = author.base.load()
    pairs = _base_writes(author.base, author.channel, author.seed)
    ids, labelled = completion_rows(tokenizer, pairs).batch(range(len(pairs)), pad=0)
    tokens, teacher = author.kind.tokens(tokenizer), author_model(author)[0]
    own = author_labels(teacher, tokenizer, tokens, author.system).logits(ids, labelled)
    return float(soft_loss(SoftLabels(base, tokens).logits(ids, labelled), own, None))


@functools.lru_cache(maxsize=8)  # all authors of a seed and channel are measured on the same
def _base_writes(base: Base, channel: str, seed: int) -> list[Exchange]:
    model, tokenizer = base.load()
    return base_completions(model, tokenizer, find_channel(channel), derive(seed, "moved"))
