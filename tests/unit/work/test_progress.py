"""Bars write to the runner's file, or draw for a person, or stay silent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.work import progress


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "progress.json"
    monkeypatch.setenv(progress.ENVIRONMENT_NAME, str(path))
    return path


def test_items_pass_and_the_last_state_is_written(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert list(progress.track(iter("abc"), "letters", total=3)) == ["a", "b", "c"]
    assert json.loads(file.read_text()) == {"label": "letters", "done": 3, "total": 3}
    assert capfd.readouterr() == ("", "")


def test_the_length_of_a_list_is_the_total(file: Path) -> None:
    items = progress.track([1, 2], "pair")
    next(items)
    assert json.loads(file.read_text()) == {"label": "pair", "done": 0, "total": 2}


def test_writes_are_at_most_five_a_second(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    clock = iter(range(10**6))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock) * 0.01)
    monkeypatch.setattr(progress, "write_json", lambda path, state, sync: written.append(state["done"]))
    list(progress.track(range(1000), "many"))
    seconds = next(clock) * 0.01
    assert written[-1] == 1000 and 2 < len(written) <= 5 * seconds + 2


def test_a_progress_file_that_cannot_be_written_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(progress.ENVIRONMENT_NAME, str(tmp_path / "file" / "progress.json"))
    assert list(progress.track(range(3), "x")) == [0, 1, 2]


def test_without_runner_and_terminal_nothing_is_printed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(progress.ENVIRONMENT_NAME, raising=False)
    with progress.bar(2, "x") as shown:
        shown.update(2)
    assert capfd.readouterr() == ("", "")
