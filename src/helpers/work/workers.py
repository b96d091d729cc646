"""Worker processes that call functions for this process, forked from a fork server where there is one.

Both kinds have the two methods of an executor that are used here: `submit` and `shutdown`.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import pickle
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from helpers.work import forks
from helpers.work.errors import is_refusal
from helpers.work.forks import ForkServer, Line

SECONDS_BETWEEN_LOOKS = 1.0
_own: list[ForkServer] = []  # the server that this process started, where it belongs to no run of the chain


def start_workers(count: int, module: str) -> ForkedWorkers | ProcessPoolExecutor:
    """Return `count` workers that will call functions of `module`; none is started before it has something to do."""
    if not forks.available():
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(count, context, _watch_parent, (os.getpid(),))
    return ForkedWorkers(count, _server_address(module))


def _server_address(module: str) -> str:
    """Where the fork server is: that of the run this process belongs to, or one of its own, started here."""
    if given := os.environ.get(forks.ENVIRONMENT_NAME):
        return given
    if not _own:
        # modules from elsewhere may be found elsewhere by the next that ask
        own = [module] if module.startswith("helpers.") else []
        _own.append(ForkServer(["torch", *own]))
        atexit.register(_own[0].close)
    return _own[0].address


def _watch_parent(parent: int) -> None:
    """End a worker when its parent is gone: a killed run must not leave processes behind."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class WorkerTraceback(Exception):
    """Shown as the cause of an error: where in the worker it was raised."""

    def __str__(self) -> str:
        """Return the traceback as the worker saw it."""
        return f"\n{self.args[0]}"


class ForkedWorkers:
    """Threads of this process, each of which hands its calls to a worker of its own."""

    def __init__(self, count: int, address: str) -> None:
        """Prepare `count` workers of the fork server at `address`."""
        self._address = address
        self._threads = ThreadPoolExecutor(count)
        self._here = threading.local()  # .line to the thread's own worker
        self._lines: list[Line] = []
        self._over = False

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have a worker call a module's `function`; the future raises BrokenProcessPool where the worker dies."""
        return self._threads.submit(self._call, function, arguments)

    def shutdown(self, wait: bool = True, cancel_futures: bool = False) -> None:
        """End the workers; with `wait` when they are done with what was submitted, else amid it."""
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        self._over = True
        for line in self._lines:
            line.hang_up()  # ends the worker, and wakes the thread that waits for its answer
        self._threads.shutdown(wait=True)
        for line in self._lines:
            line.close()

    def _call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        try:
            line = self._line()
            line.send((function, arguments))
            done, value, told = line.receive()
        except (OSError, EOFError) as error:
            raise BrokenProcessPool("a worker process ended") from error
        if done:
            return value
        if told:
            raise value from WorkerTraceback(told)
        raise type(value)(*value.args)

    def _line(self) -> Line:
        if self._over:
            raise EOFError("the workers were told to end")
        if not hasattr(self._here, "line"):
            self._here.line = forks.ask(self._address, "helpers.work.workers:serve")
            self._lines.append(self._here.line)
        return self._here.line


def serve(line: Line) -> None:
    """Call, in a worker, what the asker sends, until it is gone."""
    while True:
        try:
            function, arguments = line.receive()
        except EOFError:
            return
        told = ""
        try:
            done, value = True, function(*arguments)
        except BaseException as error:  # noqa: BLE001 - it belongs to who asked
            done, value = False, error
            told = "" if is_refusal(error) else traceback.format_exc()
        try:
            line.send((done, value, told))
        except (TypeError, AttributeError, pickle.PicklingError):
            line.send((False, RuntimeError(f"{value!r} cannot be sent to another process"), told or "in a worker"))
