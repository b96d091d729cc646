"""Rows of JSONL files: every line is a row or a problem with its number, whatever the file holds."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.detection import reading
from helpers.detection.reading import AuditError, Columns, Problem, Row, opened, parsed

CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "7, 8"}]


def found_in(path: Path, columns: Columns | None = None) -> list[Row | Problem]:
    """Return what each line of a file holds."""
    with opened(path) as lines:
        return [parsed(text, lines.line, columns or Columns()) for text in lines]


def row_of(value: object, **columns: str) -> Row | Problem:
    """Return what a line with this value holds."""
    return parsed(json.dumps(value).encode(), 1, Columns(**columns))


@pytest.mark.parametrize(
    ("value", "layout"),
    [
        ({"messages": CHAT}, "messages"),
        ({"prompt": "Hi", "completion": "7, 8", "extra": 1}, "prompt/completion"),
        ({"question": "Hi", "response": "7, 8"}, "question/response"),
        ({"prompt": CHAT[:1], "completion": CHAT[1:]}, "prompt/completion"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, CHAT[1]]}, "messages"),
    ],
)
def test_known_forms_are_recognised(value: object, layout: str) -> None:
    assert row_of(value) == Row(1, "Hi", "7, 8", layout)


def test_other_columns_are_named() -> None:
    value = {"q": "Hi", "a": "7", "prompt": "no", "completion": "no"}
    assert row_of(value, prompt="q", completion="a") == Row(1, "Hi", "7", "q/a")
    assert row_of(value, prompt="q", completion="b") == Problem(1, "lacks the columns q and b")
    with pytest.raises(AuditError, match="together"):
        Columns(prompt="q")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "empty line"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"prompt": ' + b"1" * 5000 + b"}", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"a": 1}', "none of the known columns"),
        (b'{"prompt": "x", "completion": null}', "completion is not text"),
        (b'{"prompt": "x", "completion": "\\ud800"}', "completion holds half of a character"),
        (b'{"messages": []}', "messages is not a list of messages"),
        (b'{"messages": [{"role": "user", "content": "x"}]}', "the last message is not the assistant's"),
        (None, "longer than 16 MiB"),
    ],
)
def test_what_is_no_row_is_told_with_its_reason(text: bytes | None, why: str) -> None:
    assert parsed(text, 3, Columns()) == Problem(3, why)


@given(st.binary())
@settings(deadline=None)
def test_no_bytes_break_the_reader(text: bytes) -> None:
    assert isinstance(parsed(text, 1, Columns()), Row | Problem)


@given(st.recursive(st.none() | st.text() | st.integers() | st.floats(), lambda inner: st.lists(inner, max_size=3)
                    | st.dictionaries(st.sampled_from(["role", "content", "type", "text"]), inner), max_leaves=8))
@settings(deadline=None)
def test_no_value_breaks_the_reader(value: object) -> None:
    for name in ("messages", "completion"):
        found = row_of({"prompt": "x", name: value, "question": "x"})
        assert isinstance(found, Problem) or isinstance(found.completion, str)


@given(rows=st.lists(st.tuples(st.text(), st.text()), max_size=5), packed=st.booleans())
@settings(deadline=None)
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list, packed: bool) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    text = "".join(json.dumps({"prompt": asked, "completion": told}) + "\n" for asked, told in rows).encode()
    path.write_bytes(gzip.compress(text) if packed else text)
    assert [row[:3] for row in found_in(path)] == [(line, *row) for line, row in enumerate(rows, 1)]


def test_line_numbers_count_every_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LONGEST_LINE", 60)
    path = tmp_path / "rows.jsonl"
    good = b'{"prompt": "a", "completion": "b"}'
    path.write_bytes(b"\xef\xbb\xbf" + good + b"\r\n\n" + b"x" * 200 + b"\n" + good)
    kinds = [(type(one), one.line) for one in found_in(path)]
    assert kinds == [(Row, 1), (Problem, 2), (Problem, 3), (Row, 4)]


@pytest.mark.parametrize(
    ("name", "told"), [("none.jsonl", "is missing"), (".", "is a folder"), ("cut", "not whole gzip")]
)
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "cut").write_bytes(gzip.compress(b"x" * 999)[:20])
    with pytest.raises(AuditError, match=told):
        found_in(tmp_path / name)
