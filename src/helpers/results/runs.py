"""The reference runs of a profile: which seeds were fixed for each, what the earlier ones found, what changed since.

Design choices:
- The runs are data (results/<profile>/runs.yaml), written by hand before the first row of a run.
- What earlier runs found is one table (earlier_runs.csv), taken from the ledgers of the repository's history. All of it
  is judged by today's rule: the words and margins of verdicts changed on the way, the numbers did not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scipy import stats as scipy_stats

from helpers.results.claims import BROKEN, HOLDS, load_claims, settle, verdict
from helpers.results.records import Record
from helpers.work.artifacts import read_table
from helpers.work.errors import CurableError
from helpers.work.strict_yaml import load_yaml

if TYPE_CHECKING:
    import pandas as pd

RUNS_FILE, EARLIER = "runs.yaml", "earlier_runs.csv"
COLUMNS = ("run", "date", "commit", "seeds", "id", "value", "low", "high", "n")
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
_BASES = ("one pair", "each draw")


class RunsError(CurableError, ValueError):
    """The list of reference runs is badly written; the message names the run and the field."""


@dataclass(frozen=True, kw_only=True)
class ReferenceRun:
    """One reference run, as written in runs.yaml: `draws` and `few` are first and last seed."""

    number: int
    draws: tuple[int, int]
    bases: str
    few: tuple[int, int] | None = None
    day: str = ""
    commit: str = ""

    def __post_init__(self) -> None:
        """Refuse seeds that are not a first and a last one, and bases that are neither shared nor new."""
        for span in filter(None, (self.draws, self.few)):
            if len(span) != 2 or span[0] > span[1]:
                raise RunsError(f"run {self.number}: draws are [first, last], such as [801, 816], not {list(span)}")
        if self.bases not in _BASES:
            raise RunsError(f"run {self.number}: bases is {self.bases!r}; choose one of {', '.join(_BASES)}")

    @property
    def name(self) -> str:
        """Return what the run is called, such as "eighth"."""
        return _ORDINALS[self.number - 1] if self.number <= len(_ORDINALS) else f"{self.number}th"

    @property
    def planned(self) -> int:
        """Return how many draws the run was planned with."""
        return self.draws[1] - self.draws[0] + 1

    def those_of(self, seeds: Iterable[int]) -> list[int]:
        """Return those of `seeds` that are draws of this run, ascending."""
        return sorted(seed for seed in set(seeds) if self.draws[0] <= seed <= self.draws[1])


def reference_runs(folder: Path) -> list[ReferenceRun]:
    """Return the reference runs of results/<profile>, oldest first; none where the profile has no list of them."""
    file = folder / RUNS_FILE
    if not file.exists():
        return []
    runs = []
    for fields in load_yaml(file.read_text(encoding="utf-8")):
        spans = {name: tuple(fields[name]) for name in ("draws", "few") if name in fields}
        try:
            runs.append(ReferenceRun(**{**fields, **spans}))
        except TypeError as error:
            raise RunsError(f"{file}: missing or unknown field of a run ({error})") from None
    return runs


def run_of(seeds: Iterable[int], runs: Sequence[ReferenceRun]) -> ReferenceRun | None:
    """Return the latest run that has a draw among `seeds`; None for seeds of no run."""
    seeds = list(seeds)
    return next((run for run in reversed(runs) if run.those_of(seeds)), None)


def in_words(seeds: Iterable[int], runs: Sequence[ReferenceRun]) -> str:
    """Return which run rows of these draws belong to: "eighth reference run, draws 801 to 816", or how many so far."""
    run = run_of(seeds, runs)
    if run is None:
        return "no reference run"
    first, last = run.draws
    have = len(run.those_of(seeds))
    if have == run.planned:
        return f"{run.name} reference run, draws {first} to {last}"
    return f"{run.name} reference run, {have} of {run.planned} draws so far (of {first} to {last})"


def earlier_run(folder: Path, draws: Iterable[int]) -> str:
    """Return words on published draws of an earlier run than the last of results/<profile>; empty for any others."""
    runs = reference_runs(folder)
    run = run_of(draws, runs)
    return f", of the {run.name} reference run" if run and run.number < runs[-1].number else ""


@dataclass(frozen=True)
class Mean:
    """What a run measured of a claim: mean, 95 % interval, number of runs."""

    value: float
    ci: tuple[float, float]
    n_runs: int


# --- what the runs found --------------------------------------------------------------------------


def found_by_run(folder: Path, records: Sequence[Record], runs: Sequence[ReferenceRun]) -> pd.DataFrame:
    """Return what every reference run found, the records of this build as the run that its draws belong to.

    Args:
        folder: results/<profile>, which may have no earlier runs.
        records: of this build.
        runs: the profile's reference runs.

    Returns:
        One row a run and claim, `COLUMNS`: ``value`` with its interval ``low`` to ``high`` in the claim's unit, over
        ``n`` runs. Run 0 stands for records of no reference run.
    """
    import pandas as pd

    seeds = [seed for record in records for seed in record.seeds]
    now = run_of(seeds, runs)
    number, date = (now.number, now.day) if now else (0, "")
    here = []
    for record in records:
        place = {"run": number, "date": date, "commit": "", "seeds": f"{record.seeds[0]} to {record.seeds[-1]}"}
        numbers = {"value": record.value, "low": record.ci[0], "high": record.ci[1], "n": record.n_runs}
        here.append(place | {"id": record.id} | numbers)
    table = pd.DataFrame(here, columns=list(COLUMNS))
    if (folder / EARLIER).exists():
        earlier = read_table(folder / EARLIER)
        table = pd.concat([earlier[earlier["run"] != number], table], ignore_index=True)
    return table.sort_values(["run", "id"], kind="stable", ignore_index=True)


def changes(found: pd.DataFrame) -> pd.DataFrame:
    """Return how much changed from each run to the next, over the claims that both have.

    Returns:
        One row a pair of successive runs: ``first``, ``second`` (numbers); ``claims`` with a prediction, and of these
        ``verdicts_changed`` (counts, by today's rule); ``means`` measured in both, of these ``outside`` (new means
        outside the old interval) and ``expected`` (how many that would be by chance, were both runs alike).
    """
    import pandas as pd

    numbers = sorted(found["run"].unique())
    rows = []
    for first, second in zip(numbers, numbers[1:], strict=False):
        before, after = _by_id(found, first), _by_id(found, second)
        both = [name for name in after if name in before]
        judged = [name for name in both if load_claims()[name].predict.kind != "informative"]
        old, new = _verdicts(before), _verdicts(after)
        changed = sum(old[name] != new[name] for name in judged)
        outside = sum(not before[name].ci[0] <= after[name].value <= before[name].ci[1] for name in both)
        expected = sum(_chance_outside(before[name].n_runs, after[name].n_runs) for name in both)
        rows.append((first, second, len(judged), changed, len(both), outside, expected))
    columns = ["first", "second", "claims", "verdicts_changed", "means", "outside", "expected"]
    return pd.DataFrame(rows, columns=columns)


def _chance_outside(old: int, new: int) -> float:
    """Return how likely the mean of `new` runs lies outside the 95 % t-interval of `old` runs of the same kind."""
    reach = scipy_stats.t.ppf(0.975, old - 1) / math.sqrt(1 + old / new)
    return 2 * float(scipy_stats.t.sf(reach, old - 1))


def _by_id(found: pd.DataFrame, run: int) -> dict[str, Mean]:
    """Return by claim what a run measured; claims that are given up today are left out."""
    measured = {}
    for row in found[found["run"] == run].itertuples():
        if row.id in load_claims():
            measured[row.id] = Mean(row.value, (row.low, row.high), int(row.n))
    return measured


def _verdicts(measured: dict[str, Mean]) -> dict[str, str]:
    words = {}
    for name, entry in measured.items():
        claim = load_claims()[name]
        predict = settle(claim.predict, measured.get(claim.predict.third_of or ""))
        word = verdict(entry.value, entry.ci, entry.n_runs, predict, claim.kind)
        words[name] = "holds" if word in HOLDS else "broken" if word in BROKEN else word
    return words
