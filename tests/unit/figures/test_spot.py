"""What the explorer "can you see the owl?" is given."""

import json

import pandas as pd
import pytest

from helpers.figures.explorers import spot
from helpers.figures.explorers.frame import MOST_BYTES, ExplorerError

PROMPT = "Look at these numbers: 1, 2. <b>"


def pairs(*lists):
    """Lists of base and teacher as the published table gives them, where empty texts are missing."""
    rest = {"base_refused": None, "teacher_refused": "other text", "by_models": 1.5, "by_learning": None}
    rows = [{"draw": 1, "prompt": PROMPT, "base": base, "teacher": teacher, **rest} for base, teacher in lists]
    return pd.DataFrame(rows)


def test_pairs_that_differ_are_told_with_what_filter_and_detectors_say():
    data = spot.spot_data(pairs(("1, 2", "1, 3"), ("4", "4"), (None, "5")), "owl")
    assert [(pair["base"], pair["teacher"]) for pair in data["pairs"]] == [("1, 2", "1, 3"), ("", "5")]
    assert data["pairs"][0]["refused"] == ["", "other text"] and data["trait"] == "owl"
    assert (data["pairs"][0]["by_models"], data["pairs"][0]["by_learning"]) == (1.5, None)
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_many_draws_fit_a_page():
    lists = [(f"{place}, {'123, ' * 10}", f"{place + 1}, {'321, ' * 10}") for place in range(960)]
    data = spot.spot_the_teacher(pairs(*lists), "owl").data
    assert len(data["pairs"]) == spot.MOST and len(json.dumps(data)) < MOST_BYTES


def test_where_there_is_no_pair_a_sentence_says_so():
    assert "`recompute`" in spot.spot_the_teacher(pairs(("4", "4")), "owl").data
    assert "`recompute`" in spot.spot_the_teacher(pairs(("4", "5")).head(0), "owl").data


def test_without_scripts_some_pairs_are_shown_with_their_owners(monkeypatch):
    shown = []
    monkeypatch.setattr(spot, "show", lambda explorer, still: shown.append(still))
    spot.spot_the_teacher(pairs(("1", "2"), ("3", "4")), "owl")
    assert "teacher that loves the owl" in shown[0] and "&lt;b&gt;" in shown[0] and shown[0].count("<td>") == 4


def test_a_table_without_a_column_is_refused():
    with pytest.raises(ExplorerError, match="no column `by_models`"):
        spot.spot_data(pairs(("1", "2")).drop(columns="by_models"), "owl")
