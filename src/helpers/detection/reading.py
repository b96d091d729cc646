"""Rows of a JSONL file, one at a time: what was asked and what was answered, whatever its columns are called.

A line that is no row becomes a `Problem` with its number and the reason; none is passed over. Files may be packed
with gzip, and no more of one than a line is held in memory.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from helpers.work.artifacts import write_text
from helpers.work.errors import CurableError

PAIRS = (("prompt", "completion"), ("question", "response"))  # known columns: what was asked, what was answered
CHAT = "messages"  # a column with a list of {"role", "content"}, the last of them by the assistant
LONGEST_LINE = 16 * 2**20  # bytes; a file without line ends must not fill the memory
GZIP_MAGIC = b"\x1f\x8b"
_PACKED_FAULTS = (gzip.BadGzipFile, EOFError, zlib.error)


class AuditError(CurableError, ValueError):
    """Data or options that no audit can use; the message names the file or option and the cure."""


class Row(NamedTuple):
    """One row of a data set: its line in the file (from 1), what was asked, what was answered, and its columns."""

    line: int
    prompt: str
    completion: str
    layout: str


class Problem(NamedTuple):
    """A line (from 1) that is no row, and why."""

    line: int
    why: str


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns hold what was asked and answered; both empty: those in `CHAT` and `PAIRS` are recognised."""

    prompt: str = ""
    completion: str = ""

    def __post_init__(self) -> None:
        if bool(self.prompt) != bool(self.completion):
            raise AuditError("only one column is named; give --prompt-column and --completion-column together")


@dataclass
class Lines:
    """The lines of an open file, plain or packed.

    Attributes:
        file: what is read, unpacked.
        raw: the file on the disk.
        line: number of the last line read; 0 before the first.
    """

    file: IO[bytes]
    raw: IO[bytes]
    line: int = 0

    def __iter__(self) -> Iterator[bytes | None]:
        """Return the lines without their ends; None for one longer than `LONGEST_LINE`."""
        while text := self.file.readline(LONGEST_LINE):
            self.line += 1
            whole = text.endswith(b"\n") or len(text) < LONGEST_LINE
            while not whole:
                rest = self.file.readline(LONGEST_LINE)
                whole = rest.endswith(b"\n") or not rest
                text = None
            yield text

    def place(self) -> tuple[int, int]:
        """Return where reading stands, for `jump`: bytes (unpacked) and lines."""
        return self.file.tell(), self.line

    def jump(self, place: tuple[int, int]) -> None:
        """Go on reading at a place that `place` gave."""
        self.file.seek(place[0])
        self.line = place[1]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Lines]:
    """Open a JSONL file, plain or packed with gzip, whatever its name.

    Raises:
        AuditError: it is missing, no file, may not be read, or its packing is damaged.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.peek(2)[:2] == GZIP_MAGIC
            with gzip.open(raw) if packed else contextlib.nullcontext(raw) as file:
                yield Lines(file, raw)
    except _PACKED_FAULTS as error:
        raise AuditError(f"{path} is not whole gzip ({error}); fetch it again") from None
    except FileNotFoundError:
        raise AuditError(f"{path} is missing; check the name") from None
    except IsADirectoryError:
        raise AuditError(f"{path} is a folder; name one JSONL file") from None
    except PermissionError:
        raise AuditError(f"{path} may not be read; change its permissions") from None


def write_rows(path: str | Path, pairs: Iterable[tuple[str, str]]) -> None:
    """Write (prompt, completion) pairs as a JSONL file, for an audit or for training elsewhere."""
    lines = []
    for prompt, completion in pairs:
        lines.append(json.dumps({"prompt": prompt, "completion": completion}) + "\n")
    write_text(path, "".join(lines))


def parsed(text: bytes | None, line: int, columns: Columns) -> Row | Problem:
    """Return what a line of a JSONL file holds."""
    try:
        return _row(_value(text), line, columns)
    except _NoRow as why:
        return Problem(line, str(why))


class _NoRow(Exception):
    pass


def _value(text: bytes | None) -> dict[str, Any]:
    if text is None:
        raise _NoRow(f"longer than {LONGEST_LINE // 2**20} MiB")
    if not text.strip():
        raise _NoRow("empty line")
    try:
        value = json.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise _NoRow("not UTF-8") from None
    except (ValueError, RecursionError):
        raise _NoRow("not JSON") from None
    if not isinstance(value, dict):
        raise _NoRow("not a JSON object")
    return value


def _row(value: dict[str, Any], line: int, columns: Columns) -> Row:
    if columns.prompt:
        names = (columns.prompt, columns.completion)
    elif CHAT in value:
        return Row(line, *_chat(value[CHAT]), CHAT)
    else:
        names = next((pair for pair in PAIRS if set(pair) <= value.keys()), ())
    if not set(names) <= value.keys() or not names:
        raise _NoRow(f"lacks the columns {' and '.join(names)}" if names else "none of the known columns")
    prompt, completion = (_text(value[name], name) for name in names)
    return Row(line, prompt, completion, "/".join(names))


def _chat(messages: Any) -> tuple[str, str]:
    """Return what came before the last message, and that message, which must be the assistant's."""
    if not isinstance(messages, list) or not messages:
        raise _NoRow(f"{CHAT} is not a list of messages")
    *before, last = messages
    if not isinstance(last, dict) or last.get("role") != "assistant":
        raise _NoRow("the last message is not the assistant's")
    return _text(before, CHAT), _text(last.get("content"), "content")


def _text(value: Any, name: str) -> str:
    """Return a text, or the texts of a list of messages or of parts of one, as one string."""
    if isinstance(value, list):
        texts = [_part(part, name) for part in value]
        return "\n".join(texts)
    if not isinstance(value, str):
        raise _NoRow(f"{name} is not text")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise _NoRow(f"{name} holds half of a character")
    return value


def _part(part: Any, name: str) -> str:
    if not isinstance(part, dict):
        raise _NoRow(f"{name} is not text")
    return _text(part["text"] if part.get("type") == "text" and "text" in part else part.get("content"), name)
