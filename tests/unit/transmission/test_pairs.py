"""Pairs: who is compared with whom, and how the effect is told."""

import pytest

from helpers.transmission.pairs import ReadPair, effect_row, run_pairs, total_seconds
from helpers.work.artifacts import Store


def made(odds, **more):
    """Return a read-out."""
    read = {"log_odds": odds, "log_odds/cat": -odds, "p_target": odds / 10, "p_any": 0.9, "rows": 4, "seconds": 1.0}
    return read | more


def test_the_effect_is_student_minus_control():
    read = ReadPair(made(3.0), made(1.0, p_any=0.5, rows=5))
    assert read.effect == 2.0 and read.effect_on("cat") == -2.0 and read.seconds == 2.0
    assert effect_row(read) == {"rows": 4, "effect": 2.0, "p_target": 0.3, "p_control": 0.1, "p_any": 0.5}
    swapped = ReadPair(read.control, read.student)
    assert swapped.effect == -2.0 and total_seconds([read, swapped]) == 4.0


@pytest.mark.parametrize("worse", [0, 1])
def test_the_health_of_a_pair_is_that_of_the_weaker(worse):
    both = [made(1.0, p_any=0.9), made(1.0, p_any=0.9)]
    both[worse]["p_any"] = 0.01
    assert effect_row(ReadPair(*both))["p_any"] == 0.01


@pytest.fixture(autouse=True)
def code(monkeypatch):
    """Let this module's work be keyed, which is not part of the package."""
    monkeypatch.setattr("helpers.work.pieces.source_key", lambda module: "one version of the code")


def echo(piece):
    """Return the piece, as a piece of work."""
    return {"log_odds": piece["odds"], "name": piece["name"]}


def test_pairs_come_back_as_pairs_in_their_order(tmp_path):
    pairs = [({"odds": n, "name": f"student {n}"}, {"odds": -n, "name": f"control {n}"}) for n in (1, 2, 3)]
    reads = run_pairs(echo, pairs, Store(tmp_path), kind="echo", workers=1, label="")
    assert [(read.student["name"], read.control["name"]) for read in reads] == [
        (f"student {n}", f"control {n}") for n in (1, 2, 3)
    ]
    assert [read.effect for read in reads] == [2, 4, 6]


def test_a_control_that_two_pairs_share_is_computed_once(tmp_path):
    shared = {"odds": 0, "name": "control"}
    run_pairs(
        echo, [({"odds": n, "name": "s"}, shared) for n in (1, 2)], Store(tmp_path), kind="echo", workers=1, label=""
    )
    assert len(list((tmp_path / "echo").iterdir())) == 3


def test_a_mark_on_the_last_step_counts_once():
    curve = [{"log_odds": 1.0, "step": 1}, {"log_odds": 2.0, "step": 2}]
    student = {"log_odds": 2.0, "rows": 8, "curve": curve}
    control = {"log_odds": 0.5, "rows": 8, "curve": [{"log_odds": 0.5, "step": step} for step in (1, 2)]}
    read = ReadPair(student, control)
    assert [(step, point.effect) for step, point in read.points(2)] == [(1, 0.5), (2, 1.5)]
    assert [step for step, _ in read.points(3)] == [1, 2, 3]
    plain = ReadPair({"log_odds": 2.0}, {"log_odds": 1.0})
    assert [(step, point.effect) for step, point in plain.points(4)] == [(4, 1.0)]
