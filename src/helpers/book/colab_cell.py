"""The cells that every notebook has in the same words: its links, the first code cell, the cell of choices.

Design choices:
- They are the only text that exists in every notebook, so it lives here once; a test compares the copies, and
  `python -m helpers.book.colab_cell` writes them into notebooks that lack them or have others.
- The first code cell takes the version of the book that the notebook belongs to, or the newest where that is not
  published: the version of pyproject.toml is that of the next release until it is out.
- Nothing that Colab already has is installed again, above all not PyTorch: only what is missing or older than the
  book needs, and without dependencies but for transformers. pip asks nobody about what is new enough.
- Jupyter starts a notebook in the folder it lies in; paths in the notebooks begin at the folder above.
- Run again, or after a restart of the runtime, it only changes into the book's folder and tells what is there.
- BOOK_SOURCE and BOOK_FOLDER let a test, or a fork, name another repository and folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers.chain.notebooks import LIVE
from helpers.work.artifacts import write_text

LINKS, FIRST, CHOICES = "links", *LIVE  # ids of the cells
CELL = """\
# Work from the book's folder. On Google Colab fetch it, install what is missing, keep Colab's PyTorch.
import importlib.util
import os
import subprocess
import sys

hosts = importlib.util.find_spec("google") and importlib.util.find_spec("google.colab")
if hosts or "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
    source = "https://github.com/subliminal-learning-book/subliminal-learning-book"
    folder = os.environ.get("BOOK_FOLDER", "/content/subliminal-learning-book")
    clone = ["git", "clone", "--quiet", "--depth=1", os.environ.get("BOOK_SOURCE", source), folder]
    known = os.path.isdir(folder) or subprocess.run([*clone, "--branch=v0.1.0"], capture_output=True)
    if getattr(known, "returncode", 0):
        subprocess.check_call(clone)  # that version is not published, take the newest
    if not importlib.util.find_spec("helpers"):
        print("Installing the book and what this machine lacks: a minute or two, once a session.")
        install = [sys.executable, "-m", "pip", "install", "--quiet"]
        light = ["anywidget", "psygnal", "peft>=0.18", "accelerate", "safetensors"]
        subprocess.check_call([*install, "--no-deps", folder, *light])  # what is there and new enough stays
        subprocess.check_call([*install, "transformers>=5"])
        importlib.invalidate_caches()
    os.chdir(folder)
    importlib.import_module("helpers.chain.hosted").begin()
elif os.path.isfile("../_config.yml"):
    os.chdir("..")
"""
OFFER = """\
from helpers.chain.choices import offer

offer("{stem}", globals())
"""
PLACES = {
    "Google Colab": "https://colab.research.google.com/github/{repository}/blob/{branch}/{file}",
    "Kaggle": "https://kaggle.com/kernels/welcome?src=https://github.com/{repository}/blob/{branch}/{file}",
    "GitHub Codespaces": "https://codespaces.new/{repository}",
}
BRANCH = "main"  # a notebook opens as it is there
# in the README: a row of its table of chapters, and the addresses of a notebook and of the repository
_ROW = re.compile(r"(?P<before>\| \[(?P<stem>\d\d_\w+)\]\(notebooks/(?P=stem)\.ipynb\) \| .*?) \|(?: \[Colab\].*)?$")
_CLONE = re.compile(r"(?<=git clone )https://\S+")
_COLAB = re.compile(r"https://colab\.research\.google\.com/github/[^)\s]*/notebooks/(?P<stem>\w+)\.ipynb")
_Cell = dict[str, Any]


def address() -> str:
    """Return where the repository is, as the first code cell has it."""
    return re.findall(r'source = "(.*)"', CELL)[0]


def place(name: str, stem: str) -> str:
    """Return the address under which one of `PLACES` opens a notebook."""
    repository = address().removeprefix("https://github.com/")
    return PLACES[name].format(repository=repository, branch=BRANCH, file=f"notebooks/{stem}.ipynb")


def links(stem: str) -> str:
    """Return the line of links of a notebook, in Markdown."""
    opened = " · ".join(f"[{name}]({place(name, stem)})" for name in PLACES)
    return f"Run this chapter on {opened}"


def shared_cells(stem: str) -> dict[str, _Cell]:
    """Return the cells of a notebook that are written here, by id."""
    first = {"cell_type": "code", "execution_count": None, "outputs": [], "id": FIRST}
    return {
        LINKS: {"cell_type": "markdown", "id": LINKS, "metadata": {}, "source": links(stem)},
        FIRST: {**first, "metadata": {"tags": ["hide-input"]}, "source": CELL.strip("\n")},
        CHOICES: {**first, "id": CHOICES, "metadata": {"tags": ["remove-cell"]},
                  "source": OFFER.format(stem=stem).strip("\n")},
    }  # fmt: skip


def with_shared_cells(cells: Sequence[_Cell], stem: str) -> list[_Cell]:
    """Return the cells of a notebook with those written here: links and first cell after the title, choices after the
    parameters.
    """
    shared = shared_cells(stem)
    title, *rest = [cell for cell in cells if cell["id"] not in shared]
    found = [title, shared[LINKS], shared[FIRST]]
    for cell in rest:
        found.append(cell)
        if "parameters" in cell["metadata"].get("tags", []):
            found.append(shared[CHOICES])
    return found


def write_cells(file: Path) -> bool:
    """Write the shared cells into a notebook; returns whether it lacked them or had others."""
    text = file.read_text(encoding="utf-8")
    notebook = json.loads(text)
    notebook["cells"] = [_listed(cell) for cell in with_shared_cells(notebook["cells"], file.stem)]
    after = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    if after != text:
        write_text(file, after)
    return after != text


def _listed(cell: _Cell) -> _Cell:
    """Return a cell with its source as a list of lines and its keys in order, as notebooks keep them."""
    source = "".join(cell["source"]).splitlines(keepends=True)
    return {key: source if key == "source" else cell[key] for key in _ordered(cell)}


def _ordered(cell: _Cell) -> list[str]:
    return sorted(cell) if cell["id"] in (LINKS, *LIVE) else list(cell)


def relinked(text: str) -> str:
    """Return the README with the right address wherever it opens a notebook on Colab or clones the repository.

    A row of its table of chapters gets such a link at its end.
    """
    linked = []
    for line in text.splitlines(keepends=True):
        if row := _ROW.match(line):
            link = f"[Colab]({place('Google Colab', row['stem'])})"
            line = f"{row['before']} | {link} |\n"
        line = _CLONE.sub(address(), line)
        linked.append(_COLAB.sub(lambda found: place("Google Colab", found["stem"]), line))
    return "".join(linked)


def main(root: Path = Path()) -> None:
    """Write the shared cells into all notebooks below a folder, and the links of its README."""
    for file in sorted((root / "notebooks").glob("*.ipynb")):
        if write_cells(file):
            print(f"written: {file}")
    readme = root / "README.md"
    before = readme.read_text(encoding="utf-8")
    if (after := relinked(before)) != before:
        write_text(readme, after)
        print(f"written: {readme}")


if __name__ == "__main__":
    main()
