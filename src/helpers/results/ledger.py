"""The ledger: one record per claim and run folder, with a verdict that is computed, never typed.

A notebook calls `record` with one value per independent run. The record goes to records/<notebook>.json
and into ledger.json of the run folder. Files are canonical (sorted, rounded to 10 significant digits), so
that two equal runs give equal files but for the field `seconds`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.results import claims as rule
from helpers.results import stats
from helpers.results.claims import ClaimError, find_claim, load_claims
from helpers.results.claims_table import ClaimsTable
from helpers.results.records import (
    SHARED,
    LedgerError,
    Record,
    file_records,
    forget,
    judged,
    keep,
    ledger_sha256,
    load,
    reason,
    rebuild,
)
from helpers.work import artifacts

_DIGITS = 10
# where it lay, which independent repetitions there were and how many worked at it: none of it says what was measured
_NEUTRAL = ("run_dir", "workers", "draws", "recompute", "few_draws", "runs", "seeds")

# callers find records and what is done with them in one place
__all__ = [
    "LedgerError", "Record", "check", "claimed", "compare", "file_records", "forget", "keep", "ledger_sha256", "load",
    "measured", "missing", "preview", "rebuild", "sentence", "table", "with_previews",
]


def measured(
    notebook: str,
    claim_id: str,
    run_values: Sequence[float],
    seeds: Sequence[int],
    params: dict[str, Any],
    seconds: float | None,
    shared_draw: bool = False,
) -> Record:
    """Return the record of one claim, from one value per run, that is still to be judged and filed (`file_records`).

    Args:
        notebook, claim_id: the claim, and the notebook that it belongs to.
        run_values: one a run, in the unit of paper_claims.yaml.
        seeds: names of the runs, in the order of the values.
        params: what decides the values; where, which draws and by how many workers are taken out.
        seconds: what the values took; None where nobody knows.
        shared_draw: whether the runs are no independent draws, so that nothing is judged by them.

    Raises:
        ClaimError: an unknown id, or one that belongs to another notebook.
        LedgerError: fewer than two runs, values that are not finite, or seeds that are not one distinct integer a run.
    """
    claim = find_claim(claim_id)
    if claim.notebook not in (None, notebook):
        raise ClaimError(f"claim {claim_id!r} belongs to notebook {claim.notebook}, not to {notebook}")
    runs = _runs(claim_id, run_values, seeds)
    interval = stats.t_interval(runs)
    value, low, high = map(_rounded, (interval.mean, interval.low, interval.high))
    return Record(
        id=claim_id,
        claim=claim.claim,
        notebook=notebook,
        metric=claim.metric,
        unit=claim.unit,
        value=value,
        ci=(low, high),
        ci_method=f"{interval.level:.0%} t-interval over {SHARED if shared_draw else 'runs'}",
        n_runs=len(runs),
        seeds=tuple(map(int, seeds)),
        control=claim.control,
        paper=claim.paper,
        kind=claim.kind,
        verdict=rule.NOT_COMPARABLE,  # until it is judged among the others, when it is filed
        seconds=None if seconds is None else round(float(seconds), 1),
        params_sha256=artifacts.content_key(_decisive(params)),
    )


def _decisive(params: Any) -> Any:
    """Return parameters without those that say where, which draws and by how many workers, at any depth."""
    params = dataclasses.asdict(params) if dataclasses.is_dataclass(params) else params
    if isinstance(params, dict):
        return {name: _decisive(value) for name, value in params.items() if name not in _NEUTRAL}
    return [_decisive(value) for value in params] if isinstance(params, list | tuple) else params


def claimed(notebook: str, values: dict[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    """Return the values whose id is a claim of `notebook`: a changed setting may give some that no claim knows."""
    own = {claim.id for claim in load_claims().values() if claim.notebook in (None, notebook)}
    return {claim_id: runs for claim_id, runs in values.items() if claim_id in own}


def preview(values: dict[str, Sequence[float]]) -> ClaimsTable:
    """Return the claims of a single draw for display, one row each: a value that has no interval, and no verdict."""
    rows = []
    for claim_id, runs in values.items():
        claim = find_claim(claim_id)
        shown = ", ".join(map(_short, runs)) or "none"
        row = {"claim": claim.claim, "value": shown, "95 % interval": "needs two draws", "unit": claim.unit}
        rows.append(row | {"kind": claim.kind, "aside": claim.aside})
    return ClaimsTable(rows, index=pd.Index(list(values), name="id"))


def with_previews(recorded: ClaimsTable, values: dict[str, Sequence[float]]) -> ClaimsTable:
    """Return what `table` gives, and below it the `preview` of claims that have a single value, among others' more."""
    lone = preview(values).assign(runs=1, over="draw", paper="", prediction="", verdict="not recorded")
    return ClaimsTable(pd.concat([recorded, lone])) if values else recorded


def check(records: Iterable[Record]) -> list[str]:
    """Return one sentence per record that its claim or its own interval contradicts; empty means sound."""
    problems, listed = [], list(records)
    for entry, expected in zip(listed, judged(listed), strict=True):
        try:
            claim = find_claim(entry.id)
        except ClaimError:
            problems.append(f"{entry.id}: no such claim")
            continue
        if expected.verdict != entry.verdict:
            problems.append(f"{entry.id}: verdict {entry.verdict!r}, but its interval says {expected.verdict!r}")
        if entry.kind != claim.kind:
            problems.append(f"{entry.id}: of kind {entry.kind}, but its claim is of kind {claim.kind}")
        if (entry.metric, entry.unit) != (claim.metric, claim.unit):
            problems.append(f"{entry.id}: measured as {entry.metric} in {entry.unit}, the claim says otherwise")
    return problems


def missing(records: Iterable[Record], notebooks: Iterable[str]) -> list[str]:
    """Return the ids of claims that `notebooks` should have recorded and that `records` lack, in the claims' order.

    Claims of a real model are owed by a run of that model alone: one that recorded another claim of it.
    """
    present, ran = {entry.id for entry in records}, set(notebooks)
    owed = [claim.id for claim in load_claims().values() if claim.notebook in ran and claim.id not in present]
    models = {_real_model(name) for name in present}
    return [name for name in owed if not _real_model(name) or _real_model(name) in models]


def _real_model(claim_id: str) -> str:
    """Return the name of the real model that a claim is about; "" for the book's own models."""
    family, _, rest = claim_id.partition(".")
    return rest.partition(".")[0] if family == "real" else ""


def compare(first: Iterable[Record], second: Iterable[Record]) -> pd.DataFrame:
    """Return one row per id: both values, both verdicts, and how the two ledgers relate.

    agreement: "identical" (all but `seconds`), "consistent" (same verdict, intervals overlap), "differs",
    "only in first", "only in second".
    """
    a = {entry.id: entry for entry in first}
    b = {entry.id: entry for entry in second}
    rows = [_compared(name, a.get(name), b.get(name)) for name in sorted(a.keys() | b.keys())]
    columns = ["id", "first", "second", "verdict_first", "verdict_second", "agreement"]
    return pd.DataFrame(rows, columns=columns)


def table(run_dir: str | Path, ids: Iterable[str] | None = None) -> ClaimsTable:
    """Return records for display, one row per claim in the order of `ids` (default: all, by id).

    Columns: claim, value, 95 % interval, unit, runs, over, paper, prediction, verdict. Raises LedgerError
    for an id that has no record.
    """
    wanted = None if ids is None else list(ids)
    records = {} if wanted == [] else {entry.id: entry for entry in load(run_dir)}
    wanted = list(records) if wanted is None else wanted
    if absent := [name for name in wanted if name not in records]:
        raise LedgerError(f"no record of {', '.join(absent)} in {run_dir}; run the notebook that makes it")
    return ClaimsTable([_row(records[name], records) for name in wanted], index=pd.Index(wanted, name="id"))


def sentence(entry: Record, others: Iterable[Record] = ()) -> str:
    """Return the verdict on a record as plain words, with its value, interval, runs and prediction.

    `others` of the same ledger are needed where the prediction is "a third of" one of them.
    """
    by_id = {other.id: other for other in others}
    unit = "" if entry.unit == "fraction" else f" {entry.unit}"
    low, high = map(_short, entry.ci)
    measured = f"{_short(entry.value)}{unit} (95 % interval {low} to {high}, {entry.n_runs} runs)"
    predicted = _predicted(entry, by_id, unit.strip())
    readings = dict.fromkeys(rule.HOLDS, f"the interval is as predicted ({predicted})")
    readings |= dict.fromkeys(rule.BROKEN, f"against the prediction ({predicted})")
    readings[rule.PARTLY] = f"the mean is as predicted ({predicted}), the interval is not wholly so"
    readings[rule.NOT_COMPARABLE] = f"the prediction ({predicted}) cannot be judged: {reason(entry, by_id)}"
    readings[rule.INFORMATIVE] = "no prediction was made"
    return f"{entry.verdict.capitalize()}. {entry.claim} Measured: {measured}; {readings[entry.verdict]}."


def _predicted(entry: Record, by_id: Mapping[str, Record], unit: str) -> str:
    predict = find_claim(entry.id).predict
    return rule.settle(predict, by_id.get(predict.third_of or "")).words(unit)


def _runs(claim_id: str, run_values: Sequence[float], seeds: Sequence[int]) -> list[float]:
    runs = list(map(float, run_values))
    if len(runs) < 2:
        raise LedgerError(f"{claim_id}: an interval over runs needs at least 2 runs, got {len(runs)}")
    if not np.all(np.isfinite(runs)):
        raise LedgerError(f"{claim_id}: run values {runs} are not all finite; a run failed, find out why")
    if len(seeds) != len(runs) or len(set(seeds)) != len(runs):
        raise LedgerError(f"{claim_id}: give one distinct seed per run, got {len(runs)} values, {list(seeds)}")
    return runs


def _rounded(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}") + 0.0  # + 0.0 turns -0.0 into 0.0


def _short(number: float) -> str:
    return f"{number:.2f}".replace("-", "\N{MINUS SIGN}")


def _compared(name: str, a: Record | None, b: Record | None) -> tuple[Any, ...]:
    values = [getattr(entry, "value", None) for entry in (a, b)]
    verdicts = [getattr(entry, "verdict", None) for entry in (a, b)]
    return (name, *values, *verdicts, _agreement(a, b))


def _agreement(a: Record | None, b: Record | None) -> str:
    if a is None or b is None:
        return "only in second" if a is None else "only in first"
    if dataclasses.replace(a, seconds=0.0) == dataclasses.replace(b, seconds=0.0):
        return "identical"
    overlap = a.ci[0] <= b.ci[1] and b.ci[0] <= a.ci[1]
    return "consistent" if overlap and a.verdict == b.verdict else "differs"


def _row(entry: Record, by_id: Mapping[str, Record]) -> dict[str, Any]:
    predicted, why_not = _predicted(entry, by_id, "") or "none", reason(entry, by_id)
    return {
        "claim": entry.claim,
        "value": _short(entry.value),
        "95 % interval": f"{_short(entry.ci[0])} to {_short(entry.ci[1])}",
        "unit": entry.unit,
        "runs": entry.n_runs,
        "over": find_claim(entry.id).over,
        "paper": f"{entry.paper['value']:g}" if entry.paper else "no number",
        "prediction": f"{predicted}; {why_not}" if why_not else predicted,
        "kind": entry.kind,
        "aside": find_claim(entry.id).aside,
        "verdict": entry.verdict,
    }
