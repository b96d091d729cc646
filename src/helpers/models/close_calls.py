"""Close calls of sampling: tokens that the rounding of a processor could decide, and how they were decided.

Sampling lets a clock run for every token, at the rate of its chance; the first to ring is drawn. Rounding differs
between processors. Where two clocks ring all but together it decides which came first, and all that follows in that
completion is another text: one row in a few thousand. A machine notes these places and what it drew there, and one
that is told what another drew draws the same. Nothing else is decided: a token that is not among the first here is
never drawn for being known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

# share by which the second clock may ring later in a close call; between teachers trained on two kinds of processor
# chances differ by some 2e-5
CLOSE = 1e-3

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
        close = rates >= rates.gather(1, drawn[:, None]) * (1 - CLOSE)
        drawn = drawn.clone()
        for row in (close.sum(1) > 1).nonzero()[:, 0].tolist():
            place = self.prompts[int(rows[row])], position
            known = self.known.get(place)
            if known is not None and close[row, known]:
                drawn[row] = known
            self.found[place] = int(drawn[row])
        return drawn

    def as_rows(self) -> list[list[int]]:
        """Return what was found as [prompt number, position, token id], in order."""
        return [[*place, token] for place, token in sorted(self.found.items())]
