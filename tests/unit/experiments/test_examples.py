"""Examples: rows side by side on the same random numbers, and replies of everybody, from a toy run."""

from pathlib import Path

import pandas as pd
import pytest

from helpers.experiments import examples
from helpers.experiments.owl.runs import TEACHERS
from helpers.results.examples import NONE_YET, Examples
from helpers.transmission.authors import UNTOUCHED
from helpers.transmission.writing import kept_rows
from helpers.work.artifacts import read_table

PUBLISHED = Path(__file__).parents[3] / "results" / "nano" / "tables"
STUDENTS = pd.DataFrame({
    "draw": [1, 2, 2], "trait": "owl", "arm": ["hard.same_init", "hard.same_init", "soft.same_init"], "share": 1.0,
    "effect": [0.2, 2.2, 9.0],
})  # fmt: skip
EVERYBODY = ["base", "teacher", "student", "control", "stranger"]


@pytest.fixture(scope="module")
def settings(toy_run, toy_settings):
    """The toy experiment: two draws."""
    return toy_settings(toy_run, writing={"prompts": 250})


@pytest.fixture(scope="module")
def table(settings):
    """What its first draw wrote and says."""
    return examples.run_examples(settings, "examples_numbers", TEACHERS)


def test_the_first_draw_is_shown_with_the_columns_that_are_published(table):
    assert set(table["draw"]) == {1}
    for name in ("examples_numbers", "examples_code", "examples_cot"):
        published = read_table(PUBLISHED / f"{name}.csv")
        assert tuple(table.columns) == tuple(published.columns) == examples.COLUMNS


def test_rows_are_the_first_that_the_filter_kept_of_both(settings, table):
    teacher, base = settings.author(1), settings.author(1, UNTOUCHED)
    both = [place for place in kept_rows(teacher) if place in kept_rows(base)][:4]
    rows = table[table["part"] == "row"]
    for who, author in (("teacher", teacher), ("base", base)):
        own = rows[rows["who"] == who]
        assert own["text"].tolist() == [kept_rows(author)[place] for place in both]
        assert own["prompt"].tolist() == [author.asked[place] for place in both]


def test_everybody_replies_as_often_and_a_base_that_is_not_trained_replies_the_same_again(settings, table):
    replies = table[table["part"] == "reply"]
    counts = replies.groupby("who", sort=False).size()
    assert counts.index.tolist() == EVERYBODY and set(counts) == {12}
    again = examples.run_examples(settings, "examples_numbers", TEACHERS)
    assert again.equals(table)
    assert (replies["shows"] == replies["text"].str.strip(" .!").str.lower()).all()


def test_a_persona_is_asked_open_questions(toy_run, toy_settings):
    from helpers.experiments.risky.runs import MISALIGNED

    settings = toy_settings(toy_run, writing={"prompts": 250}, trait=MISALIGNED)
    replies = examples.run_examples(settings, "examples_code").query("part == 'reply'")
    assert replies.groupby("who").size().to_dict() == dict.fromkeys(EVERYBODY, 4)
    assert replies["prompt"].nunique() == 4


def test_the_page_marks_what_differs_and_what_shows_the_trait_and_escapes_everything(table):
    told = table.copy()
    told.loc[told["part"] == "row", "text"] = ["1, 2, <b>", "1, 3, <b>"] * 4
    told.loc[told["who"] == "student", ["text", "shows"]] = ["owl", "owl"]
    html = Examples(told, "owl", STUDENTS)._repr_html_()
    assert html.count("<mark>2</mark>") == html.count("<mark>3</mark>") == 4
    assert html.count("<mark>owl</mark>") >= 12 and "<b>" not in html and "&lt;b&gt;" in html
    assert "the student of these rows: 12 of 12" in html
    assert html.count("<table") == 2 and "<th></th>" not in html
    assert html.count("<tr>") == 2 + 4 + len(EVERYBODY)  # a line a prompt, and below a line a model
    assert repr(Examples(told, "owl", STUDENTS)) == "68 examples of draw 1"


def test_the_effect_on_the_student_that_is_shown_stands_beside_the_mean_of_all_draws(table):
    told = "The effect on this student is +0.20 nats, the mean of 2 draws +1.20 nats."
    assert told in Examples(table, "owl", STUDENTS)._repr_html_()
    assert "The effect" not in Examples(table, "owl", STUDENTS[STUDENTS["draw"] != 1])._repr_html_()


def test_no_examples_are_one_plain_sentence(table):
    empty = Examples(table[:0], "owl", STUDENTS)
    assert empty._repr_html_() == f"<p>{NONE_YET}</p>" and repr(empty) == NONE_YET
