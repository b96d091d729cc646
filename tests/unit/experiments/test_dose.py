"""The phase diagram: its grid is what it says, its cells reach the students, its figures show the table."""

import dataclasses

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch

from helpers.chain.profiles import load_profile
from helpers.experiments.bases.pretraining import BaseSettings, pretrain_bases
from helpers.experiments.dose import cells, diagram
from helpers.experiments.dose.cells import Cell, read_cell
from helpers.experiments.dose.diagram import ADAPTERS, FULL, DiagramSettings
from helpers.figures import phase_diagram as figures
from helpers.models.bases import NANO, NanoSpec, load_base
from helpers.models.training import TrainSettings
from helpers.results.claims import load_claims
from helpers.transmission.arms import TransmissionSettings
from helpers.work import artifacts

RATES = {"adam": [0.003, 0.01], "sgd": [1.0], "sign": [0.003]}
FINISHED_BEFORE_THE_KILL = 3


def toy_settings(run_dir, runs=(1,), **changes):
    """Return a diagram of few and short trainings on toy bases."""
    short = TrainSettings(0.01, 8, warmup_steps=1, lora_rank=2)
    taught = TrainSettings(0.01, 16, max_steps=4, warmup_steps=1)
    common = TransmissionSettings(
        str(run_dir), "owl", tuple(runs), "nano-a", "nano-b", "numbers", 400, 16, 16, "heldout",
        teaching=taught, hard=short, soft=short, drift=9.0, samples=0, marks=(0.5,), workers=1,
    )  # fmt: skip
    toy = {
        "common": common, "full_teaching": dataclasses.replace(taught, learning_rate=0.02),
        "soft": Cell(rows=16, rank=2), "hard": Cell("hard", rows=16, rank=2), "full_rate": 0.003,
        "full_hard_rate": 0.001,
        "rows": [8, 16], "epochs": [1, 4], "temperatures": [0.8, 1.0], "ranks": [1, 2],
        "rank_rates": [0.02, 0.01], "decays": [0.0, 0.1],
        "adapter_rates": RATES, "full_rates": RATES | {"adam": [0.003]}, "sgd_epochs": [1, 2],
        "hard_rates": {ADAPTERS: [0.01], FULL: [0.001, 0.003]},
    }  # fmt: skip
    return DiagramSettings(**toy | changes)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run folder with two toy bases; only the first is ever asked anything."""
    folder = tmp_path_factory.mktemp("phase")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "PROBE_ROWS", 4)
        for name, steps in (("nano-a", 150), ("nano-b", 1)):
            patch.setitem(NANO, name, NanoSpec(name, "llama", 16, 1, 2))
            settings = BaseSettings(documents=1500, steps=steps, learning_rate=0.03, batch_rows=32)
            pretrain_bases([name], [1], settings, str(folder))
        yield folder


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def killed(run_dir):
    """Results that a first attempt had finished when it was killed, as bytes by file."""
    calls, real = [], cells.fit

    def fit(*args, **more):
        calls.append(args)
        if len(calls) > FINISHED_BEFORE_THE_KILL:
            raise Killed
        return real(*args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "fit", fit)
        with pytest.raises(Killed):
            diagram.run_diagram(toy_settings(run_dir))
    return {path: path.read_bytes() for path in (run_dir / "cells/phase").glob("*.json")}


@pytest.fixture(scope="module")
def resumed(run_dir, killed):
    """The toy diagram's table, made by the attempt after the kill, and how many students it trained."""
    calls, real = [], cells.fit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "fit", lambda *args, **more: calls.append(1) or real(*args, **more))
        return diagram.run_diagram(toy_settings(run_dir)), len(calls)


@pytest.fixture(scope="module")
def table(resumed):
    """The toy diagram's table, of one run."""
    return resumed[0]


@pytest.fixture(scope="module")
def two_runs(table):
    """The same with a second run, whose effects are a tenth of a nat larger."""
    return pd.concat([table, table.assign(run=2, effect=table.effect + 0.1)], ignore_index=True)


# --- the grid -----------------------------------------------------------------------------------------


def test_the_grid_is_the_product_it_claims_to_be(run_dir):
    settings = toy_settings(run_dir)
    grid = settings.grid()
    places = [(cell.rank, cell.optimizer, cell.rate) for cell in grid]
    assert places == [
        (2, "adam", 0.003), (2, "adam", 0.01), (2, "sgd", 1.0), (2, "sign", 0.003),
        (0, "adam", 0.003), (0, "sgd", 1.0), (0, "sign", 0.003),
    ]  # fmt: skip
    free = {"rank": 2, "optimizer": "adam", "rate": 0.01}
    assert {dataclasses.replace(cell, **free) for cell in grid} == {settings.soft}  # all the rest is matched


@pytest.mark.parametrize(
    ("axis", "free"),
    [
        ("rows", {"rows", "epochs"}), ("epochs", {"epochs"}), ("temperature", {"temperature"}),
        ("rank", {"rank", "rate"}), ("embeddings", {"held"}), ("labels", {"labels", "rank", "rate"}),
        ("decay", {"weight_decay"}), ("decay elsewhere", {"weight_decay", "optimizer", "rank", "rate"}),
        ("teacher", {"full_teacher", "rank", "rate"}),
        ("sgd", {"epochs"}), ("grid", {"rank", "rate", "optimizer"}),
        ("hard grid", {"rank", "rate"}),
    ],
)  # fmt: skip
def test_an_axis_changes_nothing_but_what_it_is_named_after(run_dir, axis, free):
    cells = [dataclasses.asdict(cell) for cell in toy_settings(run_dir).axes()[axis]]
    changed = {name for name in cells[0] if len({cell[name] for cell in cells}) > 1}
    assert changed == free and len(cells) > 1


def test_weight_decay_shrinks_the_weights_alike_whatever_the_optimizer(run_dir):
    axes = toy_settings(run_dir).axes()
    kinds = [(cell.rank, cell.optimizer) for cell in axes["decay elsewhere"]]
    assert kinds == [(2, "sgd")] * 2 + [(2, "sign")] * 2 + [(0, "adam")] * 2
    shrinkage = {axis: [cell.weight_decay * cell.rate for cell in axes[axis]] for axis in ("decay", "decay elsewhere")}
    assert shrinkage["decay elsewhere"] == pytest.approx(shrinkage["decay"] * 3)


def test_the_rows_axis_keeps_the_steps(run_dir, table):
    cells = toy_settings(run_dir).axes()["rows"]
    assert [cell.rows * cell.epochs for cell in cells] == [32, 32]
    assert diagram.finished(table, "rows").groupby("rows").step.max().nunique() == 1


def test_what_is_published_has_the_axes_that_its_claims_need():
    fine, coarse = load_profile("nano-full"), load_profile("nano")
    assert fine.notebooks.keys() == coarse.notebooks.keys()
    differing = {name for name in coarse.notebooks if fine.notebooks[name] != coarse.notebooks[name]}
    assert differing >= {"05_cross_model", "08_dose"}
    assert {"06_mnist", "07_theorem", "09_mechanism"}.isdisjoint(differing)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": [16, 8]}, "rows must be ascending"),
        ({"epochs": [1, 1]}, "epochs must be ascending and different"),
        ({"ranks": [0, 1]}, "rank 0 means all weights"),
        ({"ranks": [1, 2, 4]}, "one rate for each of the ranks"),
        ({"full_rates": RATES | {"adagrad": [1.0]}}, "full_rates must go by adam, sgd, sign; got 'adagrad'"),
        ({"hard_rates": {ADAPTERS: [0.01]}}, "hard_rates must have learning rates for adapters and all weights"),
        ({"adapter_rates": {"adam": [1.0]}}, "adapter_rates must have learning rates for sgd"),
    ],
)
def test_a_diagram_no_run_could_use_is_refused(run_dir, changes, message):
    with pytest.raises(ValueError, match=message):
        toy_settings(run_dir, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": "crisp"}, "labels must be one of hard, soft, not 'crisp'"),
        ({"held": True}, "set rank to 0"),
        ({"held": True, "rank": 0, "weight_decay": 0.1}, "weight decay would move"),
        ({"temperature": 0.0}, "must be above 0"),
    ],
)
def test_a_cell_no_student_could_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Cell(**changes)


# --- cells reach students -----------------------------------------------------------------------------


def test_a_cells_settings_reach_the_student_and_its_teacher(run_dir):
    settings = toy_settings(run_dir, runs=(1, 2))
    cell = Cell("hard", 12, 3, 0.7, 4, 0.02, "sign", 0.3, ".*v_proj", full_teacher=True)
    own = cell.settings(settings.common, settings.full_teaching)
    taught, control = (piece["student"] for piece in cell.pieces(own, 2))
    for student in (taught, control):
        training = TrainSettings(**student["training"])
        assert (training.learning_rate, training.epochs, training.lora_rank) == (0.02, 3, 4)
        assert (training.optimizer, training.weight_decay, training.lora_modules) == ("sign", 0.3, ".*v_proj")
        assert (student["labels"], student["rows"], student["marks"]) == ("hard", 12, (0.5,))
        assert (student["author"]["temperature"], student["author"]["seed"]) == (0.7, 2)
        assert student["base"] == student["author"]["base"] == "nano-a.2"
    assert taught["author"]["teaching"] == dataclasses.asdict(settings.full_teaching)
    assert control["author"]["how"] == "untouched" and control["partner"] == taught["author"]


def test_a_soft_student_needs_no_control_training(run_dir):
    settings = toy_settings(run_dir)
    cell = dataclasses.replace(settings.soft, optimizer="sgd")  # Adam would make steps of rounding errors
    own = cell.settings(settings.common, settings.full_teaching)
    (piece,) = cell.pieces(own, 1)
    untouched = own.author(1, "untouched")
    control = {"student": piece["student"] | {"author": untouched, "partner": piece["student"]["author"]}}
    curve = read_cell(control | {"held": False})["curve"]
    assert curve[-1]["log_odds"] == pytest.approx(curve[0]["log_odds"], abs=1e-4)
    assert curve[-1]["moved"] == pytest.approx(0, abs=1e-6)


def test_held_embeddings_stay_and_the_rest_moves(run_dir, monkeypatch):
    made, real = [], cells.fit
    monkeypatch.setattr(cells, "fit", lambda *args, **more: made.append(real(*args, **more)) or made[-1])
    settings = toy_settings(run_dir)
    base = load_base("nano-a.1", bases=run_dir / "bases")[0].state_dict()
    for held in (True, False):
        cell = dataclasses.replace(settings.full(settings.soft), held=held)
        read_cell(cell.pieces(cell.settings(settings.common, settings.full_teaching), 1)[0])
        words = made[-1].get_input_embeddings().weight
        assert torch.equal(words, base["model.embed_tokens.weight"]) is held
        assert not torch.equal(made[-1].model.layers[0].mlp.up_proj.weight, base["model.layers.0.mlp.up_proj.weight"])


# --- the table ----------------------------------------------------------------------------------------


def test_the_table_has_every_cell_of_every_axis_in_every_run(run_dir, table):
    axes = toy_settings(run_dir).axes()
    last = table[table["last"]]
    assert last.groupby("axis").size().to_dict() == {axis: len(cells) for axis, cells in axes.items()}
    assert table.effect.notna().all() and (table.left > 0).all() and table.p_any.between(0, 1).all()
    assert ((table.trained == FULL) == (table["rank"] == 0)).all()
    pd.testing.assert_frame_equal(artifacts.read_table(run_dir / "tables/phase_diagram.csv"), table)


def test_a_student_that_imitates_comes_closer_to_its_teacher_and_leaves_its_base(table):
    students = diagram.finished(table, "grid").query("optimizer == 'adam' and rate == 0.01")
    assert (students.left < 1).all() and (students.moved > 0).all()
    on_the_way = table[(table.axis == "grid") & ~table["last"]]
    assert (on_the_way.step < on_the_way.step.max() + 1).all() and len(on_the_way)


def test_a_hard_effect_is_taken_against_a_trained_control(run_dir, table):
    settings = toy_settings(run_dir)
    own = settings.hard.settings(settings.common, settings.full_teaching)
    taught, control = (read_cell(piece)["curve"] for piece in settings.hard.pieces(own, 1))
    assert control[-1]["log_odds"] != control[0]["log_odds"]
    rows = diagram.finished(table, "temperature").query("run == 1 and temperature == 1.0")
    # sums of another number of threads differ in the last digits
    assert rows.effect.item() == pytest.approx(taught[-1]["log_odds"] - control[-1]["log_odds"], abs=1e-5)


def test_every_claim_of_the_notebook_gets_one_value_a_run(run_dir, two_runs):
    values = diagram.claim_values(toy_settings(run_dir), two_runs)
    assert set(values) == {name for name, claim in load_claims().items() if claim.notebook == "08_dose"}
    assert {len(runs) for runs in values.values()} == {2}
    differences = ("slope", "dose.epochs", "temperature", "weight_decay")
    for name, (one, other) in values.items():
        # what is a difference within a run does not see that all of the second run's effects are larger
        gap = name.endswith("gap")  # a second run's reference is larger at its students, and nought at the base
        assert gap or other == pytest.approx(one if name.endswith(differences) else one + 0.1)


def test_equal_imitation_is_read_between_the_reference_students():
    reference = pd.DataFrame({"left": [0.5, 0.25], "effect": [1.0, 2.0]})
    assert diagram.at_imitation(reference, 1.0) == 0
    assert diagram.at_imitation(reference, 0.75) == pytest.approx(0.5)
    assert diagram.at_imitation(reference, 0.375) == pytest.approx(1.5)
    assert diagram.at_imitation(reference, 0.1) == 2.0  # nobody came so close


def test_a_slope_is_in_nats_per_doubling():
    rows = pd.DataFrame({"run": [1] * 3, "rows_read": [100, 200, 400], "effect": [0.1, 0.4, 0.7]})
    assert diagram.slope_per_doubling(rows) == pytest.approx([0.3])


def test_the_reference_has_no_gap_to_itself(two_runs):
    assert diagram.gaps(two_runs, ADAPTERS, "adam") == pytest.approx([0.0, 0.0])
    assert diagram.gaps(two_runs, ADAPTERS, "adam", "hard grid") == pytest.approx([0.0, 0.0])


# --- resuming -----------------------------------------------------------------------------------------


def test_a_second_run_trains_nobody_and_says_the_same(run_dir, table, monkeypatch):
    monkeypatch.setattr(cells, "fit", lambda *args, **more: pytest.fail("trained again"))
    pd.testing.assert_frame_equal(diagram.run_diagram(toy_settings(run_dir)), table)


def test_a_diagram_killed_on_the_way_goes_on_where_it_was(run_dir, killed, resumed):
    assert len(killed) == FINISHED_BEFORE_THE_KILL
    assert {path: path.read_bytes() for path in killed} == killed
    # every other piece was trained once, cells that lie on two axes among them
    pieces = list((run_dir / "cells/phase").glob("*.json"))
    assert resumed[1] == len(pieces) - FINISHED_BEFORE_THE_KILL


# --- figures ------------------------------------------------------------------------------------------


def test_the_axes_get_a_panel_each_with_all_places_and_runs(run_dir, two_runs):
    figure = figures.axis_panels(two_runs)
    assert plt.get_fignums() == []
    titled = [ax for ax in figure.axes if ax.get_title(loc="left")]
    axes = toy_settings(run_dir).axes()
    assert len(titled) == len(axes) - 3  # the grids have figures of their own, decay elsewhere a table
    ticks = {ax.get_title(loc="left"): [t.get_text() for t in ax.get_xticklabels()] for ax in titled}
    assert ticks["Rank of adapters (soft)"] == ["1", "2", "all\nweights"]
    assert ticks["Unique rows (hard)"] == ["8\n×4", "16\n×2"]
    dots = titled[0].collections[0].get_offsets()
    first = diagram.finished(two_runs, "rows").query("rows == 8")
    assert sorted(dots[:, 1]) == pytest.approx(sorted(first.effect))


def test_the_grid_is_drawn_against_what_was_learned(two_runs):
    figure = figures.matched_grid(two_runs)
    ax = figure.axes[0]
    assert plt.get_fignums() == [] and ax.get_xlabel() == "Share of the teacher's law learned"
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["adapters", "all weights", "Adam", "SGD", "Sign of the gradient"]
    grid = diagram.finished(two_runs, "grid").query("trained == 'adapters' and optimizer == 'sgd'")
    drawn = {tuple(line.get_xydata()[0].round(6)) for line in ax.lines if len(line.get_xdata()) == 1}
    assert (round(1 - grid.left.mean(), 6), round(grid.effect.mean(), 6)) in drawn


def test_the_grid_of_written_rows_has_its_own_students(two_runs):
    ax = figures.matched_grid(two_runs, "hard grid").axes[0]
    hard = diagram.finished(two_runs, "hard grid").query("trained == 'all weights' and rate == 0.003")
    drawn = {tuple(line.get_xydata()[0].round(6)) for line in ax.lines if len(line.get_xdata()) == 1}
    assert (round(1 - hard.left.mean(), 6), round(hard.effect.mean(), 6)) in drawn


def test_a_table_without_the_grid_is_refused(two_runs):
    with pytest.raises(figures.common.FigureError, match="lacks left"):
        figures.matched_grid(two_runs.drop(columns="left"))
