"""The data of the explorer "told before training?"."""

import json
from pathlib import Path

import numpy as np
import pytest

from helpers.experiments.prediction import values
from helpers.figures.explorers import frame
from helpers.figures.explorers.prediction import (
    FEWEST,
    OWN,
    PREDICTORS,
    PredictionExplorer,
    prediction_data,
    prediction_explorer,
)
from helpers.work.artifacts import read_table

TABLE = read_table(Path(__file__).parents[3] / "results/nano/tables/predictions.csv")


def test_pairs_are_those_of_the_published_table_unrounded():
    data = prediction_data(TABLE)
    assert len(data["kinds"]) == TABLE.groupby(["family", "channel", "labels"]).ngroups
    for kind in data["kinds"]:
        named = {part: kind[part][0] for part in ("family", "channel", "labels")}
        rows = TABLE[(TABLE[[*named]] == named).all(axis=1)].sort_values("draw", kind="stable")
        numbers = [pair[3:] for pair in kind["pairs"]]
        assert numbers == rows[["effect", *PREDICTORS]].to_numpy().tolist()
        named = rows.assign(own=(rows.start == OWN).astype(int))[["draw", "trait", "own"]]
        assert [pair[:3] for pair in kind["pairs"]] == named.to_numpy().tolist()


def test_it_knows_what_the_chapter_knows():
    assert set(PREDICTORS) == set(values.PREDICTORS) and [*PREDICTORS][0] == values.PREDICTOR
    assert (FEWEST, OWN) == (values.FEWEST, values.SAME)


def test_an_unknown_predictor_is_none_and_an_unknown_effect_leaves_a_pair_out(monkeypatch):
    monkeypatch.setattr(frame, "display", lambda shown: None)
    holes = TABLE.assign(coverage=np.nan)
    holes.loc[0, "effect"] = np.nan
    pairs = [pair for kind in prediction_explorer(holes).data["kinds"] for pair in kind["pairs"]]
    place = 4 + [*PREDICTORS].index("coverage")
    assert len(pairs) == len(TABLE) - 1 and {pair[place] for pair in pairs} == {None}
    assert "No effect is known" in prediction_explorer(TABLE.assign(effect=np.nan))
    with pytest.raises(frame.ExplorerError, match="`coverage`"):
        prediction_explorer(TABLE.drop(columns="coverage"))


def test_it_fits_a_page_and_has_a_picture_where_scripts_are_off(monkeypatch):
    displayed = []
    monkeypatch.setattr(frame, "display", displayed.append)
    explorer = prediction_explorer(TABLE)
    assert isinstance(explorer, PredictionExplorer) and len(json.dumps(explorer.data)) < frame.MOST_BYTES
    (still,) = (found.data for found in displayed)
    assert still.startswith("<noscript>") and "aria-label=" in still and len(still) < 120_000
