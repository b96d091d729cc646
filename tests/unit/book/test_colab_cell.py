"""The Colab cell: what it says, and that it does nothing elsewhere; that it works see tests/chain/test_colab.py."""

import json
import sys
import tomllib

import pytest
from hosts import ROOT, run_python
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
