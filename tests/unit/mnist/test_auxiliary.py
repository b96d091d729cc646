"""The MNIST experiment on a toy: its tables, its controls, its draws, and what survives an interruption."""

import dataclasses

import pandas as pd
import pytest
import torch

from helpers.mnist import auxiliary, mlp, students, teachers
from helpers.mnist.auxiliary import ARMS
from helpers.mnist.settings import POOL, MnistSettings
from helpers.work import artifacts

TOY = MnistSettings(
    run_dir="", draws=(0, 1, 2), recompute=(0, 1, 2), width=24, epochs=2, distil_epochs=2, learning_rate=0.003,
    batch=64, train_images=600, test_images=200, precision="float32", sweep_models=2, sweep_aux_logits=(1, 3, 6),
    sweep_inputs=("digits",), sweep_learning_rates=(0.01,), sweep_widths=(12,), sweep_overlaps=(0.5,), workers=1,
)  # fmt: skip

# accuracies by draw that the code before gave, which trained all draws as one stack (arms with the teacher's start)
GOLDEN = {
    "reference": [0.105, 0.105, 0.045],
    "teacher": [0.48, 0.27, 0.475],
    "all_logits": [0.19, 0.17, 0.295],
}


def toy(folder, **changes):
    """Return the toy's settings in a run folder."""
    return dataclasses.replace(TOY, run_dir=str(folder), **changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Settings of the toy in a run folder, with its main table and its sweeps."""
    settings = toy(tmp_path_factory.mktemp("run"))
    return settings, auxiliary.run_main(settings), auxiliary.run_sweeps(settings)


@pytest.fixture
def no_training(monkeypatch):
    """Make any training fail."""
    monkeypatch.setattr(mlp, "train", lambda *given: pytest.fail("trained again"))


def test_main_table_has_every_draw_of_every_arm(finished):
    settings, main, _ = finished
    assert list(main.columns) == ["arm", "draw", "accuracy"]
    assert main.groupby("arm", sort=False).size().to_dict() == dict.fromkeys(ARMS, 3)
    assert main.accuracy.between(0, 1).all() and main.attrs["seconds"] > 0
    pd.testing.assert_frame_equal(artifacts.read_table(f"{settings.run_dir}/tables/mnist.csv"), main)


@pytest.mark.parametrize("arm", GOLDEN)
def test_the_numbers_are_those_of_the_stack_that_trained_all_draws_at_once(finished, arm):
    main = finished[1]
    # equal to the last digit on the machine that made them; the margin is for other kernels
    assert main[main.arm == arm].accuracy.tolist() == pytest.approx(GOLDEN[arm], abs=0.03)


def test_teachers_learn_and_students_of_other_starts_do_not(finished):
    mean = finished[1].groupby("arm").accuracy.mean()
    assert mean["teacher"] > mean["reference"] + 0.2
    assert mean["all_logits"] > mean["cross_all"]


def test_sweeps_table_holds_the_paper_setting_in_every_sweep(finished):
    settings, main, sweeps = finished
    assert list(sweeps.columns) == ["sweep", "setting", "arm", "draw", "accuracy"]
    own = {"aux_logits": "3", "inputs": "uniform", "overlap": "1.0", "learning_rate": "0.003", "width": "24"}
    expected = main[main.arm == "aux_only"].accuracy[: settings.sweep_models].tolist()
    for sweep, setting in own.items():
        rows = sweeps[(sweeps.sweep == sweep) & (sweeps.setting == setting) & (sweeps.arm == "aux_only")]
        assert rows.accuracy.tolist() == expected
    assert not sweeps.duplicated(["sweep", "setting", "arm", "draw"]).any()
    read = artifacts.read_table(f"{settings.run_dir}/tables/mnist_sweeps.csv")
    assert read.accuracy.tolist() == sweeps.accuracy.tolist()


def test_a_setting_named_twice_is_one_point():
    twice = dataclasses.replace(TOY, sweep_widths=(12, 12), sweep_overlaps=(0.0, 0.5))
    assert len(auxiliary._points(twice)) == len(auxiliary._points(TOY))


def test_the_widest_channel_and_real_digits_have_a_control(finished):
    sweeps = finished[2]
    controls = sweeps[sweeps.arm == "cross_aux"].groupby("sweep").setting.unique()
    found = {name: set(settings) for name, settings in controls.items()}
    assert found == {"aux_logits": {"3", "6"}, "inputs": {"uniform", "digits"}}


def test_a_draw_alone_gives_the_rows_it_gives_beside_others(finished, tmp_path):
    settings = toy(tmp_path, recompute=(1,))
    for table, whole in zip((auxiliary.run_main(settings), auxiliary.run_sweeps(settings)), finished[1:], strict=True):
        own = whole[whole.draw == 1].reset_index(drop=True)
        pd.testing.assert_frame_equal(table, own, check_exact=True)


def test_sweeps_leave_out_draws_that_are_not_among_the_first(tmp_path):
    assert auxiliary.run_sweeps(toy(tmp_path, recompute=(2,))).empty
    assert list(auxiliary.run_sweeps(toy(tmp_path, recompute=(2,))).columns)[3] == "draw"


def test_a_new_draw_takes_part_in_everything():
    settings = dataclasses.replace(TOY, recompute=(0, 2, 77))
    assert settings.computed(first=2) == [0, 77]


def test_a_second_run_trains_nothing_and_says_the_same(finished, no_training):
    settings, main, sweeps = finished
    again = auxiliary.run_main(settings)
    pd.testing.assert_frame_equal(again, main)
    assert again.attrs == main.attrs
    pd.testing.assert_frame_equal(auxiliary.run_sweeps(settings), sweeps)


def test_a_stopped_run_repeats_one_training_only(finished, tmp_path, monkeypatch):
    train, calls = mlp.train, []

    def stopping(*given):
        calls.append(given)
        if len(calls) == 5:  # the second student
            raise KeyboardInterrupt
        train(*given)

    monkeypatch.setattr(mlp, "train", stopping)
    with pytest.raises(KeyboardInterrupt):
        auxiliary.run_main(toy(tmp_path))
    pd.testing.assert_frame_equal(auxiliary.run_main(toy(tmp_path)), finished[1])
    assert len(calls) == 3 * 5 + 1  # a teacher and four students a draw, one of them begun twice


def test_damaged_teachers_are_reported_with_the_cure_and_missing_ones_taught_again(tmp_path):
    teacher = dataclasses.replace(toy(tmp_path).teacher(0), images=100)
    teachers.teach_all([teacher], workers=1)
    whole = teachers.taught(teacher, 3)
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(artifacts.ArtifactError, match="delete it"):
        teachers.taught(teacher, 3)
    file.unlink()
    assert torch.equal(teachers.taught(teacher, 3).flat, whole.flat)


def test_other_settings_never_share_a_piece():
    student = TOY.student(0)
    changes = [{}, {"overlap": 0.0}, {"inputs": "digits"}, {"imitated": "all"}, {"aux_logits": 2}, {"width": 12}]
    keys = {artifacts.content_key(student.changed(**change)) for change in [*changes, {"learning_rate": 0.1}]}
    assert len(keys) == 7


def test_students_swap_starts_whichever_of_them_are_computed():
    partners = [students.partner(draw, POOL) for draw in range(POOL)]
    assert sorted(partners) == list(range(POOL)) and all(draw != own for draw, own in enumerate(partners))
    assert students.partner(POOL, POOL) not in range(POOL)
    assert students.partner(1, 2) == 0


def test_strangers_start_from_another_draws_weights():
    student = TOY.student(0).changed(overlap=0.0, pool=2)
    assert torch.equal(student.start().flat, TOY.student(1).start().flat)
    assert torch.equal(TOY.student(0).start().flat, TOY.teacher(0).start(3).flat)


def test_teaching_moves_the_auxiliary_outputs_a_little(finished):
    settings = finished[0]
    signal = auxiliary.run_signal(settings, images=200)
    assert signal.groupby("draw").size().tolist() == [settings.aux_logits] * 3
    assert (signal.moved > 0).all() and (signal.spread > 0).all()
    stored = artifacts.read_table(f"{settings.run_dir}/tables/mnist_signal.csv")
    pd.testing.assert_frame_equal(stored, signal)


def test_a_variant_may_be_one_of_the_sweeps(finished, no_training):
    settings, _, sweeps = finished
    found = auxiliary.run_variant(settings, overlap=0.5)
    rows = sweeps[(sweeps.sweep == "overlap") & (sweeps.setting == "0.5")]
    assert found.accuracy.tolist() == rows.accuracy.tolist()


def test_a_variant_without_draws_is_an_empty_table(tmp_path):
    found = auxiliary.run_variant(toy(tmp_path, recompute=()), overlap=0.5)
    assert list(found.columns) == ["draw", "accuracy"] and found.empty


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"overlap": 1.5}, "overlap must lie in"),
        ({"inputs": "static"}, "inputs must be among uniform"),
        ({"imitated": "none"}, "imitated must be among aux, all"),
        ({"aux_logits": 0}, "aux_logits must be above 0"),
    ],
)
def test_variants_nobody_can_mean_are_refused_before_anything_runs(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        auxiliary.run_variant(toy(tmp_path), **change)
    assert not list(tmp_path.iterdir())


def test_samples_are_the_first_inputs_of_the_experiment():
    samples = auxiliary.sample_inputs(4)
    assert {kind: array.shape for kind, array in samples.items()} == dict.fromkeys(samples, (4, 28, 28))
    assert (samples["uniform"].reshape(4, -1) == auxiliary.sample_inputs(9)["uniform"][:4].reshape(4, -1)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"draws": [0, 0]}, "draws must be different seeds"),
        ({"recompute": [-1]}, "recompute must be whole numbers, 0 or above, got -1"),
        ({"sweep_models": 9}, "sweep_models must be a whole number from 2 .* to 3"),
        ({"sweep_models": 1}, "sweep_models must be a whole number from 2"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"learning_rate": float("inf")}, "learning_rate must be above 0"),
        ({"sweep_widths": [64, 0]}, "sweep_widths must be above 0 and whole, got 0"),
        ({"epochs": -3}, "epochs must be above 0 and whole, got -3"),
        ({"distil_epochs": 1.5}, "distil_epochs must be above 0 and whole"),
        ({"batch": True}, "batch must be above 0 and whole, got True"),
        ({"train_images": 0}, "train_images must be a whole number in"),
        ({"train_images": 70_000}, "train_images must be a whole number in"),
        ({"workers": -1}, "workers must be a whole number in"),
        ({"precision": "float16"}, "precision must be among auto"),
        ({"sweep_inputs": ["static"]}, "sweep_inputs must be among uniform"),
        ({"sweep_overlaps": [1.5]}, "sweep_overlaps must lie in"),
    ],
)
def test_settings_no_run_could_use_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TOY, **change)
