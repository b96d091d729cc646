"""The first screen: which run this is, and every primary claim that fails, by name."""

import dataclasses

import pytest
import recording

from helpers.book.evidence import UNTESTED, Evidence, failed_primaries, scorecard
from helpers.results import ledger
from helpers.results.claims import find_claim
from helpers.results.runs import RUNS_FILE

PROMPTED, HARD, CODE = "owl.numbers.system_prompt", "owl.numbers.hard.same_init", "misalignment.code.same_init"
RUNS = [1.0, 1.2, 1.1, 1.3, 0.9]


@pytest.fixture
def folder(tmp_path):
    """results/<profile> with two reference runs."""
    lines = ["- {number: 7, draws: [701, 705], bases: each draw}", "- {number: 8, draws: [801, 806], bases: each draw}"]
    (tmp_path / RUNS_FILE).write_text("\n".join(lines))
    return tmp_path


def recorded(folder, values, first=801):
    """Records by claim and run values, of draws from `first` on."""
    for name, runs in values.items():
        seeds = range(first, first + len(runs))
        recording.record(folder / "run", find_claim(name).notebook, name, runs, seeds, {}, 1.0)
    return ledger.load(folder / "run")


def test_the_run_and_how_many_of_its_draws(folder):
    assert Evidence(recorded(folder, {HARD: RUNS}), folder).words()["run"] == (
        "eighth reference run, 5 of 6 draws so far (of 801 to 806)"
    )
    records = recorded(folder, {HARD: [*RUNS, 1.0], CODE: RUNS[:3]})
    assert "3 of 6 draws" in Evidence(records, folder).run()
    assert Evidence(records, folder / "none").run() == "no reference run"


def test_chapters_of_an_earlier_run_say_so(folder):
    recorded(folder, {HARD: RUNS, "mnist.teacher": RUNS})
    records = recorded(folder, {CODE: RUNS}, first=701)
    # digit networks have seeds of their own
    digits = [dataclasses.replace(r, seeds=(0, 1, 2, 3, 4)) if r.id == "mnist.teacher" else r for r in records]
    assert Evidence(digits, folder).earlier_chapters() == "Rows of an earlier run: 03_misalignment_code (seventh)."
    assert Evidence(recorded(folder / "all", {CODE: RUNS}, first=701), folder).earlier_chapters() == ""


def test_every_primary_claim_that_fails_is_named(folder):
    records = recorded(folder, {HARD: RUNS, PROMPTED: [-x for x in RUNS], CODE: [5.0, -4.0, 3.0, -2.0, 1.0]})
    told = failed_primaries(records, Evidence(records, folder).runs)
    assert told.startswith("Of 11 primary claims, chosen before the eighth run, 1 replicate (1 of them also after Holm")
    assert "**Not replicated:** the owl of a teacher that is only prompted, written numbers, \N{MINUS SIGN}1.10" in told
    assert "**Replicated in the mean only:** misalignment through code, +0.60" in told
    assert "Not measured on draws enough: the owl, soft labels of numbers;" in told
    assert "None of the 11" in failed_primaries([]) and "chosen beforehand" in failed_primaries(records)


def test_the_scorecard_says_what_is_not_tested_yet(folder):
    table = scorecard(recorded(folder, {PROMPTED: [-x for x in RUNS]}))
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    place = next(place for place, row in enumerate(rows) if "by a system prompt" in row)
    assert rows[place].endswith("{.verdict .does-not-replicate} (primary) |")
    assert "*p*\N{NO-BREAK SPACE}=" in rows[place]
    assert rows[place + 1].startswith("|  | the same, other start: ") and UNTESTED in rows[place + 1]
    press = [row for row in rows if "(press)" in row]
    assert len(press) == 2 and all(UNTESTED in row for row in press)
    assert {row.count(" | ") for row in rows if not row.startswith("| :--")} == {3}
