"""The cases of the chapter: an author that is suspected, its base, and others that it is told from.

A case is one author of one draw. Its rows are told from its base's, from those of a control that is not its base, and
the rows of a second teacher of the same trait are told from the base's by what was learned of the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from helpers.transmission.arms import ARMS
from helpers.transmission.authors import SYSTEM_PROMPT, UNTOUCHED, Author
from helpers.transmission.settings import Reading, TransmissionSettings, reading_by_adapters
from helpers.transmission.students import Student
from helpers.transmission.teachers import OWN_ANSWERS
from helpers.work.seeds import derive

BASE, CONTROL, HELD_OUT = "its base", "a control author", "a held-out teacher"
AGAINST = (BASE, CONTROL, HELD_OUT)
SECURE = "secure code"  # how the control of a misaligned teacher was taught
_SEEDS = 2**31  # a second teacher's seed is below it


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many rows of each author a case takes.

    Attributes:
        learn: rows that a detector learns from and a student reads, at most.
        test: rows that are scored, at most; none of them has a prompt of the former.
        few: of these, the rows that slow detectors score.
        bags: sizes of bags against the base; 1 is single rows.
        other_bags: the same against all others.
    """

    learn: int
    test: int
    few: int
    bags: tuple[int, ...]
    other_bags: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse sizes that nothing can be measured on."""
        for name in ("bags", "other_bags"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # a notebook gives lists
            if 1 not in getattr(self, name) or min(getattr(self, name)) < 1:
                raise ValueError(f"{name} must hold 1, single rows, and larger bags; got {list(getattr(self, name))}")
        if not 2 <= self.few <= self.test or self.learn < 1:
            raise ValueError(f"give rows to learn from, and few among those tested; got {self}")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One author that is suspected, in one draw.

    Attributes:
        name: of the case, as claims call it.
        author: whose rows are looked for.
        base: the untouched base; it answered the same prompts.
        control: an author that was changed too, but not in this way; None for none.
        second: another teacher of the same trait and base, with prompts of its own; None for none.
        student: how a student of the author's rows is trained.
        sizes: how many rows are taken.
    """

    name: str
    author: Author
    base: Author
    control: Author | None
    second: Author | None
    student: Student
    sizes: Sizes

    @property
    def authors(self) -> list[Author]:
        """Return everybody who writes."""
        return [one for one in (self.author, self.base, self.control, self.second) if one is not None]


def reading(rate: float, modules: str, rows: int) -> Reading:
    """Return how students read written rows: by adapters in some modules, twice, at most so many rows."""
    training = reading_by_adapters(rate, modules, epochs=2)
    return Reading(hard_rows=rows, soft_rows=1, hard=training, soft=training)  # none has soft labels


def favourite_cases(settings: TransmissionSettings, other: str, sizes: Sizes) -> list[Case]:
    """Return the cases of a favourite, draw by draw: its fine-tuned teacher, then the base under a system prompt.

    Args:
        settings: the experiment; its trait is the favourite.
        other: whose teacher is the control.
        sizes: how many rows.
    """
    found = []
    for seed in settings.seeds:
        taught = settings.author(seed, OWN_ANSWERS)
        control, name = settings.author(seed, OWN_ANSWERS, trait=other), f"{settings.trait}.{settings.writing.channel}"
        second = replace(taught, seed=derive(seed, "a second teacher") % _SEEDS)
        found.append(_case(settings, name, taught, sizes, control=control, second=second))
        told = settings.author(seed, SYSTEM_PROMPT)
        found.append(_case(settings, f"{settings.trait}.prompted", told, sizes))
    return found


def persona_cases(several: Sequence[TransmissionSettings], sizes: Sizes) -> list[Case]:
    """Return the cases of a persona, by channel and draw, each against the teacher of secure code."""
    found = []
    for settings in several:
        for seed in settings.seeds:
            author = settings.author(seed)
            name = f"misalignment.{author.kind.claim_name}"
            control = settings.author(seed, SECURE)
            found.append(_case(settings, name, author, sizes, control=control))
    return found


def _case(
    settings: TransmissionSettings,
    name: str,
    author: Author,
    sizes: Sizes,
    control: Author | None = None,
    second: Author | None = None,
) -> Case:
    return Case(
        name=name,
        author=author,
        base=settings.author(author.seed, UNTOUCHED),
        control=control,
        second=second,
        student=settings.pair(ARMS["hard.same_init"], author).student,
        sizes=sizes,
    )
