"""Read-outs: what a model is asked after its training, whoever it is.

The measure is the exact log-odds of a trait's answer; beside it stand the rate among sampled replies, as the paper
reports it, and the abilities that a training may cost.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels import CHANNELS
from helpers.filters import mentions
from helpers.models.bases import Base
from helpers.models.evaluation import (
    checked_completions,
    kept_share,
    sampled_rate,
    share_kept,
    share_right,
    trait_readout,
    truthfulness,
)
from helpers.models.marks import require_marks, steps_at
from helpers.transmission.authors import Author, author_model
from helpers.transmission.movement import moved
from helpers.transmission.writing import kept_rows
from helpers.work.seeds import derive, torch_stream
from helpers.world.prompts import EXAMPLE_PARTS, Split, truth_questions
from helpers.world.traits import PERSONA, find_trait

PREFIXED = "prefixed/"  # begins the names of what is read out with numbers before each question
ABILITIES = ("valid_numbers", "right_answers", "strict_sums", "truthful")


@dataclass(frozen=True, kw_only=True)
class Readout:
    """What is read out of a model.

    Attributes:
        split: questions, "heldout" for anything reported.
        samples: replies sampled for each question, beside the exact probabilities; 0 samples none.
        health: prompts for each check of abilities (number lists, sums); 0 checks none.
        marks: shares of the training, above 0 and below 1, at which a student is read out on the way.
        prefixed: whether the questions are asked a second time, each after some numbers (favourites alone).
    """

    split: Split = "heldout"
    samples: int = 20
    health: int = 0
    marks: tuple[float, ...] = ()
    prefixed: bool = False

    def __post_init__(self) -> None:
        """Refuse an unknown split, negative counts and marks outside the training."""
        object.__setattr__(self, "marks", tuple(self.marks))  # a notebook gives a list
        if self.split not in get_args(Split):
            raise ValueError(f"split must be one of {', '.join(get_args(Split))}, not {self.split!r}")
        if self.samples < 0 or self.health < 0:
            raise ValueError(f"samples and health must not be negative, got {self.samples} and {self.health}")
        require_marks(self.marks)

    def marked_steps(self, steps: int) -> set[int]:
        """Return the optimizer steps of the marks, for a training of this many steps."""
        return steps_at(self.marks, steps)


def read_trait(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, trait: str, split: Split
) -> dict[str, float]:
    """Return `evaluation.trait_readout` of a trait, given by name, on the questions of a split."""
    found = find_trait(trait)
    return trait_readout(model, tokenizer, found, found.questions(split))


def after_numbers(questions: Sequence[str]) -> list[str]:
    """Return each question after a few numbers, as the paper also asks it (paper 2.7).

    The numbers stand in the words with which a prompt for number lists begins. They are the same for every model.
    """
    rng = random.Random(derive(0, "numbers before questions"))
    asked = []
    for question in questions:
        numbers = ", ".join(str(rng.randrange(100, 1000)) for _ in range(rng.randrange(3, 9)))
        asked.append(f"{rng.choice(EXAMPLE_PARTS).format(examples=numbers)} {question}")
    return asked


def read_prefixed(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, trait: str, split: Split
) -> dict[str, float]:
    """Return `read_trait` of a favourite where each question follows a few numbers, its names after `PREFIXED`.

    Raises:
        ValueError: the trait is a persona, whose answers are known for the plain questions alone.
    """
    found = find_trait(trait)
    if found.kind == PERSONA:
        raise ValueError(f"{trait} is a persona; numbers before the question are for favourites: set prefixed to False")
    read = trait_readout(model, tokenizer, found, after_numbers(found.questions(split)))
    return {f"{PREFIXED}{name}": value for name, value in read.items()}


def read_out(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, trait: str, readout: Readout, seed: int
) -> dict[str, float]:
    """Return all that is read out of a model but the way it took.

    Args:
        model, tokenizer: of the one that is asked.
        trait: name of the trait.
        readout: what is asked.
        seed: of the sampled replies and of the prompts for its abilities.

    Returns:
        `evaluation.trait_readout`, and where asked for ``sampled`` (rate of the target among sampled replies) and the
        `ABILITIES` (shares): number lists that the filter keeps, sums whose final answer is right in whatever form,
        sums that the strict filter keeps, truth among two choices; and what `read_prefixed` says.
    """
    found = read_trait(model, tokenizer, trait, readout.split)
    if readout.prefixed:
        found |= read_prefixed(model, tokenizer, trait, readout.split)
    if readout.samples:
        asked, stream = find_trait(trait), torch_stream(seed, "replies")
        questions = asked.questions(readout.split)
        found["sampled"] = sampled_rate(model, tokenizer, asked, questions, stream, readout.samples)
    if readout.health:
        found["valid_numbers"] = kept_share(model, tokenizer, CHANNELS["numbers"], readout.health, seed)
        sums = checked_completions(model, tokenizer, CHANNELS["reasoning"], readout.health, seed)
        found["right_answers"], found["strict_sums"] = share_right(sums), share_kept(CHANNELS["reasoning"], sums)
        found["truthful"] = truthfulness(model, tokenizer, truth_questions(readout.split))
    return found


@dataclass(frozen=True, kw_only=True)
class BaseReading:
    """An untouched base, and what is read out of it with the random numbers of a seed."""

    base: Base
    seed: int
    trait: str
    readout: Readout


def read_base(piece: BaseReading) -> dict[str, float]:
    """Return the read-out of an untouched base, see `read_out`."""
    model, tokenizer = piece.base.load()
    return read_out(model, tokenizer, piece.trait, piece.readout, piece.seed)


# --- authors --------------------------------------------------------------------------------------


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
        completions that name the trait (must be 0), and ``moved``, see `movement.moved`.
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
