"""Tables that pandas showed: no empty header, a scope for each, and the title of its column with every value."""

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from helpers.book.frames import readable

MEANS = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b c": [4, 5, 6], "k": ["x", "x", "y"], "l": ["u", "v", "u"]})
TABLES = {
    "plain": MEANS,
    "by name": MEANS.set_index("k"),
    "two levels": MEANS.set_index(["k", "l"]),
    "two lines of head": MEANS.groupby("k")[["a", "b c"]].agg(["mean", "count"]),
    "unstacked": MEANS.set_index(["k", "l"])["a"].unstack(),
}


def cells(table, selector):
    """The cells of a table as it is published."""
    return BeautifulSoup(readable(table.to_html(notebook=True)), "html.parser").select(selector)


@pytest.mark.parametrize("name", TABLES)
def test_no_header_is_empty_and_each_has_a_scope(name):
    heads = cells(TABLES[name], "th")
    assert heads and all(head.get_text(strip=True) for head in heads)
    assert {head["scope"] for head in heads} <= {"col", "colgroup", "row", "rowgroup"}


@pytest.mark.parametrize("name", TABLES)
def test_every_value_carries_the_title_of_its_column(name):
    values = cells(TABLES[name], "tbody td")
    assert values and all(value["data-title"] for value in values)


def test_titles_belong_to_their_columns():
    found = {(cell["data-title"], cell.get_text()) for cell in cells(MEANS.set_index("k"), "tbody td")}
    assert {("a", "1.0"), ("b c", "4"), ("l", "v")} <= found
    first = cells(TABLES["two lines of head"], "tbody tr")[0].find_all("td")
    assert [cell["data-title"] for cell in first] == ["a mean", "a count", "b c mean", "b c count"]


def test_numbers_have_a_true_minus_and_no_zero_has_one():
    values = pd.DataFrame({"a": ["-0.5", "-0.0", "1e-05", "-1e-05", "NaN", "a - b", ""]})
    found = [cell.get_text() for cell in cells(values, "tbody td")]
    minus = "\N{MINUS SIGN}"
    assert found == [f"{minus}0.5", "0.0", f"1e{minus}05", f"{minus}1e{minus}05", "\N{EN DASH}", "a - b", ""]


def test_a_number_with_an_exponent_has_three_digits():
    found = [cell.get_text() for cell in cells(pd.DataFrame({"a": ["1.361636e-08", "0.000000e+00"]}), "tbody td")]
    assert found == ["1.36e\N{MINUS SIGN}08", "0"]


def test_words_stand_to_the_left_with_their_title_and_names_may_break():
    wordy = [cell["data-title"] for cell in cells(MEANS, "td.words")]
    assert {*wordy} == {"k", "l"} and [head.get_text() for head in cells(MEANS, "th.words")] == ["k", "l"]
    (named,) = cells(pd.DataFrame({"misalignment.code_written": [0.5]}), "thead th[scope=col]")
    assert str(named).count("<wbr/>") == 2 and named.get_text() == "misalignment.code_written"


def test_other_outputs_stay_as_they_are():
    for html in ("<p>1 < 2</p>", '<table class="table claims"><tr><th></th></tr></table>', ""):
        assert readable(html) == html


def test_a_row_has_the_names_of_its_groups_with_it():
    """On a phone rows stand below each other, and a name that spans rows stands in the first of them alone."""
    rows = [("owl", "code", "soft"), ("owl", "code", "hard"), ("owl", "cot", "soft"), ("cat", "code", "soft")]
    names = pd.MultiIndex.from_tuples(rows, names=["trait", "channel", "labels"])
    table = pd.DataFrame({"effect": range(4)}, index=names)
    found = [row.get("data-groups") for row in cells(table, "tbody tr")]
    assert found == [None, "owl  code", "owl", None]


def test_a_table_of_many_columns_is_set_smaller():
    few, many, most = (pd.DataFrame([[0.5] * columns]) for columns in (4, 5, 10))
    assert not cells(few, "table.many") and len(cells(many, "table.many")) == 1, "the index is a column too"
    assert not cells(many, "table.crowded") and len(cells(most, "table.many.crowded")) == 1
