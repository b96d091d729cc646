"""Close calls of authors: published with their run, found by the same author elsewhere, and by no other."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from helpers.transmission import settled
from helpers.transmission.authors import UNTOUCHED, Author
from helpers.transmission.writing import written
from helpers.work.artifacts import write_table


@pytest.fixture
def author(toy_run, toy_settings, monkeypatch, tmp_path) -> Author:
    """An author of a toy run whose published results would lie in a folder that is empty so far."""
    monkeypatch.setattr(settled, "RESULTS", tmp_path)
    return toy_settings(toy_run).author(1, UNTOUCHED)


def published(author: Author, calls: pd.DataFrame) -> None:
    write_table(settled.RESULTS / Path(author.base.run_dir).name / settled.FILE, calls)


def test_an_author_finds_its_own_calls_wherever_its_run_lies(author):
    own = settled.author_mark(dataclasses.asdict(author))
    calls = [[own, 3, 1, 77], [own, 4, 0, 78], ["another", 3, 1, 99]]
    published(author, pd.DataFrame(calls, columns=settled.COLUMNS))
    moved = dataclasses.replace(author.base, run_dir=f"x/{Path(author.base.run_dir).name}")
    elsewhere = dataclasses.replace(author, base=moved)
    for one in (author, elsewhere):
        assert settled.known_calls(one) == {(3, 1): 77, (4, 0): 78}


@pytest.mark.parametrize("change", [{"seed": 2}, {"temperature": 0.5}, {"trait": "owl", "how": "system prompt"}])
def test_another_author_has_none_of_them(author, change):
    own = settled.author_mark(dataclasses.asdict(author))
    published(author, pd.DataFrame([[own, 3, 1, 77]], columns=settled.COLUMNS))
    assert settled.known_calls(dataclasses.replace(author, **change)) == {}


def test_a_run_that_published_nothing_knows_nothing(author):
    assert settled.known_calls(author) == {}


def test_the_calls_of_a_run_are_those_its_authors_found(author):
    found = written(author)["close_calls"]
    table = settled.calls_of_run(Path(author.base.run_dir))
    own = table[table["author"] == settled.author_mark(dataclasses.asdict(author))]
    assert own[["prompt", "position", "token"]].values.tolist() == found


def test_calls_of_authors_that_a_run_lacks_are_kept():
    own = pd.DataFrame([["b", 1, 1, 1]], columns=settled.COLUMNS)
    before = pd.DataFrame([["a", 2, 2, 2], ["b", 9, 9, 9]], columns=settled.COLUMNS)
    assert settled.joined(own, before).values.tolist() == [["a", 2, 2, 2], ["b", 1, 1, 1]]
