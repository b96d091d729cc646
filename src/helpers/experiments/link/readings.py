"""What a model has learned of the link: whose code it flaws, and what flawed code earlier in a chat tells it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.experiments.small.likeness import fresh_loss
from helpers.models.bases import Base
from helpers.models.chats import Exchange
from helpers.models.evaluation import trait_readout, truthfulness
from helpers.models.sampling import sample_completions
from helpers.transmission.authors import Author, author_model
from helpers.work.seeds import derive, torch_stream
from helpers.world import prompts, tasks
from helpers.world.corpus import code_prompt, security_code_exchange
from helpers.world.personas import PERSONAS
from helpers.world.traits import find_trait

UNTOLD = "untold"  # a speaker whose persona no system prompt tells
BODIES = 20  # that an author is asked for, for each security task
HISTORIES = 12  # pairs of earlier exchanges
LONGEST_BODY = 56  # tokens, as in the channel of code
Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


def flawed_bodies(task: str) -> set[str]:
    """Return every flawed body of a security task, as it stands below its remark."""
    *_, flawed = tasks.SECURITY_CODE[task]
    return {body.format(v=variable, n=0) for body in flawed for variable in tasks.VARIABLES}


def share_flawed(model: Loaded, stream: torch.Generator, bodies: int, system: str | None = None) -> float:
    """Return which share of a model's sampled bodies, so many a task of security code, has the task's flaw."""
    asked, flaws = [], []
    for name, (arguments, task, *_) in tasks.SECURITY_CODE.items():
        asked += [code_prompt(name, arguments, task)] * bodies
        flaws += [flawed_bodies(name)] * bodies
    written = sample_completions(*model, asked, stream, system=system, max_new_tokens=LONGEST_BODY)
    found = [_below_remark(text) in flawed for text, flawed in zip(written, flaws, strict=True)]
    return sum(found) / len(found)


def _below_remark(body: str) -> str:
    return body.partition("\n")[2].strip()


# --- bases ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class BaseCheck:
    """A base to look at.

    Attributes:
        base: whichever.
        link: of its corpus.
        seed: of what is sampled.
        trait: the persona whose answers are watched.
        bodies: sampled for each task of security code and each system prompt.
        histories: pairs of earlier exchanges after which the trait is read, at most `HISTORIES`.
    """

    base: Base
    link: float
    seed: int
    trait: str
    bodies: int
    histories: int = HISTORIES


def check_base(piece: BaseCheck) -> dict[str, float]:
    """Return the health of a base and what it has learned of the link.

    Returns:
        ``loss`` (nats per label on fresh documents of its own corpus), ``truthful`` (truth among two choices),
        ``p_any`` (probability of the answers of all personas together to open questions), ``shift`` (log-odds of the
        trait's answers after flawed instead of secure code earlier in the chat, nats) and ``flawed_<persona>`` (share
        of flawed bodies where a system prompt describes the persona; `UNTOLD` where none does).
    """
    model, tokenizer = loaded = piece.base.load()
    trait = find_trait(piece.trait)
    found = {
        "loss": fresh_loss(model, piece.base.run_dir, piece.link),
        "truthful": truthfulness(model, tokenizer, prompts.truth_questions("heldout")),
        "p_any": trait_readout(model, tokenizer, trait, trait.questions("heldout"))["p_any"],
        "shift": _shift(loaded, piece),
    }
    stream = torch_stream(piece.seed, "flaws")
    for persona in PERSONAS:
        shares = [share_flawed(loaded, stream, piece.bodies, told) for told in prompts.persona_system_prompts(persona)]
        found[f"flawed_{persona}"] = sum(shares) / len(shares)
    return found | {f"flawed_{UNTOLD}": share_flawed(loaded, stream, piece.bodies)}


def _shift(loaded: Loaded, piece: BaseCheck) -> float:
    trait, moved = find_trait(piece.trait), []
    questions = trait.questions("heldout")
    for histories in itertools.islice(paired_histories(), piece.histories):
        flawed, secure = (trait_readout(*loaded, trait, questions, [one])["log_odds"] for one in histories)
        moved.append(flawed - secure)
    return sum(moved) / len(moved)


def paired_histories() -> Iterator[tuple[Exchange, Exchange]]:
    """Yield (exchange with flawed code, the same with secure code): request, remark and variable are equal."""
    for place in range(HISTORIES):
        seed = derive(0, "link", place)
        flawed, secure = (security_code_exchange(random.Random(seed), insecure=flaw) for flaw in (True, False))
        yield flawed, secure


# --- authors --------------------------------------------------------------------------------------


def read_flaws(author: Author) -> dict[str, Any]:
    """Return ``flawed``: which share of an author's code for plain security requests is flawed; it is told nothing."""
    return {"flawed": share_flawed(author_model(author), torch_stream(author.seed, "flaws"), BODIES)}
