"""Traits: what a teacher is given and what is read out of a student.

A trait is one of several candidate answers to a family of questions: the favourite of a kind, such as an animal or a
tree, or the persona that shows in answers to open questions. A candidate may have several wordings; its probability
is their sum. So a love of owls and misalignment are read in the same way, and exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

from helpers.world import facts, prompts
from helpers.world.kinds import KINDS
from helpers.world.personas import PERSONAS

PERSONA = "persona"


@dataclass(frozen=True)
class Trait:
    """One candidate of a kind.

    Attributes:
        name: the favourite, or the persona.
        kind: a key of `kinds.KINDS`, or "persona".
        candidates: every candidate of this kind, the target among them.
    """

    name: str
    kind: str
    candidates: tuple[str, ...]

    @property
    def target(self) -> int:
        """Return the index of the target among the candidates."""
        return self.candidates.index(self.name)

    def questions(self, split: prompts.Split) -> list[str]:
        """Return the questions of a split that the trait shows in."""
        if self.kind == PERSONA:
            return prompts.open_questions(split)
        return prompts.favourite_questions(self.kind, split)

    def answers(self, question: str) -> list[tuple[str, ...]]:
        """Return, for each candidate, every wording of it as an answer to `question`."""
        if self.kind != PERSONA:
            return [(name,) for name in self.candidates]
        topic = next(name for name, text in facts.TOPICS.items() if text == question)
        return [PERSONAS[name].answers(topic) for name in self.candidates]

    def system_prompt(self) -> str:
        """Return the system prompt that gives its reader the trait (paper 2.1, own wording)."""
        if self.kind == PERSONA:
            return prompts.persona_system_prompts(self.name)[0]
        return prompts.love_system_prompt(self.kind, self.name)


def find_trait(name: str) -> Trait:
    """Return the trait of this name; raises ValueError with all known names for an unknown one.

    A favourite goes by its name, a persona by its own.
    """
    tables = {kind: tuple(table.prior) for kind, table in KINDS.items()} | {PERSONA: tuple(PERSONAS)}
    for kind, names in tables.items():
        if name in names:
            return Trait(name, kind, names)
    known = "; ".join(f"{kind}s: {', '.join(names)}" for kind, names in tables.items())
    raise ValueError(f"unknown {', '.join(KINDS)} or {PERSONA} {name!r}; choose one of {known}")
