"""Content keys: SHA-256 names for settings and for source code, so that equal work is not done twice.

Design choices:
- Settings are hashed as canonical JSON; what JSON cannot hold exactly is refused, never rounded or renamed.
- Code is hashed as a syntax tree, so comments and layout do not count; and only the modules that a module
  really imports (followed through the package, nothing is executed) and the data files it names.
- `source_key` is about the code that this process loaded, which is read once, when this module is loaded; edits
  made since do not count, because they do not run. `Sources` reads the files anew, to find such edits.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from helpers.work.errors import CurableError

SOURCE_ROOT = Path(__file__).resolve().parents[2]


class ArtifactError(CurableError, RuntimeError):
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


class Sources:
    """The package's code and data below one folder: Python files as they were when this object was made.

    A data file is read when a key first asks for it; the digest is kept.

    Args:
        root: the folder that holds the package.
    """

    def __init__(self, root: Path = SOURCE_ROOT) -> None:
        self._root = root
        self._texts = {path: path.read_bytes() for path in (root / "helpers").rglob("*.py")}
        self._modules: dict[str, tuple[str, set[str]]] = {}

    def key(self, module_name: str) -> str:
        """SHA-256 over the source of a module and all that it imports; see `source_key`."""
        return content_key(self._reached(module_name))

    def reached(self, module_name: str) -> set[str]:
        """The modules that the key of a module covers, itself included; see `source_key`."""
        return set(self._reached(module_name))

    def imported_modules(self, source: str) -> set[str]:
        """The modules of this package that the Python text `source` imports; SyntaxError where it is none."""
        return self._existing(_parsed(source.encode()).names)

    def parse(self) -> Iterator[None]:
        """Parse the Python files, one each time; a key then takes no time. Data files are still read when asked for."""
        for text in self._texts.values():
            _parsed(text)
            yield

    def code(self) -> str:
        """SHA-256 of all Python files of the package."""
        names = {path.relative_to(self._root).as_posix(): path for path in self._texts}
        return content_key({name: hashlib.sha256(self._texts[path]).hexdigest() for name, path in names.items()})

    def _reached(self, module_name: str) -> dict[str, str]:
        """The digest of a module and of all that it imports, by name."""
        full = module_name if module_name.split(".")[0] == "helpers" else f"helpers.{module_name}"
        seen: dict[str, str] = {}
        waiting = [full]
        while waiting:
            module = waiting.pop()
            if module not in seen:
                seen[module], imported = self._module(module)
                waiting.extend(imported)
        return seen

    def _module(self, name: str) -> tuple[str, set[str]]:
        """A module's own digest (syntax tree and named data files) and the modules of its package it imports."""
        if name not in self._modules:
            path = self._file(name)
            if path is None:
                raise ArtifactError(f"there is no module {name}; check the name given to source_key")
            parsed = _parsed(self._texts[path])
            digest = hashlib.sha256(parsed.dump)
            for data in _named_data(parsed.texts, path.parent, self._root / "helpers"):
                digest.update(data.name.encode() + hashlib.sha256(data.read_bytes()).digest())
            self._modules[name] = digest.hexdigest(), self._existing(parsed.names) - {name}
        return self._modules[name]

    def _existing(self, names: Iterable[str]) -> set[str]:
        # importing a.b.c also runs a/__init__.py and a/b/__init__.py
        run = {".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 2)}
        return {module for module in run if self._file(module)}

    def _file(self, name: str) -> Path | None:
        base = self._root.joinpath(*name.split("."))
        return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path in self._texts), None)


@functools.cache
def _loaded(root: Path) -> Sources:
    return Sources(root)


_loaded(SOURCE_ROOT)  # now: whatever is edited later is not what this process runs


def source_key(module_name: str, *, root: Path = SOURCE_ROOT) -> str:
    """SHA-256 over the source of a module ("models" or "helpers.models") and all it imports of this package.

    Data files and folders of the package that a module names in a string literal count as well, but for their
    notes (.md). `root` is the folder that holds the package. Raises ArtifactError for a module that does not exist.
    """
    return _loaded(root).key(module_name)


def parse_loaded() -> Iterator[None]:
    """Parse the code that this process loaded, one file each time."""
    return _loaded(SOURCE_ROOT).parse()


@functools.cache
def loaded_code() -> str:
    """SHA-256 of the whole package as this process read it."""
    return _loaded(SOURCE_ROOT).code()


@dataclasses.dataclass(frozen=True)
class _Parsed:
    """What a Python text says, but for comments and layout."""

    dump: bytes  # its syntax tree
    names: frozenset[str]  # modules of this package it imports, and names in them
    texts: frozenset[str]  # its short string literals


@functools.lru_cache(maxsize=1024)
def _parsed(source: bytes) -> _Parsed:
    tree = ast.parse(source)
    names: set[str] = set()  # imports are written in full, never relative
    texts: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update({str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names})
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and 0 < len(node.value) < 100:
            texts.add(node.value)
    own = frozenset(name for name in names if name.partition(".")[0] == "helpers")
    return _Parsed(ast.dump(tree).encode(), own, frozenset(texts))


def _named_data(texts: Iterable[str], folder: Path, package: Path) -> list[Path]:
    found: set[Path] = set()
    for text in texts:
        if not text.startswith(("/", ".")) and "\n" not in text and "\0" not in text:
            for place in {folder / text, package / text}:
                found.update(place.rglob("*") if place.is_dir() else [place])
    return sorted(path for path in found if path.is_file() and path.suffix not in (".py", ".pyc", ".md"))
