"""Fixtures shared by all tests: a small repository of toy notebooks to run a chain on."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

# One thread a process, before torch counts cores: where cores are shared, more threads spend their time on waiting
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HYPOTHESIS_NO_PLUGINS", "1")  # that of trio, which selenium brings, takes half a second
gc.disable()  # what is imported now stays; looking through it again and again takes a third of the collection
SHARED = "SUBLIMINAL_TESTS"  # names the folder that all test processes of a session share
SMOKE = [sys.executable, "-m", "helpers.cli", "run", "--profile", "smoke"]
MAKE_SMOKE = """\
import json, os, subprocess, sys
told, *command = sys.argv[1:]
done = subprocess.run(command, capture_output=True, text=True)
with open(told + ".part", "w") as file:
    json.dump([done.returncode, done.stdout + done.stderr], file)
os.replace(told + ".part", told)
"""
REPOSITORY = Path(__file__).resolve().parents[1]
WriteNotebook = Callable[..., Path]


def pytest_configure(config: pytest.Config) -> None:
    """Name a folder for what the session's test processes share."""
    if SHARED not in os.environ:
        os.environ[SHARED] = tempfile.mkdtemp(prefix="subliminal-tests-")
        config.add_cleanup(_remove_shared)


def _remove_shared() -> None:
    shutil.rmtree(os.environ.pop(SHARED), ignore_errors=True)


def _reads_smoke(item: pytest.Item) -> bool:
    """Return whether a test reads the smoke run, or the book of it where BOOK names no other."""
    of_smoke = {"smoke_run"} if os.environ.get("BOOK") else {"smoke_run", "built_book"}
    return not of_smoke.isdisjoint(getattr(item, "fixturenames", ()))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put last what reads the smoke run, which is made beside the other tests, and first what takes longest."""
    items.sort(key=lambda item: _reads_smoke(item) - ("killed_run" in item.name))  # stable


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the smoke chain in the first process that gets here, where a test of this session will read it."""
    gc.collect()
    gc.freeze()  # and tests need not look through the libraries either
    gc.enable()
    if session.config.option.collectonly or not any(map(_reads_smoke, session.items)):
        return
    root = Path(os.environ[SHARED], "smoke")
    try:
        root.mkdir()
    except FileExistsError:
        return
    command = [sys.executable, "-c", MAKE_SMOKE, str(root.with_suffix(".json")), *SMOKE]
    session.smoke_chain = subprocess.Popen(command, cwd=_link_notebooks(root))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave no smoke chain behind; another test process may still wait for it."""
    if chain := getattr(session, "smoke_chain", None):
        chain.wait()


@pytest.fixture
def toy_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository, made the current folder."""
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write_notebook(toy_repository: Path) -> WriteNotebook:
    """Write notebooks/<stem>.ipynb from a parameters cell and further code cells."""

    def write(
        stem: str, *code: str, parameters: str = "n: int = 3  # pieces", needs: Sequence[str] = ()
    ) -> Path:
        first = f'run_dir: str = "_runs/nano"  # where files go\n{parameters}'
        cells = [_cell("parameters", first, ["parameters"])]
        cells += [_cell(f"code-{number}", source, []) for number, source in enumerate(code)]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        metadata = {"kernelspec": kernel, "subliminal": {"needs": list(needs)}}
        path = toy_repository / "notebooks" / f"{stem}.ipynb"
        notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
        path.write_text(json.dumps(notebook))
        return path

    return write


def _cell(name: str, source: str, tags: list[str]) -> dict[str, Any]:
    rest = {"cell_type": "code", "outputs": [], "execution_count": None}
    return {"id": name, "metadata": {"tags": tags}, "source": source, **rest}


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """A folder that all test processes of a session share."""
    return Path(os.environ[SHARED])


@pytest.fixture(scope="session")
def smoke_run() -> Path:
    """The run folder of the whole smoke profile, run once for all tests that need it, in whichever process."""
    root = Path(os.environ[SHARED], "smoke")
    told = root.with_suffix(".json")
    while not told.exists():
        time.sleep(0.2)
    code, output = json.loads(told.read_text())
    assert code == 0, output
    return root / "_runs" / "smoke"


@pytest.fixture(scope="session")
def smoke_command() -> list[str]:
    """The command that runs the smoke profile, with this Python."""
    return SMOKE


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with this one's notebooks and no run yet."""
    return _link_notebooks(tmp_path)


def _link_notebooks(folder: Path) -> Path:
    (folder / "notebooks").symlink_to(REPOSITORY / "notebooks")
    return folder
