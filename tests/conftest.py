"""Fixtures shared by all tests: a small repository of toy notebooks to run a chain on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
WriteNotebook = Callable[..., Path]


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
