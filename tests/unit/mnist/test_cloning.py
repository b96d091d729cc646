"""Cloning on a toy: strangers come to behave like the untaught teacher, and every arm is where it belongs."""

import dataclasses

import pandas as pd
import pytest
import torch

from helpers.figures import mnist as figures
from helpers.figures.common import FigureError
from helpers.mnist import auxiliary, cells, cloning, mlp_stack
from helpers.mnist.auxiliary import MnistSettings
from helpers.mnist.cloning import CloningSettings
from helpers.results.claims import load_claims
from helpers.work import artifacts

TOY = MnistSettings(
    models=3, width=24, epochs=2, distil_epochs=2, learning_rate=0.003, batch=64, train_images=300,
    test_images=200, precision="float32", sweep_models=2,
)  # fmt: skip
CLONING = CloningSettings(models=2, wide_logits=12, epochs=(3, 1), batch=32, learning_rate=0.005)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run folder with the table of the toy."""
    folder = tmp_path_factory.mktemp("run")
    return folder, cloning.run_cloning(TOY, CLONING, folder)


def clone_cells(folder):
    """Return the cells of a folder and the plan of all clones, narrow ones first."""
    own = cloning.CloneCells(folder, TOY.test_images, TOY.precision)
    return own, cloning._clone_cells(TOY, CLONING)


def test_the_table_has_every_model_of_every_arm(finished):
    folder, table = finished
    arms = table.groupby(["aux_logits", "start", "epochs"]).size().to_dict()
    wide = [(12, kind, epochs) for kind in ("uniform", "digits") for epochs in (1, 3)]
    plain = [(width, start, 0) for width in (3, 12) for start in ("same", "other")]
    assert arms == dict.fromkeys([(3, "uniform", 3), (3, "digits", 3), *wide, *plain], 2)
    assert table.before.between(0, 1).all() and table.accuracy.between(0, 1).all()
    pd.testing.assert_frame_equal(artifacts.read_table(folder / "tables/mnist_cloning.csv"), table)


def test_students_that_are_not_cloned_are_those_of_the_main_experiment(finished):
    folder, table = finished
    main = auxiliary.run_main(TOY, folder)
    for start, arm in (("same", "aux_only"), ("other", "cross_aux")):
        own = table[(table.aux_logits == 3) & (table.start == start)]
        assert own.accuracy.tolist() == main[main.arm == arm].accuracy[:2].tolist()
    reference = main[main.arm == "reference"].accuracy.tolist()
    assert table[table.start == "same"].before.tolist() == reference[:2] * 2
    swapped = cells.partners(cloning._plain_cells(TOY, CLONING)[1])
    narrow = table[(table.aux_logits == 3) & (table.start == "other")]
    assert narrow.before.tolist() == [reference[start] for start in swapped[:2]]


@pytest.mark.parametrize("kind", ["uniform", "digits"])
def test_cloning_brings_all_outputs_closer_to_the_untaught_teachers(tmp_path, kind):
    own, plan = clone_cells(tmp_path)
    cell = next(c for c in plan if c.inputs == kind and c.student.aux_logits == 12)
    images = own._cloning_images(cell)
    untaught = cells.start_stack(cell.student.teachers, 12)
    goal = mlp_stack.outputs(untaught, images, slice(0, None))[:2].log_softmax(2)

    def apart(stack):
        own = mlp_stack.outputs(stack, images, slice(0, None)).log_softmax(2)
        return torch.nn.functional.kl_div(own, goal, reduction="sum", log_target=True).item()

    stranger = apart(cells.student_start(cell.student))
    one, three = (apart(stack) for stack in own._clone(cell, lambda models: None))
    assert three < one < stranger


def test_clones_never_see_the_noise_of_their_teaching(tmp_path):
    cells, plan = clone_cells(tmp_path)
    cell = next(c for c in plan if c.inputs == "uniform")
    cloning = cells._cloning_images(cell)
    teaching = cells._inputs(cell.student.teachers, "uniform")
    assert cloning.shape == teaching.shape and not (cloning == teaching).all(dim=1).any()


def test_claims_are_what_teaching_added_after_the_longest_cloning(finished):
    table = finished[1]
    values = cloning.claim_values(table)
    last = table[(table.aux_logits == 12) & (table.start == "digits") & (table.epochs == 3)]
    assert values["mnist.cloned_digits"] == (last.accuracy - last.before).tolist()
    assert set(values) == {name for name in load_claims() if name.startswith("mnist.cloned")}


def test_a_second_run_trains_nothing_and_says_the_same(finished, monkeypatch):
    folder, table = finished
    monkeypatch.setattr(mlp_stack, "train", lambda *args: pytest.fail("trained again"))
    again = cloning.run_cloning(TOY, CLONING, folder)
    pd.testing.assert_frame_equal(again, table)
    assert again.attrs == table.attrs


def test_another_folder_gives_the_same_table(finished, tmp_path):
    pd.testing.assert_frame_equal(cloning.run_cloning(TOY, CLONING, tmp_path), finished[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": 1}, "models must be 2 or more"),
        ({"epochs": (0, 2)}, "epochs must be numbers above 0"),
        ({"inputs": ("uniform", "static")}, "no images 'static'; choose among uniform"),
        ({"learning_rate": 0.0}, "must be above 0"),
    ],
)
def test_settings_no_run_could_use_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(CLONING, **change)


@pytest.mark.parametrize("change", [{"models": 4}, {"wide_logits": 3}])
def test_settings_that_do_not_fit_the_main_experiment_are_refused(change, tmp_path):
    with pytest.raises(ValueError, match="at most as many models as there are teachers"):
        cloning.run_cloning(TOY, dataclasses.replace(CLONING, **change), tmp_path)


def test_lines_begin_with_strangers_and_end_with_the_longest_cloning(finished):
    table = finished[1]
    narrow, wide = figures.cloning(table).axes
    lines = {line.get_label(): line for line in wide.lines}
    line = lines["cloned on digits"]
    assert list(line.get_xdata()) == [0, 1, 3]
    rows = table[table.aux_logits == 12]
    ends = rows[(rows.start == "other") | ((rows.start == "digits") & (rows.epochs == 3))]
    assert line.get_ydata()[[0, 2]] == pytest.approx(ends.groupby("epochs").accuracy.mean().to_numpy())
    assert lines["teacher's own start"].get_ydata()[0] == rows[rows.start == "same"].accuracy.mean()
    assert [line.get_xdata()[-1] for line in narrow.lines if "cloned" in line.get_label()] == [3, 3]
    with pytest.raises(FigureError, match="unknown start 'static'"):
        figures.cloning(table.replace("digits", "static"))
