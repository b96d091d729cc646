"""Planted faults: each is put into a copy of the package, and the test that is named for it must fail.

    python tests/planted/plant.py [WORD ...]      # the faults of a file, or whose names hold a word; default: all

A fault is data (faults/*.yaml): what it is, why it would matter, the exact text it stands in, the faulty text, and the
test that must notice. First all named tests must pass on the untouched copy. Then the faults are planted one by one. A
test notices when it fails by an assertion; a copy that cannot be imported, or a test that ends in any other error,
proves nothing.

Every test runs in a process of its own, forked from one that has imported the libraries and nothing of the package. So
a fault costs about as long as its test. Exit code 1: a fault went unnoticed, or its test does not pass without it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
PACKAGE, TESTS = Path("src/helpers"), Path("tests")
FAULTS = Path(__file__).resolve().with_name("faults")
LIBRARIES = (
    "pytest", "hypothesis", "numpy.testing", "pandas", "scipy.stats", "torch", "peft", "tokenizers",
    "safetensors.torch", "matplotlib.pyplot", "transformers.models.llama.modeling_llama",
    "transformers.models.gpt2.modeling_gpt2",
)  # fmt: skip
LEFT_OUT = {"src", "tests", ".git", "_runs", "_build", ".hypothesis", ".pytest_cache", ".ruff_cache"}  # of the copy
LONGEST = 300  # seconds for one test; a fault may well make it run on
OPTIONS = (
    "-q", "--no-header", "-p", "no:cacheprovider", "-o", f"timeout={LONGEST}", "-o", "timeout_method=thread",
    "-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning",  # the libraries are, on purpose
)  # fmt: skip
NOTICED = "noticed"
QUICK = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the first is in C, where it was built


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A text of a file, relative to the repository, and the faulty text in its place."""

    file: str
    right: str
    wrong: str

    def made_in(self, text: str) -> str:
        """Return the file's text with the fault; ValueError where the right text does not stand there exactly once."""
        count = text.count(self.right)
        if count != 1:
            raise ValueError(f"{self.file} holds {self.right!r} {count} times; give the fault a text that stands once")
        return text.replace(self.right, self.wrong)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault, why it would matter, where it is planted, and the node id of the test that must notice."""

    name: str
    why: str
    edits: tuple[Edit, ...]
    test: str
    file: str = ""  # of the faults, without its ending

    def is_meant(self, words: Sequence[str]) -> bool:
        """Return whether one of some words names the file of this fault, or stands in its name; so for no words."""
        return not words or any(word == self.file or word in self.name for word in words)


def load_faults(folder: Path = FAULTS) -> list[Fault]:
    """Return all faults of a folder of YAML files, in the order of the files and of their entries."""
    faults = []
    for path in sorted(folder.glob("*.yaml")):
        for entry in yaml.load(path.read_text(encoding="utf-8"), Loader=QUICK):
            edits = [Edit(**edit) for edit in entry["edits"]]
            faults.append(Fault(**{**entry, "edits": tuple(edits), "file": path.stem}))
    return faults


# --- the copy -------------------------------------------------------------------------------------


class Copy:
    """A copy of the package in which faults are planted; everything else of the repository is linked to."""

    def __init__(self, root: Path, folder: Path) -> None:
        """Copy package and tests of the repository `root` into `folder`, so that both may be edited meanwhile."""
        self.folder, self.toys = folder / "repository", folder / "toys"
        self._kept = folder / "toys.kept"  # the toy bases of the untouched code
        self.folder.mkdir()
        for path in root.iterdir():
            if path.name not in LEFT_OUT:
                (self.folder / path.name).symlink_to(path)
        for copied in (PACKAGE, TESTS):
            shutil.copytree(root / copied, self.folder / copied, ignore=shutil.ignore_patterns("__pycache__"))

    def keep_toys(self) -> None:
        """Keep the toy bases as they are now, for `fresh_toys`."""
        if self.toys.exists():
            shutil.copytree(self.toys, self._kept)

    def fresh_toys(self) -> None:
        """Put the kept toy bases back, whatever a faulty run has left there."""
        shutil.rmtree(self.toys, ignore_errors=True)
        if self._kept.exists():
            shutil.copytree(self._kept, self.toys)

    @contextmanager
    def with_fault(self, fault: Fault) -> Iterator[None]:
        """Plant a fault for a while."""
        before: dict[Path, tuple[bytes, int]] = {}
        try:
            for edit in fault.edits:
                path = self.folder / edit.file
                before.setdefault(path, (path.read_bytes(), path.stat().st_mtime_ns))
                path.write_text(edit.made_in(path.read_text(encoding="utf-8")), encoding="utf-8")
                newer = before[path][1] + 10**12  # another second at least, so that no compiled file passes for it
                os.utime(path, ns=(newer, newer))
            yield
        finally:
            for path, (content, stamp) in before.items():
                path.write_bytes(content)
                os.utime(path, ns=(stamp, stamp))


# --- tests in a process of their own ---------------------------------------------------------------


class Notes:
    """A pytest plugin that notes how each test ended: "passed", "assertion" or what else was raised."""

    def __init__(self) -> None:
        self.ends: dict[str, str] = {}

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        """Note the end of a test's call, and errors of what comes before and after it."""
        import pytest

        if call.excinfo is None:
            if call.when == "call":
                self.ends.setdefault(item.nodeid, "passed")
        elif call.excinfo.errisinstance((AssertionError, pytest.fail.Exception)) and call.when == "call":
            self.ends[item.nodeid] = "assertion"
        elif not call.excinfo.errisinstance(pytest.skip.Exception):
            self.ends[item.nodeid] = f"{call.excinfo.typename} in its {call.when}: {call.excinfo.value}"[:300]


def _run_here(copy: Path, tests: Sequence[str], told: Path, untouched: bool) -> None:
    """Run tests on a copy of the package, in the process that this is called in, and tell how they ended."""
    log = os.open(told.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.chdir(copy)
    sys.path.insert(0, str(copy / "src"))
    sys.dont_write_bytecode = not untouched  # what is compiled then serves all that follow
    os.environ |= {"PYTHONPATH": str(copy / "src"), "SUBLIMINAL_TOYS": str(copy.parent / "toys")}
    import pytest

    notes = Notes()
    code = pytest.main([*OPTIONS, *([] if untouched else ["-x"]), *tests], plugins=[notes])
    import helpers

    found = {"code": int(code), "ends": notes.ends, "package": helpers.__file__, "seconds": sum(os.times()[:4])}
    told.write_text(json.dumps(found))


def run_tests(copy: Copy, tests: Sequence[str], *, untouched: bool = False) -> dict[str, Any]:
    """Run tests on a copy in a forked process.

    Returns:
        ``code`` (pytest's exit code, -1 where the process did not end by itself), ``ends`` (by node id, see `Notes`),
        ``seconds`` (of processor time: the clock says little on a busy machine) and ``log`` (what was printed).
    """
    told = copy.folder.parent / "told.json"
    told.unlink(missing_ok=True)
    copy.fresh_toys()
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=_run_here, args=(copy.folder, tests, told, untouched))
    process.start()
    process.join()
    found = json.loads(told.read_text()) if told.exists() else {"code": -1, "ends": {}, "package": None, "seconds": 0}
    if found["package"] and not Path(found["package"]).is_relative_to(copy.folder):
        raise RuntimeError(f"the tests ran on {found['package']} and not on the copy; run them from a clean shell")
    return found | {"log": told.with_suffix(".log").read_text(errors="replace")}


# --- the suite ------------------------------------------------------------------------------------


def failing_before(copy: Copy, faults: Sequence[Fault]) -> tuple[list[str], float]:
    """Return the named tests that do not pass on the untouched copy, with how they ended, and the seconds it took."""
    tests = list(dict.fromkeys(fault.test for fault in faults))
    found = run_tests(copy, tests, untouched=True)
    copy.keep_toys()
    failed = [f"{test}: {end}" for test, end in found["ends"].items() if end != "passed"]
    ran = {node.partition("[")[0] for node in found["ends"]}
    failed += [f"{test}: it did not run" for test in tests if test not in ran]
    return failed or [found["log"][-2000:]] * bool(found["code"]), found["seconds"]


def verdict(copy: Copy, fault: Fault) -> tuple[str, float]:
    """Plant a fault; return `NOTICED`, or how its test ended instead, and the seconds it took."""
    with copy.with_fault(fault):
        found = run_tests(copy, [fault.test])
    ends = set(found["ends"].values()) - {"passed"}
    if found["code"] == 1 and ends == {"assertion"}:
        return NOTICED, found["seconds"]
    otherwise = f"the test ends otherwise ({'; '.join(sorted(ends)) or found['log'][-600:]})"
    return f"NOT NOTICED: {otherwise if found['code'] else 'the test passes with the fault'}", found["seconds"]


def plant(root: Path, faults: Sequence[Fault]) -> int:
    """Plant faults one by one and print what came of it; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        copy = Copy(root, Path(folder))
        failed, seconds = failing_before(copy, faults)
        if failed:
            print("These tests do not pass without a fault, so they prove nothing:", *failed, sep="\n  ")
            return 1
        print(f"{len(faults)} faults; their tests pass without them ({seconds:.0f} s of processor time)", flush=True)
        missed = 0
        for fault in faults:
            found, spent = verdict(copy, fault)
            missed, seconds = missed + (found != NOTICED), seconds + spent
            print(f"{spent:5.1f} s  {found}: {fault.name}", flush=True)
    print(f"{len(faults) - missed} of {len(faults)} planted faults were noticed, {seconds:.0f} s of processor time")
    return 1 if missed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; see the module's text."""
    parser = argparse.ArgumentParser(description="Plant faults in a copy of the package; their tests must fail.")
    parser.add_argument("words", nargs="*", help="files of faults without .yaml, or parts of names; default: all")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository")
    parser.add_argument("--faults", type=Path, default=FAULTS, help="the folder of the faults")
    parser.add_argument("--libraries", nargs="*", default=LIBRARIES, help="modules to import before anything forks")
    given = parser.parse_args(arguments)
    faults = [fault for fault in load_faults(given.faults) if fault.is_meant(given.words)]
    if not faults:
        parser.error("no fault and no file has such a name; `grep 'name:' tests/planted/faults/*` lists them")
    os.environ["OMP_NUM_THREADS"] = "1"  # one core, and no thread pool when a process forks
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(given.libraries))
    return plant(given.root, faults)


if __name__ == "__main__":
    sys.exit(main())
