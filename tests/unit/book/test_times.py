"""Times of a rerun follow from the plan and from what the published run noted."""

import pytest
from hosts import ROOT

from helpers.book import times
from helpers.chain.profiles import load_profile
from helpers.results.words import NONE
from helpers.work.artifacts import read_object, write_json


def test_times_are_those_of_the_published_run_and_of_the_plan():
    words = times.words(ROOT)
    assert set(words) == set(times.NAMES)
    seconds = sum(filter(None, read_object("results/nano/made_by.json")["seconds"].values()))
    assert float(words["all_hours"]) == round(seconds / 3600, 1)
    assert float(words["one_minutes"]) == load_profile("nano").one_minutes
    assert 0 < float(words["cluster_minutes"]) < 60 * float(words["all_hours"])


@pytest.mark.parametrize("name", ["nano", "real-cpu"])
def test_a_profile_says_about_how_long_its_published_run_took(name):
    profile, noted = load_profile(name), read_object(f"results/{name}/made_by.json")["seconds"]
    if not set(profile.notebooks) <= set(noted):
        pytest.skip("a chapter was not published yet")
    assert profile.minutes == pytest.approx(times.seconds(ROOT, name) / 60, rel=0.4)


def test_each_chapter_has_its_minutes_on_colab():
    rows = times.tables(ROOT, {"01_owl_transfer"})["colab"].splitlines()[2:]
    assert len(rows) == len(list((ROOT / "notebooks").glob("*.ipynb")))
    owl = next(row for row in rows if "01_owl_transfer" in row)
    assert [row for row in rows if "](" in row] == [owl], "a link to a chapter that this book does not have"
    assert "| 809 |" in owl, "a draw with the main arms alone"
    assert 0 < float(owl.split("|")[-2]) < 5


def test_a_folder_without_notebooks_has_no_times(tmp_path):
    assert times.words(tmp_path) == dict.fromkeys(times.NAMES, NONE)


def test_a_chapter_whose_seconds_nobody_noted_adds_none(tmp_path):
    write_json(tmp_path / "results/nano/made_by.json", {"seconds": {"01_owl_transfer": 12, "06_mnist": None}})
    assert times.seconds(tmp_path, "nano") == 12
