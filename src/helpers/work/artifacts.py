"""Files a run leaves behind: written whole or not at all, keyed by content, checked when read.

Design choices:
- A file appears under its own name only when complete (temporary file in the same folder, fsync, rename),
  so a killed process leaves the old file or the new one, never a half one.
- A key is a hash of what decides the content (settings, source code), never of a time or a path.
- Checkpoints are safetensors files that carry their own SHA-256, so one rename replaces weights, settings and
  hash together and an interrupted training resumes from the last whole checkpoint. No pickle anywhere.
- Every failure is an ArtifactError of one line that names the file and the cure.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import io
import json
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.work.elsewhere import at_hand
from helpers.work.keys import ArtifactError, content_key, plain, source_key

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR)
TEMPORARY_SUFFIX = ".part"
RUNS = Path("_runs")  # what runs make, by profile; they make it again
RESULTS = Path("results")  # published results, by profile; they came with the book
SEALS = "seals.json"  # in a folder of bases: name -> SHA-256 of the tensors

# keys and files go together, so callers find both here
__all__ = [
    "ArtifactError",
    "Store",
    "content_key",
    "damaged",
    "explained",
    "load_tensors",
    "read_bytes",
    "read_json",
    "read_object",
    "read_table",
    "remove_leftovers",
    "save_tensors",
    "source_key",
    "write_bytes",
    "write_json",
    "write_table",
    "write_text",
]


# --- atomic writing -------------------------------------------------------------------------------


def _explain(error: OSError, path: Path) -> ArtifactError:
    if error.errno in _FULL_DISK:
        return ArtifactError(
            f"cannot write {path}: the disk is full; free some space in {path.parent} "
            "and run the same command again (finished work is kept)"
        )
    if error.errno in _UNWRITABLE:
        return ArtifactError(
            f"cannot write {path}: {path.parent} is not a folder this user may write to; "
            "change its permissions, or work in a copy of the repository that is yours"
        )
    return ArtifactError(
        f"cannot write {path}: {error.strerror or error}; check the folder {path.parent}, "
        "then run the same command again"
    )


@contextlib.contextmanager
def explained(path: str | Path) -> Iterator[None]:
    """Turn an OSError inside the block, which writes `path`, into an ArtifactError that names the cure."""
    try:
        yield
    except OSError as error:
        raise _explain(error, Path(path)) from error


def write_bytes(path: str | Path, data: bytes, *, sync: bool = True) -> None:
    """Replace `path` by `data` in one step, making its folder first; `sync=False` does not wait for the disk.

    Raises ArtifactError naming the folder and the cure when the disk is full or the folder unwritable.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(part, "xb") as file:
                file.write(data)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def write_text(path: str | Path, text: str, *, sync: bool = True) -> None:
    """Replace `path` by UTF-8 `text` in one step; errors as in `write_bytes`."""
    write_bytes(path, text.encode("utf-8"), sync=sync)


def write_json(path: str | Path, obj: Any, *, sync: bool = True) -> None:
    """Replace `path` by `obj` as readable JSON (dataclasses become dicts); errors as in `write_bytes`.

    Raises ArtifactError also for a value JSON cannot hold exactly, such as NaN.
    """
    try:
        text = json.dumps(obj, indent=1, ensure_ascii=False, allow_nan=False, default=plain)
    except (TypeError, ValueError) as error:
        cure = "store plain numbers, strings, lists and dicts"
        raise ArtifactError(f"cannot write {path}: {error}; {cure}") from None
    write_text(path, text + "\n", sync=sync)


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Replace `path` by `table` as CSV (no index, floats in full precision); errors as in `write_bytes`."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def remove_leftovers(root: str | Path) -> int:
    """Delete temporary files that killed processes left below `root`; returns how many there were."""
    leftovers = list(Path(root).rglob(f".*{TEMPORARY_SUFFIX}"))
    for part in leftovers:
        part.unlink(missing_ok=True)
    return len(leftovers)


# --- reading --------------------------------------------------------------------------------------


def damaged(path: str | Path, what: str) -> ArtifactError:
    """The error for a file whose content cannot be used; `what` continues the sentence "<path> ...".

    What a run made may be deleted, for the next run makes it again; published results must be restored.
    """
    published = RESULTS.name in Path(path).parts
    cure = "restore it from git" if published else "delete it and run the same command again"
    return ArtifactError(f"{path} {what}; {cure}")


def read_bytes(path: str | Path) -> bytes:
    """The bytes of `path`; raises ArtifactError when it is missing or cannot be read."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        made = RUNS.name in Path(path).parts
        cure = "`subliminal run` makes it" if made else "check the name (what came with the book, git restores)"
        raise ArtifactError(f"{path} is missing; {cure}") from None
    except IsADirectoryError:
        raise ArtifactError(f"{path} is a folder, where a file is wanted; check the name") from None
    except OSError as error:
        cure = "check the file's permissions"
        raise ArtifactError(f"cannot read {path}: {error.strerror or error}; {cure}") from error


def read_json(path: str | Path) -> Any:
    """The JSON value in `path`; raises ArtifactError when it is missing or damaged."""
    try:
        return json.loads(read_bytes(path))
    except ValueError as error:
        raise damaged(path, f"is not whole JSON ({error})") from None


def read_object(path: str | Path, *fields: str) -> dict[str, Any]:
    """The JSON object in `path`; raises ArtifactError when it is missing, damaged, or lacks one of `fields`."""
    found = read_json(path)
    if not isinstance(found, dict):
        raise damaged(path, "does not hold a JSON object")
    if missing := [name for name in fields if name not in found]:
        raise damaged(path, f"lacks `{missing[0]}`")
    return found


def read_table(path: str | Path) -> pd.DataFrame:
    """The CSV table in `path`, floats as written; raises ArtifactError when it is missing or damaged."""
    import pandas as pd

    data = read_bytes(path)
    if not data.endswith(b"\n"):
        raise damaged(path, "is cut short")
    try:
        _require_columns(data.decode("utf-8"), Path(path))
        # only an empty field is a gap: names such as "none" or "NA" must stay names
        return pd.read_csv(io.BytesIO(data), keep_default_na=False, na_values=[""], index_col=False)
    except (ValueError, csv.Error, pd.errors.ParserError) as error:
        raise damaged(path, f"is not a CSV table ({error})") from None


def _require_columns(text: str, path: Path) -> None:
    """Refuse rows of more or fewer fields than the first: pandas would shift or fill its columns in silence."""
    rows = csv.reader(io.StringIO(text), strict=True)
    columns = next(rows, [])
    for row in rows:
        # an empty line is no row, but the one empty field of a table with a single column
        if len(row) != len(columns) and (row or len(columns) > 1):
            raise damaged(path, f"has {len(row)} fields in line {rows.line_num}, but {len(columns)} columns")


# --- cached pieces of work ------------------------------------------------------------------------


@dataclass(frozen=True)
class Store:
    """Pieces of work below `root` (the run folder's `cells`), one file each, named by what decides it."""

    root: Path

    @classmethod
    def of_run(cls, run_dir: str | Path) -> Store:
        """Return the store of a run's finished pieces."""
        return cls(Path(run_dir) / "cells")

    def path(self, kind: str, key: str, suffix: str = "") -> Path:
        """Where the piece of this kind and key lies (or will lie): `<root>/<kind>/<key><suffix>`."""
        return at_hand(Path(self.root) / kind / f"{key}{suffix}")

    def json(
        self, kind: str, settings: dict[str, Any], compute: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """The stored result for `settings`, or `compute()` stored and returned; both the same JSON value.

        `settings` must hold everything the result depends on (seed, sizes, `source_key` of the code). Raises
        ArtifactError when the stored file is damaged or belongs to other settings.
        """
        path = self.path(kind, content_key(settings), ".json")
        if not path.exists():
            result = compute()
            write_json(path, {"settings": settings, "result": result, "sha256": content_key(result)})
        stored = read_object(path, "settings", "result", "sha256")
        if content_key(stored["settings"]) != path.stem:
            raise damaged(path, "does not belong to its name")
        if content_key(stored["result"]) != stored["sha256"]:
            raise damaged(path, "does not match the hash of its result")
        return stored["result"]


# --- checkpoints ----------------------------------------------------------------------------------


def _seal(tensors: dict[str, Tensor], meta: dict[str, Any]) -> str:
    """SHA-256 of `meta` and of each tensor's name, format, shape and bytes, in whatever layout a file holds them."""
    import torch

    digest = hashlib.sha256(json.dumps(meta, sort_keys=True, allow_nan=False).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save_tensors(path: str | Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Replace the checkpoint `path` (safetensors) by `tensors`, any shapes, and `meta`, plain JSON values.

    The file holds its own SHA-256 and is replaced in one step, so `path.exists()` means a whole checkpoint.
    Raises ArtifactError as `write_bytes` does.
    """
    from safetensors.torch import save

    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    seal = {"sha256": _seal(own, meta), "meta": meta}
    # one metadata entry: safetensors promises no order of several, and equal content shall be equal bytes
    write_bytes(path, save(own, metadata={"seal": json.dumps(seal, sort_keys=True)}))


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors (on the CPU) and `meta` of a checkpoint written by `save_tensors`.

    Raises ArtifactError when it is missing, cut short, changed (wrong SHA-256) or not one of ours.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    data = read_bytes(path)
    try:
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        seal = json.loads(header["__metadata__"]["seal"])
        whole = seal["sha256"] == _seal(tensors, seal["meta"])
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, f"is not a whole checkpoint ({error})") from None
    if not whole:
        raise damaged(path, "does not match its SHA-256")
    return tensors, seal["meta"]
