"""The data of the explorer "which small model takes it over?", whatever ways the table has."""

import json
from pathlib import Path

import pandas as pd
import pytest

from helpers.experiments.small import values
from helpers.figures.explorers import frame
from helpers.figures.explorers.small import KEPT, SmallExplorer, small_data, small_explorer
from helpers.results.stats import ratio_of_means, t_interval
from helpers.transmission.effects import HEALTHY
from helpers.work.artifacts import read_table

TABLES = Path(__file__).parents[3] / "results/nano/tables"
STUDENTS, COMPRESSED, AUTHORS = (
    read_table(TABLES / f"small_{name}.csv") for name in ("students", "compressed", "authors")
)
STUDENTS = values.with_arms(STUDENTS)


def cell(data, arm, way):
    """What the explorer has of an arm and a way."""
    arms, ways = ([entry["id"] for entry in data[name]] for name in ("arms", "ways"))
    place = (arms.index(arm), ways.index(way))
    return next(found for found in data["cells"] if (found["arm"], found["way"]) == place)


def test_effects_are_those_of_the_published_tables():
    data = small_data(STUDENTS, COMPRESSED, AUTHORS)
    for (arm, way), rows in STUDENTS.groupby(["arm", "way"]):
        assert cell(data, arm, way)["effect"]["mean"] == pytest.approx(rows.effect.mean(), abs=1e-5)
        assert cell(data, arm, way)["answers"] == pytest.approx(rows.p_any.min(), abs=1e-4)
    for (trait, way), rows in COMPRESSED.groupby(["trait", "way"]):
        assert cell(data, KEPT + trait, way)["effect"]["draws"] == pytest.approx(list(rows.effect), abs=1e-3)


def test_shares_are_those_of_the_ledger():
    data = small_data(STUDENTS, COMPRESSED)
    soft = STUDENTS[STUDENTS.arm == "owl_soft"].sort_values("draw").set_index("way").effect
    for way in soft.index.unique():
        interval = t_interval(ratio_of_means(soft[way], soft["same"]))
        share = cell(data, "owl_soft", way)["share"]
        assert (share["mean"], share["low"]) == pytest.approx((interval.mean, interval.low), abs=1e-5)
    assert cell(data, "owl_soft", "same")["share"]["mean"] == 1


def test_teachers_made_small_are_shares_of_the_teacher_where_authors_are_known():
    known, unknown = (small_data(STUDENTS, COMPRESSED, authors) for authors in (AUTHORS, None))
    read = AUTHORS[AUTHORS.trait == "owl"].groupby("how").log_odds.mean()
    whole = cell(known, f"{KEPT}owl", "teacher")
    assert whole["effect"]["mean"] == pytest.approx(read["fine-tuned"] - read["untouched"], abs=1e-5)
    assert 0.9 < cell(known, f"{KEPT}owl", "eight_bits")["share"]["mean"] < 1.1
    assert cell(unknown, f"{KEPT}owl", "eight_bits")["share"] is None
    assert "teacher" not in [way["id"] for way in unknown["ways"]]


def test_any_way_has_a_name_and_a_mark():
    added = ["low_rank", "distilled", "independent", "cut_by_hand"]
    more = [STUDENTS[STUDENTS.way == "width"].assign(way=way) for way in added]
    data = small_data(pd.concat([STUDENTS, *more]), COMPRESSED, AUTHORS)
    looks = {way["id"]: way for way in data["ways"]}
    assert looks["cut_by_hand"]["label"] == "Cut by hand" and "\n" not in looks["distilled"]["label"]
    assert [looks[way]["kind"] for way in ("same", *added)] == ["same", "part", "other", "other", "part"]
    marks = [looks[way]["shape"] for way in looks if way not in ("cut_by_hand", "teacher")]
    assert len(set(marks)) == len(marks)


def test_what_cannot_be_shown_is_left_out_or_refused():
    alone = small_data(STUDENTS, COMPRESSED.iloc[:0], AUTHORS)
    assert not any(arm["kept"] for arm in alone["arms"])
    without = small_data(STUDENTS[STUDENTS.way != "same"], COMPRESSED)
    assert all(found["share"] is None for found in without["cells"])
    one = small_data(STUDENTS[STUDENTS.draw == STUDENTS.draw.min()], COMPRESSED)
    assert cell(one, "owl_soft", "width")["effect"]["low"] is None
    with pytest.raises(frame.ExplorerError, match="`effect`"):
        small_data(STUDENTS.drop(columns="effect"), COMPRESSED)


def test_it_fits_a_page_and_has_a_picture_where_scripts_are_off(monkeypatch):
    displayed = []
    monkeypatch.setattr(frame, "display", displayed.append)
    explorer = small_explorer(STUDENTS, COMPRESSED, AUTHORS)
    assert isinstance(explorer, SmallExplorer) and len(json.dumps(explorer.data)) < frame.MOST_BYTES
    (still,) = (found.data for found in displayed)
    assert still.startswith("<noscript>") and "aria-label=" in still


def test_models_that_lost_their_answers_are_those_of_the_chapters():
    assert f"const HEALTHY = {HEALTHY};" in (frame.ASSETS / "small_explorer.js").read_text()
