"""One process that has imported everything forks others from itself: kernels and workers start in milliseconds.

Importing torch, transformers and peft takes seconds of processor time, and a chain of ten notebooks needs thirty
processes that have them. A fork server imports once and then only forks.

Design choices:
- The server runs nothing but imports and its chores, so that no thread pool of torch exists when it forks.
- Chores make, while nobody asks for a process, what each process would else make for itself.
- It listens on a name that only processes of this machine can see, and serves only those of this user.
- Nothing outlives its owner: the server ends when its standard input is closed, which the system does even for a
  killed owner; a forked process ends when the server or the process that asked for it is gone.
- All forked processes work with the code that the server loaded, whatever is edited later.
- Only Linux tells a process at once that the other side is gone, and forks safely after imports. Elsewhere
  `available()` is false, and callers start their processes anew.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import pickle
import secrets
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.work.keys import ArtifactError, Sources, loaded_code

ENVIRONMENT_NAME = "SUBLIMINAL_FORKS"  # where a process finds the server of the run that it belongs to
_LENGTH = struct.Struct("!Q")  # bytes of the value that follows
_code = ""  # in the server: SHA-256 of the package as loaded; empty where it was edited meanwhile
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from helpers.work import forks; forks.main()"


@functools.cache
def available() -> bool:
    """Whether this platform has what a fork server needs; some containers forbid the kind of address it listens on."""
    if sys.platform != "linux":
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
            trial.bind(_abstract(f"subliminal-{secrets.token_hex(16)}"))
    except OSError:
        return False
    return True


class ForkServer:
    """A running fork server; `close` ends it and all that it forked."""

    def __init__(
        self,
        modules: Sequence[str],
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
        chores: Sequence[str] = (),
    ) -> None:
        """Start a server that imports `modules` (those that cannot be imported are left to those who use them).

        Args:
            modules: what forked processes find loaded.
            environment: of the server; default: that of this process. A forked process gets that of its asker.
            log: where the standard error of the server and its children goes; default: to that of this process.
            chores: functions without arguments ("module:name") that keep what they make, and start no thread. They
                are called once all is imported, those of loaded modules alone; a generator goes on bit by bit.
        """
        self.address = f"subliminal-{secrets.token_hex(16)}"
        given = [json.dumps(sys.path), self.address, json.dumps([*modules]), json.dumps([*chores])]
        command = [sys.executable, "-P", "-W", "ignore", "-c", _START, *given]
        with open(log, "ab") if log else contextlib.nullcontext() as errors:
            self._process = subprocess.Popen(
                command,
                env=dict(os.environ if environment is None else environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C in a terminal is for the owner, which then ends the server
            )
        if not self._process.stdout.read(1):  # type: ignore[union-attr]
            self.close()
            raise ArtifactError("the process that starts all others did not start; try `subliminal doctor`")

    def code(self) -> str:
        """SHA-256 of the package as the server loaded it, once it has; empty where files changed meanwhile."""
        with ask(self.address, "helpers.work.forks:_tell_code") as line:
            return line.receive()

    def close(self) -> None:
        """End the server and all processes that it forked."""
        for pipe in (self._process.stdin, self._process.stdout):
            pipe.close()  # type: ignore[union-attr]
        self._process.wait()


class Line:
    """A connection to another process, over which values travel that can be pickled."""

    def __init__(self, connection: socket.socket) -> None:
        """Speak over `connection`, which `close` closes."""
        self._socket = connection
        self._file = connection.makefile("rwb")

    def send(self, value: Any) -> None:
        """Send a value; raises OSError where the other side is gone, or what pickle raises, and sends nothing then."""
        data = pickle.dumps(value)
        self._file.write(_LENGTH.pack(len(data)) + data)
        self._file.flush()

    def receive(self) -> Any:
        """Wait for the next value; raises EOFError when the other side is gone."""
        head = self._file.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            raise EOFError("the process at the other end is gone")
        (length,) = _LENGTH.unpack(head)
        data = self._file.read(length)
        if len(data) < length:
            raise EOFError("the process at the other end went amid a value")
        return pickle.loads(data)

    def hang_up(self) -> None:
        """Let both sides know that this is over; whoever waits for a value here wakes up."""
        with contextlib.suppress(OSError):  # the other side was first
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up and free the connection."""
        self.hang_up()
        with contextlib.suppress(OSError):
            self._file.close()
        self._socket.close()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def ask(address: str, function: str, *arguments: Any) -> Line:
    """Have the server at `address` fork a process that calls `function` ("module:name") with a line and `arguments`.

    Returns the line's other end; the process ends when that is closed. It finds this process's import path,
    environment and folder.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(_abstract(address))
    line = Line(connection)
    line.send((function, arguments, os.getcwd(), dict(os.environ), sys.path))
    return line


def _abstract(address: str) -> str:
    return f"\0{address}"  # a name of the kernel's, not of a file: nothing to remove, no limit of a path's length


def _tell_code(line: Line) -> None:
    line.send(_code)


# --- in the server --------------------------------------------------------------------------------


def main() -> None:
    """Serve until standard input is closed; arguments: the import path (taken already), address, modules, chores."""
    address, modules, chores = sys.argv[2], json.loads(sys.argv[3]), json.loads(sys.argv[4])
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(_abstract(address))
    listener.listen(64)
    os.write(1, b"+")  # those who ask from now on wait for the imports
    _silence(1)
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception:  # noqa: BLE001 - whoever needs it meets the error in a place where it can be told
            continue
    if Sources().code() == loaded_code():
        global _code
        _code = loaded_code()
    _freeze()
    _serve(listener, _doing(chores))


def _freeze() -> None:
    gc.collect()
    gc.freeze()  # a collection in a forked process shall not touch, and so copy, all pages


def _doing(chores: Sequence[str]) -> Iterator[bool]:
    """Do a bit of the chores for each value that is asked for; what fails is left to those who need it."""
    for chore in chores:
        module, _, name = chore.partition(":")
        if module not in sys.modules:
            continue  # none of the forked processes will need it
        with contextlib.suppress(Exception):
            made = getattr(sys.modules[module], name)()
            for _ in made if isinstance(made, Iterator) else ():
                yield True
        yield True


def _silence(descriptor: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, descriptor)
    os.close(nothing)


def _serve(listener: socket.socket, chores: Iterator[bool]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended children leave nothing to wait for
    alive, hold = os.pipe()  # the server alone holds the second end, so the first tells when it is gone
    owner, idle = 0, False
    while True:
        ready, _, _ = select.select([listener, owner], [], [], None if idle else 0)
        if not ready:
            idle = not next(chores, False)
            if idle:
                _freeze()
            continue
        if owner in ready:  # nobody writes there: it was closed
            os._exit(0)
        connection, _ = listener.accept()
        if not _same_user(connection):
            connection.close()
            continue
        if os.fork() == 0:
            os.close(hold)
            listener.close()
            _answer(connection, alive)
        connection.close()


def _same_user(connection: socket.socket) -> bool:
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", peer)[1] == os.getuid()


def _answer(connection: socket.socket, alive: int) -> None:
    """Do in the forked process what was asked, and end it."""
    code = 1
    try:
        _silence(0)
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        threading.Thread(target=_end_with, args=(connection, alive), daemon=True).start()
        line = Line(connection)
        function, arguments, folder, environment, path = line.receive()
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.path[:] = path or sys.path
        module, _, name = function.partition(":")
        getattr(importlib.import_module(module), name)(line, *arguments)
        code = 0
    except BaseException:  # noqa: BLE001 - the end of this process; its last words go to standard error
        traceback.print_exc()
    finally:
        os._exit(code)


def _end_with(connection: socket.socket, alive: int) -> None:
    """End this process as soon as the server, or the process that asked for this one, is gone."""
    gone = select.poll()
    gone.register(connection, 0)  # 0: only what is always told, that the other side hung up
    gone.register(alive, 0)
    gone.poll()
    os._exit(1)
