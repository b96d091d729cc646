"""Every chapter, with nothing recomputed, gives the published ledger: its tables hold what its claims say.

This runs the cells of each notebook as a reader does who asks for no draw at all, figures included, on results/nano;
these are drawn once, and not shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from helpers.chain.notebooks import load_notebook
from helpers.chain.profiles import load_profile
from helpers.figures import picture
from helpers.figures.common import WIDE, Layout
from helpers.results import ledger
from helpers.results.published import NEUTRAL

ROOT = Path(__file__).parents[3]
NANO = ROOT / "results" / "nano"
CHAPTERS = [stem for stem, own in load_profile("nano").notebooks.items() if not own]


def parameters(stem: str) -> dict[str, Any]:
    notebook = load_notebook(ROOT / "notebooks" / f"{stem}.ipynb")
    return {name: parameter.default for name, parameter in notebook.parameters.items()}


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which the published results can be read, and nothing of the repository written."""
    for name in ("results", "notebooks"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, "show", lambda: None)
    monkeypatch.setattr(picture, "drawn_in", wide_alone)
    monkeypatch.setattr(picture, "svg", lambda figure: "<svg></svg>")
    return tmp_path


def wide_alone(layout: Layout, draw: Callable[..., Figure], *args: Any, **options: Any) -> Figure:
    """Draw a figure for a wide page; tests/unit/figures looks at all of them in both layouts."""
    return draw(*args, **options) if layout is WIDE else Figure()


def run_cells(stem: str, **changes: Any) -> None:
    """Execute a notebook's code cells one after another, with some parameters changed."""
    names: dict[str, Any] = {"__name__": "chapter"}
    for cell in json.loads((ROOT / "notebooks" / f"{stem}.ipynb").read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), stem, "exec"), names)
            if "parameters" in cell["metadata"].get("tags", []):
                names.update(changes)
    plt.close("all")


@pytest.mark.parametrize("stem", CHAPTERS)
@pytest.mark.filterwarnings("ignore:.*non-interactive:UserWarning")
def test_a_chapter_without_any_computation_gives_the_published_ledger(reader: Path, stem: str) -> None:
    if "recompute" not in parameters(stem):
        pytest.skip("this chapter cannot choose its draws yet")
    run_cells(stem, recompute=[])
    published = {record.id: record for record in ledger.load(NANO) if record.notebook == stem}
    found = {record.id: record for record in ledger.load("_runs/nano")} if published else {}
    assert sorted(found) == sorted(published)
    for name, record in found.items():
        wanted = published[name]
        assert (record.value, *record.ci) == pytest.approx((wanted.value, *wanted.ci), rel=1e-8, abs=1e-9), name
        assert (record.verdict, record.n_runs, record.seeds) == (wanted.verdict, wanted.n_runs, wanted.seeds), name


@pytest.mark.parametrize("stem", CHAPTERS)
def test_the_published_parameters_are_those_of_the_notebook(stem: str) -> None:
    own = parameters(stem)
    if "recompute" not in own:
        pytest.skip("this chapter cannot choose its draws yet")
    published = json.loads((NANO / "parameters.json").read_text(encoding="utf-8"))[stem]
    assert {name: value for name, value in own.items() if name not in NEUTRAL} == {
        name: value for name, value in published.items() if name not in NEUTRAL
    }
    assert set(published["draws"]) == set(own["draws"])
