"""Content keys: SHA-256 names for settings and for source code, so that equal work is not done twice.

Design choices:
- Settings are hashed as canonical JSON; what JSON cannot hold exactly is refused, never rounded or renamed.
- Code is hashed as a syntax tree, so comments and layout do not count; and only the modules that a module
  really imports (followed through the package, nothing is executed) and the data files it names.
- The code is read once per process, when this module is loaded: a running process works with the code that it
  loaded, not with edits.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import json
from pathlib import Path
from typing import Any

SOURCE_ROOT = Path(__file__).resolve().parents[2]
_SOURCES = {path: path.read_bytes() for path in (SOURCE_ROOT / "helpers").rglob("*.py")}


class ArtifactError(RuntimeError):
    """A file of a run cannot be written, is missing, or is damaged; the message names file and cure."""


def plain(value: Any) -> Any:
    """The dict of a dataclass instance, for JSON; raises TypeError for any other value JSON does not know."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _check_string_keys(value: Any) -> None:
    # json.dumps would quietly turn the key 1 into "1", and two different settings would share a key
    if isinstance(value, dict):
        if bad := [key for key in value if not isinstance(key, str)]:
            raise TypeError(f"dict key {bad[0]!r} is not a string")
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            _check_string_keys(item)


def content_key(obj: Any) -> str:
    """SHA-256 (64 hex digits) of `obj` as canonical JSON; dataclasses count as dicts, tuples as lists.

    Raises ArtifactError for a value without an exact JSON form (NaN, numpy scalars, keys other than strings).
    """
    try:
        _check_string_keys(obj)
        text = json.dumps(obj, sort_keys=True, separators=(",", ":"), allow_nan=False, default=plain)
    except (TypeError, ValueError) as error:
        cure = "use str, int, float, bool, None, lists and dicts"
        raise ArtifactError(f"settings cannot be keyed: {error}; {cure}") from None
    return hashlib.sha256(text.encode()).hexdigest()


def source_key(module_name: str, *, root: Path = SOURCE_ROOT) -> str:
    """SHA-256 over the source of a module ("models" or "helpers.models") and all it imports of this package.

    Data files and folders of the package that a module names in a string literal count as well, but for their
    notes (.md). `root` is the folder that holds the package. Raises ArtifactError for a module that does not exist.
    """
    full = module_name if module_name.split(".")[0] == "helpers" else f"helpers.{module_name}"
    return _closure_key(full, root)


@functools.cache
def loaded_code() -> str:
    """SHA-256 of the whole package as this process read it."""
    names = {str(path.relative_to(SOURCE_ROOT)): path for path in _SOURCES}
    return content_key({name: hashlib.sha256(_SOURCES[path]).hexdigest() for name, path in names.items()})


def imported_modules(source: str, *, root: Path = SOURCE_ROOT) -> set[str]:
    """The modules of this package that the Python text `source` imports; SyntaxError where it is none."""
    return _imports(ast.parse(source), root)


@functools.cache
def _closure_key(name: str, root: Path) -> str:
    seen: dict[str, str] = {}
    waiting = [name]
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen[module], imported = _module_facts(module, root)
            waiting.extend(imported)
    return content_key(seen)


@functools.cache
def _module_facts(name: str, root: Path) -> tuple[str, tuple[str, ...]]:
    """A module's own digest (syntax tree and named data files) and the modules of its package it imports."""
    path = _module_file(name, root)
    if path is None:
        raise ArtifactError(f"there is no module {name}; check the name given to source_key")
    tree = ast.parse(_SOURCES.get(path) or path.read_bytes())
    digest = hashlib.sha256(ast.dump(tree).encode())
    for data in _named_data(tree, path.parent, root / "helpers"):
        digest.update(data.name.encode() + hashlib.sha256(data.read_bytes()).digest())
    return digest.hexdigest(), tuple(sorted(_imports(tree, root) - {name}))


def _module_file(name: str, root: Path) -> Path | None:
    base = root.joinpath(*name.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _imports(tree: ast.AST, root: Path) -> set[str]:
    names: set[str] = set()  # imports are written in full, never relative
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update({str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names})
    own = {given for given in names if given.partition(".")[0] == "helpers"}
    # importing a.b.c also runs a/__init__.py and a/b/__init__.py
    run = {".".join(given.split(".")[:depth]) for given in own for depth in range(1, given.count(".") + 2)}
    return {module for module in run if _module_file(module, root)}


def _named_data(tree: ast.AST, folder: Path, package: Path) -> list[Path]:
    found: set[Path] = set()
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if 0 < len(text) < 100 and not text.startswith(("/", ".")) and "\n" not in text and "\0" not in text:
            for place in {folder / text, package / text}:
                found.update(place.rglob("*") if place.is_dir() else [place])
    return sorted(path for path in found if path.is_file() and path.suffix not in (".py", ".pyc", ".md"))
