"""What a worker of a cluster does for a caller: one piece of work, in a folder laid out like the caller's.

The folder belongs to one run and holds what the caller has as far as pieces looked for it, and what they left here. It
goes with the worker.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.work.artifacts import write_bytes
from helpers.work.elsewhere import fetch_with
from helpers.work.keys import ArtifactError, loaded_code
from helpers.work.libraries import library_versions

ABSENT, SAME, HERE = "absent", "same", "here"  # what the caller says of a file
SECONDS_TO_ANSWER = 300  # of the caller, who may have large files to send to many
DEVICE_VARIABLE = "SUBLIMINAL_DEVICE"  # environment variable that names the device of language models, see `runtime`
MICRO_ROWS_VARIABLE = "SUBLIMINAL_MICRO_ROWS"  # the same for the rows that a training reads at once
CHECKPOINTING_VARIABLE = "SUBLIMINAL_CHECKPOINTING"  # the same for gradient checkpointing; anything but "" turns it on


@dataclass(frozen=True, kw_only=True)
class Errand:
    """One piece of work for a caller.

    Attributes:
        work: function of the piece.
        piece: its settings.
        caller: id of the client, which answers for files.
        run: names the run; its pieces share a folder.
        device: "cpu", "cuda" or "auto" (a card where the worker has one).
        code: SHA-256 of the package that the caller works with.
        libraries: versions of those that the caller works with.
    """

    work: Callable[[Any], dict[str, Any]]
    piece: Any
    caller: str
    run: str
    device: str
    code: str
    libraries: dict[str, str | None]


@dataclass
class _Folder:
    """A run's folder on this worker."""

    place: Path
    known: dict[str, tuple[int, int]] = field(default_factory=dict)  # files that the caller has as well

    def note(self, path: Path) -> None:
        """Note that the caller has the file ``path`` as it is now."""
        self.known[path.as_posix()] = _state(path)

    def new_files(self) -> dict[str, bytes]:
        """Return the files that the caller does not have, by name, and note that it has them from now on."""
        found = {}
        for path in sorted(Path().rglob("*")):
            if path.is_file() and path.name[0] != "." and self.known.get(path.as_posix()) != _state(path):
                found[path.as_posix()] = path.read_bytes()
                self.note(path)
        return found


_folders: dict[str, _Folder] = {}  # by run
_OWN_DEVICE = os.environ.get(DEVICE_VARIABLE, "")  # as the worker's owner set it
_device: list[str] = []  # in use; models stay where the first run put them


def sha256(data: bytes) -> str:
    """Return the hash by which a file is told from its copy."""
    return hashlib.sha256(data).hexdigest()


def asked_queue(caller: str) -> str:
    """Return the name of the queue in which a caller finds the questions of workers."""
    return f"subliminal-{caller}"


def do(errand: Errand) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the result of an errand, with ``seconds``, and the files that its piece left, by name.

    Raises:
        ArtifactError: this worker has other code or libraries than the caller, or works on several pieces at once.
    """
    import torch
    from distributed import get_worker

    worker = get_worker()
    _require_alike(errand, worker)
    folder = _folders.setdefault(errand.run, _Folder(Path(worker.local_directory) / f"subliminal-{errand.run}"))
    _choose_device(errand.device)
    torch.set_num_threads(1)  # the same sums on any machine
    with _inside(folder, errand.caller):
        started = time.perf_counter()
        result = errand.work(errand.piece)
        seconds = round(time.perf_counter() - started, 2)
        return {**result, "seconds": seconds}, folder.new_files()


def _require_alike(errand: Errand, worker: Any) -> None:
    if loaded_code() != errand.code:
        raise ArtifactError(f"worker {worker.address} has another version of the book; install this one there")
    there = library_versions()
    if unlike := [name for name, version in errand.libraries.items() if name != "python" and there[name] != version]:
        name = unlike[0]
        wanted = f"install {name} {errand.libraries[name]} there"
        raise ArtifactError(f"worker {worker.address} has {name} {there[name]}; {wanted}, as constraints.txt says")
    if worker.state.nthreads != 1:
        cure = "start it with `--nthreads 1`, and `--nworkers` as many as its machine has cores or cards"
        raise ArtifactError(f"worker {worker.address} takes {worker.state.nthreads} pieces at once; {cure}")


def _choose_device(wanted: str) -> None:
    """Compute where the run's profile says; what the worker's owner set in its environment stays."""
    import torch

    card = wanted != "cpu" and torch.cuda.is_available()
    if wanted == "cuda" and not (card or _OWN_DEVICE):
        raise ArtifactError("this profile needs CUDA cards, and a worker has none; start workers where there are cards")
    chosen = _OWN_DEVICE or ("cuda" if card else "cpu")
    if _device and _device != [chosen]:
        raise ArtifactError(f"a worker computed on {_device[0]} before, and this run wants {chosen}; start it anew")
    _device[:] = [chosen]
    os.environ[DEVICE_VARIABLE] = chosen


@contextlib.contextmanager
def _inside(folder: _Folder, caller: str) -> Iterator[None]:
    """Work in a run's folder, with files of the caller at hand."""
    folder.place.mkdir(parents=True, exist_ok=True)
    before = Path.cwd()
    os.chdir(folder.place)
    asked: set[Path] = set()  # by this piece

    def fetch(path: Path) -> None:
        finished = path.exists() and "cells" in path.parts
        if not (finished or path.is_absolute() or path in asked):
            asked.add(path)
            _fetch(path, folder, caller)

    fetch_with(fetch)
    try:
        yield
    finally:
        fetch_with(None)
        os.chdir(before)


def _fetch(path: Path, folder: _Folder, caller: str) -> None:
    """Make the file here what it is at the caller's; one that a piece made here since stays."""
    told, data = _ask(caller, path.as_posix(), sha256(path.read_bytes()) if path.is_file() else "")
    if told == HERE:
        write_bytes(path, data, sync=False)
        folder.note(path)
    elif told == ABSENT and path.is_file() and folder.known.get(path.as_posix()) == _state(path):
        path.unlink()


def _ask(caller: str, name: str, digest: str) -> tuple[str, bytes]:
    from distributed import Queue, get_client

    client, reply = get_client(), f"subliminal-{secrets.token_hex(8)}"
    answers = Queue(reply, client=client)
    try:
        Queue(asked_queue(caller), client=client).put([reply, name, digest])
        told, data = answers.get(timeout=SECONDS_TO_ANSWER)
    finally:
        answers.close()
    return told, data


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns
