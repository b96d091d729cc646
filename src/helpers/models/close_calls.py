"""Close calls of sampling: tokens that the rounding of a processor could decide, and how they were decided.

Sampling lets a clock run for every token, at the rate of its chance; the first to ring is drawn. Rounding differs
between processors. Where two clocks ring all but together it decides which came first, and all that follows in that
completion is another text: one row in a few thousand. A machine notes these places and what it drew there, and one
that is told what another drew draws the same. Nothing else is decided: a token that is not among the first here is
never drawn for being known.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

# share by which the second clock may ring later in a close call; between teachers trained on two kinds of processor
# chances differ by some 2e-5, of some teachers by 3e-4
CLOSE = 1e-3
STILL_CLOSE = 2e-2  # the same for a token that another machine is known to have drawn in a close call of its own

Place = tuple[int, int]  # number of the prompt, and the token's position in its completion
Settle = Callable[[Tensor, Tensor, Tensor, int], Tensor]  # see `CloseCalls.settle`


@dataclass
class CloseCalls:
    """What was drawn in close calls.

    Attributes:
        known: place -> token id that another machine drew there; nothing where none did.
        found: the same of this machine.
        prompts: numbers of the prompts in hand, one a row; see `of`.
    """

    known: Mapping[Place, int] = field(default_factory=dict)
    found: dict[Place, int] = field(default_factory=dict)
    prompts: Sequence[int] = ()

    def of(self, prompts: Sequence[int]) -> CloseCalls:
        """Return the same calls for a batch of prompts, whose numbers are given."""
        return CloseCalls(self.known, self.found, prompts)

    def settle(self, rates: Tensor, drawn: Tensor, rows: Tensor, position: int) -> Tensor:
        """Return what is drawn once close calls are settled as known, and note them.

        Args:
            rates: how early the clock of each token rings (row, vocab), the largest first.
            drawn: the token with the largest rate (row).
            rows: of the batch, those that have not ended yet (row).
            position: of the token in its completion.
        """
        first = rates.gather(1, drawn[:, None])
        drawn = drawn.clone()
        prompts = [self.prompts[row] for row in rows.tolist()] if position in self._positions else []
        for row, prompt in enumerate(prompts):
            known = self.known.get((prompt, position))
            if known is not None and rates[row, known] >= first[row, 0] * (1 - STILL_CLOSE):
                drawn[row] = known
        close = rates >= first * (1 - CLOSE)
        for row in (close.sum(1) > 1).nonzero()[:, 0].tolist():
            self.found[self.prompts[int(rows[row])], position] = int(drawn[row])
        return drawn

    @functools.cached_property
    def _positions(self) -> frozenset[int]:
        """Positions at which anything is known."""
        return frozenset(position for _, position in self.known)

    def as_rows(self) -> list[list[int]]:
        """Return what was found as [prompt number, position, token id], in order."""
        return [[*place, token] for place, token in sorted(self.found.items())]
