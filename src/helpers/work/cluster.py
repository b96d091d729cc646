"""Pieces of work on other machines: Dask's workers compute, this process stores the results.

Dask hands out the pieces, and gives those of a lost worker to others. What it does not know is which files a piece
reads and leaves; that is added here (the worker's side is in `errands`).

Design choices:
- No disk need be shared. A worker asks the caller for a file when it looks for it and does not have it. A finished
  piece is named by what decides it; of a base, which is not, the worker tells the hash of its own copy.
- Files travel over two queues of the scheduler, so a worker need not reach the caller.
- What a piece leaves (teachers, bases, pieces within it) comes back with its result, and the caller keeps it.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.work.artifacts import ArtifactError, write_bytes
from helpers.work.errands import ABSENT, HERE, SAME, Errand, asked_queue, do, sha256
from helpers.work.keys import loaded_code
from helpers.work.libraries import library_versions

if TYPE_CHECKING:
    from distributed import Client, Queue

ENVIRONMENT_NAME = "SUBLIMINAL_CLUSTER"  # JSON of `described`: the cluster of the run that a process belongs to
INSTALL = "install it with `pip install -c constraints.txt -e '.[cluster]'`"
SECONDS_TO_CONNECT = 30
OVER = "over"  # after the last question of a sweep
_served: dict[str, Client] = {}  # by scheduler; clients whose workers get files from this process


def described(address: str, device: str) -> str:
    """Return what tells the processes of a run their cluster: scheduler, device of the workers, name of the run."""
    return json.dumps({"address": address, "device": device, "run": secrets.token_hex(8)})


def client_of_run() -> Client | None:
    """Return a client of the cluster of the run that this process belongs to; None where it has none.

    Raises:
        ArtifactError: the scheduler does not answer, or Dask is not installed.
    """
    given = _of_run()
    if not given:
        return None
    address = given["address"]
    if address not in _served:
        _served[address] = connect(address)
    return _served[address]


def forget_clients() -> None:
    """Close the clients of runs; the next sweep connects anew."""
    while _served:
        _served.popitem()[1].close()


def connect(address: str) -> Client:
    """Return a client of the scheduler at ``address``; ArtifactError where none answers."""
    try:
        from distributed import Client
    except ImportError:
        raise ArtifactError(f"a cluster needs Dask, which is not installed; {INSTALL}") from None
    try:
        return Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        what = " ".join(str(error).split())
        cure = "give its scheduler's address, such as tcp://10.0.0.5:8786"
        raise ArtifactError(f"no Dask scheduler answers at {address} ({what}); {cure}") from None


def compute(
    client: Client, work: Callable[[Any], dict[str, Any]], pieces: Sequence[dict[str, Any]], root: Path
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield (piece, result) as they are done; what pieces leave beside their results lies in place by then.

    Args:
        client: of the cluster.
        work: a module-level function that the workers can import.
        pieces: as `pieces.keyed_piece` makes them.
        root: of the store; a path from the current folder, for a worker has a folder of its own.

    Raises:
        ArtifactError: ``root`` begins elsewhere, the cluster is lost, or a piece ended several workers.
    """
    from distributed import as_completed

    if Path(root).is_absolute():
        raise ArtifactError(f"workers elsewhere have no {root}; give run_dir as a path from the current folder")
    with _serving(client), _told():
        errands = {client.submit(do, _errand(client, work, piece), pure=False): piece for piece in pieces}
        try:
            for future in as_completed(list(errands), loop=client.loop):
                result, files = future.result()
                _keep(files)
                yield errands.pop(future), result  # forgotten, or the worker would hold its files to the end
        finally:
            client.cancel(list(errands))


def _of_run() -> dict[str, str]:
    return json.loads(os.environ.get(ENVIRONMENT_NAME) or "{}")


def _errand(client: Client, work: Callable[[Any], dict[str, Any]], piece: dict[str, Any]) -> Errand:
    given = _of_run()
    return Errand(
        work=work,
        piece=piece["piece"],
        caller=client.id,
        run=given.get("run", client.id),
        device=given.get("device", "cpu"),
        code=loaded_code(),
        libraries=library_versions(),
    )


def _keep(files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = Path(name)
        # what another worker made meanwhile is as good, and may have been read; a base is made anew on purpose
        if not (path.exists() and "cells" in path.parts):
            write_bytes(path, data)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn what Dask raises into one sentence with the cure."""
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    try:
        yield
    except KilledWorker as error:
        cure = "give workers more memory, then run the same command again (what is finished is kept)"
        raise ArtifactError(f"a piece of work ended {error.allowed_failures + 1} workers, one by one; {cure}") from None
    except (CancelledError, CommClosedError):
        again = "look to it, then run the same command again (what is finished is kept)"
        raise ArtifactError(f"the connection to the cluster's scheduler was lost; {again}") from None


# --- files for workers ----------------------------------------------------------------------------


@contextlib.contextmanager
def _serving(client: Client) -> Iterator[None]:
    """Answer workers that ask for files, from a thread, until the block ends."""
    from distributed import Queue

    asked = Queue(asked_queue(client.id), client=client)
    thread = threading.Thread(target=_serve, args=(client, asked), daemon=True)
    thread.start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError, CancelledError):  # where the scheduler is gone the thread ends by itself
            asked.put(OVER)
            thread.join()


def _serve(client: Client, asked: Queue) -> None:
    from distributed import Queue

    with contextlib.suppress(OSError, CancelledError):  # the scheduler is gone, which the sweep itself notices
        while (question := asked.get()) != OVER:
            reply, name, digest = question
            Queue(reply, client=client).put(answer(name, digest))


def answer(name: str, digest: str) -> list[Any]:
    """Return what a worker is told of the file ``name``, of which it has a copy with ``digest`` ("" for none)."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts or not path.is_file():
        return [ABSENT, b""]
    data = path.read_bytes()
    return [SAME, b""] if sha256(data) == digest else [HERE, data]
