"""The chain: run a profile's notebooks one after another, skip what is unchanged, stop at the first failure.

Design choices:
- A notebook's key is computed again before and after it runs. What was edited in between did not run as planned, and
  its result is not kept: it would pass for that of other sources.
- One run of a profile at a time, held by a lock that the system takes back even from a killed process.
- With nothing to do, neither papermill nor torch is imported.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from helpers.chain import draws
from helpers.chain.clusters import Cluster, joined
from helpers.chain.draws import Choice
from helpers.chain.fits import require_fit
from helpers.chain.profiles import Profile
from helpers.chain.report import Report
from helpers.chain.steps import NOTEBOOKS, ChainError, Step, plan, read_marker, unfinished, with_needs
from helpers.results.records import forget, rebuild
from helpers.work.artifacts import RUNS, explained, read_object, remove_leftovers, write_json
from helpers.work.errands import CHECKPOINTING_VARIABLE, DEVICE_VARIABLE, MICRO_ROWS_VARIABLE
from helpers.work.forks import ForkServer
from helpers.work.keys import Sources
from helpers.work.libraries import library_versions
from helpers.work.machine import find_card

__all__ = ["NOTEBOOKS", "RUNS", "ChainError", "plan", "run_chain", "unfinished"]

LIBRARIES = "libraries.json"  # in a run's folder: versions of what its finished pieces were made with


def run_chain(
    profile: Profile,
    only: Sequence[str] = (),
    fresh: bool = False,
    choice: Choice | None = None,
    cluster: Cluster | None = None,
) -> list[str]:
    """Run what changed, and return the names of the notebooks that ran; call it from the repository's root.

    `only` limits the run to these notebooks and what they need; `fresh` forgets earlier work first (all of
    the profile's, or with `only` the named notebooks' and the cached pieces); `choice` says which draws are
    computed (default: one); `cluster` computes the pieces (default: this machine). Raises ChainError at the first
    failure.
    """
    if cluster is None:
        _choose_runtime(profile)
    steps = with_needs(plan(profile, choice or Choice()), only)
    ran = []
    with _alone(profile.name):
        if fresh:
            _forget(steps, only)
        draws.keep_choices(RUNS / profile.name, {step.stem: step.choice for step in steps})
        _require_same_libraries(RUNS / profile.name)
        todo = [step for step in steps if not step.is_fresh()]
        remove_leftovers(RUNS / profile.name)
        elsewhere = joined(cluster if todo else None, profile.device)
        with elsewhere, Report(profile, steps, todo) as report, _Kernels(steps, profile.offline) as kernels:
            for step in steps:
                # a notebook that was fresh is so no more when one that it needs just left other files
                if step in todo or not step.is_fresh():
                    _run_step(step, kernels, report)
                    ran.append(step.stem)
        rebuild(RUNS / profile.name)  # the ledger is what the notebooks recorded, whatever became of its file
    return ran


class _Kernels:
    """Runs notebooks in kernels forked from one server, which starts with the first of them."""

    def __init__(self, steps: list[Step], offline: bool) -> None:
        self._codes = [step.notebook.code for step in steps]
        self._offline = offline
        self._started = contextlib.ExitStack()
        self._server: ForkServer | None = None
        self._asked = False

    def __enter__(self) -> _Kernels:
        return self

    def __exit__(self, *exception: object) -> None:
        self._started.close()

    def execute(self, step: Step, report: Report) -> None:
        """Run the step's notebook; raises as `execution.execute`, ChainError where the code was edited just now."""
        from helpers.chain import execution

        if not self._asked:
            self._asked = True
            sources = Sources()
            modules = {name for code in self._codes for name in sources.imported_modules(code)}
            log = step.output.with_name("processes.log")
            self._server = self._started.enter_context(execution.fork_server(modules, log, self._offline))
            if self._server and self._server.code() != sources.code():
                raise ChainError("the code was edited while this run began; run the same command again")
        where = {"offline": self._offline, "show": report.show, "server": self._server}
        execution.execute(step.notebook.path, step.output, step.parameters, **where)


def _choose_runtime(profile: Profile) -> None:
    """Let kernels and their workers compute where and as the profile says; what the environment says already stays."""
    if profile.micro_rows:
        os.environ.setdefault(MICRO_ROWS_VARIABLE, str(profile.micro_rows))
    if profile.checkpointing:
        os.environ.setdefault(CHECKPOINTING_VARIABLE, "1")
    if profile.device == "cpu":
        return
    import torch

    if torch.cuda.is_available():
        require_fit(profile, find_card())
        os.environ.setdefault(DEVICE_VARIABLE, "cuda")
    elif profile.device == "cuda":
        raise ChainError(f"profile {profile.name} needs a CUDA card, and there is none; take --profile nano")


def _require_same_libraries(run_dir: Path) -> None:
    """Note the libraries that finished pieces are made with; refuse to go on with pieces of other versions."""
    note, versions = run_dir / LIBRARIES, library_versions()
    del versions["python"]  # a repair of the interpreter changes no number
    if not note.exists():
        write_json(note, versions)
    elif (before := read_object(note)) != versions:
        unlike = ", ".join(f"{name} {before.get(name)}" for name in versions if before.get(name) != versions[name])
        raise ChainError(f"the work in {run_dir} was done with {unlike}; install that again, or run with --fresh")


@contextlib.contextmanager
def _alone(profile_name: str) -> Iterator[None]:
    """Hold the profile's lock, which the system takes back even from a killed process."""
    path = RUNS / f".{profile_name}.lock"
    lock = FileLock(path, timeout=0)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            what = f"another run of profile {profile_name} is going on; wait for it or stop it"
            raise ChainError(what) from None
        except NotImplementedError:
            what = f"{path.parent.resolve()} lies on a file system without locks; keep the repository on another disk"
            raise ChainError(what) from None
    try:
        yield
    finally:
        lock.release()


def _forget(steps: list[Step], only: Sequence[str]) -> None:
    run_dir = steps[0].run_dir
    with explained(run_dir):
        if not only:
            if run_dir.exists():
                shutil.rmtree(run_dir)
            return
        shutil.rmtree(run_dir / "cells", ignore_errors=True)
        (run_dir / LIBRARIES).unlink(missing_ok=True)
        for step in steps:
            if step.stem in only and step.marker.exists():
                for name in read_marker(step.marker)["files"]:
                    (run_dir / name).unlink(missing_ok=True)
                step.marker.unlink()


def _run_step(step: Step, kernels: _Kernels, report: Report) -> None:
    with explained(step.marker):
        step.marker.unlink(missing_ok=True)
        # what an interrupted or failed notebook recorded earlier must not pass for its result
        forget(step.run_dir, step.stem)
    if step.key_now() != step.key:
        again = "run the same command again, and it runs as it is now (finished notebooks are kept)"
        raise ChainError(f"{_what_decides(step)} was edited after this run began; {again}")
    started, before, read = time.monotonic(), _states(step.run_dir), step.read_files()
    report.start(step.stem)
    _execute(step, kernels, report)
    if step.key_now() != step.key or not step.read_is_whole():
        again = "run the same command again"
        raise ChainError(f"{_what_decides(step)} was edited while it ran, so its result is not kept; {again}")
    written = dict(_states(step.run_dir).items() - before.items())
    seconds = time.monotonic() - started
    step.mark_done(written, read, seconds)
    report.finish(step.stem, seconds)


def _what_decides(step: Step) -> str:
    return f"notebook {step.stem}, the code that it uses or a file that it reads"


def _execute(step: Step, kernels: _Kernels, report: Report) -> None:
    """Run the notebook; raises ChainError where it fails, in one sentence where our own code refused something."""
    from helpers.chain.execution import NotebookFailed

    try:
        kernels.execute(step, report)
    except NotebookFailed as failure:
        if not failure.refusal:
            report.failure(failure.source, failure.traceback)
        where = f" in cell {failure.number}" if failure.source else ""
        raise ChainError(
            f"notebook {step.stem} failed{where}: {failure.refusal or failure.error}; "
            f"the notebook as far as it came is {step.output}"
        ) from None


def _states(run_dir: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of change of each file below `run_dir`, but for the cached pieces, which come and go."""
    paths = (path for path in run_dir.rglob("*") if path.is_file())
    states = {path.relative_to(run_dir).as_posix(): path.stat() for path in paths}
    skipped = ("cells/", "executed/")
    return {name: (s.st_ino, s.st_mtime_ns) for name, s in states.items() if not name.startswith(skipped)}
