"""The chain: run a profile's notebooks one after another, skip what is unchanged, stop at the first failure.

Design choices:
- Order is the order of file names. A notebook's metadata `subliminal.needs` names the notebooks whose files
  it reads; a change there makes it run again.
- Everything is checked (names, types, needs) before anything runs.
- `executed/<notebook>.key` is written last and holds a hash of each file the notebook left; it alone means success.
  A table that was written over since, by a notebook run by hand for example, makes its notebook run again.
- With nothing to do, neither papermill nor torch is imported.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.chain import draws
from helpers.chain.draws import Choice
from helpers.chain.notebooks import Notebook, check_parameters, library_versions, load_notebook, notebook_key
from helpers.chain.profiles import Profile
from helpers.work.artifacts import explained, read_json, remove_leftovers, write_json

NOTEBOOKS = Path("notebooks")
RUNS = Path("_runs")
LIBRARIES = "libraries.json"  # in a run's folder: versions of what its finished pieces were made with


class ChainError(RuntimeError):
    """The chain cannot start or had to stop; the message says where and how to go on."""


@dataclass(frozen=True)
class Step:
    """One notebook of the chain with its parameters and the key they give."""

    notebook: Notebook
    parameters: dict[str, Any]
    key: str
    run_dir: Path
    choice: Choice = Choice()  # of draws

    @property
    def output(self) -> Path:
        """Where the executed notebook goes."""
        return self.run_dir / "executed" / f"{self.notebook.stem}.ipynb"

    @property
    def marker(self) -> Path:
        """The file that says the executed notebook is complete, and under which key."""
        return self.output.with_suffix(".key")

    def is_fresh(self) -> bool:
        """Whether the notebook ran to its end under this key and all files it left are as it left them."""
        if not (self.marker.exists() and self.output.exists()):
            return False
        marker = read_json(self.marker)
        return marker["key"] == self.key and marker["files"] == _digests(self.run_dir, marker["files"])


# --- planning -------------------------------------------------------------------------------------


def plan(profile: Profile, choice: Choice | None = None) -> list[Step]:
    """The profile's notebooks in order, checked; raises ChainError, NotebookError before anything runs.

    `choice` says which draws are computed; None means those that each notebook computed when it ran last.
    """
    run_dir = RUNS / profile.name
    notebooks = _notebooks(profile)
    if choice is None:
        choices = draws.kept_choices(run_dir)
    else:
        choices = dict.fromkeys(notebooks, draws.settled(choice, profile, notebooks))
    recompute = draws.recompute(choices, profile, notebooks)
    steps: dict[str, Step] = {}
    for stem, notebook in notebooks.items():
        parameters = {"run_dir": run_dir.as_posix()} | profile.notebooks[stem]
        needed = {name: steps[name].key for name in notebook.needs if name in steps}
        if missing := [name for name in notebook.needs if name not in steps]:
            raise ChainError(f"{stem} needs {missing[0]}, which profile {profile.name} does not run before")
        if stem in recompute:
            parameters["recompute"] = recompute[stem]
            needed["results"] = draws.shown_key(profile, notebook, recompute[stem])
        check_parameters(notebook, parameters, profile.name)
        key = notebook_key(notebook, parameters, needed)
        steps[stem] = Step(notebook, parameters, key, run_dir, choices.get(stem, Choice()))
    return list(steps.values())


def _notebooks(profile: Profile) -> dict[str, Notebook]:
    found = {}
    for stem in sorted(profile.notebooks):
        path = NOTEBOOKS / f"{stem}.ipynb"
        if not path.is_file():
            there = ", ".join(sorted(found.stem for found in NOTEBOOKS.glob("*.ipynb"))) or "none"
            raise ChainError(f"profile {profile.name} names the notebook {stem}, but there are only: {there}")
        found[stem] = load_notebook(path)
    if not found:
        raise ChainError(f"profile {profile.name} names no notebooks; list them under `notebooks:`")
    return found


def _with_needs(steps: list[Step], only: Sequence[str]) -> list[Step]:
    known = {step.notebook.stem: step for step in steps}
    if unknown := [name for name in only if name not in known]:
        raise ChainError(f"there is no notebook {unknown[0]} in this profile; there are {', '.join(known)}")
    wanted, waiting = set(), list(only or known)
    while waiting:
        name = waiting.pop()
        wanted.add(name)
        waiting.extend(known[name].notebook.needs)
    return [step for step in steps if step.notebook.stem in wanted]


def unfinished(profile: Profile) -> list[str]:
    """The profile's notebooks that have not run to their end with the present sources and settings."""
    return [step.notebook.stem for step in plan(profile) if not step.is_fresh()]


# --- running --------------------------------------------------------------------------------------


def run_chain(
    profile: Profile, only: Sequence[str] = (), fresh: bool = False, choice: Choice | None = None
) -> list[str]:
    """Run what changed, and return the names of the notebooks that ran; call it from the repository's root.

    `only` limits the run to these notebooks and what they need; `fresh` forgets earlier work first (all of
    the profile's, or with `only` the named notebooks' and the cached pieces); `choice` says which draws are
    computed (default: one). Raises ChainError at the first failure.
    """
    _require_device(profile)
    steps = _with_needs(plan(profile, choice or Choice()), only)
    with _alone(profile.name):
        if fresh:
            _forget(steps, only)
        draws.keep_choices(RUNS / profile.name, {step.notebook.stem: step.choice for step in steps})
        _require_same_libraries(RUNS / profile.name)
        todo = [step for step in steps if not step.is_fresh()]
        remove_leftovers(RUNS / profile.name)
        report = _Report(profile, steps, todo)
        with report:
            for step in todo:
                _run_step(step, profile, report)
    return [step.notebook.stem for step in todo]


def _require_device(profile: Profile) -> None:
    if profile.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise ChainError(f"profile {profile.name} needs a CUDA card, and there is none; take --profile nano")


def _require_same_libraries(run_dir: Path) -> None:
    """Note the libraries that finished pieces are made with; refuse to go on with pieces of other versions."""
    note, versions = run_dir / LIBRARIES, {**library_versions()}
    versions.pop("python", None)  # a repair of the interpreter changes no number
    if not note.exists():
        write_json(note, versions)
    elif (before := read_json(note)) != versions:
        unlike = ", ".join(f"{name} {before.get(name)}" for name in versions if before.get(name) != versions[name])
        raise ChainError(f"the work in {run_dir} was done with {unlike}; install that again, or run with --fresh")


@contextlib.contextmanager
def _alone(profile_name: str) -> Iterator[None]:
    """Hold the profile's lock, which the system takes back even from a killed process."""
    path = RUNS / f".{profile_name}.lock"
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = open(path, "a")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            what = f"another run of profile {profile_name} is going on; wait for it or stop it"
            raise ChainError(what) from None
        yield


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
            if step.notebook.stem in only and step.marker.exists():
                for name in read_json(step.marker)["files"]:
                    (run_dir / name).unlink(missing_ok=True)
                step.marker.unlink()


def _run_step(step: Step, profile: Profile, report: _Report) -> None:
    from helpers.chain.execution import NotebookFailed, execute
    from helpers.results import ledger

    with explained(step.marker):
        step.marker.unlink(missing_ok=True)
        # what an interrupted or failed notebook recorded earlier must not pass for its result
        ledger.forget(step.run_dir, step.notebook.stem)
    started, before = time.monotonic(), _states(step.run_dir)
    report.start(step.notebook.stem)
    try:
        execute(step.notebook.path, step.output, step.parameters, offline=profile.offline, show=report.show)
    except NotebookFailed as failure:
        report.failure(failure.source, failure.traceback)
        where = f" in cell {failure.number}" if failure.source else ""
        raise ChainError(
            f"notebook {step.notebook.stem} failed{where}: {failure.error}; "
            f"the notebook as far as it came is {step.output}"
        ) from None
    written = dict(_states(step.run_dir).items() - before.items())
    write_json(step.marker, {"key": step.key, "files": _digests(step.run_dir, sorted(written))})
    report.finish(step.notebook.stem, time.monotonic() - started)


def _states(run_dir: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of change of each file below `run_dir`, but for the cached pieces, which come and go."""
    paths = (path for path in run_dir.rglob("*") if path.is_file())
    states = {path.relative_to(run_dir).as_posix(): path.stat() for path in paths}
    skipped = ("cells/", "executed/")
    return {name: (s.st_ino, s.st_mtime_ns) for name, s in states.items() if not name.startswith(skipped)}


def _digests(run_dir: Path, names: Iterable[str]) -> dict[str, str]:
    """Hashes of those files that exist; of the ledger, which every notebook rebuilds from its records, none."""
    paths = {name: run_dir / name for name in names}
    return {
        name: "" if name == "ledger.json" else hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in paths.items() if path.is_file()
    }  # fmt: skip


# --- telling --------------------------------------------------------------------------------------


class _Report:
    """What the person sees: in a terminal two bars (chain, notebook), elsewhere one line per event."""

    SECONDS_BETWEEN_LINES = 60

    def __init__(self, profile: Profile, steps: list[Step], todo: list[Step]) -> None:
        self._live = sys.stderr.isatty()
        self._total, self._done = len(steps), len(steps) - len(todo)
        self._said = 0.0
        self._bars: list[Any] = []
        if not todo:
            print(f"{self._total} notebooks unchanged, nothing to run ({steps[0].run_dir})")
        else:
            print(
                f"profile {profile.name}: {len(todo)} of {self._total} notebooks to run; "
                f"the whole chain takes about {profile.minutes:g} minutes",
                flush=True,
            )

    def __enter__(self) -> _Report:
        if self._live and self._done < self._total:
            from tqdm import tqdm

            chain = "{desc} |{bar}| {n_fmt} of {total_fmt} notebooks, {elapsed}"
            notebook = "  {desc} |{bar}| {n_fmt} of {total_fmt}, {remaining} left"
            self._bars = [
                tqdm(total=self._total, initial=self._done, position=0, bar_format=chain),
                tqdm(total=1, position=1, leave=False, bar_format=notebook),
            ]
        return self

    def __exit__(self, *exception: object) -> None:
        for shown in reversed(self._bars):
            shown.close()

    def start(self, stem: str) -> None:
        """A notebook starts."""
        self._said = time.monotonic()
        if self._bars:
            self._bars[0].set_description_str(stem)
            self.show("starting", 0, 1)
        else:
            print(f"[{self._done + 1}/{self._total}] {stem} ...", flush=True)

    def show(self, label: str, done: int, total: int | None) -> None:
        """The running notebook's own bar stands at `done` of `total`."""
        if self._bars:
            shown = self._bars[1]
            if shown.desc != label:
                shown.reset()
                shown.set_description_str(label, refresh=False)
            shown.total, shown.n = total, done
            for line in self._bars:
                line.refresh()
        elif time.monotonic() - self._said > self.SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            print(f"      {label}: {done}" + (f" of {total}" if total else ""), flush=True)

    def finish(self, stem: str, seconds: float) -> None:
        """A notebook ran to its end."""
        self._done += 1
        if self._bars:
            self._bars[0].update()
        self._print(f"[{self._done}/{self._total}] {stem} done in {seconds:.0f} s")

    def failure(self, source: str, traceback: str) -> None:
        """A cell failed: show it and the end of its traceback."""
        last = "\n".join(traceback.splitlines()[-30:])
        self._print(f"\nThe failing cell:\n{source}\n\n{last}\n")

    def _print(self, text: str) -> None:
        if self._bars:
            self._bars[0].write(text)
        else:
            print(text, flush=True)
