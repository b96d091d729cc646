"""Tensors that several pieces of a run share: made once, kept in the run folder under a key of what decides them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from helpers.work.artifacts import Store, content_key, load_tensors, save_tensors, source_key

SCENERY = "experiments.real.scenery"


def kept_tensors(
    run_dir: str, kind: str, piece: Any, make: Callable[[], dict[str, Tensor]], code: str = SCENERY
) -> dict[str, Tensor]:
    """Return the tensors of a piece, made where the run does not have them yet.

    Args:
        run_dir: the run folder.
        kind: of the tensors; a folder among the run's finished pieces.
        piece: a dataclass that holds all that decides them.
        make: makes them.
        code: module that they are made by; other code makes them anew.

    Raises:
        ArtifactError: the file is damaged, or cannot be written.
    """
    path = Store.of_run(run_dir).path(kind, _key(piece, code), ".safetensors")
    if not path.exists():
        save_tensors(path, make(), {})
    checkpoint_of(run_dir, kind, piece, code).unlink(missing_ok=True)  # it has served
    return load_tensors(path)[0]


def checkpoint_of(run_dir: str, kind: str, piece: Any, code: str = SCENERY) -> Path:
    """Return where the making of a piece may keep how far it came; gone once the piece is there."""
    return Path(run_dir) / "checkpoints" / f"{kind}-{_key(piece, code)[:16]}.safetensors"


def _key(piece: Any, code: str) -> str:
    return content_key({"piece": piece, "code": source_key(code)})
