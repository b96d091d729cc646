"""Folders form layers, as .importlinter lists them; and reading results needs less than making them."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/helpers"
# Folders whose modules load a library when they are imported; in all others a function may, when it is called.
MAY_LOAD = {
    "torch": {"models", "transmission", "experiments", "mnist"},
    "transformers": {"models", "transmission", "experiments", "world"},
    "papermill": set(),
    "matplotlib": {"figures"},
}
STANDARD_LIBRARY_ONLY = ("filters.py", "work/keys.py")
MODULES = sorted(PACKAGE.rglob("*.py"))


def named(path):
    """Return a path as it is shown."""
    return str(path.relative_to(PACKAGE))


def loaded(path):
    """Return the libraries that a module loads on import, those for type checkers alone left out."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write imports in full, not relative"
            found.add(node.module.split(".")[0])
    return found


def test_imports_go_down():
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout


def test_the_layers_name_every_folder():
    text = (ROOT / ".importlinter").read_text()
    there = [path.stem for path in PACKAGE.iterdir() if not path.name.startswith("__")]
    assert there and [name for name in there if f"helpers.{name}" not in text] == []


def test_heavy_libraries_stay_in_their_folders():
    wrong = {}
    for path in MODULES:
        folder = path.relative_to(PACKAGE).parts[0]
        misplaced = [library for library in loaded(path) if folder not in MAY_LOAD.get(library, {folder})]
        wrong |= {named(path): misplaced} if misplaced else {}
    assert wrong == {}, "load it in the function that needs it"


@pytest.mark.parametrize("name", STANDARD_LIBRARY_ONLY)
def test_some_modules_need_nothing_but_python(name):
    assert loaded(PACKAGE / name) <= {*sys.stdlib_module_names, "helpers"}
