"""Many independent pieces of work: each cached by its content key, run side by side, resumed after a kill.

A piece is a function of plain settings that returns a plain result; the result file is written in one step,
so a sweep that was killed repeats at most the pieces then in work. Workers use one thread each: for models
this small, two processes do nearly twice the work of one process with two threads, and the sums come out
the same however many workers there are. On a cluster other machines compute, and this process stores all the same.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

from helpers.work import cluster
from helpers.work.artifacts import Store
from helpers.work.errands import DEVICE_VARIABLE
from helpers.work.keys import ArtifactError, content_key, loaded_code, source_key
from helpers.work.progress import bar, quiet
from helpers.work.workers import ForkedWorkers, start_workers

if TYPE_CHECKING:
    from distributed import Client

Piece = Callable[[Any], dict[str, Any]]  # of a dict or a frozen dataclass; its result is a dict of JSON values
_pools: dict[int, ForkedWorkers | ProcessPoolExecutor] = {}  # by number of workers; kept for the next sweep


def run_pieces(
    work: Piece,
    settings: Sequence[Any],
    store: Store,
    *,
    kind: str,
    workers: int = 0,
    label: str = "",
    client: Client | None = None,
) -> list[dict[str, Any]]:
    """Return ``work(settings[i])`` for every i, in order, computing only what the store does not hold.

    Each result gets one entry more, ``seconds``: how long the piece took when it was computed.

    Args:
        work: a module-level function of one piece; must not depend on anything else.
        settings: the pieces, each a dict or a frozen dataclass of JSON values (dataclasses may nest).
        store: where results are kept.
        kind: folder of the results within the store.
        workers: processes at once; 0 means one a core, 1 runs in this process. A cluster has its own number.
        label: name of the progress bar; pieces computed inside another piece have none.
        client: of a Dask cluster whose workers compute; by default that of the run, if it has one and `workers` is
            not 1.

    Raises:
        ValueError: a negative number of workers.
        ArtifactError: a worker was killed, found other code than this process works with, or cannot be reached.
    """
    if workers < 0:
        raise ValueError(f"workers must be 0 (one for each core) or a number of processes, not {workers}")
    keyed = [keyed_piece(work, piece) for piece in settings]
    pending = {}
    for piece in keyed:
        path = store.path(kind, content_key(piece), ".json")
        if not path.exists():
            pending[path] = piece  # equal pieces have one path and are computed once
    if client is None and pending and workers != 1:
        client = cluster.client_of_run()
    with bar(len(pending), label) if label else quiet() as shown:
        if client is None:
            _compute(work, list(pending.values()), store, kind, side_by_side(workers), shown)
        else:
            for piece, result in cluster.compute(client, work, list(pending.values()), store.root):
                store.json(kind, piece, functools.partial(dict, result))
                shown.update()
    return [store.json(kind, piece, _absent) for piece in keyed]


def keyed_piece(work: Piece, piece: Any) -> dict[str, Any]:
    """Return what decides the result of a piece: its settings and the code that works on it."""
    return {"piece": piece, "code": source_key(work.__module__)}


def side_by_side(workers: int) -> int:
    """Return how many processes to use: as many as asked for, one a core for 0, one where they would share a card."""
    if os.environ.get(DEVICE_VARIABLE, "") not in ("", "cpu"):
        return 1
    return workers or usable_cores()


def usable_cores() -> int:
    """Return how many cores this process may use; a container often has fewer than the machine."""
    affinity = getattr(os, "sched_getaffinity", None)  # not everywhere
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _absent() -> dict[str, Any]:
    raise RuntimeError("a finished piece of work disappeared; rerun")


def _compute(
    work: Piece, pieces: list[dict[str, Any]], store: Store, kind: str, workers: int, shown: Any
) -> None:
    if workers == 1 or len(pieces) < 2:
        for piece in pieces:
            _store_one(work, piece, store, kind, loaded_code())
            shown.update()
        return
    code = loaded_code()
    futures = [_pool(workers, work.__module__).submit(_store_one, work, piece, store, kind, code) for piece in pieces]
    try:
        for future in as_completed(futures):
            future.result()
            shown.update()
    except BrokenProcessPool:
        stop_workers()
        raise ArtifactError(
            "a worker process was killed, most often for want of memory; what is finished is kept: run the same "
            "command again, and with the parameter workers=1 where it happens twice"
        ) from None
    except BaseException:
        stop_workers()
        raise


def _pool(workers: int, module: str) -> ForkedWorkers | ProcessPoolExecutor:
    if workers not in _pools:
        _pools[workers] = start_workers(workers, module)
    return _pools[workers]


def stop_workers() -> None:
    """End this process's workers; work they have not begun is dropped. The next sweep starts new ones."""
    while _pools:
        _pools.popitem()[1].shutdown(wait=False, cancel_futures=True)


def _store_one(work: Piece, piece: dict[str, Any], store: Store, kind: str, code: str) -> None:
    import torch

    if loaded_code() != code:  # a worker that started after an edit; its result would pass for that of the older code
        raise ArtifactError("the code was edited while it ran; run the same command again")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the same sums with any number of workers
    started = time.perf_counter()
    try:
        store.json(kind, piece, lambda: {**work(piece["piece"]), "seconds": round(time.perf_counter() - started, 2)})
    finally:
        torch.set_num_threads(threads)
