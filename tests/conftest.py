"""Fixtures shared by all tests: a small repository of toy notebooks to run a chain on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

IN_PARALLEL = "PYTEST_XDIST_WORKER" in os.environ
REPOSITORY = Path(__file__).resolve().parents[1]
WriteNotebook = Callable[..., Path]


def pytest_configure(config: pytest.Config) -> None:
    """Give each of several test processes one thread: more would wait for each other."""
    if IN_PARALLEL:
        import torch

        torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what reads the smoke run in one process (`--dist loadgroup`), so that the others do not wait for it."""
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            if {"smoke_run", "built_book"} & set(getattr(item, "fixturenames", ())):
                item.add_marker(pytest.mark.xdist_group("smoke"))


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
def smoke_run(tmp_path_factory: pytest.TempPathFactory, smoke_command: list[str]) -> Path:
    """The run folder of the whole smoke profile, run once for all tests that need it, in whichever process."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if IN_PARALLEL else own  # pytest-xdist gives each of its workers a folder below one
    root, told = shared / "smoke", shared / "smoke.json"
    with FileLock(shared / "smoke.lock"):
        if not told.exists():
            root.mkdir()
            done = subprocess.run(smoke_command, cwd=_link_notebooks(root), capture_output=True, text=True)
            told.write_text(json.dumps([done.returncode, done.stdout + done.stderr]))
    code, output = json.loads(told.read_text())
    assert code == 0, output
    return root / "_runs" / "smoke"


@pytest.fixture(scope="session")
def smoke_command() -> list[str]:
    """The command that runs the smoke profile, with this Python."""
    return [sys.executable, "-m", "helpers.cli", "run", "--profile", "smoke"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with this one's notebooks and no run yet."""
    return _link_notebooks(tmp_path)


def _link_notebooks(folder: Path) -> Path:
    (folder / "notebooks").symlink_to(REPOSITORY / "notebooks")
    return folder
