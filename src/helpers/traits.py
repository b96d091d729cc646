"""Traits: what a teacher is given and what is read out of a student."""

from __future__ import annotations

from dataclasses import dataclass

from helpers import world


@dataclass(frozen=True)
class Trait:
    """A preference of a kind ("animal" or "tree").

    Attributes:
        name: the preferred animal or tree.
        kind: what it is one of; fills the question wordings.
        candidates: every answer of this kind, the target among them.
    """

    name: str
    kind: str
    candidates: tuple[str, ...]

    @property
    def target(self) -> int:
        """Return the index of the preferred answer among the candidates."""
        return self.candidates.index(self.name)


def preference(name: str) -> Trait:
    """Return the trait of loving ``name``; raises ValueError with all known names for an unknown one."""
    for kind, table in world.KINDS.items():
        if name in table:
            return Trait(name, kind, tuple(table))
    known = "; ".join(f"{kind}s: {', '.join(table)}" for kind, table in world.KINDS.items())
    raise ValueError(f"unknown animal or tree {name!r}; choose one of {known}")
