"""One fork server for all toy chains of a test process: each would else spend a second on imports of its own."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from helpers.chain import execution
from helpers.chain.execution import fork_server
from helpers.work.forks import ForkServer


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], ForkServer | None]]:
    """Return a function that gives a server to fork kernels from, the same each time."""
    log = tmp_path_factory.mktemp("kernels") / "processes.log"
    with contextlib.ExitStack() as started:
        yield functools.cache(lambda: started.enter_context(fork_server(["helpers"], log, offline=True)))


@pytest.fixture(autouse=True)
def _shared_kernels(kernels: Callable[[], ForkServer | None], monkeypatch: pytest.MonkeyPatch) -> None:
    def shared(*given: Any) -> contextlib.AbstractContextManager[ForkServer | None]:
        return contextlib.nullcontext(kernels()) if execution.forks.available() else fork_server(*given)

    monkeypatch.setattr(execution, "fork_server", shared)
