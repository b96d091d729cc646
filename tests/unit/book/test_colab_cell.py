"""The Colab cell: what it says, that it does nothing elsewhere, and that it works in a stubbed Colab."""

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from helpers.book.colab_cell import CELL

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def run_python(python, code, cwd, **environment):
    """Run `code` in another interpreter that sees nothing of this checkout; return what it prints."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, "-c", code]
    done = subprocess.run(command, cwd=cwd, env={**kept, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_names_the_version_and_the_repository_of_the_package():
    assert f"--branch=v{PROJECT['version']}" in CELL
    assert PROJECT["urls"]["Repository"] in CELL


def test_asks_for_the_versions_that_the_package_asks_for():
    """An older peft is there at times, and fails late."""
    for name in ("peft", "transformers"):
        (needed,) = [text for text in PROJECT["dependencies"] if Requirement(text).name == name]
        assert f'"{needed}"' in CELL


def test_the_package_takes_the_versions_that_colab_has():
    """A bound above Colab's version makes pip print an error in red as soon as anything is installed."""
    lines = (ROOT / ".ci/colab.txt").read_text().splitlines()
    pinned = [Requirement(line) for line in lines if "==" in line]
    has = {found.name: next(iter(found.specifier)).version for found in pinned}
    needed = {found.name: found.specifier for found in map(Requirement, PROJECT["dependencies"])}
    assert {"ipykernel", "ipywidgets", "torch", "transformers", "peft"} <= has.keys()
    assert [name for name, version in has.items() if version not in needed[name]] == []


def test_fits_the_gates_of_a_notebook_cell():
    assert len(CELL.splitlines()) <= 25
    assert max(map(len, CELL.splitlines())) <= 110


def test_goes_from_the_folder_of_the_notebooks_to_the_one_above(tmp_path):
    (tmp_path / "_config.yml").touch()
    (tmp_path / "notebooks").mkdir()
    assert run_python(sys.executable, CELL + "print(os.getcwd())", tmp_path / "notebooks") == f"{tmp_path}\n"


def test_does_nothing_else_outside_colab(tmp_path):
    print_state = "import os; print(os.listdir(), os.path.samefile('.', os.environ['HERE']))"
    output = run_python(sys.executable, CELL + print_state, tmp_path, HERE=str(tmp_path))
    assert output == "[] True\n"


def setuptools_versions():
    return [found.version for found in distributions(name="setuptools")]


@pytest.fixture(scope="module")
def colab(tmp_path_factory):
    """An interpreter with this one's libraries but without the book, and with a google.colab to import."""
    home = tmp_path_factory.mktemp("colab")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "venv"], check=True)
    python = home / "venv/bin/python"
    where = run_python(python, "import sysconfig; print(sysconfig.get_path('purelib'))", home).strip()
    # libraries by path, pip among them: an editable install of the book here stays invisible there
    (Path(where) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    stub = home / "stub/google/colab"
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text("", encoding="utf-8")
    return python, home


def test_fetches_and_installs_the_book_once(colab):
    python, home = colab
    if subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True).returncode:
        pytest.skip("this copy of the book is no git repository, so there is nothing to clone")
    if int(next(iter(setuptools_versions()), "0").split(".")[0]) < 77:
        pytest.skip("building without a download needs setuptools 77 here (pip install -U setuptools)")
    report = "import helpers, torch, json; print(json.dumps([os.getcwd(), helpers.__file__, torch.__file__]))"
    settings = {
        "PYTHONPATH": str(home / "stub"),
        "BOOK_SOURCE": ROOT.as_uri(),
        "BOOK_FOLDER": str(home / "book"),
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's way to say: build with the setuptools that is there
        "PIP_NO_INDEX": "1",  # a download would fail, so none happens
    }
    first = json.loads(run_python(python, CELL + report, home, **settings).splitlines()[-1])
    installed = {path: path.stat().st_mtime_ns for path in (home / "venv").rglob("helpers/*.py")}
    second = json.loads(run_python(python, CELL + report, home, **settings).splitlines()[-1])
    assert first == second
    assert first[0] == str(home / "book")
    assert Path(first[1]).is_relative_to(home / "venv")
    assert not Path(first[2]).is_relative_to(home / "venv"), "torch was installed again"
    assert installed == {path: path.stat().st_mtime_ns for path in (home / "venv").rglob("helpers/*.py")}
