"""The Colab cell: what it says, that it does nothing elsewhere, and that it works in a stubbed Colab."""

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from hosts import ROOT, make_colab, run_python
from packaging.requirements import Requirement

from helpers.book.colab_cell import CELL, address, place, relinked, with_shared_cells, write_cells

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


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
    """A stubbed Colab without the book."""
    return make_colab(tmp_path_factory.mktemp("colab"))


def skip_without():
    """Skip where the book cannot be cloned, or not built without a download."""
    if subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True).returncode:
        pytest.skip("this copy of the book is no git repository, so there is nothing to clone")
    if int(next(iter(setuptools_versions()), "0").split(".")[0]) < 77:
        pytest.skip("building without a download needs setuptools 77 here (pip install -U setuptools)")


def test_fetches_and_installs_the_book_once(colab):
    skip_without()
    found = "[os.getcwd(), *(importlib.util.find_spec(name).origin for name in ('helpers', 'torch'))]"
    report = f"import json; print(json.dumps({found}))"
    first = json.loads(run_python(colab.python, CELL + report, colab.home, **colab.settings()).splitlines()[-1])
    installed = {path: path.stat().st_mtime_ns for path in (colab.home / "venv").rglob("helpers/*.py")}
    second = json.loads(run_python(colab.python, CELL + report, colab.home, **colab.settings()).splitlines()[-1])
    assert first == second
    assert first[0] == str(colab.book)
    assert Path(first[1]).is_relative_to(colab.home / "venv")
    assert not Path(first[2]).is_relative_to(colab.home / "venv"), "torch was installed again"
    assert installed == {path: path.stat().st_mtime_ns for path in (colab.home / "venv").rglob("helpers/*.py")}


def test_tells_what_it_computes_with_and_refuses_what_does_not_fit(colab):
    """On a card of 16 GB, before anything is downloaded."""
    skip_without()
    assert "It computes on the CPU" in run_python(colab.python, CELL, colab.home, **colab.settings())
    colab.give_card("Tesla T4", 15360)
    told = run_python(colab.python, CELL, colab.home, **colab.settings())
    assert "There is a card (Tesla T4, 15 GiB). The chapters on a real model take Qwen2.5-0.5B-Instruct" in told
    asked = {**colab.settings(), "BOOK_PROFILE": "a100"}
    done = subprocess.run([colab.python, "-c", CELL], cwd=colab.home, env={**os.environ, **asked}, capture_output=True)
    assert done.returncode == 1
    last = done.stderr.decode().splitlines()[-1]
    assert "profile a100 takes about 20 GiB of a card's memory, and this one has less (Tesla T4, 15 GiB)" in last
    assert last.endswith("take --profile colab-t4, or a larger card")


# --- the cells that are the same everywhere -----------------------------------------------------------


def test_shared_cells_are_written_once_and_only_once(tmp_path):
    cells = [{"cell_type": "markdown", "id": "title", "metadata": {}, "source": ["# Title"]}]
    for name, tags in {"answer": [], "parameters": ["parameters"], "rest": []}.items():
        cells.append({"cell_type": "code", "id": name, "metadata": {"tags": tags}, "source": ["1"], "outputs": []})
    file = tmp_path / "11_new.ipynb"
    file.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    assert write_cells(file) and not write_cells(file)
    found = json.loads(file.read_text())["cells"]
    assert [cell["id"] for cell in found] == ["title", "links", "colab", "answer", "parameters", "choices", "rest"]
    assert "".join(found[2]["source"]) == CELL.strip("\n") and "/11_new.ipynb" in found[1]["source"][0]
    assert "offer(\"11_new\", globals())" in found[5]["source"][-1]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_has_the_shared_cells(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    known = [{**cell, "source": "".join(cell["source"])} for cell in cells]
    assert known == with_shared_cells(known, path.stem), "run `python -m helpers.book.colab_cell`"


def test_the_readme_opens_every_notebook():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert relinked(text) == text, "run `python -m helpers.book.colab_cell`"
    for path in NOTEBOOKS:
        assert f"]({place('Google Colab', path.stem)})" in text, path.stem


def test_links_are_put_right_and_rows_get_theirs():
    row = "| [01_owl](notebooks/01_owl.ipynb) | Does it? |\n"
    linked = relinked(row)
    assert linked.endswith(f"| Does it? | [Colab]({place('Google Colab', '01_owl')}) |\n")
    assert relinked(linked) == linked
    old = "[x](https://colab.research.google.com/github/a/b/blob/main/notebooks/01_owl.ipynb)"
    assert relinked(old) == f"[x]({place('Google Colab', '01_owl')})"
    assert relinked("git clone https://other/place && cd x\n") == f"git clone {address()} && cd x\n"
