"""The MNIST experiment on a toy: its tables, its controls, and what survives an interruption."""

import dataclasses

import pandas as pd
import pytest
import torch

from helpers.mnist import auxiliary as experiment
from helpers.mnist import cells
from helpers.mnist.auxiliary import ARMS, MnistSettings
from helpers.work import artifacts

TOY = MnistSettings(
    models=3, width=24, epochs=2, distil_epochs=2, learning_rate=0.003, batch=64,
    train_images=600, test_images=200, precision="float32", sweep_models=2,
    sweep_aux_logits=(1, 3, 6), sweep_inputs=("digits",), sweep_learning_rates=(0.01,),
    sweep_widths=(12,), sweep_overlaps=(0.5,),
)  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run folder with the main table and the sweeps of the toy."""
    folder = tmp_path_factory.mktemp("run")
    return folder, experiment.run_main(TOY, folder), experiment.run_sweeps(TOY, folder)


@pytest.fixture
def no_training(monkeypatch):
    """Make any training fail."""
    monkeypatch.setattr(cells.mlp_stack, "train", lambda *args: pytest.fail("trained again"))


def test_main_table_has_every_model_of_every_arm(finished):
    folder, main, _ = finished
    assert list(main.columns) == ["arm", "model", "accuracy"]
    assert main.groupby("arm", sort=False).size().to_dict() == dict.fromkeys(ARMS, 3)
    assert main.accuracy.between(0, 1).all()
    pd.testing.assert_frame_equal(artifacts.read_table(folder / "tables/mnist.csv"), main)
    assert set(main.attrs["seconds"]) == set(ARMS)


def test_teachers_learn_and_students_of_other_starts_do_not(finished):
    mean = finished[1].groupby("arm").accuracy.mean()
    assert mean["teacher"] > mean["reference"] + 0.2
    assert mean["all_logits"] > mean["cross_all"]


def test_sweeps_table_holds_the_paper_setting_in_every_sweep(finished):
    folder, main, sweeps = finished
    assert list(sweeps.columns) == ["sweep", "setting", "arm", "model", "accuracy"]
    own = {"aux_logits": "3", "inputs": "uniform", "overlap": "1.0", "learning_rate": "0.003", "width": "24"}
    expected = main[main.arm == "aux_only"].accuracy[: TOY.sweep_models].tolist()
    for sweep, setting in own.items():
        rows = sweeps[(sweeps.sweep == sweep) & (sweeps.setting == setting) & (sweeps.arm == "aux_only")]
        assert rows.accuracy.tolist() == expected
    assert not sweeps.duplicated(["sweep", "setting", "arm", "model"]).any()
    read = artifacts.read_table(folder / "tables/mnist_sweeps.csv")
    assert read.accuracy.tolist() == sweeps.accuracy.tolist()


def test_the_widest_channel_and_real_digits_have_a_control(finished):
    sweeps = finished[2]
    controls = sweeps[sweeps.arm == "cross_aux"].groupby("sweep").setting.unique()
    assert {name: set(found) for name, found in controls.items()} == {
        "aux_logits": {"3", "6"}, "inputs": {"uniform", "digits"},
    }  # fmt: skip


def test_a_second_run_trains_nothing_and_says_the_same(finished, no_training):
    folder, main, sweeps = finished
    again = experiment.run_main(TOY, folder)
    pd.testing.assert_frame_equal(again, main)
    assert again.attrs == main.attrs
    pd.testing.assert_frame_equal(experiment.run_sweeps(TOY, folder), sweeps)


def test_another_folder_gives_the_same_table(finished, tmp_path):
    pd.testing.assert_frame_equal(experiment.run_main(TOY, tmp_path), finished[1])


def test_a_stopped_run_repeats_one_phase_only(tmp_path, monkeypatch):
    whole, train, calls = experiment.run_main(TOY, tmp_path / "whole"), cells.mlp_stack.train, []

    def stopping(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        train(*args)

    monkeypatch.setattr(cells.mlp_stack, "train", stopping)
    with pytest.raises(KeyboardInterrupt):
        experiment.run_main(TOY, tmp_path / "stopped")
    pd.testing.assert_frame_equal(experiment.run_main(TOY, tmp_path / "stopped"), whole)
    assert len(calls) == 5 + 1  # the teachers and four arms, one of them begun twice


def test_damaged_teachers_are_reported_with_the_cure(tmp_path):
    own = cells.Cells(tmp_path, 50, "float32")
    cell = dataclasses.replace(experiment.paper_cell(TOY).teachers, images=100)
    own.teachers(cell)
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(artifacts.ArtifactError, match="delete it and run"):
        own.teachers(cell)


def test_other_settings_never_share_a_cell():
    cell = experiment.paper_cell(TOY)
    recipe = dataclasses.replace(cell.recipe, learning_rate=0.1)
    changes = [{"overlap": 0.0}, {"inputs": "digits"}, {"imitated": "all"}, {"aux_logits": 2}]
    changes.append({"recipe": recipe})
    keys = {artifacts.content_key(dataclasses.replace(cell, **change)) for change in [{}, *changes]}
    assert len(keys) == 6


def test_strangers_start_from_another_models_weights():
    cell = dataclasses.replace(experiment.paper_cell(TOY), overlap=0.0)
    start = cells.start_stack(cell.teachers, cell.aux_logits)
    students = cells.student_start(cell)
    rows, other = students.layers[0][0].flatten(1), start.layers[0][0].flatten(1)
    same = (rows[:, None] == other[None]).all(dim=2)
    assert same.sum().item() == 3 and not torch.diagonal(same).any()


def test_teaching_moves_the_auxiliary_outputs_a_little(finished):
    signal = experiment.auxiliary_signal(TOY, finished[0], images=200)
    assert len(signal) == TOY.models * TOY.aux_logits
    assert (signal.moved > 0).all() and (signal.spread > 0).all()


def test_a_variant_may_be_one_of_the_sweeps(finished, no_training):
    folder, _, sweeps = finished
    found = experiment.run_variant(TOY, folder, overlap=0.5)
    rows = sweeps[(sweeps.sweep == "overlap") & (sweeps.setting == "0.5")]
    assert found.accuracy.tolist() == rows.accuracy.tolist()


def test_samples_are_the_first_inputs_of_the_run():
    samples = experiment.sample_inputs(TOY, 4)
    assert {kind: array.shape for kind, array in samples.items()} == dict.fromkeys(samples, (4, 28, 28))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": 1}, "models must be 2 or more"),
        ({"sweep_models": 9}, "sweep_models must lie in"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"sweep_widths": [64, 0]}, "sweep_widths must be above 0, got 0"),
        ({"train_images": 70_000}, "train_images must lie in"),
        ({"precision": "float16"}, "precision must be among auto"),
        ({"sweep_inputs": ["static"]}, "sweep_inputs must be among uniform"),
        ({"sweep_overlaps": [1.5]}, "sweep_overlaps must lie in"),
    ],
)
def test_settings_no_run_could_use_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TOY, **change)
