"""Files that lie on another machine: code that is about to look for a file asks here first.

On one machine nothing happens. A worker of a cluster puts in place what fetches the file from the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Fetch = Callable[[Path], None]
_fetch: list[Fetch] = []  # of the piece that this process computes for another machine; else empty


def at_hand(path: Path) -> Path:
    """Return ``path``, fetched from the caller where this process works for another machine that has it."""
    for fetch in _fetch:
        fetch(path)
    return path


def fetch_with(fetch: Fetch | None) -> None:
    """Let ``fetch`` bring the files that this process looks for; None: they are all here."""
    _fetch[:] = [fetch] if fetch else []
