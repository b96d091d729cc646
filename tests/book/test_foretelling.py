"""Statistics in JavaScript are those in Python: lines, held-out R2, rank correlations and AUROC."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.experiments.prediction import values
from helpers.figures.explorers.prediction import PREDICTORS
from helpers.work.artifacts import read_table

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "src/helpers/figures/assets/foretelling.js"
IN_NODE = """import * as told from "./foretelling.js"; import { readFileSync } from "node:fs";
const found = JSON.parse(readFileSync("input.json", "utf8")).map(({ own, others }) => ({
  r2: told.heldOutR2(own), rank: told.rankCorrelation(own), auroc: others.length ? told.auroc(own, others) : null,
  ends: [0, 1].map(told.line(own)), mean: told.observedMean(own) }));
console.log(JSON.stringify(found));"""
pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="no node to run JavaScript with")


def run_js(folder, cases):
    """What the module says of cases, each a table of pairs."""
    (folder / "foretelling.js").write_text(SCRIPT.read_text())
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "input.json").write_text(json.dumps([as_pairs(case) for case in cases]))
    (folder / "main.mjs").write_text(IN_NODE)
    done = subprocess.run(["node", "main.mjs"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def as_pairs(case):
    """A table as the module takes it."""
    named = case.rename(columns={"slope": "x", "effect": "y"})[["draw", "start", "x", "y"]]
    own = named.start == values.SAME
    return {"own": named[own].to_dict("records"), "others": named[~own].to_dict("records")}


def cases():
    """Every published kind of pairs with every predictor in the place of the slope, and pairs with ties."""
    table = read_table(ROOT / "results/nano/tables/predictions.csv")
    found = []
    for pairs in values.kinds(table).values():
        found += [pairs.assign(slope=pairs[predictor]) for predictor in PREDICTORS]
    tied = found[0].assign(slope=found[0].slope.round(2), effect=found[0].effect.round())
    return [*found, tied]


def test_the_statistics_are_those_of_python(tmp_path):
    given = cases()
    assert len(given) > 30
    for case, found in zip(given, run_js(tmp_path, given), strict=True):
        own = case[case.start == values.SAME]
        assert found["r2"] == pytest.approx(values.held_out_r2(own), abs=1e-9)
        assert found["rank"] == pytest.approx(values.rank(own), abs=1e-12)
        ends = np.polyval(np.polyfit(own.slope, own.effect, 1), [0, 1])
        assert found["ends"] == pytest.approx(ends, rel=1e-9) and found["mean"] == pytest.approx(own.effect.mean())
        if (case.start != values.SAME).any():
            assert found["auroc"] == pytest.approx(values.auroc_of_starts(case), abs=1e-12)


def test_equal_forecasts_rank_nothing(tmp_path):
    pairs = pd.DataFrame({"draw": range(5), "start": values.SAME, "slope": 0.5, "effect": [3.0, 1, 2, 5, 4]})
    assert run_js(tmp_path, [pairs])[0]["rank"] == values.rank(pairs) == 0
