"""Notebooks as a reader runs them on Google Colab: alone, from a cold start, in a clone that the first cell fetches.

By default one notebook shows the published rows and another computes at toy size, killed on the way. With
COLAB_NOTEBOOKS=all every notebook runs as it stands, and with COLAB_PYTHON in another interpreter's libraries, such
as that of Colab's image; the weekly workflow does both. The output says when the first figure of each came.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hosts import PYTHON, ROOT, Colab, make_colab, run_python, told
from nbclient.exceptions import DeadKernelError

from helpers.book.colab_cell import CELL
from helpers.chain.hosted import KEPT
from helpers.chain.profiles import load_profile

# a kernel that is killed leaves sockets behind, which are closed when they are collected
pytestmark = [pytest.mark.chain, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]
ALL = os.environ.get("COLAB_NOTEBOOKS") == "all"
STEMS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
# runs to compare with: none with Colab's libraries, which lack papermill and may give other last digits
UNBROKEN = ["smoke_run"] if PYTHON == sys.executable and find_spec("papermill") else []


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Collect at the end of a test what its kernels have left unclosed; later tests would fail by it."""
    yield
    gc.collect()


def setuptools_version() -> int:
    """The main version of setuptools here; 0 where there is none."""
    versions = [found.version for found in distributions(name="setuptools")]
    return int(next(iter(versions), "0").split(".")[0])


@pytest.fixture(scope="module")
def colab(tmp_path_factory: pytest.TempPathFactory) -> Colab:
    """A stubbed Colab without the book."""
    if subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True).returncode:
        pytest.skip("this copy of the book is no git repository, so there is nothing to clone")
    if PYTHON == sys.executable and setuptools_version() < 77:
        pytest.skip("building without a download needs setuptools 77 here (pip install -U setuptools)")
    return make_colab(tmp_path_factory.mktemp("colab"))


def test_the_owl_is_there_from_a_cold_start_and_the_book_is_fetched_once(colab: Colab) -> None:
    notebook, first = colab.run_all("01_owl_transfer", recompute=[])
    assert first is not None and (colab.book / "_config.yml").is_file()
    assert "No draw is computed here; published in results/nano: 801 to 816" in told(notebook)
    assert "draw computed here" in told(notebook), "there is nothing to choose from"
    fetched_once(colab)
    told_of_a_card(colab)


def fetched_once(colab: Colab) -> None:
    """Check that the first cell installed what it should, and that another run of it changes nothing."""
    packages = colab.home / "venv"
    installed = {path: path.stat().st_mtime_ns for path in packages.rglob("helpers/*.py")}
    found = "[os.getcwd(), *(importlib.util.find_spec(name).origin for name in ('helpers', 'torch'))]"
    report = f"import json; print(json.dumps({found}))"
    output = run_python(colab.python, CELL + report, colab.home, **colab.settings())
    folder, book, torch = json.loads(output.splitlines()[-1])
    assert "It computes on the CPU" in output and folder == str(colab.book)
    assert Path(book).is_relative_to(packages)
    assert not Path(torch).is_relative_to(packages), "torch was installed again"
    assert installed and installed == {path: path.stat().st_mtime_ns for path in packages.rglob("helpers/*.py")}


def told_of_a_card(colab: Colab) -> None:
    """Check what the first cell says on a card of 16 GB, and that it refuses what does not fit before it downloads."""
    colab.give_card("Tesla T4", 15360)
    output = run_python(colab.python, CELL, colab.home, **colab.settings())
    assert "There is a card (Tesla T4, 15 GiB). The chapters on a real model take Qwen2.5-0.5B-Instruct" in output
    asked = {**os.environ, **colab.settings(), "BOOK_PROFILE": "a100"}
    done = subprocess.run([colab.python, "-c", CELL], cwd=colab.home, env=asked, capture_output=True, text=True)
    colab.take_card()
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "profile a100 takes about 20 GiB of a card's memory, and this one has less (Tesla T4, 15 GiB)" in last
    assert last.endswith("take --profile colab-t4, or a larger card")


@pytest.mark.usefixtures("colab", *UNBROKEN)
def test_a_session_that_ends_in_the_middle_of_a_student_loses_that_student_alone(
    colab: Colab, request: pytest.FixtureRequest
) -> None:
    """The kernel is killed outright; the next session has a new clone and the same Drive, and ends as one unbroken."""
    colab.drive.mkdir(parents=True)
    toy = {**load_profile("smoke").notebooks["06_mnist"], "recompute": [0, 1]}
    run_dir = colab.drive / KEPT / "nano"
    with pytest.raises(DeadKernelError):
        colab.run_all("06_mnist", end_when=lambda: len(list((run_dir / "cells").rglob("*.*"))) > 3, **toy)
    finished = {path: path.stat().st_mtime_ns for path in (run_dir / "cells").rglob("*.json")}
    shutil.rmtree(colab.book)
    notebook, first = colab.run_all("06_mnist", **toy)
    assert first is not None and f"{len(finished)} finished pieces of work lie there" in told(notebook)
    everything = {path: path.stat().st_mtime_ns for path in (run_dir / "cells").rglob("*.json")}
    assert finished and finished.items() < everything.items(), "a finished piece was computed again"
    for name in UNBROKEN:
        assert outcome(run_dir) == outcome(request.getfixturevalue(name))


def outcome(run_dir: Path) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """What notebook 06 left in a run: its records but for their seconds, and the bytes of its tables."""
    records = json.loads((run_dir / "records/06_mnist.json").read_text())
    tables = {path.name: path.read_bytes() for path in (run_dir / "tables").glob("mnist*.csv")}
    assert records and tables
    return [{**record, "seconds": None} for record in records], tables


def test_a_runner_that_is_told_to_end_ends(tmp_path: Path) -> None:
    """Not with a kernel that died, which reads as a fault of the notebook."""
    code = f"import hosts, pathlib; hosts.make_colab(pathlib.Path({str(tmp_path)!r})).run_all('06_mnist')"
    runner = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT / "tests", stderr=subprocess.PIPE)
    while not (tmp_path / "book").exists():  # the first cell is at work
        assert runner.poll() is None
        time.sleep(0.1)
    runner.terminate()
    told = runner.communicate(timeout=30)[1]
    assert runner.returncode == -signal.SIGTERM and b"Kernel died" not in told


@pytest.mark.skipif(not ALL, reason="takes an hour; COLAB_NOTEBOOKS=all runs every notebook")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("stem", STEMS)
def test_run_all(stem: str, tmp_path: Path) -> None:
    """Each on a machine of its own, as Colab gives one to each notebook."""
    notebook, first = make_colab(tmp_path).run_all(stem, timeout=3000)
    when = "no figure" if first is None else f"first figure after {first[0]:.0f} s, {first[1]:.0f} s of processors"
    print(f"\n{stem} ({PYTHON}): {when}")
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code" and cell.source)
