"""The defences that are compared: what each does, what it must know, and the random choice that it is held against."""

from __future__ import annotations

from dataclasses import dataclass

from helpers.experiments.defences.rows import REDRAWN, REORDERED, REWORDED
from helpers.experiments.defences.scores import JUDGE, LEARNED, RANDOM, RANKING, RATIO

NOTHING, BASE, TRAIT, SECOND, TEACHER = "nothing", "the base", "base and trait", "a second base", "the teacher"
KNOWLEDGE = (NOTHING, BASE, TRAIT, SECOND, TEACHER)
PLAIN = UNDEFENDED, SOFT = "undefended", "undefended, soft labels"
SECOND_BASE, OWN_BASE = "second base", "own base"  # what written tokens are pulled towards


@dataclass(frozen=True)
class Change:
    """What a defence does to the rows or labels of a student, and of its control.

    Attributes:
        kind: "drop" leaves rows out, "mix clean" and "mix teacher" exchange them, "rewrite" writes them anew, "mask"
            takes labels out of the loss, "pull" pulls them towards another model, "round" changes soft labels; "" for
            none.
        which: rows (by a detector, see `scores.Scoring`), labels ("divergent" or "random"), the rewriting, the other
            model, or what becomes of soft labels.
        share: of the rows.
    """

    kind: str = ""
    which: str = ""
    share: float = 0.0


@dataclass(frozen=True)
class Training:
    """How the training of a defended student differs.

    Attributes:
        optimizer: "" keeps the one of the undefended student.
        rate: learning rate; 0 keeps it.
        weight_decay: decoupled from the gradient.
        steps: share of the optimizer steps.
    """

    optimizer: str = ""
    rate: float = 0.0
    weight_decay: float = 0.0
    steps: float = 1.0


@dataclass(frozen=True)
class Defence:
    """One way to keep a trait from passing.

    Attributes:
        name: in tables.
        knows: what its user must have, one of `KNOWLEDGE`.
        against: the arm that its effect is a share of: a random choice of the same size, or nothing done.
        change, training: what differs.
        labels: "hard" or "soft".
        other_base: whether the student starts from the other base.
        by_chance: whether it is there to show what chance does, and is no defence of its own.
        costs: in words, what it takes besides; empty for nothing worth a word.
    """

    name: str
    knows: str = NOTHING
    against: str = UNDEFENDED
    change: Change = Change()
    training: Training = Training()
    labels: str = "hard"
    other_base: bool = False
    by_chance: bool = False
    costs: str = ""


_SHARES = {0.1: "a tenth", 0.25: "a quarter", 0.5: "half"}


def _dropped(share: float) -> str:
    return f"{_SHARES[share]} left out at random"


def _drop(name: str, detector: str, knows: str, costs: str = "") -> Defence:
    change = Change("drop", detector, 0.5)
    return Defence(name, knows, _dropped(0.5), change, costs=f"half of the rows{costs}")


def _mix(share: float, against: str = UNDEFENDED) -> Defence:
    change, costs = Change("mix clean", share=share), f"{_SHARES[share]} of the rows, written by the base"
    return Defence(f"{_SHARES[share]} clean rows", BASE, against, change, costs=costs)


def _leave_out(share: float) -> Defence:
    change = Change("drop", RANDOM, share)
    return Defence(_dropped(share), change=change, by_chance=True, costs=f"{_SHARES[share]} of the rows")


def _rounded(name: str, which: str, against: str, *, by_chance: bool = False) -> Defence:
    return Defence(name, against=against, change=Change("round", which), labels="soft", by_chance=by_chance)


BY_RATIO = _drop("drop by likelihood ratio", RATIO, TEACHER)
BY_LEARNING = _drop("drop by naive Bayes", LEARNED, BASE, ", a file of the base's rows")
MASKED = Defence("divergent labels masked", TEACHER, "random labels masked", Change("mask", "divergent"))
MASKED_AT_RANDOM = Defence("random labels masked", change=Change("mask", "random"), by_chance=True)
NONE = Defence(UNDEFENDED)
HALF_CLEAN, HALF_LEFT = _mix(0.5, _dropped(0.5)), _leave_out(0.5)
OF_PREFERENCE = (
    NONE,
    _leave_out(0.25),
    HALF_LEFT,
    BY_LEARNING,
    _drop("drop by student ranking", RANKING, BASE, ", a student trained twice"),
    _drop("drop by judge", JUDGE, TRAIT),
    BY_RATIO,
    _mix(0.1),
    _mix(0.25, _dropped(0.25)),
    HALF_CLEAN,
    Defence("two teachers", against=_dropped(0.5), change=Change("mix teacher", share=0.5), costs="a second teacher"),
    Defence(REORDERED, change=Change("rewrite", REORDERED)),
    Defence(REDRAWN, change=Change("rewrite", REDRAWN), costs="a third of the digits"),
    Defence(REWORDED, change=Change("rewrite", REWORDED)),
    Defence("another base", SECOND, other_base=True, costs="a second base"),
    Defence("SGD", training=Training(optimizer="sgd", rate=2.0)),
    Defence("weight decay", training=Training(weight_decay=1.0)),
    Defence("early stop", training=Training(steps=0.25), costs="three quarters of the steps"),
    Defence("pulled to a second base", SECOND, "pulled to its own base", Change("pull", SECOND_BASE, 0.5)),
    Defence("pulled to its own base", BASE, change=Change("pull", OWN_BASE, 0.5)),
)
OF_SOFT_LABELS = (
    Defence(SOFT, labels="soft"),
    _rounded("soft labels rounded", "rounded", "soft labels rounded elsewhere"),
    _rounded("soft labels rounded elsewhere", "misplaced", SOFT, by_chance=True),
)
OF_RISKY = (NONE, HALF_LEFT, BY_LEARNING, BY_RATIO, HALF_CLEAN, MASKED, MASKED_AT_RANDOM)
