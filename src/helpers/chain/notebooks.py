"""What the chain must know of a notebook before it runs: its typed parameters, its needs, its content key.

Design choices:
- The `parameters` cell is read as Python syntax, never executed, and without loading papermill, so a chain in
  which nothing changed ends at once. (papermill only warns of an unknown parameter and runs the default.)
- The key of a notebook covers everything that decides its outcome: its cells but for `LIVE`, its parameters, the
  source of the helpers it imports, the versions of the numerical libraries, the published results it shows, and the
  keys of the notebooks it needs.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.work.errors import CurableError
from helpers.work.keys import Sources, content_key
from helpers.work.libraries import library_versions

# ids of cells that do nothing where the chain runs a notebook: the first, for hosted machines, and that of choices
LIVE = ("colab", "choices")
FORMAT = 4  # of notebook files; older ones have no cells at the top


class NotebookError(CurableError, ValueError):
    """A notebook or a value for its parameters is not as the chain needs it; the message names the cure."""


@dataclass(frozen=True)
class Parameter:
    """One line `name: annotation = default` of the cell tagged `parameters`."""

    annotation: str
    default: Any

    def fits(self, value: Any) -> bool:
        """Whether `value`, as read from YAML, has the annotated type (an int is fine for a float)."""
        return _fits(value, ast.parse(self.annotation, mode="eval").body)

    def too_small(self, value: Any) -> float | None:
        """The first number in `value` that nobody can mean: 0 or less where all in the default are above 0, or below 0.

        So a parameter that is 0 by default, as for "one for each core", may be 0; no number of rows may.
        """
        known = _numbers(self.default)
        if not known or min(known) < 0:
            return None
        for number in _numbers(value):
            if number < 0 or (number == 0 and min(known) > 0):
                return number
        return None


@dataclass(frozen=True)
class Notebook:
    """A notebook as committed, without outputs."""

    path: Path
    cells: tuple[tuple[str, str], ...]  # (cell type, source), in order
    needs: tuple[str, ...]  # stems of the notebooks whose files it reads
    parameters: dict[str, Parameter]

    @property
    def stem(self) -> str:
        """The file name without its ending, which is the notebook's name everywhere."""
        return self.path.stem

    @property
    def code(self) -> str:
        """All code cells as one text."""
        return "\n".join(source for kind, source in self.cells if kind == "code")


def _numbers(value: Any) -> list[float]:
    """All numbers in a literal, at any depth."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [number for part in value for number in _numbers(part)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


def _fits(value: Any, annotation: ast.expr) -> bool:
    match annotation:
        case ast.Name(id="float"):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case ast.Name(id=name):
            return type(value).__name__ == name
        case ast.Constant(value=None):
            return value is None
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _fits(value, left) or _fits(value, right)
        case ast.Subscript(value=ast.Name(id="list"), slice=item):
            return isinstance(value, list) and all(_fits(part, item) for part in value)
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[key, item])):
            return isinstance(value, dict) and all(_fits(k, key) and _fits(v, item) for k, v in value.items())
    return False


def _read_parameters(source: str, path: Path) -> dict[str, Parameter]:
    found = {}
    for line in ast.parse(source).body:
        name, parameter = _read_parameter(line, path)
        if not parameter.fits(parameter.default):
            raise NotebookError(
                f"{path}: the default of parameter `{name}` is not of its type {parameter.annotation}; "
                "correct one of the two"
            )
        found[name] = parameter
    return found


def _read_parameter(line: ast.stmt, path: Path) -> tuple[str, Parameter]:
    if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value:
        try:
            return line.target.id, Parameter(ast.unparse(line.annotation), ast.literal_eval(line.value))
        except ValueError:
            pass  # the value is no literal; told below
    raise NotebookError(
        f"{path}: the parameters cell holds `{ast.unparse(line)}`; write each line as `name: type = literal  # help`"
    )


def load_notebook(path: Path) -> Notebook:
    """The notebook at `path`; raises NotebookError when it is damaged or its parameters are not literal."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if (found := content.get("nbformat")) != FORMAT:
            raise ValueError(f"its format is {found}, not {FORMAT}")
        decisive = [cell for cell in content["cells"] if cell.get("id") not in LIVE]
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in decisive]
        tags = [cell["metadata"].get("tags", []) for cell in decisive]
        needs = tuple(content["metadata"].get("subliminal", {}).get("needs", []))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise NotebookError(f"{path} is not a readable notebook ({what}); restore it from git") from None
    tagged = [cell[1] for cell, names in zip(cells, tags, strict=True) if "parameters" in names]
    if len(tagged) != 1:
        raise NotebookError(f"{path} has {len(tagged)} cells tagged `parameters`; it needs exactly one")
    try:
        parameters = _read_parameters(tagged[0], path)
        for source in (source for kind, source in cells if kind == "code"):
            ast.parse(source)  # only to see whether it can be read
    except SyntaxError as error:
        raise NotebookError(f"{path}: a code cell is not plain Python ({error.msg}: {error.text})") from None
    if "run_dir" not in parameters:
        raise NotebookError(f'{path}: the parameters cell lacks `run_dir: str = "_runs/nano"`; add it')
    return Notebook(path, tuple(cells), needs, parameters)


def check_parameters(notebook: Notebook, values: dict[str, Any], profile_name: str) -> None:
    """Raise NotebookError for a value whose name or type the notebook does not have, listing what it has."""
    known = notebook.parameters
    for name, value in values.items():
        where = f"profile {profile_name}, notebook {notebook.stem}"
        if name not in known:
            raise NotebookError(f"{where}: no parameter `{name}`; there are {', '.join(sorted(known))}")
        if not known[name].fits(value):
            wanted = known[name].annotation
            raise NotebookError(f"{where}: parameter `{name}` must be {wanted}, not {value!r}")
        if (number := known[name].too_small(value)) is not None:
            least = "0 or more" if number < 0 and 0 in _numbers(known[name].default) else "above 0"
            raise NotebookError(
                f"{where}: parameter `{name}` must be {least}, not {number}; its default is {known[name].default}"
            )


def notebook_key(
    notebook: Notebook,
    values: dict[str, Any],
    read_keys: dict[str, str],
    sources: Sources,
) -> str:
    """SHA-256 of everything that decides what running `notebook` gives.

    Args:
        notebook: as read.
        values: its parameters that differ from the defaults.
        read_keys: what it reads: key of each notebook it needs, of published results it shows, by name.
        sources: the package's code and data.
    """
    modules = sorted(sources.imported_modules(notebook.code))
    return content_key(
        {
            "cells": notebook.cells,
            "parameters": values,
            "sources": {module: sources.key(module) for module in modules},
            "needs": read_keys,
            "versions": library_versions(),
        }
    )
