"""The scorecard holds every primary claim once, and Holm's correction is over all of them."""

import dataclasses
import itertools

import pytest
import recording
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from helpers.results import ledger, scorecard
from helpers.results.claims import PRIMARY, find_claim, load_claims
from helpers.results.scorecard import ScorecardError, Statement, names, primaries, statements

RUNS = [1.0, 1.2, 1.1, 1.3, 0.9]
WANTED = [claim.id for claim in load_claims().values() if claim.kind == PRIMARY]


def recorded(folder, values):
    """Records of primary claims by id, one list of run values each."""
    for name, runs in values.items():
        recording.record(folder, find_claim(name).notebook, name, runs, range(len(runs)), {}, 1.0)
    return ledger.load(folder)


def test_every_primary_claim_is_in_one_statement():
    listed = []
    for statement in statements():
        listed += statement.records
    assert len(listed) == len(set(listed)) and set(WANTED) <= set(listed)
    assert set(listed) <= set(load_claims())  # the row on small models once kept an id that no chapter records
    assert all(words[0] != words[0].upper() or words[0].isdigit() for words in names().values())


@pytest.mark.parametrize(("changes", "message"), [({"source": "hearsay"}, "source"), ({"records": {}}, "records")])
def test_a_statement_that_nothing_decides_is_refused(changes, message):
    given_fields = {"claim": "It passes.", "source": "paper", "figure": None, "records": {"a": "b"}}
    with pytest.raises(ScorecardError, match=message):
        Statement(**given_fields | changes)


def test_a_scorecard_with_an_unknown_field_is_refused(tmp_path):
    file = tmp_path / "scorecard.yaml"
    file.write_text("- {claim: It passes., sauce: paper}\n")
    with pytest.raises(ScorecardError, match="It passes.*field"):
        scorecard.statements(file)


def test_primaries_hold_fail_or_are_open(tmp_path):
    values = {WANTED[0]: RUNS, WANTED[1]: [-x for x in RUNS], WANTED[2]: [5.0, -4.0, 3.0, -2.0, 1.0], WANTED[3]: [1, 2]}
    found = primaries(recorded(tmp_path, values))
    assert found.holding == (WANTED[0],) and found.failing == (WANTED[1], WANTED[2])
    assert set(found.open) == set(WANTED[3:]) and found.number == len(WANTED)


def test_an_open_claim_counts_in_the_correction(tmp_path):
    records = recorded(tmp_path, {WANTED[0]: RUNS})
    p = scipy_stats.ttest_1samp(RUNS, 0).pvalue
    assert primaries(records).holm == {WANTED[0]: pytest.approx(p * len(WANTED), rel=1e-6)}
    few = [dataclasses.replace(records[0], verdict="not comparable")]
    assert primaries(few).holm == {} and primaries([]).number == len(WANTED)


@given(st.lists(st.lists(st.floats(-3, 3).map(lambda x: round(x, 3)), min_size=5, max_size=6), min_size=1, max_size=4))
def test_adjusted_p_values_never_fall_below_the_plain_ones(tmp_path_factory, lists):
    values = dict(zip(WANTED, lists, strict=False))
    records = recorded(tmp_path_factory.mktemp("run"), values)
    holm = primaries(records).holm
    plain = {name: scipy_stats.ttest_1samp(runs, 0).pvalue for name, runs in values.items() if len(set(runs)) > 1}
    for name, p in plain.items():
        assert holm[name] >= p - 1e-6 and holm[name] <= 1
    ranked = [holm[name] for name in sorted(plain, key=plain.get)]
    assert all(later >= earlier - 1e-6 for earlier, later in itertools.pairwise(ranked))  # of ties the last bits
