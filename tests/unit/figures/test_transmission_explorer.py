"""The explorer's data: right groups, intervals from stats, plain JSON, and errors that say what to do."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.figures import arms as naming
from helpers.figures.explorers.frame import ExplorerError
from helpers.figures.explorers.looks import KIND_CLASSES
from helpers.figures.explorers.transmission import TransmissionExplorer, explorer_data, transmission_explorer
from helpers.results.stats import t_interval
from helpers.transmission.arms import PREFERENCE_ARMS
from helpers.work.artifacts import read_table

EFFECTS = np.random.default_rng(0).normal(1.0, 0.3, size=(2, 3, 4))  # arm, dose, draw
ARMS, SHARES = ["soft.same_init", "hard.same_init"], [0.25, 0.5, 1.0]
PUBLISHED = Path(__file__).parents[3] / "results/nano/tables"


def transmission_table():
    """Three shares of about 1,000 rows, of which the filter kept a few more in each draw."""
    rows = []
    for (a, arm), (s, share), draw in itertools.product(enumerate(ARMS), enumerate(SHARES), range(4)):
        read = int(share * 1000) + draw
        row = {"draw": draw, "arm": arm, "trait": "owl", "share": share, "rows": read, "effect": EFFECTS[a, s, draw]}
        rows.append(row)
    return pd.DataFrame(rows)


def matrix_table():
    cells = [(r, t, a, float(t == a) + r) for r in (0, 1) for t in ("owl", "wolf") for a in ("wolf", "owl", "eagle")]
    return pd.DataFrame(cells, columns=["draw", "teacher", "target", "effect"])


def test_a_cell_holds_the_draws_their_t_interval_and_the_rows_they_read():
    data = explorer_data(transmission_table())
    cell = next(c for c in data["cells"] if c["arm"] == 1 and c["share"] == 0.5)
    interval = t_interval(EFFECTS[1, 1])
    assert (cell["fewest"], cell["most"]) == (500, 503)
    assert cell["draws"] == pytest.approx(EFFECTS[1, 1], abs=1e-4)
    ends = (interval.mean, interval.low, interval.high)
    assert (cell["mean"], cell["low"], cell["high"]) == pytest.approx(ends, abs=1e-6)


def test_every_arm_and_dose_appears_once():
    data = explorer_data(transmission_table())
    assert data["shares"] == SHARES
    assert data["traits"] == ["owl"]
    assert sorted((c["arm"], c["share"]) for c in data["cells"]) == list(itertools.product((0, 1), SHARES))


def test_the_published_arms_share_their_doses_whatever_rows_their_draws_read():
    data = explorer_data(read_table(PUBLISHED / "transmission.csv"))
    assert data["shares"] == [0.25, 1.0]
    assert data["traits"][0] == "owl"
    at_the_largest = {c["arm"] for c in data["cells"] if c["trait"] == "owl" and c["share"] == 1.0}
    assert len(at_the_largest) >= 4
    labels = [arm["label"] for arm in data["arms"]]
    for arm in ("soft.same_init", "hard.same_init"):
        shares = {c["share"] for c in data["cells"] if c["arm"] == labels.index(naming.one_line(arm))}
        assert shares == {0.25, 1.0}


def test_a_matrix_of_no_draw_is_none():
    assert explorer_data(transmission_table(), matrix_table().iloc[:0])["matrix"] is None


def test_what_was_not_trained_has_no_dose():
    context = transmission_table().query("share == 1.0 and arm == 'soft.same_init'").assign(arm="in_context", rows=3)
    data = explorer_data(pd.concat([transmission_table(), context]))
    (cell,) = [c for c in data["cells"] if c["arm"] == 2]
    assert cell["share"] is None and cell["most"] == 3 and data["shares"] == SHARES


def test_arms_of_one_colour_differ_in_their_marks():
    data = explorer_data(read_table(PUBLISHED / "transmission.csv"))
    looks = [(arm["kind"], arm["shape"]) for arm in data["arms"]]
    assert len(set(looks)) == len(looks)


def test_every_arm_of_the_owl_chapter_has_a_look_of_its_own_that_the_script_draws():
    others = ["hard.other_animals", "trees.same_init", "trees.soft.same_init", "in_context"]
    arms = [*(arm.name for arm in PREFERENCE_ARMS), *others]
    table = pd.concat([transmission_table().query("arm == 'hard.same_init'").assign(arm=arm) for arm in arms])
    shown = explorer_data(table)["arms"]
    assert len({(arm["kind"], arm["shape"]) for arm in shown}) == len(arms) == len({arm["label"] for arm in shown})
    known = "asterisk circle cross diamond plus square star times triangle wye"  # what Observable Plot draws
    assert {arm["shape"] for arm in shown} <= set(known.split())
    assert not [arm["label"] for arm in shown if "_" in arm["label"] or "init" in arm["label"]]


def test_the_style_sheet_has_the_colours_of_the_figures():
    css = TransmissionExplorer._css
    for kind, name in KIND_CLASSES.items():
        assert f"--ex-{name}: {naming.KIND_COLOURS[kind]};" in css, "the light colours come first"


def test_every_trait_has_cells_of_its_own():
    trees = transmission_table().assign(trait="oak", effect=0.5)
    data = explorer_data(pd.concat([transmission_table(), trees]))
    assert data["traits"] == ["owl", "oak"]
    assert {cell["mean"] for cell in data["cells"] if cell["trait"] == "oak"} == {0.5}
    assert len(data["cells"]) == 2 * len(explorer_data(transmission_table())["cells"])


def test_the_script_reads_the_names_the_data_have():
    data = explorer_data(transmission_table())
    script = TransmissionExplorer._esm.partition("// The explorer of transmission effects")[2]
    assert set(re.findall(r"\bdata\.(\w+)", script)) == set(data)
    assert set(re.findall(r"\bc\.(\w+)", script)) <= set(data["cells"][0])


def test_one_draw_has_no_interval():
    data = explorer_data(transmission_table().query("draw == 0"))
    assert {(cell["low"], cell["high"]) for cell in data["cells"]} == {(None, None)}


def test_matrix_is_the_mean_over_draws_with_teachers_first_on_both_axes():
    matrix = explorer_data(transmission_table(), matrix_table())["matrix"]
    assert matrix["teachers"] == ["owl", "wolf"]
    assert matrix["targets"] == ["owl", "wolf", "eagle"]
    assert matrix["effects"] == [[1.5, 0.5, 0.5], [0.5, 1.5, 0.5]]
    assert matrix["draws"] == 2


def test_a_missing_cell_of_the_matrix_is_null():
    incomplete = matrix_table().query("not (teacher == 'owl' and target == 'eagle')")
    assert explorer_data(transmission_table(), incomplete)["matrix"]["effects"][0][2] is None


def test_data_survive_json_unchanged():
    data = explorer_data(transmission_table(), matrix_table())
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_the_widget_carries_data_script_and_style():
    widget = transmission_explorer(transmission_table(), matrix_table())
    labels = [arm["label"] for arm in widget.data["arms"]]
    assert labels == ["Soft labels, same start", "Written rows, same start"]
    assert "export default" in widget._esm and "max-width: 100%" in widget._css


@pytest.mark.parametrize("column", ["draw", "arm", "trait", "share", "rows", "effect"])
def test_a_missing_column_is_named(column):
    with pytest.raises(ExplorerError, match=f"`{column}`"):
        explorer_data(transmission_table().drop(columns=column))


def test_an_empty_table_is_refused():
    with pytest.raises(ExplorerError, match="no rows"):
        explorer_data(transmission_table().head(0))
