"""The chart of all reference runs: a panel a headline claim, a line a run, hollow where runs shared their bases."""

from pathlib import Path

import recording

from helpers.figures import palette, runs
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
    figure = runs.forest(table, reference_runs(NANO)).wide
    shared = {run.number for run in reference_runs(NANO) if run.bases == "one pair"}
    for ax, name in zip(figure.axes, runs.HEADLINES, strict=True):
        own = table[table["id"] == name]
        means = [line for line in ax.lines if line.get_marker() == "o"]
        assert [line.get_xdata()[0] for line in means] == own["value"].tolist()
        assert sum(line.get_markerfacecolor() == palette.PAPER for line in means) == own["run"].isin(shared).sum()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][0] == "run 1"


def test_an_interval_that_leaves_out_zero_has_the_colour_of_its_sign():
    table = found()
    (first, *_) = runs.forest(table, reference_runs(NANO)).wide.axes
    own = table[table["id"] == next(iter(runs.HEADLINES))]
    expected = [palette.sign_colour(row.low, row.high) for row in own.itertuples()]
    assert [line.get_color() for line in first.lines if line.get_marker() == "o"] == expected
    signs = [palette.sign_colour(*ends) for ends in ((1, 2), (-1, 2), (-2, -1))]
    assert signs == [palette.PLUM, palette.GREY, palette.TEAL]


def test_a_build_of_no_reference_run_stands_alone(tmp_path):
    recording.record(tmp_path, "01_owl_transfer", "owl.numbers.soft.same_init", [1.0, 2.0], [1, 2], {}, 1.0)
    table = found_by_run(tmp_path / "none", ledger.load(tmp_path), [])
    figure = runs.forest(table, []).wide
    assert figure.axes[0].get_yticklabels()[0].get_text() == "this build"
