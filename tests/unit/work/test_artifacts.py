"""Files are whole or absent, and every failure names its cure."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.work import artifacts
from helpers.work.artifacts import (
    ArtifactError,
    Store,
    load_tensors,
    read_json,
    read_object,
    read_table,
    save_tensors,
)

write_bytes = artifacts.write_bytes


def test_write_makes_the_folder_and_leaves_nothing_else(tmp_path: Path) -> None:
    artifacts.write_json(tmp_path / "a" / "b.json", {"x": 1})
    assert json.loads((tmp_path / "a" / "b.json").read_text()) == {"x": 1}
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.json"]


def test_the_file_may_be_read_by_whom_the_system_says(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        write_bytes(tmp_path / "x", b"")
    finally:
        os.umask(mask)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o644


def test_kill_during_a_write_leaves_the_old_file_whole(tmp_path: Path) -> None:
    """After each of 8 kills during endless rewriting of 1 MB the file is one of the two contents."""
    target = tmp_path / "file"
    code = (
        "import itertools, sys\nfrom helpers.work.artifacts import write_bytes\nprint('go', flush=True)\n"
        "for n in itertools.count():\n    write_bytes(sys.argv[1], bytes([n % 2]) * 1_000_000)\n"
    )
    for attempt in range(8):
        child = subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.003 * attempt)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        if target.exists():
            assert target.read_bytes() in (bytes(1_000_000), b"\1" * 1_000_000)
    assert target.exists()
    artifacts.remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(("number", "cure"), [
    (errno.ENOSPC, "disk is full"), (errno.EDQUOT, "disk is full"),
    (errno.EROFS, "permissions"), (errno.EIO, "check the folder"),
])
def test_a_failed_write_keeps_the_old_file_and_names_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, cure: str
) -> None:
    write_bytes(tmp_path / "x", b"old")

    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ArtifactError, match=cure) as caught:
        write_bytes(tmp_path / "x", b"new")
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["x"] and (tmp_path / "x").read_bytes() == b"old"


def test_a_folder_below_a_regular_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="not a folder this user may write to"):
        artifacts.write_text(tmp_path / "file" / "x", "")


def test_a_device_that_is_full_is_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="disk is full"), artifacts.explained(tmp_path / "x"):
        with open("/dev/full", "wb", buffering=0) as device:
            device.write(b"x")


def test_numbers_json_cannot_hold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="plain numbers"):
        artifacts.write_json(tmp_path / "x.json", {"x": float("nan")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe", b"[1,]"])
def test_damaged_json_says_delete_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"x\.json is not whole JSON .*; delete it and run"):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize(("name", "missing", "damaged"), [
    ("_runs/nano/x.json", "`subliminal run` makes it", "delete it and run the same command again"),
    ("results/nano/x.json", "check the name", "restore it from git"),
    ("other.json", "check the name", "delete it"),
])
def test_the_cure_for_a_file_is_one_that_works(tmp_path: Path, name: str, missing: str, damaged: str) -> None:
    """No run makes a file that a person named, or one that came with the book."""
    with pytest.raises(ArtifactError, match=f"is missing; {missing}"):
        read_json(tmp_path / name)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("{")
    with pytest.raises(ArtifactError, match=f"not whole JSON.*; {damaged}"):
        read_json(tmp_path / name)


def test_a_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is a folder, where a file is wanted"):
        read_json(tmp_path)


@pytest.mark.parametrize(("text", "message"), [
    ("[]", "does not hold a JSON object"), ("null", "does not hold"), ("{}", "lacks `key`"),
])
def test_json_of_another_shape_is_damaged(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ArtifactError, match=message + ".*; delete it and run"):
        read_object(tmp_path / "x.json", "key")


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_a_table_comes_back(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    path = tmp_path_factory.mktemp("table") / "t.csv"
    artifacts.write_table(path, pd.DataFrame({"arm": "none", "value": values}))
    table = read_table(path)
    assert table["value"].astype(float).tolist() == values and set(table["arm"]) == {"none"}


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n3", b"a,b\n1,2\n1,2,3\n", b'a\n"x\n'])
def test_a_damaged_table_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ArtifactError, match="delete it and run"):
        read_table(tmp_path / "t.csv")


def test_a_store_computes_once_and_returns_the_same_value(tmp_path: Path) -> None:
    calls: list[int] = []

    def compute() -> dict[str, object]:
        calls.append(1)
        return {"pair": (1, 2.5)}

    store = Store(tmp_path)
    first = store.json("kind", {"seed": 1}, compute)
    assert first == store.json("kind", {"seed": 1}, compute) == {"pair": [1, 2.5]} and len(calls) == 1
    store.json("kind", {"seed": 2}, compute)
    assert len(calls) == 2


def test_a_stored_result_under_a_foreign_name_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.json("kind", {"seed": 1}, lambda: {})
    path = store.path("kind", artifacts.content_key({"seed": 1}), ".json")
    path.rename(store.path("kind", artifacts.content_key({"seed": 2}), ".json"))
    with pytest.raises(ArtifactError, match="does not belong to its name; delete it"):
        store.json("kind", {"seed": 2}, lambda: {})


TENSORS = {"b": torch.arange(6.0).reshape(2, 3).T, "a": torch.tensor([1, 2]), "c": torch.ones(2).bfloat16()}


def test_a_checkpoint_comes_back_and_equal_content_is_equal_bytes(tmp_path: Path) -> None:
    meta = {"step": 3, "config": {"width": 4}}
    save_tensors(tmp_path / "m", TENSORS, meta)
    loaded, loaded_meta = load_tensors(tmp_path / "m")
    assert loaded_meta == meta and loaded.keys() == TENSORS.keys()
    assert all(torch.equal(loaded[name], TENSORS[name]) for name in TENSORS)
    save_tensors(tmp_path / "n", loaded, meta)
    assert (tmp_path / "m").read_bytes() == (tmp_path / "n").read_bytes()


def test_tied_weights_can_be_saved(tmp_path: Path) -> None:
    shared = torch.ones(3)
    save_tensors(tmp_path / "m", {"in": shared, "out": shared}, {})
    assert torch.equal(load_tensors(tmp_path / "m")[0]["out"], shared)


@pytest.mark.parametrize("kept", [0, 4, 8, 40, -1])
def test_a_checkpoint_cut_short_is_refused(tmp_path: Path, kept: int) -> None:
    save_tensors(tmp_path / "m", TENSORS, {"step": 1})
    (tmp_path / "m").write_bytes((tmp_path / "m").read_bytes()[:kept])
    with pytest.raises(ArtifactError, match="not a whole checkpoint .*; delete it and run"):
        load_tensors(tmp_path / "m")


def test_any_changed_byte_of_a_checkpoint_is_noticed(tmp_path: Path) -> None:
    save_tensors(tmp_path / "m", {"a": torch.arange(4.0)}, {"step": 1})
    whole = (tmp_path / "m").read_bytes()
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1
        (tmp_path / "m").write_bytes(changed)
        with pytest.raises(ArtifactError, match="delete it and run"):
            load_tensors(tmp_path / "m")


def test_a_checkpoint_of_another_program_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, tmp_path / "m")
    with pytest.raises(ArtifactError, match="not a whole checkpoint"):
        load_tensors(tmp_path / "m")


@pytest.mark.parametrize("text", ["a,b\n1,2,3\n", "a,b\n1\n", "a,b\n1,2\n\n3,4,5\n", 'a,b\n1,"2\n', "a,b\n1,2\n\n"])
def test_a_table_whose_rows_do_not_fit_its_columns_is_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ArtifactError, match="t.csv (has|is not a CSV table).*delete it"):
        read_table(tmp_path / "t.csv")


def test_a_gap_in_a_table_of_one_column_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('a\n1\n""\n')
    assert read_table(tmp_path / "t.csv").a.isna().tolist() == [False, True]
