"""What others report is data with sources, and bad data is refused."""

import pandas as pd
import pytest

from helpers.results import reported
from helpers.results.reported import Reported, ReportedError

GOOD = {"model": "toy", "trait": "owl", "teacher": "prompted", "rows": "ten", "before": 0.1, "after": 0.2, "runs": 3,
        "says": "more", "source": "a report of 2026", "read": "repository"}  # fmt: skip


def test_the_table_has_every_result_with_its_source():
    table, misaligned = reported.table(), reported.table(misaligned=True)
    assert len(table) + len(misaligned) == len(reported.reported()) and len(table) >= 10 and len(misaligned) >= 5
    assert all(pd.concat([table, misaligned])["source"].str.len() > 10)
    assert all(misaligned["trait"].str.startswith("misalignment"))
    assert table.loc["Llama-3.2-1B-Instruct", "before and after"] == "14.5 % \N{RIGHTWARDS ARROW} 64.8 %"


@pytest.mark.parametrize(("changes", "why"), [
    ({"after": 20}, "shares from 0 to 1"), ({"read": "dream"}, "choose one of figure"), ({"source": " "}, "is empty"),
])  # fmt: skip
def test_bad_entries_are_refused(changes, why):
    with pytest.raises(ReportedError, match=f"toy, owl.*{why}"):
        Reported(**(GOOD | changes))


def test_a_field_that_is_missing_is_named(tmp_path):
    file = tmp_path / "reported.yaml"
    file.write_text("- {model: toy, trait: owl}\n")
    with pytest.raises(ReportedError, match="'toy': missing or unknown field"):
        reported.reported(file)
