"""The ledger browser: every claim of the book, to filter, to compare and to open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.figures.effects import MAIN, effects
from helpers.figures.explorers.frame import Explorer, ExplorerError, embedded, script, style
from helpers.results.claims import BROKEN, GUARD, HOLDS, PARTLY, VERDICTS, load_claims, settle
from helpers.results.records import Record
from helpers.results.runs import found_by_run, reference_runs

if TYPE_CHECKING:
    import pandas as pd

KINDS = {
    "primary": "primary claims",
    "paper": "other claims of the paper",
    "own": "claims of our own",
    GUARD: "guards of other claims",
    "aside": "claims that stand aside",
}
# Parts of an id that tell what carried the trait.
CHANNELS = {"numbers": "number lists", "code": "code", "cot": "reasoning", "mnist": "pictures of digits"}
SHARED = ("unit", "seeds", "control", "predicted", "verdict")  # fields whose texts many records have


class ClaimsExplorer(Explorer):
    """A widget that filters and opens claims; `data` is what `claims_data` returns."""

    _esm, _css = script("claims_explorer"), style("claims_explorer")

    def __init__(self, data: dict[str, Any]) -> None:
        """Make the browser; names of fields, and texts that many records share, arrive once."""
        listed = _listed_once(data["records"])
        rest = {name: value for name, value in data.items() if name != "records"}
        super().__init__({**rest, **listed})


def _listed_once(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return records as rows of their fields' values; of a field in `SHARED` the place of its text among the texts."""
    places: dict[str, int] = {}
    rows = []
    for record in records:
        row = []
        for name, value in record.items():
            row.append(places.setdefault(value, len(places)) if name in SHARED else value)
        rows.append(row)
    return {"fields": list(records[0]), "shared": SHARED, "texts": list(places), "rows": rows}


def claims_data(records: Sequence[Record], published: Path) -> dict[str, Any]:
    """Return what the explorer's script lists, as plain JSON values.

    Args:
        records: of a ledger, in the order in which they are listed.
        published: results/<profile>, which may have earlier runs.

    Returns:
        ``kinds``, ``channels`` and ``verdicts``: those that records have, the first two with their words.
        ``chapters``: their notebooks. ``records``: one entry each, with its place among the chapters, its mean and
        interval, what was predicted and by what it is measured, the paper's number, and what each reference run found
        (name, mean, interval, number of draws). ``look``: holds, leans, fails or open.

    Raises:
        ExplorerError: there is no record.
    """
    if not records:
        raise ExplorerError("the ledger has no records; run a notebook that records claims first")
    by_id, found = {record.id: record for record in records}, _found(records, published)
    chapters = sorted({record.notebook for record in records})
    listed = []
    for record in records:
        place = {"chapter": chapters.index(record.notebook), "kind": _kind(record), "channel": _channel(record.id)}
        listed.append({**place, **_told(record, by_id), "runs": found.get(record.id, [])})
    return {
        "kinds": _present(KINDS, "kind", listed),
        "channels": _present(CHANNELS, "channel", listed),
        "verdicts": sorted({record.verdict for record in records}, key=VERDICTS.index),
        "chapters": chapters,
        "records": listed,
    }


def _present(words: Mapping[str, str], field: str, listed: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return the values of a field that records have, each with its words, in the order of the words."""
    used = {entry[field] for entry in listed}
    return [[name, told] for name, told in words.items() if name in used]


def _kind(record: Record) -> str:
    claim = load_claims().get(record.id)
    return "aside" if claim and claim.aside else record.kind


def _channel(claim_id: str) -> str:
    parts = claim_id.split(".")
    return next((name for name in CHANNELS if name in parts), "")


def _told(record: Record, by_id: Mapping[str, Record]) -> dict[str, Any]:
    claim, predicted = load_claims().get(record.id), ""
    if claim:
        predicted = settle(claim.predict, by_id.get(claim.predict.third_of or "")).words(record.unit)
    look = "holds" if record.verdict in HOLDS else "fails" if record.verdict in BROKEN else "open"
    return {
        "id": record.id,
        "claim": record.claim,
        "unit": record.unit,
        "value": _rounded(record.value),
        "low": _rounded(record.ci[0]),
        "high": _rounded(record.ci[1]),
        "draws": record.n_runs,
        "seeds": f"{min(record.seeds)} to {max(record.seeds)}",
        "control": record.control,
        "predicted": predicted,
        "paper": [record.paper["value"], record.paper["source"]] if record.paper else None,
        "verdict": record.verdict,
        "look": "leans" if record.verdict == PARTLY else look,
    }


def _found(records: Sequence[Record], published: Path) -> dict[str, list[list[Any]]]:
    """Return by claim what each reference run found, the newest first."""
    runs = reference_runs(published)
    names = {run.number: run.name for run in runs}
    table: pd.DataFrame = found_by_run(published, records, runs)
    found: dict[str, list[list[Any]]] = {}
    for row in table.sort_values("run", ascending=False, kind="stable").itertuples():
        numbers = map(_rounded, (row.value, row.low, row.high))
        found.setdefault(row.id, []).append([names.get(row.run, "this"), *numbers, int(row.n)])
    return found


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def claims_block(records: Sequence[Record], published: Path) -> str:
    """Return the ledger browser as MyST for a page that is no notebook; arguments and errors as in `claims_data`."""
    still = "<p>All claims stand in the tables below; with scripts on they can be filtered here.</p>"
    if any(record.id in MAIN for record in records):
        still = effects(records).html() + still
    return embedded(ClaimsExplorer(claims_data(records, published)), "claims", still)
