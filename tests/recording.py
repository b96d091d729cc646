"""One claim recorded by itself, for tests that need a ledger; a chapter files all of its claims at once."""

from pathlib import Path

from helpers.results import ledger


def record(run_dir, notebook, *claim, **given):
    """Measure a claim as `ledger.measured` does, file it in a run, and return the record as it was judged there."""
    made = ledger.measured(notebook, *claim, **given)
    return ledger.file_records(Path(run_dir), notebook, [made])[0]
