"""The steps of a chain: which notebooks, in which order, under which key, and which of them are done.

Design choices:
- Order is the order of file names. A notebook's metadata `subliminal.needs` names the notebooks whose files
  it reads; a change there makes it run again.
- Everything is checked (names, types, needs) before anything runs.
- `executed/<notebook>.key` is written last. It holds the key, a hash of the executed notebook and of each file that
  the notebook left, and the hashes of what it could read of the notebooks it needs; it alone means success. A file that
  was changed since, by hand or by a notebook run by hand, makes its notebook run again.
- Which draws a needed notebook computed is its own affair: more of them add files, and change none that was read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.chain import draws
from helpers.chain.draws import Choice
from helpers.chain.notebooks import Notebook, check_parameters, load_notebook, notebook_key
from helpers.chain.profiles import Profile
from helpers.work.artifacts import RESULTS, RUNS, SEALS, read_object, write_json
from helpers.work.errors import CurableError
from helpers.work.keys import Sources, content_key
from helpers.work.machine import processor

NOTEBOOKS = Path("notebooks")
_GATHERED = ("ledger.json", f"bases/{SEALS}")  # every notebook that adds something writes the whole of them anew
# What no other notebook reads (tables, pages), or what differs between equal runs (records hold times)
_UNREAD = ("ledger.json", "records/", "executed/", "tables/")


class ChainError(CurableError, RuntimeError):
    """The chain cannot start or had to stop; the message says where and how to go on."""


@dataclass(frozen=True)
class Step:
    """One notebook of the chain with its parameters and the key they give."""

    profile: Profile
    notebook: Notebook
    parameters: dict[str, Any]
    needed_keys: dict[str, str]  # by the name of each notebook it needs, whatever draws that one computes
    key: str
    choice: Choice = Choice()  # of draws

    @property
    def run_dir(self) -> Path:
        """The run folder of its profile."""
        return RUNS / self.profile.name

    @property
    def stem(self) -> str:
        """The notebook's name."""
        return self.notebook.stem

    @property
    def output(self) -> Path:
        """Where the executed notebook goes."""
        return self.run_dir / "executed" / f"{self.stem}.ipynb"

    @property
    def marker(self) -> Path:
        """The file that says the executed notebook is complete, and under which key."""
        return self.output.with_suffix(".key")

    @property
    def all_parameters(self) -> dict[str, Any]:
        """The parameters it runs with, those of the notebook among them."""
        return {name: known.default for name, known in self.notebook.parameters.items()} | self.parameters

    def is_fresh(self) -> bool:
        """Whether the notebook ran to its end under this key, and all files it read and left are as they were."""
        if not self.marker.exists():
            return False
        marker = read_marker(self.marker)
        return (
            marker["key"] == self.key
            and _executed_name(self) in marker["files"]
            and marker["files"] == digests(self.run_dir, marker["files"])
            and marker["read"].items() <= self.read_files().items()
        )

    def read_is_whole(self) -> bool:
        """Whether the files of the notebooks it needs still are as those left them."""
        files = self.read_files()
        return files == digests(self.run_dir, files)

    def read_files(self) -> dict[str, str]:
        """Hashes of the files that the notebooks it needs have left for others, as their markers say."""
        read = {}
        for name in self.notebook.needs:
            marker = self.marker.with_name(f"{name}.key")
            files = read_marker(marker)["files"] if marker.exists() else {}
            for file, digest in files.items():
                if not file.startswith(_UNREAD):
                    read[file] = digest
        return read

    def mark_done(self, written: Iterable[str], read: Mapping[str, str], seconds: float) -> None:
        """Write the marker: the files `written` (names in the run folder), and the hashes of what could be read before.

        It also notes the seconds that the notebook took, and on what machine.
        """
        files = digests(self.run_dir, sorted({*written, _executed_name(self)}))
        took = {"seconds": round(seconds, 1), "processor": processor()}
        write_json(self.marker, {"key": self.key, "files": files, "read": dict(read), **took})

    def key_now(self) -> str:
        """The key as the files are at this moment; raises NotebookError when the notebook cannot be read."""
        notebook = load_notebook(self.notebook.path)
        return _key(self.profile, notebook, self.parameters, self.needed_keys, Sources())


def _executed_name(step: Step) -> str:
    return step.output.relative_to(step.run_dir).as_posix()


def read_marker(path: Path) -> dict[str, Any]:
    """The marker in `path`; raises ArtifactError when it is damaged."""
    marker = read_object(path, "key", "files")
    return {"read": {}, "seconds": 0.0, "processor": "", **marker}


def digests(run_dir: Path, names: Iterable[str]) -> dict[str, str]:
    """Hashes of those files that exist; of the ledger, which every notebook rebuilds from its records, none."""
    found = {}
    for name in names:
        path = run_dir / name
        if path.is_file():
            found[name] = "" if name in _GATHERED else hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def plan(profile: Profile, choice: Choice | None = None) -> list[Step]:
    """The profile's notebooks in order, checked; raises ChainError, NotebookError before anything runs.

    `choice` says which draws are computed; None means those that each notebook computed when it ran last.
    """
    sources, notebooks = Sources(), _notebooks(profile)
    if choice is None:
        choices = draws.kept_choices(RUNS / profile.name)
    else:
        choices = dict.fromkeys(notebooks, draws.settled(choice, profile, notebooks))
    recompute = draws.recompute(choices, profile, notebooks)
    steps: dict[str, Step] = {}
    keys: dict[str, str] = {}  # as others see them: without the draws that were computed
    for stem, notebook in notebooks.items():
        shared = {"run_dir": (RUNS / profile.name).as_posix()} | profile.notebooks[stem]
        computed = {"recompute": recompute[stem]} if stem in recompute else {}
        check_parameters(notebook, shared | computed, profile.name)
        if missing := [name for name in notebook.needs if name not in steps]:
            raise ChainError(f"{stem} needs {missing[0]}, which profile {profile.name} does not run before")
        needed = {name: keys[name] for name in notebook.needs}
        keys[stem] = _key(profile, notebook, shared, needed, sources)
        key = _key(profile, notebook, shared | computed, needed, sources)
        steps[stem] = Step(profile, notebook, shared | computed, needed, key, choices.get(stem, Choice()))
    return list(steps.values())


def _notebooks(profile: Profile) -> dict[str, Notebook]:
    found = {}
    for stem in sorted(profile.notebooks):
        path = NOTEBOOKS / f"{stem}.ipynb"
        if not path.is_file():
            there = ", ".join(sorted(other.stem for other in NOTEBOOKS.glob("*.ipynb"))) or "none"
            raise ChainError(f"profile {profile.name} names the notebook {stem}, but there are only: {there}")
        found[stem] = load_notebook(path)
    if not found:
        raise ChainError(f"profile {profile.name} names no notebooks; list them under `notebooks:`")
    return found


def _key(
    profile: Profile, notebook: Notebook, parameters: dict[str, Any], needed: dict[str, str], sources: Sources
) -> str:
    read = dict(needed)
    if "recompute" in parameters:
        read["results"] = draws.shown_key(profile, notebook, parameters["recompute"])
        read["bases"] = _published_bases(profile.name)
    return notebook_key(notebook, parameters, read, sources)


def _published_bases(profile_name: str) -> str:
    folder = RESULTS / profile_name / "bases"
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    return content_key(digests(folder, names)) if names else ""


def with_needs(steps: list[Step], only: Sequence[str]) -> list[Step]:
    """The steps named in `only` and all they need, in order; all steps where `only` is empty."""
    known = {step.stem: step for step in steps}
    if unknown := [name for name in only if name not in known]:
        raise ChainError(f"there is no notebook {unknown[0]} in this profile; there are {', '.join(known)}")
    wanted: set[str] = set()
    waiting = list(only or known)
    while waiting:
        name = waiting.pop()
        wanted.add(name)
        waiting.extend(known[name].notebook.needs)
    return [step for step in steps if step.stem in wanted]


def unfinished(profile: Profile) -> list[str]:
    """The profile's notebooks that have not run to their end with the present sources and settings."""
    return [step.stem for step in plan(profile) if not step.is_fresh()]
