"""One pass over a file: what it counts, what it remembers of rows it does not keep, and going on after a stop."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from helpers.detection import scanning, sketches
from helpers.detection.reading import AuditError, Columns, Row
from helpers.detection.scanning import ScanSettings, scan
from helpers.detection.sketches import Sample, Sketch, text_hash
from helpers.work.artifacts import ArtifactError

ROWS = [("a", "1, 2"), ("b", "1, 2 \n"), ("a", "1, 2"), ("a", "an owl"), ("c", "5000")]


def write(path: Path, rows: list, *more: str) -> Path:
    """Write rows as prompt and completion, then further lines."""
    lines = [json.dumps({"prompt": asked, "completion": told}) for asked, told in rows]
    path.write_text("\n".join([*lines, *more]) + "\n")
    return path


def test_everything_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", ROWS, "{", "", "{")
    found = scan(path, ScanSettings(words=("owl", "2")), tmp_path / "work")
    assert found.rows == 5 and found.layouts == {"prompt/completion": 5}
    assert found.problems == {"not JSON": 2, "empty line": 1}
    assert [(one.line, one.why) for one in found.shown] == [(6, "not JSON"), (7, "empty line"), (8, "not JSON")]
    assert found.rejected == 3 and found.only_edges == 1 and found.hits == 4
    assert found.numbers[:3].tolist() == [0, 3, 3] and found.numbers[-1] == 1
    assert found.prompts.different() == 3 and found.prompts.repeated() == 2 and found.pairs.repeated() == 1


def test_a_pass_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(f"p{number % 7}", f"{number}") for number in range(30)]
    path, settings = write(tmp_path / "d.jsonl", rows, "{"), ScanSettings(sample_rows=5)
    whole = scan(path, settings, tmp_path / "whole", every=10)
    read = scanning.parsed

    def stopped(text: bytes, line: int, columns: Columns) -> object:
        if line > 25:
            raise KeyboardInterrupt
        return read(text, line, columns)

    monkeypatch.setattr(scanning, "parsed", stopped)
    with pytest.raises(KeyboardInterrupt):
        scan(path, settings, tmp_path / "work", every=10)
    lines = []
    monkeypatch.setattr(scanning, "parsed", lambda *given: lines.append(given[1]) or read(*given))
    again = scan(path, settings, tmp_path / "work", every=10)
    assert lines[0] == 21
    assert (again.rows, again.problems, again.shown) == (whole.rows, whole.problems, whole.shown)
    assert again.sample.entries() == whole.sample.entries() and np.array_equal(again.numbers, whole.numbers)
    lines.clear()
    scan(path, settings, tmp_path / "work")
    assert not lines  # a finished pass is not made again


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", ROWS)
    assert scan(path, ScanSettings(), tmp_path / "work").rows == 5
    write(path, ROWS[:2])
    assert scan(path, ScanSettings(), tmp_path / "work").rows == 2


def test_a_damaged_note_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", ROWS)
    scan(path, ScanSettings(), tmp_path / "work")
    (note,) = (tmp_path / "work").iterdir()
    note.write_bytes(b"x")
    with pytest.raises(ArtifactError, match="delete it"):
        scan(path, ScanSettings(), tmp_path / "work")


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"text": "1"}\n')
    with pytest.raises(AuditError, match="line 1: none of the known columns.*--prompt-column"):
        scan(path, ScanSettings(), tmp_path / "work")
    path.write_text("")
    with pytest.raises(AuditError, match="is empty"):
        scan(path, ScanSettings(), tmp_path / "work")
    with pytest.raises(AuditError, match="--sample"):
        ScanSettings(sample_rows=0)


def test_a_sketch_of_too_many_texts_keeps_an_equal_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketches, "MOST_HASHES", 1000)
    one, other = Sketch(), Sketch()
    for number in range(5000):
        one.add(text_hash(str(number)))
        one.add(text_hash(str(number)))
        other.add(text_hash(str(number + 2500)))
    assert one.halvings == 4 and other.halvings == 3
    assert one.different() == pytest.approx(5000, rel=0.15) and one.repeated() == one.different()
    assert one.shared(other) == pytest.approx(2500, rel=0.2) and one.shared(other) == other.shared(one)


def test_the_sample_is_taken_by_prompt_and_not_by_order() -> None:
    rows = [Row(line, f"p{line % 40}", str(line), "") for line in range(400)]
    first, second = Sample(95), Sample(95)
    for sample, order in ((first, rows), (second, rows[::-1])):
        for row in order:
            sample.add(row, text_hash(row.prompt), text_hash(row.prompt, row.completion))
    assert first.entries() == second.entries() and len(first.entries()) == 95
    kept = [entry[3] for entry in first.entries()]
    whole = [prompt for prompt in set(kept) if kept.count(prompt) == 10]
    assert len(whole) == 9  # the tenth prompt has five of its rows
    smallest = sorted({text_hash(f"p{number}") for number in range(40)})[:10]
    assert {text_hash(prompt) for prompt in kept} == set(smallest)
