"""Reference runs: which seeds belong to which, and how much changed from one to the next."""

from pathlib import Path

import pandas as pd
import pytest
import recording
from hypothesis import given
from hypothesis import strategies as st

from helpers.results import ledger, runs
from helpers.results.claims import load_claims
from helpers.results.published import Chapter
from helpers.results.runs import COLUMNS, ReferenceRun, RunsError, found_by_run, in_words, reference_runs, run_of
from helpers.work.artifacts import read_table

NANO = Path(__file__).parents[3] / "results/nano"
OWL, CROSS = "owl.numbers.hard.same_init", "owl.numbers.hard.cross_init"
RUNS = [
    ReferenceRun(number=7, draws=(701, 708), bases="each draw", day="25 November 2026", commit="abc"),
    ReferenceRun(number=8, draws=(801, 816), few=(801, 808), bases="each draw"),
]


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        (range(801, 817), "eighth reference run, draws 801 to 816"),
        ([*range(801, 817), 999], "eighth reference run, draws 801 to 816"),
        ([801, 802], "eighth reference run, 2 of 16 draws so far (of 801 to 816)"),
        (range(701, 709), "seventh reference run, draws 701 to 708"),
        ([1, 2], "no reference run"),
    ],
)
def test_a_run_is_told_by_its_seeds(seeds, words):
    assert in_words(seeds, RUNS) == words


def test_a_profile_without_a_list_has_no_reference_run(tmp_path):
    assert reference_runs(tmp_path) == [] and run_of([801], []) is None


@pytest.mark.parametrize(
    "text", ["- {number: 9, draws: [901], bases: each draw}", "- {number: 9, draws: [902, 901], bases: each draw}",
             "- {number: 9, draws: [901, 902], bases: none}", "- {number: 9, bases: each draw}",
             "- {number: 9, draws: [901, 902], bases: each draw, seed: 1}"]
)  # fmt: skip
def test_a_badly_written_run_is_refused(tmp_path, text):
    (tmp_path / runs.RUNS_FILE).write_text(text)
    with pytest.raises(RunsError):
        reference_runs(tmp_path)


def test_a_chapter_of_an_earlier_run_says_so(tmp_path):
    lines = ["- {number: 7, draws: [701, 708], bases: each draw}", "- {number: 8, draws: [801, 816], bases: each draw}"]
    (tmp_path / runs.RUNS_FILE).write_text("\n".join(lines))
    for draws, words in (((701, 702), ", of the seventh reference run"), ((801,), ""), ((701, 801), ""), ((), "")):
        assert runs.earlier_run(tmp_path, draws) == words
    chapter = Chapter("x", tmp_path, tmp_path, (701, 702), (701,))
    assert repr(chapter).endswith("702, of the seventh reference run.")


def table(*rows):
    """What runs found: (run, id, value, low, high, n)."""
    full = [(run, "", "", "", name, value, low, high, n) for run, name, value, low, high, n in rows]
    return pd.DataFrame(full, columns=list(COLUMNS))


def test_changes_count_verdicts_by_todays_rule_and_means_outside():
    found = table(
        (1, OWL, 3.0, 1.0, 5.0, 5), (1, CROSS, 0.5, 0.2, 0.8, 5), (1, "owl.given.up", 0, 0, 0, 5),
        (2, OWL, 2.9, 1.0, 5.0, 5), (2, CROSS, 0.9, 0.85, 0.95, 5), (2, "owl.given.up", 9, 9, 9, 5),
        (3, OWL, 0.5, -1.0, 2.0, 5), (3, CROSS, 0.9, 0.85, 0.95, 5),
    )  # fmt: skip
    first, second = runs.changes(found).to_dict("records")
    # 0.5 and 0.9 lie within a third of about 3; where the owl is not above 0, nothing can be compared with it
    assert (first["claims"], first["verdicts_changed"], first["means"], first["outside"]) == (2, 0, 2, 1)
    assert (second["claims"], second["verdicts_changed"], second["means"], second["outside"]) == (2, 2, 2, 1)
    assert 0 < first["expected"] < 1


@given(st.integers(2, 40))
def test_about_one_mean_in_six_falls_outside_by_chance(n):
    alone = runs._chance_outside(n, n)
    assert 0.06 < alone < 0.17
    assert alone > runs._chance_outside(n, 100 * n) > 0.04


def test_the_records_of_a_build_take_the_place_of_their_run(tmp_path):
    rows = [",".join(COLUMNS), f"7,d,c,701 to 708,{OWL},1,0,2,8", f"6,d,c,601 to 608,{OWL},2,1,3,8"]
    (tmp_path / runs.EARLIER).write_text("\n".join(rows) + "\n")
    recording.record(tmp_path / "run", "01_owl_transfer", OWL, [4.0, 5.0], [701, 702], {}, 1.0)
    records = ledger.load(tmp_path / "run")
    found = found_by_run(tmp_path, records, RUNS)
    assert found[["run", "value", "n"]].to_numpy().tolist() == [[6, 2, 8], [7, 4.5, 2]]
    assert list(found_by_run(tmp_path / "none", records, []).run) == [0]


def test_the_table_of_earlier_runs_is_of_the_runs_listed():
    earlier, listed = read_table(NANO / runs.EARLIER), reference_runs(NANO)
    assert list(earlier.columns) == list(COLUMNS)
    commits = dict(zip(earlier.run, earlier.commit, strict=True))
    assert commits == {run.number: run.commit for run in listed if run.commit}
    assert [run.number for run in listed] == list(range(1, len(listed) + 1))
    assert {OWL, "misalignment.numbers.same_init", "crossmodel.diagonal"} <= set(earlier[earlier.run == 7].id)
    assert not earlier.duplicated(["run", "id"]).any()
    known = earlier[earlier.id.isin(load_claims())]
    assert (known.low <= known.value).all() and (known.value <= known.high).all()
