"""Cloning on a toy: strangers come to behave like the untaught teacher, and every arm is where it belongs."""

import dataclasses

import pandas as pd
import pytest
import torch

from helpers.figures import mnist as figures
from helpers.figures.common import FigureError
from helpers.mnist import auxiliary, cloning, inputs, mlp, students
from helpers.mnist.cloning import CloningSettings
from helpers.mnist.settings import POOL, MnistSettings
from helpers.results.claims import load_claims
from helpers.work import artifacts

TOY = MnistSettings(
    run_dir="", draws=(0, 1, 2), recompute=(0, 1, 2), width=24, epochs=2, distil_epochs=2, learning_rate=0.003,
    batch=64, train_images=300, test_images=200, precision="float32", sweep_models=2, workers=1,
)  # fmt: skip
CLONING = CloningSettings(models=2, wide_logits=12, epochs=(3, 1), batch=32, learning_rate=0.005)
EVERY = slice(0, None)


def toy(folder, **changes):
    """Return the toy's settings in a run folder."""
    return dataclasses.replace(TOY, run_dir=str(folder), **changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Settings of the toy in a run folder, and its table."""
    settings = toy(tmp_path_factory.mktemp("run"))
    return settings, cloning.run_cloning(settings, CLONING)


def wide_clone(kind):
    """Return the clone of draw 0 on images of a kind, for the wide channel."""
    clones = cloning._clones(TOY, CLONING, [0])
    return next(clone for clone in clones if clone.inputs == kind and clone.student.aux_logits == 12)


def test_the_table_has_every_draw_of_every_arm(finished):
    settings, table = finished
    arms = table.groupby(["aux_logits", "start", "epochs"]).size().to_dict()
    wide = [(12, kind, epochs) for kind in ("uniform", "digits") for epochs in (1, 3)]
    plain = [(width, start, 0) for width in (3, 12) for start in ("same", "other")]
    assert arms == dict.fromkeys([(3, "uniform", 3), (3, "digits", 3), *wide, *plain], 2)
    assert table.before.between(0, 1).all() and table.accuracy.between(0, 1).all()
    pd.testing.assert_frame_equal(artifacts.read_table(f"{settings.run_dir}/tables/mnist_cloning.csv"), table)


def test_students_that_are_not_cloned_are_those_of_the_main_experiment(finished):
    settings, table = finished
    main = auxiliary.run_main(settings)
    for start, arm in (("same", "aux_only"), ("other", "cross_aux")):
        own = table[(table.aux_logits == 3) & (table.start == start)]
        assert own.accuracy.tolist() == main[main.arm == arm].accuracy[:2].tolist()
    reference = main[main.arm == "reference"].accuracy.tolist()
    assert table[table.start == "same"].before.tolist() == reference[:2] * 2
    strangers = table[(table.aux_logits == 12) & (table.start == "other")]
    assert strangers.before.tolist() == reference[1::-1]  # the first two swap starts


def test_strangers_of_the_narrow_channel_swap_with_all_draws():
    assert TOY.student(0).pool == POOL
    assert {clone.student.pool for clone in cloning._clones(TOY, CLONING, [0, 1])} == {CLONING.models}
    assert students.partner(0, CLONING.models) == 1


@pytest.mark.parametrize("kind", ["uniform", "digits"])
def test_cloning_brings_all_outputs_closer_to_the_untaught_teachers(kind):
    clone = wide_clone(kind)
    images = inputs.shared_images("cloning", kind, TOY.train_images, "float32")
    goal = mlp.outputs(clone.student.teacher.start(12), images, EVERY).log_softmax(1)

    def apart(network):
        own = mlp.outputs(network, images, EVERY).log_softmax(1)
        return torch.nn.functional.kl_div(own, goal, reduction="sum", log_target=True).item()

    clones = cloning.cloned(clone)
    assert list(clones) == [1, 3]
    assert apart(clones[3]) < apart(clones[1]) < apart(clone.student.start())


def test_clones_never_see_the_noise_of_their_teaching():
    made, taught = (inputs.shared_images(purpose, "uniform", 50, "float32") for purpose in ("cloning", "inputs"))
    assert made.shape == taught.shape and not (made == taught).all(dim=1).any()


def test_cloning_reads_images_of_its_own_and_the_outputs_of_the_untaught_teacher(monkeypatch):
    clone, given = wide_clone("uniform"), []
    monkeypatch.setattr(mlp, "train", lambda network, images, targets, *more: given.append((images, targets)))
    cloning.cloned(clone)
    images = inputs.shared_images("cloning", "uniform", TOY.train_images, "float32")
    goal = mlp.outputs(clone.student.teacher.start(12), images, EVERY).softmax(1)
    assert len(given) == 1 and torch.equal(given[0][0], images) and torch.equal(given[0][1], goal)


def test_claims_are_what_teaching_added_after_the_longest_cloning(finished):
    table = finished[1]
    values = cloning.claim_values(table)
    last = table[(table.aux_logits == 12) & (table.start == "digits") & (table.epochs == 3)]
    assert values["mnist.cloned_digits"] == (last.accuracy - last.before).tolist()
    assert set(values) == {name for name in load_claims() if name.startswith("mnist.cloned")}


def test_a_second_run_trains_nothing_and_says_the_same(finished, monkeypatch):
    settings, table = finished
    monkeypatch.setattr(mlp, "train", lambda *given: pytest.fail("trained again"))
    again = cloning.run_cloning(settings, CLONING)
    pd.testing.assert_frame_equal(again, table)
    assert again.attrs == table.attrs


def test_a_draw_alone_gives_the_rows_it_gives_beside_others(finished, tmp_path):
    table, whole = cloning.run_cloning(toy(tmp_path, recompute=(1,)), CLONING), finished[1]
    pd.testing.assert_frame_equal(table, whole[whole.draw == 1].reset_index(drop=True), check_exact=True)


def test_draws_that_are_not_among_the_first_are_not_cloned(tmp_path):
    assert cloning.run_cloning(toy(tmp_path, recompute=(2,)), CLONING).empty


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": -1}, "models must be above 0 and whole"),
        ({"epochs": (0, 2)}, "epochs must be above 0 and whole, got 0"),
        ({"epochs": ()}, "clone_epochs must name at least one"),
        ({"inputs": ("uniform", "static")}, "inputs must be among uniform, .*got 'static'"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
    ],
)
def test_settings_no_run_could_use_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(CLONING, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": 4}, "clone_models must be .* to 3 .all draws., got 4"),
        ({"wide_logits": 3}, "clone_logits must be above"),
    ],
)
def test_settings_that_do_not_fit_the_main_experiment_are_refused_before_anything_runs(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        cloning.run_cloning(toy(tmp_path), dataclasses.replace(CLONING, **change))
    assert not list(tmp_path.iterdir())


def test_lines_begin_with_strangers_and_end_with_the_longest_cloning(finished):
    table = finished[1]
    narrow, wide = figures.cloning(table).wide.axes
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
