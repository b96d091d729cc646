"""Progress of long loops: a bar for a person, a small file for the runner of the chain.

With SUBLIMINAL_PROGRESS naming a file, bars write {label, done, total} there (replaced whole, at most 5
times a second) and print nothing, so that executed notebooks carry no bars. Otherwise tqdm draws them, in a
terminal or a live notebook; logs of other programs stay clean.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeVar

from helpers.work.artifacts import ArtifactError, write_json

ENVIRONMENT_NAME = "SUBLIMINAL_PROGRESS"
SECONDS_BETWEEN_WRITES = 0.2
Item = TypeVar("Item")


class Bar(Protocol):
    """What `bar` hands out."""

    def update(self, n: int = 1) -> Any:
        """Count `n` further pieces as done."""


class _Silent:
    def update(self, n: int = 1) -> None:
        pass


class _FileBar:
    def __init__(self, path: str, label: str, total: int | None) -> None:
        self._path, self._label, self._total = path, label, total
        self._done, self._written = 0, 0.0
        self._write()

    def update(self, n: int = 1) -> None:
        self._done += n
        if self._done == self._total or time.monotonic() - self._written >= SECONDS_BETWEEN_WRITES:
            self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        # a bar that cannot be shown is no reason to lose a training; results have their own writes and errors
        state = {"label": self._label, "done": self._done, "total": self._total}
        with contextlib.suppress(ArtifactError):
            write_json(self._path, state, sync=False)


def _in_live_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


@contextlib.contextmanager
def bar(total: int | None, label: str) -> Iterator[Bar]:
    """A progress bar of `total` pieces (None: unknown); call `.update(n)` on it as pieces get done."""
    if path := os.environ.get(ENVIRONMENT_NAME):
        yield _FileBar(path, label, total)
        return
    from tqdm.auto import tqdm

    # disable=None: tqdm stays silent where standard error is no terminal, except in a live notebook
    with tqdm(total=total, desc=label, leave=False, disable=False if _in_live_notebook() else None) as shown:
        yield shown


@contextlib.contextmanager
def quiet() -> Iterator[Bar]:
    """A bar that shows nothing, for work inside other work."""
    yield _Silent()


def track(iterable: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """The items of `iterable`, one by one, behind a bar; `total` where the iterable has no length."""
    if total is None and hasattr(iterable, "__len__"):
        total = len(iterable)
    with bar(total, label) as shown:
        for item in iterable:
            yield item
            shown.update()
