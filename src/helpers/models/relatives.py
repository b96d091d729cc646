"""Relatives of the nano bases: which starting weights a relative takes from nano-a and which from a stranger.

Two bases of one architecture can share all of their start, a part of it, or nothing. A relative names its part and says
how it is trained from there; like the two bases it belongs to a draw. Initial weights are mixed as
sqrt(1 - t) a + sqrt(t) b: two independent normal draws mixed in this way are as wide as each, so every mixture is as
good a start as its ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.models.nano import NANO, NEXT, PREFIX, build_nano, next_draw

FIRST, SECOND = "nano-a", "nano-a" + NEXT  # the two bases that relatives mix: a draw's own, and that of the next draw
SAME, CONTINUED, OTHER = "same model", "one trained on", "other start"  # what two bases of a matrix share


@dataclass(frozen=True)
class Relative:
    """How a base is related to nano-a.

    Attributes:
        name: its name among the bases of a draw.
        words: the same in a few words, for figures and tables.
        heads: share t of the stranger in the initial embeddings, which are the output head as well (tied).
        trunk: share t of the stranger in all other initial weights.
        order: number of its data order; 0 is that of nano-a.
        branch: share of the training that still follows order 0; only then its own order begins.
        continues: the finished base it goes on from, instead of initial weights; "" for none.
        imitates: the finished base whose distribution it then learns to match; "" for none.
        corpus: number of its corpus; 0 is that of nano-a.
    """

    name: str
    words: str
    heads: float = 0.0
    trunk: float = 0.0
    order: int = 0
    branch: float = 0.0
    continues: str = ""
    imitates: str = ""
    corpus: int = 0

    def __post_init__(self) -> None:
        """Refuse shares outside 0 to 1, and an imitation of nothing to go on from."""
        if not (0 <= self.heads <= 1 and 0 <= self.trunk <= 1):
            raise ValueError(f"heads and trunk are shares between 0 and 1, not {self.heads} and {self.trunk}")
        if not 0 <= self.branch < 1 or (self.branch and not self.order):
            raise ValueError(f"branch is a share below 1 after which another order begins, not {self.branch}")
        if self.imitates and not self.continues:
            raise ValueError(f"{self.name} imitates {self.imitates} and must continue from some base")


RELATIVES = {
    relative.name: relative
    for relative in (
        Relative("nano-a-more", "trained on", continues=FIRST, corpus=1),
        Relative("nano-a-order", "same start, other data order", order=1),
        Relative("nano-a-tenth", "same start and first tenth", order=1, branch=0.1),
        Relative("nano-a-half", "same start and first half", order=1, branch=0.5),
        Relative("nano-ab-25", "a quarter of another start", heads=0.25, trunk=0.25),
        Relative("nano-a-heads", "same embeddings, other trunk", trunk=1.0),
        Relative("nano-a-trunk", "same trunk, other embeddings", heads=1.0),
        Relative("nano-a-clone", "other start, imitates the base", continues=SECOND, imitates=FIRST, corpus=1),
    )
}


# relatives whose files are published with those of the bases; all of them would be too large, so the others are
# trained by whoever needs them. No field of `Relative`: these are part of the recipe that a base's file carries
TRAVELLING = ("nano-a-more",)


def find_relative(name: str) -> Relative:
    """Return the relative of this name; raises ValueError with the known names for an unknown one."""
    if name not in RELATIVES:
        raise ValueError(f"unknown relative {name!r}; choose from {', '.join(RELATIVES)}")
    return RELATIVES[name]


def origin(name: str) -> str:
    """Return the base that a base goes on from, without its draw; itself where it began from initial weights."""
    if name.endswith(NEXT) or not name.startswith(PREFIX):
        return name
    family = name.partition(".")[0]  # "nano-a.801" is a draw of nano-a
    return (RELATIVES[family].continues or family) if family in RELATIVES else family


def relation(teacher: str, student: str) -> str:
    """Return what two bases of a matrix share: they are one model, one goes on from the other, or neither."""
    if teacher == student:
        return SAME
    return CONTINUED if origin(teacher) == origin(student) else OTHER


def relation_words(teacher: str, student: str) -> str:
    """Return what a student shares with the teacher's base, in the words of `RELATIVES` where they fit."""
    if teacher == student:
        return "same base"
    return RELATIVES[student].words if student in RELATIVES else OTHER


@torch.no_grad()
def mixed_start(relative: Relative, tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """Return the untrained model of a relative: initial weights of a draw's nano-a, those of the next draw, or both.

    Raises:
        ValueError: the relative goes on from a finished base, so it has no initial weights of its own.
    """
    if relative.continues:
        raise ValueError(f"{relative.name} continues {relative.continues}; load that base instead")
    model = build_nano(NANO[FIRST], tokenizer, seed)
    other = build_nano(NANO[FIRST], tokenizer, next_draw(seed))
    embeddings = model.get_input_embeddings().weight
    theirs = dict(other.named_parameters())
    for name, own in model.named_parameters():
        share = relative.heads if own is embeddings else relative.trunk
        if own.dim() > 1:  # the others start as ones in every model
            own.mul_(math.sqrt(1 - share)).add_(theirs[name], alpha=math.sqrt(share))
    return model
