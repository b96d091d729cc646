"""The start page: four shares, what each chapter found, and sentences that can be read aloud."""

import re
from pathlib import Path

import pandas as pd
import pytest

from helpers.book import first_page, openings
from helpers.chain.profiles import load_profile
from helpers.results import answers, ledger
from helpers.results.words import NONE

ROOT = Path(__file__).parents[3]
RECORDS = ledger.load(ROOT / "results/nano")
TABLES = openings.tables_of(ROOT, ROOT / "_runs/none")
NUMBER = re.compile(r"(?<![\w.])[+\N{MINUS SIGN}]?\d[\d.,]*(?![\w])")


def published(name):
    """Return a published table by name."""
    return answers.published_table(ROOT / "results/nano", name)


def test_shares_are_means_over_the_draws_of_the_claim():
    record = next(record for record in RECORDS if record.id == first_page.CLAIM)
    found = first_page.shares(RECORDS, published)
    table = published("transmission")
    rows = table[(table["arm"] == "hard.same_init") & (table["share"] == 1) & table["draw"].isin(record.seeds)]
    assert len(rows) == record.n_runs
    assert found["student"] == f"{100 * rows['p_target'].mean():.1f}\N{NO-BREAK SPACE}%"
    by_size = [float(found[who].partition("\N{NO-BREAK SPACE}")[0]) for who in ("base", "student", "teacher")]
    assert by_size == sorted(by_size) and all(found[who] in first_page.cards(found) for who in found)


def test_the_teacher_is_the_same_wherever_it_is_told():
    """Eight draws have two rows of it: it wrote to two sets of prompts."""
    from helpers.book.readme import readme_block
    from helpers.figures.card import shares as of_card
    from helpers.figures.explorers.guess import guess_data

    tables = ROOT / "results/nano/tables"
    teachers, draws = published("teachers"), guess_data(published("transmission"), published("teachers"))["teacher"]
    own = teachers[(teachers["trait"] == "owl") & (teachers["how"] == "fine-tuned")]
    assert len(draws["draws"]) == own["draw"].nunique() < len(own)
    told = f"{100 * draws['mean']:.1f}\N{NO-BREAK SPACE}%"
    assert first_page.shares(RECORDS, published)["teacher"] == told
    assert f"| teacher, fine-tuned to love owls | {told} |" in readme_block(RECORDS, tables)
    of_tables = of_card({path.stem: path for path in tables.glob("*.csv")})
    assert of_tables["teacher that loves owls"] == pytest.approx(draws["mean"])


def test_a_run_without_tables_or_records_has_dashes_and_no_error():
    assert set(first_page.shares(RECORDS, TABLES).values()) == {NONE}
    assert set(first_page.shares([], published).values()) == {NONE}
    empty = pd.DataFrame(columns=["draw", "arm", "trait", "share", "p_target", "p_control", "how"])
    assert set(first_page.shares(RECORDS, lambda name: empty).values()) == {NONE}


def test_every_chapter_is_listed_with_its_question_and_answer():
    notebooks = [*load_profile("nano").notebooks, "11_without_words"]
    listed = first_page.chapters(RECORDS, published, notebooks)
    assert [line[:4] for line in listed.splitlines()] == ["- **"] * (len(notebooks) - 1)
    for notebook in notebooks[:-1]:
        assert f"[{answers.words()[notebook].question}](../notebooks/{notebook}.ipynb)" in listed
    assert "10_real_model" not in listed, "a link to a chapter that this book does not have"


def test_no_sentence_of_the_first_screen_holds_more_than_three_numbers():
    from helpers.book.evidence import Evidence

    told = Evidence(RECORDS, ROOT / "results/nano").words()["failed_primaries"]
    listed = first_page.chapters(RECORDS, published, load_profile("nano").notebooks)
    sentences = re.split(r"(?<=[.:*])\s+(?=[A-Z*])", f"{told} {listed}")
    crowded = [sentence for sentence in sentences if len(NUMBER.findall(sentence)) > 3]
    assert not crowded


@pytest.mark.parametrize("page", ["audit", "index", "log", "methods", "nano_model", "paper", "soft_label_leak"])
def test_no_sentence_of_a_page_holds_more_than_three_numbers(page):
    text = (ROOT / "book" / f"{page}.md").read_text(encoding="utf-8")
    # what the run in progress found is told in its own words until it is complete
    text = re.sub(r"^What it found so far.*?(?=^## )", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"```.*?```|\$\$.*?\$\$|^\|.*?$|^#.*?$|`[^`]*`|\$[^$]*\$|\{\{.*?\}\}", "", text, flags=re.S | re.M)
    sentences = re.split(r"(?<=[.:?!])[\"*)]*\s+(?=[A-Z*\-])", text)
    crowded = [" ".join(sentence.split()) for sentence in sentences if len(NUMBER.findall(sentence)) > 3]
    assert crowded == []


def test_what_real_models_showed_is_said_in_a_sentence_a_chapter_with_its_link():
    chapters = ["10_real_model", "16_real_misalignment"]
    tables = openings.tables_of(ROOT, ROOT / "_runs/real-cpu")
    told = first_page.elsewhere(ledger.load(ROOT / "results/real-cpu"), tables, chapters)
    assert told.startswith("We asked a model that others made as well. ")
    for chapter in chapters:
        sentence, _, told = told.removeprefix("We asked a model that others made as well.").partition("(Chapter ")
        link, _, told = told.partition(".)")
        assert link == f"[{chapter[:2]}](../notebooks/{chapter}.ipynb)" and 1 <= len(NUMBER.findall(sentence)) <= 3
    assert first_page.elsewhere([], TABLES, ["11_without_words"]) == ""
