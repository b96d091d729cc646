"""The records of a ledger and their files.

A record goes to records/<notebook>.json and into ledger.json of its run folder. Files are canonical (sorted, rounded
to 10 significant digits), so that two equal runs give equal files but for the field `seconds`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.results import claims as rule
from helpers.results.claims import Claim, load_claims
from helpers.work import artifacts
from helpers.work.errors import CurableError

LEDGER = "ledger.json"
SHARED = "runs that share a draw"  # in `ci_method`: such runs are no independent repetitions


class LedgerError(CurableError, ValueError):
    """Values that cannot become a record, or a ledger file with a bad record; the message says what to do."""


@dataclass(frozen=True)
class Record:
    """One measured claim: mean over runs, its 95 % interval, and what was run (fields as in ledger.json)."""

    id: str
    claim: str
    notebook: str
    metric: str
    unit: str
    value: float
    ci: tuple[float, float]
    ci_method: str
    n_runs: int
    seeds: tuple[int, ...]
    control: str
    paper: dict[str, Any] | None
    kind: str
    verdict: str
    seconds: float | None  # what the values of all draws took; None where nobody noted it
    params_sha256: str

    def __post_init__(self) -> None:
        """Refuse numbers that are not finite and fields that disagree with each other."""
        problem = _inconsistency(self)
        if problem:
            raise LedgerError(f"record {self.id!r}: {problem}; run its notebook again")


def judged(records: Iterable[Record]) -> list[Record]:
    """Return records with the verdicts that their own numbers give them, those of "a third of" by the others' means.

    A record whose claim is not known any more keeps what it has.
    """
    listed = list(records)
    by_id, claims = {entry.id: entry for entry in listed}, load_claims()
    found = []
    for entry in listed:
        claim = claims.get(entry.id)
        found.append(dataclasses.replace(entry, verdict=_verdict(entry, claim, by_id)) if claim else entry)
    return found


def _verdict(entry: Record, claim: Claim, by_id: Mapping[str, Record]) -> str:
    predict = rule.settle(claim.predict, by_id.get(claim.predict.third_of or ""))
    independent = 1 if SHARED in entry.ci_method else entry.n_runs
    return rule.verdict(entry.value, entry.ci, independent, predict, entry.kind)


def reason(entry: Record, by_id: Mapping[str, Record]) -> str:
    """Return why a record has no verdict that can be compared, in words; empty where it has one."""
    if entry.verdict != rule.NOT_COMPARABLE:
        return ""
    if SHARED in entry.ci_method:
        return "its runs share a draw"
    if entry.n_runs < rule.MINIMUM_RUNS:
        return f"fewer than {rule.MINIMUM_RUNS} runs"
    predict = load_claims()[entry.id].predict
    return rule.obstacle(predict, by_id.get(predict.third_of or ""))


def load(path: str | Path) -> list[Record]:
    """Return the records of a ledger file, or of a run folder's ledger.json, sorted by id.

    Raises ArtifactError when the file is missing or damaged, LedgerError when a record is malformed, or when the file
    is not what was recorded (in a run folder) or published (in results/).
    """
    file = Path(path) / LEDGER if Path(path).is_dir() else Path(path)
    records = _read(file)
    if file.name == LEDGER:
        _require_unchanged(file, records)
    return records


def _require_unchanged(file: Path, records: list[Record]) -> None:
    seal = file.with_name("made_by.json")
    if (file.parent / "records").is_dir():
        recorded, found = _all_records(file.parent), sorted(records, key=lambda entry: entry.id)
        if found not in (recorded, judged(recorded)):
            cure = "`subliminal run` writes it anew from these"
            raise LedgerError(f"{file} is not what its notebooks recorded in {file.parent / 'records'}; {cure}")
    elif seal.exists() and (sha256 := artifacts.read_json(seal).get("ledger_sha256")):
        if ledger_sha256(file) != sha256:
            raise LedgerError(f"{file} was changed after it was published (SHA-256 in {seal}); restore it from git")


def ledger_sha256(file: Path) -> str:
    """Return the hash that seals a published ledger: SHA-256 of the file."""
    return hashlib.sha256(artifacts.read_bytes(file)).hexdigest()


def rebuild(run_dir: str | Path) -> None:
    """Write ledger.json of a run folder anew from the records of its notebooks, where it is not so already."""
    folder = Path(run_dir)
    if (folder / "records").is_dir():
        try:
            load(folder)
        except (LedgerError, artifacts.ArtifactError):
            _merge(folder)


def forget(run_dir: str | Path, notebook: str) -> None:
    """Drop the records of `notebook` from `run_dir`, before it runs again; no error when there are none."""
    folder = Path(run_dir)
    (folder / "records" / f"{notebook}.json").unlink(missing_ok=True)
    if (folder / LEDGER).exists():
        _merge(folder)


def keep(run_dir: str | Path, notebook: str, published: Path | None, known: Iterable[str]) -> list[str]:
    """Take the published records of `notebook` whose claims are not `known`, and return their ids.

    Such a claim hangs on something that was never tabled, so that only a run of all draws can measure it again.
    """
    records = [] if published is None else load(published)
    wanted = load_claims().keys() - set(known)
    kept = [entry for entry in records if entry.notebook == notebook and entry.id in wanted]
    file_records(Path(run_dir), notebook, kept)
    return [entry.id for entry in kept]


def _inconsistency(entry: Record) -> str | None:
    low, high = entry.ci
    seconds = () if entry.seconds is None else (entry.seconds,)
    if not all(map(_is_finite, (entry.value, low, high, *seconds))):
        return "value, ci and seconds must be finite numbers"
    if not low <= entry.value <= high:
        return "ci must hold the value"
    if len(entry.seeds) != entry.n_runs:
        return "n_runs must equal the number of seeds"
    if entry.kind not in rule.KINDS:
        return f"unknown kind {entry.kind!r}"
    return None if entry.verdict in rule.VERDICTS else f"unknown verdict {entry.verdict!r}"


def _is_finite(value: object) -> bool:
    # compared, not converted: a whole number of a JSON file may have four hundred digits
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def file_records(run_dir: Path, notebook: str, made: Sequence[Record]) -> list[Record]:
    """Write records of a notebook to records/<notebook>.json, in place of earlier ones, and to ledger.json.

    Returns the records with the verdicts that they have among all others; of no records nothing is written.
    """
    if not made:
        return []
    file, ids = run_dir / "records" / f"{notebook}.json", {entry.id for entry in made}
    kept = [entry for entry in (_read(file) if file.exists() else []) if entry.id not in ids]
    _write(file, judged([*kept, *made]))
    filed = {entry.id: entry for entry in _merge(run_dir)}
    return [filed[entry.id] for entry in made]


def _merge(run_dir: Path) -> list[Record]:
    records = judged(_all_records(run_dir))
    _write(run_dir / LEDGER, records)
    return records


def _all_records(run_dir: Path) -> list[Record]:
    records = []
    for file in sorted(run_dir.glob("records/*.json")):
        records += _read(file)
    return sorted(records, key=lambda entry: entry.id)


def _write(file: Path, records: list[Record]) -> None:
    counts = Counter(entry.id for entry in records)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise LedgerError(f"{', '.join(sorted(twice))}: recorded by two notebooks; keep one")
    # `vars` copies nothing, as `asdict` would; the order of names is that of published ledgers
    in_order = sorted(records, key=lambda entry: entry.id)
    artifacts.write_json(file, [dict(sorted(vars(entry).items())) for entry in in_order])


def _read(file: Path) -> list[Record]:
    try:
        entries = artifacts.read_json(file)
        records = [_record(entry) for entry in entries]
        before_kinds = any("kind" not in entry for entry in entries)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise LedgerError(f"{file}: not a ledger ({error}); delete it and run the notebooks again") from None
    return judged(records) if before_kinds else records


def _record(entry: dict[str, Any]) -> Record:
    """Return one entry of a file as a record; one written before claims had kinds gets that of its claim."""
    claim = load_claims().get(entry["id"])
    kind = {"kind": claim.kind if claim else rule.OWN}
    return Record(**{**kind, **entry, "ci": tuple(entry["ci"]), "seeds": tuple(entry["seeds"])})
