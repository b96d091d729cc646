"""Take what earlier reference runs found from the repository's history: results/nano/earlier_runs.csv.

Each run of results/nano/runs.yaml that has a commit left its ledger there. Ids of claims never changed their meaning;
claims that are given up today are kept in the table and left out when it is read. Needs the full history:
`python benchmarks/earlier_runs.py` in the repository.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pandas as pd

from helpers.results.runs import COLUMNS, EARLIER, ReferenceRun, reference_runs

FOLDER = Path("results/nano")


def main() -> None:
    """Write the table anew."""
    rows = []
    for run in reference_runs(FOLDER):
        if run.commit:
            rows += found_in(run)
    table = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values(["run", "id"])
    table.to_csv(FOLDER / EARLIER, index=False, float_format="%.6g", lineterminator="\n")


def found_in(run: ReferenceRun) -> list[tuple[object, ...]]:
    """Return one row a record of the ledger that was published with `run`."""
    shown = subprocess.run(
        ["git", "show", f"{run.commit}:{FOLDER.as_posix()}/ledger.json"], check=True, capture_output=True, text=True
    )
    rows = []
    for entry in json.loads(shown.stdout):
        low, high = entry["ci"]
        seeds = f"{entry['seeds'][0]} to {entry['seeds'][-1]}"
        numbers = (entry["value"], low, high, entry["n_runs"])
        rows.append((run.number, run.day, run.commit, seeds, entry["id"], *numbers))
    return rows


if __name__ == "__main__":
    main()
