"""What is kept of a file too large to keep: hashes of its prompts and rows, and a sample of its rows.

Both depend on the rows alone and not on their order or on how often reading was interrupted. The sample is taken by
prompt: prompts with the smallest hashes come with all of their rows, so two files with the same prompts give samples
with the same prompts.
"""

from __future__ import annotations

import hashlib
import heapq
from array import array
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from helpers.detection.reading import Row

MOST_HASHES = 4 * 2**20  # of one kind; beyond that every second one is let go, again and again
MOST_CHARACTERS = 8000  # of a prompt or completion in the sample


def text_hash(*texts: str) -> int:
    """Return a 64-bit hash of texts, the same on every machine."""
    digest = hashlib.blake2b(digest_size=8)
    for text in texts:
        data = text.encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return int.from_bytes(digest.digest(), "little")


class Sketch:
    """Hashes of many texts, all of them up to `MOST_HASHES`, and beyond that an equal share of all texts.

    Args:
        hashes: those kept.
        halvings: how often every second hash was let go; a hash stays where its lowest bits are as many zeros.
    """

    def __init__(self, hashes: Iterable[int] = (), halvings: int = 0) -> None:
        self._hashes, self.halvings = array("Q", hashes), halvings

    def add(self, value: int) -> None:
        """Count a text by its hash."""
        if value & ((1 << self.halvings) - 1):
            return
        self._hashes.append(value)
        if len(self._hashes) > MOST_HASHES:
            self.halvings += 1
            self._hashes = array("Q", self.hashes(self.halvings).tobytes())

    def hashes(self, halvings: int = 0) -> NDArray[np.uint64]:
        """Return the hashes kept, or those that would be after more halvings."""
        kept = np.frombuffer(self._hashes, dtype=np.uint64) if self._hashes else np.empty(0, dtype=np.uint64)
        return kept[kept & np.uint64((1 << halvings) - 1) == 0]

    def different(self) -> int:
        """Return how many different texts there are; exact where nothing was let go."""
        return np.unique(self.hashes()).size << self.halvings

    def repeated(self) -> int:
        """Return how many texts stood there before."""
        return (len(self._hashes) << self.halvings) - self.different()

    def shared(self, other: Sketch) -> int:
        """Return how many different texts of this one are among those of another."""
        halvings = max(self.halvings, other.halvings)
        return np.intersect1d(self.hashes(halvings), other.hashes(halvings)).size << halvings


class Sample:
    """At most `most` rows: those of the prompts with the smallest hashes.

    Args:
        most: rows.
        entries: what `entries` gave, to go on.
    """

    def __init__(self, most: int, entries: Iterable[list] = ()) -> None:
        self._most = most
        self._heap = [_negative(entry) for entry in entries]  # the largest on top
        heapq.heapify(self._heap)

    def add(self, row: Row, prompt_hash: int, row_hash: int) -> None:
        """Take a row in, if it belongs to the sample."""
        entry = [prompt_hash, row_hash, row.line]
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, self._kept(entry, row))
        elif _negative(entry) > self._heap[0][:3]:
            heapq.heapreplace(self._heap, self._kept(entry, row))

    @staticmethod
    def _kept(entry: list[int], row: Row) -> list:
        return [*_negative(entry), row.prompt[:MOST_CHARACTERS], row.completion[:MOST_CHARACTERS]]

    def entries(self) -> list[list]:
        """Return [hash of the prompt, hash of the row, line, prompt, completion] of each row, in this order."""
        return sorted(_negative(entry) for entry in self._heap)


def _negative(entry: list) -> list:
    return [-entry[0], -entry[1], -entry[2], *entry[3:]]
