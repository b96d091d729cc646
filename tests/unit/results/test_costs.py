"""What values took is told of all their draws, or of none."""

import json

import pytest
from hosts import ROOT

from helpers.results.costs import joined_seconds


@pytest.mark.parametrize(
    "here, before, taken, known, expected",
    [
        (7.0, 50.0, [], [1, 2], 7.0),  # all computed here
        (0.0, 50.0, [1, 2], [1, 2], 50.0),  # all published
        (7.0, 50.0, [1], [1, 2], 32.0),  # one in place of a published one
        (7.0, 50.0, [1, 2], [1, 2], 57.0),  # new ones beside them
        (7.0, None, [1], [1, 2], None),
        (7.0, 50.0, [1], [], None),
    ],
)
def test_seconds_of_published_draws_join_those_computed_here(here, before, taken, known, expected) -> None:
    assert joined_seconds(here, before, taken, known) == expected


@pytest.mark.parametrize("profile", ["nano", "real-cpu"])
def test_no_published_record_claims_to_have_taken_no_time(profile: str) -> None:
    folder = ROOT / "results" / profile
    entries = json.loads((folder / "ledger.json").read_text())
    assert not [entry["id"] for entry in entries if entry["seconds"] == 0]
