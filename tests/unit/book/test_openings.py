"""How a chapter opens: title, question and answer of this run, main figure; then everything else, once."""

import json
from pathlib import Path

import pytest

from helpers.book import openings
from helpers.results import answers, ledger

ROOT = Path(__file__).parents[3]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def executed(path):
    """Return a notebook of the tree as if it had been run: every figure has an output."""
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        if "mystnb" in cell["metadata"]:
            cell["outputs"] = [{"output_type": "display_data", "data": {"image/png": "AAAA"}, "metadata": {}}]
    return notebook


def opened(path):
    """Return an executed notebook of the tree as the book shows it, with the published records."""
    records = ledger.load(ROOT / "results/nano")
    return openings.opened(executed(path), path.stem, records, openings.tables_of(ROOT, ROOT / "_runs/nano"))["cells"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_chapter_opens_with_question_answer_and_figure(path):
    title, links, answer, figure, *rest = opened(path)
    words = answers.words()[path.stem]
    assert links["id"] == "links" and "".join(title["source"]).startswith("# ") and "\n" not in "".join(title["source"])
    assert words.question in answer["source"] and answer["source"].count("{.verdict") in (0, len(words.sentences))
    assert figure["metadata"]["mystnb"]["figure"]["name"] == words.figure and figure["outputs"]
    assert "remove-input" in figure["metadata"]["tags"]
    assert answer["cell_type"] == "markdown" and all(cell["id"] != "answer" for cell in rest)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_is_lost_and_no_name_is_given_twice(path):
    cells, before = opened(path), executed(path)["cells"]
    ids = [cell["id"] for cell in cells]
    assert len(set(ids)) == len(ids)
    names = [openings._figure_name(cell) for cell in cells if openings._figure_name(cell)]
    assert sorted(names) == sorted(openings._figure_name(cell) for cell in before if openings._figure_name(cell))
    assert {cell["id"] for cell in before} - {"answer"} <= set(ids)
    words = " ".join(" ".join("".join(cell["source"]).split()) for cell in cells if cell["cell_type"] == "markdown")
    for cell in before:
        if cell["cell_type"] == "markdown":
            assert "".join(cell["source"]).splitlines()[-1].strip() in words


def test_a_chapter_without_words_or_without_its_figure_stays_as_it_is():
    path = NOTEBOOKS[1]
    notebook = executed(path)
    assert openings.opened(notebook, "10_drinks", [], openings.tables_of(ROOT, ROOT / "_runs/toy")) is notebook
    bare = {"cells": [notebook["cells"][0]]}
    cells = openings.opened(bare, path.stem, [], openings.tables_of(ROOT, ROOT / "_runs/toy"))["cells"]
    assert [cell["id"] for cell in cells] == ["title", "answer", "introduction"]
    assert "was not measured here" in cells[1]["source"]


@pytest.mark.parametrize(("html", "moved"), [("<table><tr><td>1</td></tr></table>", True), ("<p>None yet.</p>", False)])
def test_examples_follow_the_introduction_where_there_are_any(html, moved):
    cells = executed(NOTEBOOKS[1])["cells"]
    shown = next(cell for cell in cells if cell["id"] == openings.EXAMPLES)
    shown["outputs"] = [{"output_type": "execute_result", "data": {"text/html": html}, "metadata": {}}]
    notebook = openings.opened({"cells": cells}, NOTEBOOKS[1].stem, [], openings.tables_of(ROOT, ROOT / "_runs/toy"))
    ids = [cell["id"] for cell in notebook["cells"]]
    assert ("opening-examples" in ids) == moved and openings.EXAMPLES in ids
    assert ids[:5] == ["title", "links", "answer", "opening-main-arms", "introduction"]
    assert not moved or ids[5] == "opening-examples"


def test_an_opening_counts_what_failed_in_its_chapter_alone():
    records = [record for record in ledger.load(ROOT / "results/nano") if record.notebook == "12_defences"]
    judged = [record.verdict for record in records]
    broken, leaning = judged.count("not as predicted"), judged.count("partly")
    told = openings.failures(records)
    assert broken and leaning and f"{broken} of " in told and f"in the mean only: {leaning}." in told
    assert told in opened(ROOT / "notebooks/12_defences.ipynb")[2]["source"]
    assert "came out so" in openings.failures([record for record in records if record.verdict == "as predicted"])
    assert openings.failures([record for record in records if record.verdict == "informative"]) == ""


def test_the_draws_are_those_of_the_claims_that_answer():
    """The old code counted animals, the units of another claim of the same chapter, among the draws."""
    path = ROOT / "notebooks/10_real_model.ipynb"
    records = ledger.load(ROOT / "results/real-cpu")
    assert len({record.n_runs for record in records}) > 1
    tables = openings.tables_of(ROOT, ROOT / "_runs/real-cpu")
    cells = openings.opened(executed(path), path.stem, records, tables)["cells"]
    assert "[5 independent draws." in cells[2]["source"]
