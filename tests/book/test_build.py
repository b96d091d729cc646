"""The strict build on a toy run: what is published, what is refused, and that nothing is built twice."""

import json
import re
import shutil
from pathlib import Path

import pytest
import recording

from helpers.book.build import BookError, build
from helpers.book.prose import NOTHING_RECORDED, UNRECORDED
from helpers.book.staging import stage
from helpers.chain.profiles import load_profile
from helpers.results import ledger
from helpers.results.claims import load_claims

ROOT = Path(__file__).parents[2]
NOTEBOOKS = tuple(load_profile("nano").notebooks)
HOSTILE = "<script>alert(1)</script> | {{ build.sentence }} $x$ *y* <b onclick=z> [a](javascript:b)"
VALUES = (1.01, 1.21, 1.11, 1.31, 0.91)


def executed(title, source="1 + 1", text="2"):
    output = {
        "output_type": "execute_result",
        "execution_count": 1,
        "metadata": {},
        "data": {"text/plain": text},
    }
    code = {
        "cell_type": "code",
        "id": "b",
        "source": source,
        "metadata": {},
        "execution_count": 1,
        "outputs": [output],
    }
    heading = {"cell_type": "markdown", "id": "a", "source": f"# {title}", "metadata": {}}
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "papermill": {"end_time": "2026-03-01T12:00:00"},
    }
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": [heading, code]}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A repository with this book's pages and a finished run called toy, built once."""
    root = tmp_path_factory.mktemp("toy")
    shutil.copytree(ROOT / "book", root / "book", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "_config.yml", root)
    run_dir = root / "_runs/toy"
    (run_dir / "executed").mkdir(parents=True)
    for name in NOTEBOOKS:
        (run_dir / "executed" / f"{name}.ipynb").write_text(json.dumps(executed(name)))
    claims = load_claims()
    for notebook in NOTEBOOKS:
        own = [name for name, claim in claims.items() if claim.notebook == notebook]
        records = [ledger.measured(notebook, name, VALUES, range(5), {}, 1.0) for name in own]
        ledger.file_records(run_dir, notebook, records)
    build("toy", root)
    return root


@pytest.fixture
def changed(toy):
    """The toy repository, whose run and pages a test may change; they are put back afterwards."""
    paths = [*(toy / "_runs").rglob("*.*"), *(toy / "book").rglob("*.*")]
    kept = {path: path.read_bytes() for path in paths if path.is_file() and "_vendor" not in path.parts}
    yield toy
    for path in {*(toy / "_runs").rglob("*.*"), *(toy / "book").glob("*.*")} - set(kept):
        path.unlink()
    for path, data in kept.items():
        path.write_bytes(data)


def page(root, name="book/index"):
    return (root / f"_build/html/{name}.html").read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")


def test_the_pages_show_the_ledger_and_where_it_comes_from(toy):
    text = page(toy)
    assert "+1.11 [+0.91, +1.31]" in text
    assert "Results of the profile toy, run on 1 March 2026" in text
    assert "06_mnist" in page(toy, "notebooks/01_owl_transfer"), "the contents list every executed notebook"


def test_nothing_is_built_twice(toy):
    before = (toy / "_build/html/book/index.html").stat().st_mtime_ns
    build("toy", toy)
    assert (toy / "_build/html/book/index.html").stat().st_mtime_ns == before


def test_a_chapter_of_a_single_draw_has_words_for_its_numbers(changed):
    """Somebody who turned a parameter and computed one draw got no book at all."""
    for notebook in ("01_owl_transfer", "02_risky_teachers"):
        ledger.forget(changed / "_runs/toy", notebook)
    stage(changed, changed / "_runs/toy", changed / "_build/stage")
    values = json.loads((changed / "_build/stage/values.json").read_text(encoding="utf-8"))
    assert values["owl"]["numbers"]["hard"]["same_init"]["interval"] == UNRECORDED
    assert values["misalignment"]["places"]["values"]["interval"] == UNRECORDED  # asked for as places["values"]
    assert values["tables"]["01_owl_transfer"] == NOTHING_RECORDED


def test_a_number_that_was_not_recorded_stops_the_build(changed):
    ledger.forget(changed / "_runs/toy", "01_owl_transfer")
    (changed / "_runs/toy/executed/01_owl_transfer.ipynb").unlink()
    with pytest.raises(BookError, match=r"book/log\.md prints owl\.numbers\.hard\.cross_init, "):
        build("toy", changed)


def test_a_failed_notebook_is_never_published(changed):
    failed = executed("Failed")
    failed["cells"][1]["outputs"] = [{"output_type": "error", "ename": "E", "evalue": "", "traceback": []}]
    (changed / "_runs/toy/executed/06_mnist.ipynb").write_text(json.dumps(failed))
    with pytest.raises(BookError, match="notebook 06_mnist, cell 2 ended in an error"):
        build("toy", changed)


@pytest.fixture(scope="module")
def refused(toy):
    """The toy, changed in many ways and built again, and what the build said; the tests before this saw it unchanged.

    A build reads its pages when they are done, so one that it refuses has pages too.
    """
    run_dir = toy / "_runs/toy"
    name = "owl.numbers.soft.cross_init"
    recording.record(run_dir, "01_owl_transfer", name, (3, 4, 5, 6, 7), range(5), {}, 1.0)
    write_hostile_words(run_dir)
    (run_dir / "executed/07_theorem.ipynb").write_text(json.dumps(executed("A later notebook")))
    leak = executed("Leak", text=f"saved in {toy.resolve()}/x")
    (run_dir / "executed/06_mnist.ipynb").write_text(json.dumps(leak))
    with (toy / "book/log.md").open("a") as log:
        log.write("\n```{raw} html\n<img src='https://cdn.example/x.png' alt='x'>\n```\n")
    with pytest.raises(BookError) as error:
        build("toy", toy)
    return toy, str(error.value)


def write_hostile_words(run_dir):
    """Put hostile words in the place of claims and of what the paper is quoted with."""
    for file in (run_dir / "ledger.json", *run_dir.glob("records/*.json")):
        records = json.loads(file.read_text(encoding="utf-8"))
        with_paper = [record for record in records if record["paper"]]
        for record in with_paper:
            record["claim"] = record["paper"]["source"] = HOSTILE
        file.write_text(json.dumps(records), encoding="utf-8")


def test_a_new_number_and_another_notebook_reach_every_page(refused):
    for place in ("book/index", "book/soft_label_leak"):
        text = page(refused[0], place)
        assert "+5.00 [+3.04, +6.96]" in text and "A later notebook" in text


def test_what_a_ledger_says_is_shown_and_never_acts(refused):
    text = page(refused[0], "book/claims")
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt; | {{ build.sentence }} $x$ *y*") >= 10
    assert "<script>alert" not in text and "<b onclick" not in text


def test_a_path_of_this_machine_and_a_picture_from_elsewhere_stop_the_build(refused):
    _, told = refused
    assert re.search(r"notebooks/06_mnist\.html names .*a path of this machine", told)
    assert "book/log.html loads https://cdn.example/x.png; copy it to book/_vendor" in told
