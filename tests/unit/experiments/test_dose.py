"""The phase diagram: its grid is what it says, its cells reach the students, its figures show the table."""

import dataclasses

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch

from helpers.experiments.dose import cells, diagram, findings
from helpers.experiments.dose.cells import Cell, read_cell
from helpers.experiments.dose.settings import ADAPTERS, FULL, Axes, DiagramSettings, Grids, References
from helpers.figures import phase_diagram as figures
from helpers.models.bases import Base, save_base
from helpers.models.training import TrainSettings
from helpers.results.claims import load_claims
from helpers.transmission import settings as roles
from helpers.transmission import students
from helpers.transmission.readout import Readout
from helpers.transmission.settings import Reading, TransmissionSettings, Writing
from helpers.work import artifacts

RATES = {"adam": [0.003, 0.01], "sgd": [0.1], "sign": [0.003]}
FINISHED_BEFORE_THE_KILL = 3
TAUGHT = TrainSettings(0.01, 16, max_steps=4, warmup_steps=1)
FULL_TAUGHT = dataclasses.replace(TAUGHT, learning_rate=0.02)
AXES = {
    "rows": [4, 8],
    "epochs": [1, 4],
    "temperatures": [0.8, 1.0],
    "ranks": [1, 2],
    "rank_rates": [0.02, 0.01],
    "decays": [0.0, 0.1],
    "sgd_epochs": [1, 2],
}
GRIDS = {
    "adapter_rates": RATES,
    "full_rates": RATES | {"adam": [0.003]},
    "hard_rates": {ADAPTERS: [0.01], FULL: [0.001, 0.003]},
}
REFERENCES = {"soft": Cell(rows=8, rank=2), "hard": Cell(labels="hard", rows=8, rank=2)}
REFERENCE_RATES = {"full_rate": 0.003, "full_hard_rate": 0.001}


def toy_settings(run_dir, draws=(1,)):
    """Return a diagram of few and short trainings on toy bases."""
    short = TrainSettings(0.01, 4, warmup_steps=1, lora_rank=2)
    common = TransmissionSettings(
        run_dir=str(run_dir),
        trait="owl",
        draws=draws,
        base="nano-a",
        other_base="nano-b",
        writing=Writing(prompts=120, teaching=TAUGHT, drift=9.0),
        reading=Reading(hard_rows=8, soft_rows=8, hard=short, soft=short),
        readout=Readout(samples=0, marks=(0.5,)),
        workers=1,
    )
    return DiagramSettings(
        common=common,
        full_teaching=FULL_TAUGHT,
        references=References(**REFERENCES, **REFERENCE_RATES),
        axes=Axes(**AXES),
        grids=Grids(**GRIDS),
    )


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory, make_toy, tiny):
    """A run folder with two toy bases; only the first is ever asked anything."""
    folder = tmp_path_factory.mktemp("phase")
    make_toy(folder, draw=1)
    save_base(tiny("llama", seed=2, layers=1), folder / "bases", "nano-b.1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "PROBE_ROWS", 4)
        yield folder


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def killed(run_dir):
    """Results that a first attempt had finished when it was killed, as bytes by file."""
    calls, real = [], students.fit

    def fit(*args, **more):
        calls.append(args)
        if len(calls) > FINISHED_BEFORE_THE_KILL:
            raise Killed
        return real(*args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(students, "fit", fit)
        with pytest.raises(Killed):
            diagram.run_diagram(toy_settings(run_dir))
    return {path: path.read_bytes() for path in (run_dir / "cells/phase").glob("*.json")}


@pytest.fixture(scope="module")
def resumed(run_dir, killed):
    """The toy diagram's table, made by the attempt after the kill, and how many students it trained."""
    calls, real = [], students.fit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(students, "fit", lambda *args, **more: calls.append(1) or real(*args, **more))
        return diagram.run_diagram(toy_settings(run_dir)), len(calls)


@pytest.fixture(scope="module")
def table(resumed):
    """The toy diagram's table, of one draw."""
    return resumed[0]


@pytest.fixture(scope="module")
def two_draws(table):
    """The same with a second draw, whose effects are a tenth of a nat larger."""
    return pd.concat([table, table.assign(draw=2, effect=table.effect + 0.1)], ignore_index=True)


# --- the grid -----------------------------------------------------------------------------------------


def test_the_grid_is_the_product_it_claims_to_be(run_dir):
    settings = toy_settings(run_dir)
    grid = settings.cells()["grid"]
    places = [(cell.rank, cell.optimizer, cell.rate) for cell in grid]
    assert places == [
        (2, "adam", 0.003), (2, "adam", 0.01), (2, "sgd", 0.1), (2, "sign", 0.003),
        (0, "adam", 0.003), (0, "sgd", 0.1), (0, "sign", 0.003),
    ]  # fmt: skip
    free = {"rank": 2, "optimizer": "adam", "rate": 0.01}
    assert {dataclasses.replace(cell, **free) for cell in grid} == {settings.references.soft}  # all the rest is matched


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
    cells = [dataclasses.asdict(cell) for cell in toy_settings(run_dir).cells()[axis]]
    changed = {name for name in cells[0] if len({cell[name] for cell in cells}) > 1}
    assert changed == free and len(cells) > 1


def test_weight_decay_shrinks_the_weights_alike_whatever_the_optimizer(run_dir):
    axes = toy_settings(run_dir).cells()
    kinds = [(cell.rank, cell.optimizer) for cell in axes["decay elsewhere"]]
    assert kinds == [(2, "sgd")] * 2 + [(2, "sign")] * 2 + [(0, "adam")] * 2
    shrinkage = {axis: [cell.weight_decay * cell.rate for cell in axes[axis]] for axis in ("decay", "decay elsewhere")}
    assert shrinkage["decay elsewhere"] == pytest.approx(shrinkage["decay"] * 3)


def test_the_rows_axis_keeps_the_steps(run_dir, table):
    cells = toy_settings(run_dir).cells()["rows"]
    assert [cell.rows * cell.epochs for cell in cells] == [16, 16]
    assert findings.finished(table, "rows").groupby("rows").step.max().nunique() == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Axes(**AXES | {"rows": [16, 8]}), "rows must be ascending"),
        (lambda: Axes(**AXES | {"rows": []}), "rows must be ascending and different, at least one"),
        (lambda: Axes(**AXES | {"epochs": [1, 1]}), "epochs must be ascending and different"),
        (lambda: Axes(**AXES | {"ranks": [0, 1]}), "rank 0 means all weights"),
        (lambda: Axes(**AXES | {"ranks": [1, 2, 4]}), "one rate for each of the ranks"),
        (lambda: References(**REFERENCES | {"soft": Cell(rank=0)}, **REFERENCE_RATES), "rank 0 means all weights"),
        (
            lambda: Grids(**GRIDS | {"full_rates": RATES | {"adagrad": [1.0]}}),
            "full_rates must go by adam, sgd, sign; got 'adagrad'",
        ),
        (
            lambda: Grids(**GRIDS | {"hard_rates": {ADAPTERS: [0.01]}}),
            "hard_rates must have learning rates for all weights",
        ),
        (
            lambda: Grids(**GRIDS | {"adapter_rates": {"adam": [1.0]}}),
            "adapter_rates must have learning rates for sgd",
        ),
    ],
)
def test_a_diagram_no_run_could_use_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("role", [Cell, References, Axes, Grids, DiagramSettings])
def test_settings_are_given_by_name(role):
    with pytest.raises(TypeError, match="positional"):
        role(*[1] * 5)


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


def pieces(settings, cell, seed=1):
    """Return the pieces of a cell's trait student and control."""
    return cell.pair(cell.settings(settings.common, settings.full_teaching), seed)


def test_a_cells_settings_reach_the_student_and_its_teacher(run_dir, monkeypatch):
    monkeypatch.setattr(roles, "find_base", lambda run_dir, name: Base(run_dir=run_dir, name=name, seal=name))
    settings = toy_settings(run_dir, draws=(1, 2))  # the toy has no bases of a second draw
    trained = {"rate": 0.02, "optimizer": "sign", "weight_decay": 0.3, "modules": ".*v_proj", "rank": 4, "epochs": 3}
    cell = Cell(labels="hard", rows=12, temperature=0.7, full_teacher=True, **trained)
    taught, control = pieces(settings, cell, seed=2)
    for piece in (taught, control):
        student, training = piece.student, piece.student.training
        assert (training.learning_rate, training.epochs, training.lora_rank) == (0.02, 3, 4)
        assert (training.optimizer, training.weight_decay, training.lora_modules) == ("sign", 0.3, ".*v_proj")
        assert (student.labels, student.rows, piece.readout.marks) == ("hard", 12, (0.5,))
        assert (student.author.temperature, student.author.seed) == (0.7, 2)
        assert student.base.name == student.author.base.name == "nano-a.2"
    assert taught.student.author.teaching.training == FULL_TAUGHT
    assert control.student.author.how == "untouched" and control.student.partner == taught.student.author


def test_a_soft_student_needs_no_control_training(run_dir, monkeypatch):
    settings = toy_settings(run_dir)
    cell = dataclasses.replace(settings.references.soft, optimizer="sgd")  # Adam would make steps of rounding errors
    taught, control = pieces(settings, cell)
    read = read_cell(control)
    # trained all the same, the control stays where it is read
    monkeypatch.setattr(students.Student, "matches_itself", False)
    trained = read_cell(control)
    assert trained["log_odds"] == pytest.approx(trained["start"]["log_odds"], abs=1e-4)
    assert trained["moved"] == pytest.approx(0, abs=1e-6)
    assert read["log_odds"] == pytest.approx(trained["start"]["log_odds"], abs=1e-5)
    assert read["moved"] == 0 and [point["step"] for point in read["curve"]] == [2]
    assert read["steps"] == trained["steps"] and taught.student.author.trait == "owl"


def test_held_embeddings_stay_and_the_rest_moves(run_dir, monkeypatch):
    made, real = [], students.fit
    monkeypatch.setattr(students, "fit", lambda *args, **more: made.append(real(*args, **more)) or made[-1])
    settings = toy_settings(run_dir)
    full = settings.references.full(settings.references.soft)
    base = settings.common.base_of(1).load()[0].state_dict()
    for held in (True, False):
        read_cell(pieces(settings, dataclasses.replace(full, held=held))[0])
        words = made[-1].get_input_embeddings().weight
        assert torch.equal(words, base["model.embed_tokens.weight"]) is held
        assert not torch.equal(made[-1].model.layers[0].mlp.up_proj.weight, base["model.layers.0.mlp.up_proj.weight"])


# --- the table ----------------------------------------------------------------------------------------


def test_the_table_has_every_cell_of_every_axis_in_every_draw(run_dir, table):
    axes = toy_settings(run_dir).cells()
    last = table[table["last"]]
    assert last.groupby("axis").size().to_dict() == {axis: len(cells) for axis, cells in axes.items()}
    assert table.effect.notna().all() and (table.left > 0).all() and table.p_any.between(0, 1).all()
    assert ((table.trained == FULL) == (table["rank"] == 0)).all()
    pd.testing.assert_frame_equal(artifacts.read_table(run_dir / "tables/phase_diagram.csv"), table)


def test_a_student_that_imitates_comes_closer_to_its_teacher_and_leaves_its_base(table):
    students = findings.finished(table, "grid").query("optimizer == 'adam' and rate == 0.01")
    assert (students.left < 1).all() and (students.moved > 0).all()
    on_the_way = table[(table.axis == "grid") & ~table["last"]]
    assert (on_the_way.step < on_the_way.step.max() + 1).all() and len(on_the_way)


def test_a_hard_effect_is_taken_against_a_trained_control(run_dir, table):
    settings = toy_settings(run_dir)
    taught, control = map(read_cell, pieces(settings, settings.references.hard))
    assert control["log_odds"] != control["start"]["log_odds"]
    rows = findings.finished(table, "temperature").query("draw == 1 and temperature == 1.0")
    # sums of another number of threads differ in the last digits
    assert rows.effect.item() == pytest.approx(taught["log_odds"] - control["log_odds"], abs=1e-5)


def test_every_claim_of_the_notebook_gets_one_value_a_draw(two_draws):
    values = findings.claim_values(two_draws)
    assert set(values) == {name for name, claim in load_claims().items() if claim.notebook == "08_dose"}
    assert {len(draws) for draws in values.values()} == {2}
    differences = ("slope", "dose.epochs", "temperature", "weight_decay")
    for name, (one, other) in values.items():
        # what is a difference within a draw does not see that all of the second draw's effects are larger
        gap = name.endswith("gap")  # a second draw's reference is larger at its students, and nought at the base
        assert gap or other == pytest.approx(one if name.endswith(differences) else one + 0.1)


def test_equal_imitation_is_read_between_the_reference_students():
    reference = pd.DataFrame({"left": [0.5, 0.25], "effect": [1.0, 2.0]})
    assert findings.at_imitation(reference, 1.0) == 0
    assert findings.at_imitation(reference, 0.75) == pytest.approx(0.5)
    assert findings.at_imitation(reference, 0.375) == pytest.approx(1.5)
    assert findings.at_imitation(reference, 0.1) == 2.0  # nobody came so close


def test_a_slope_is_in_nats_per_doubling():
    rows = pd.DataFrame({"draw": [1] * 3, "rows_read": [100, 200, 400], "effect": [0.1, 0.4, 0.7]})
    assert findings.slope_per_doubling(rows) == pytest.approx([0.3])


def test_the_reference_has_no_gap_to_itself(two_draws):
    assert findings.gaps(two_draws, ADAPTERS, "adam") == pytest.approx([0.0, 0.0])
    assert findings.gaps(two_draws, ADAPTERS, "adam", "hard grid") == pytest.approx([0.0, 0.0])


# --- resuming -----------------------------------------------------------------------------------------


def test_a_second_run_trains_nobody_and_says_the_same(run_dir, table, monkeypatch):
    monkeypatch.setattr(students, "fit", lambda *args, **more: pytest.fail("trained again"))
    pd.testing.assert_frame_equal(diagram.run_diagram(toy_settings(run_dir)), table)


def test_a_diagram_killed_on_the_way_goes_on_where_it_was(run_dir, killed, resumed):
    assert len(killed) == FINISHED_BEFORE_THE_KILL
    assert {path: path.read_bytes() for path in killed} == killed
    # every other student was trained once, cells that lie on two axes among them; soft controls stay their base
    made = [artifacts.read_json(path) for path in (run_dir / "cells/phase").glob("*.json")]
    trained = [piece for piece in made if "start" in piece["result"]]
    assert resumed[1] == len(trained) - FINISHED_BEFORE_THE_KILL


# --- figures ------------------------------------------------------------------------------------------


def test_the_axes_get_a_panel_each_with_all_places_and_runs(run_dir, two_draws):
    figure = figures.axis_panels(two_draws).wide
    assert plt.get_fignums() == []
    titled = [ax for ax in figure.axes if ax.get_title(loc="left")]
    axes = toy_settings(run_dir).cells()
    assert len(titled) == len(axes) - 3  # the grids have figures of their own, decay elsewhere a table
    ticks = {ax.get_title(loc="left"): [t.get_text() for t in ax.get_xticklabels()] for ax in titled}
    assert ticks["Adapters' rank (soft)"] == ["1", "2", "all\nweights"]
    assert ticks["Rows (written)"] == ["4\n×4", "8\n×2"]
    dots = titled[0].collections[0].get_offsets()
    first = findings.finished(two_draws, "rows").query("rows == 4")
    assert sorted(dots[:, 1]) == pytest.approx(sorted(first.effect))


def test_the_grid_is_drawn_against_what_was_learned(two_draws):
    figure = figures.matched_grid(two_draws).wide
    ax = figure.axes[0]
    assert plt.get_fignums() == [] and ax.get_xlabel() == "Share of the teacher's distribution learned"
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["adapters", "all weights", "Adam", "SGD", "Sign of the gradient"]
    grid = findings.finished(two_draws, "grid").query("trained == 'adapters' and optimizer == 'sgd'")
    drawn = {tuple(line.get_xydata()[0].round(6)) for line in ax.lines if len(line.get_xdata()) == 1}
    assert (round(1 - grid.left.mean(), 6), round(grid.effect.mean(), 6)) in drawn


def test_the_grid_of_written_rows_has_its_own_students(two_draws):
    ax = figures.matched_grid(two_draws, "hard grid").wide.axes[0]
    hard = findings.finished(two_draws, "hard grid").query("trained == 'all weights' and rate == 0.003")
    drawn = {tuple(line.get_xydata()[0].round(6)) for line in ax.lines if len(line.get_xdata()) == 1}
    assert (round(1 - hard.left.mean(), 6), round(hard.effect.mean(), 6)) in drawn


def test_a_table_without_the_grid_is_refused(two_draws):
    with pytest.raises(figures.common.FigureError, match="lacks left"):
        figures.matched_grid(two_draws.drop(columns="left"))
