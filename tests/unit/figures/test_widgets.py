"""The explorer's data: right groups, intervals from stats, plain JSON, and errors that say what to do."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from helpers.figures.widgets import TransmissionExplorer, WidgetError, explorer_data, transmission_explorer
from helpers.results.stats import t_interval

EFFECTS = np.random.default_rng(0).normal(1.0, 0.3, size=(2, 3, 4))  # arm, dose, run


def transmission_table():
    rows = [
        {"run": run, "arm": arm, "trait": "owl", "rows": dose, "effect": EFFECTS[a, d, run]}
        for a, arm in enumerate(["soft.same_init", "hard.same_init"])
        for d, dose in enumerate([1024, 4096, 16384])
        for run in range(4)
    ]
    return pd.DataFrame(rows)


def matrix_table():
    cells = [
        (r, t, a, float(t == a) + r)
        for r in (0, 1)
        for t in ("owl", "wolf")
        for a in ("wolf", "owl", "eagle")
    ]
    return pd.DataFrame(cells, columns=["run", "teacher", "target", "effect"])


def test_a_cell_holds_the_runs_and_their_t_interval():
    data = explorer_data(transmission_table())
    cell = next(c for c in data["cells"] if c["arm"] == 1 and c["rows"] == 4096)
    interval = t_interval(EFFECTS[1, 1])
    assert cell["runs"] == pytest.approx(EFFECTS[1, 1], abs=1e-4)
    assert (cell["mean"], cell["low"], cell["high"]) == (interval.mean, interval.low, interval.high)


def test_every_arm_and_dose_appears_once():
    data = explorer_data(transmission_table())
    assert data["doses"] == [1024, 4096, 16384]
    assert data["traits"] == ["owl"]
    assert sorted((c["arm"], c["rows"]) for c in data["cells"]) == [
        (a, d) for a in (0, 1) for d in data["doses"]
    ]


def test_every_trait_has_cells_of_its_own():
    trees = transmission_table().assign(trait="oak", effect=0.5)
    data = explorer_data(pd.concat([transmission_table(), trees]))
    assert data["traits"] == ["owl", "oak"]
    assert {cell["mean"] for cell in data["cells"] if cell["trait"] == "oak"} == {0.5}
    assert len(data["cells"]) == 2 * len(explorer_data(transmission_table())["cells"])


def test_the_script_reads_the_names_the_data_have():
    data, script = explorer_data(transmission_table()), TransmissionExplorer._esm
    assert set(re.findall(r"\bdata\.(\w+)", script)) == set(data)
    assert set(re.findall(r"\bc\.(\w+)", script)) <= set(data["cells"][0])


def test_one_run_has_no_interval():
    data = explorer_data(transmission_table().query("run == 0"))
    assert {(cell["low"], cell["high"]) for cell in data["cells"]} == {(None, None)}


def test_matrix_is_the_mean_over_runs_with_teachers_first_on_both_axes():
    matrix = explorer_data(transmission_table(), matrix_table())["matrix"]
    assert matrix["teachers"] == ["owl", "wolf"]
    assert matrix["targets"] == ["owl", "wolf", "eagle"]
    assert matrix["effects"] == [[1.5, 0.5, 0.5], [0.5, 1.5, 0.5]]
    assert matrix["runs"] == 2


def test_a_missing_cell_of_the_matrix_is_null():
    incomplete = matrix_table().query("not (teacher == 'owl' and target == 'eagle')")
    assert explorer_data(transmission_table(), incomplete)["matrix"]["effects"][0][2] is None


def test_data_survive_json_unchanged():
    data = explorer_data(transmission_table(), matrix_table())
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_the_widget_carries_data_script_and_style():
    widget = transmission_explorer(transmission_table(), matrix_table())
    same = "same starting weights"
    assert widget.data["arms"] == [f"Soft labels, {same}", f"Written rows, {same}"]
    assert "export default" in widget._esm and "max-width: 100%" in widget._css


def test_script_and_style_load_nothing():
    for text in (
        transmission_explorer(transmission_table())._esm,
        transmission_explorer(transmission_table())._css,
    ):
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("column", ["run", "arm", "trait", "rows", "effect"])
def test_a_missing_column_is_named(column):
    with pytest.raises(WidgetError, match=f"`{column}`"):
        explorer_data(transmission_table().drop(columns=column))


def test_an_empty_table_is_refused():
    with pytest.raises(WidgetError, match="no rows"):
        explorer_data(transmission_table().head(0))
