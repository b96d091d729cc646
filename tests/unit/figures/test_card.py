"""The picture of the book elsewhere: its size, and how often each model says owl."""

from pathlib import Path

import matplotlib.image
import pytest

from helpers.figures import card
from helpers.work.artifacts import read_table

TABLES = {path.stem: path for path in (Path(__file__).parents[3] / "results/nano/tables").glob("*.csv")}


def test_the_shares_are_those_of_the_published_tables():
    found = card.shares(TABLES)
    table = read_table(TABLES["transmission"])
    students = table[(table.trait == "owl") & (table.arm == "soft.same_init") & (table.share == 1)]
    assert list(found.values())[0] == pytest.approx(students.p_control.mean())
    assert list(found.values())[2] == pytest.approx(students.p_target.mean())
    assert all(0 <= share <= 1 for share in found.values()) and len(found) == 4


def test_without_tables_the_title_stands_alone(tmp_path):
    assert card.shares({}) == {}
    card.save_card({}, tmp_path / "card.png")
    assert matplotlib.image.imread(tmp_path / "card.png").shape[:2] == (630, 1200)


def test_every_bar_has_its_number():
    texts = [text.get_text() for ax in card.card(card.shares(TABLES)).axes for text in ax.texts]
    assert sum(text.endswith("%") for text in texts) == 4 == len(texts) / 2
