"""The chart of all reference runs: a panel a headline claim, a line a run, hollow where runs shared their bases."""

from pathlib import Path

from helpers.figures import common, runs
from helpers.results import ledger
from helpers.results.claims import find_claim
from helpers.results.runs import found_by_run, reference_runs

NANO = Path(__file__).parents[3] / "results/nano"


def found():
    """What all runs found, with the published records."""
    return found_by_run(NANO, ledger.load(NANO), reference_runs(NANO))


def test_headlines_are_claims_in_nats():
    assert {find_claim(name).unit for name in runs.HEADLINES} == {"nats"}


def test_every_run_has_its_mean_in_every_panel():
    table = found()
    figure = runs.forest(table, reference_runs(NANO))
    shared = {run.number for run in reference_runs(NANO) if run.bases == "one pair"}
    for ax, name in zip(figure.axes, runs.HEADLINES, strict=True):
        own = table[table["id"] == name]
        means = [line for line in ax.lines if line.get_marker() == "o"]
        assert [line.get_xdata()[0] for line in means] == own["value"].tolist()
        assert sum(line.get_markerfacecolor() == "white" for line in means) == own["run"].isin(shared).sum()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][0] == "run 1"


def test_the_same_runs_give_the_same_bytes(tmp_path):
    for name in ("a.svg", "b.svg"):
        runs.save_runs(found(), reference_runs(NANO), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_build_of_no_reference_run_stands_alone(tmp_path):
    ledger.record(tmp_path, "01_owl_transfer", "owl.numbers.soft.same_init", [1.0, 2.0], [1, 2], {}, 1.0)
    table = found_by_run(tmp_path / "none", ledger.load(tmp_path), [])
    with common.house_style():
        figure = runs.forest(table, [])
    assert figure.axes[0].get_yticklabels()[0].get_text() == "this build"
