"""The scorecard: what the paper and the reports on it claim, and which records decide it. Data in scorecard.yaml."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from helpers.results import stats
from helpers.results.claims import HOLDS, NOT_COMPARABLE, PRIMARY, load_claims
from helpers.results.records import Record
from helpers.work.errors import CurableError
from helpers.work.strict_yaml import load_yaml

SCORECARD_FILE = Path(__file__).with_name("scorecard.yaml")
SOURCES = ("paper", "press", "ours")


class ScorecardError(CurableError, ValueError):
    """The scorecard is badly written; the message names the statement and the field."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One line of the scorecard: what is claimed, by whom, and by which records it is decided (id -> words)."""

    claim: str
    source: str
    figure: str | None
    records: Mapping[str, str]

    def __post_init__(self) -> None:
        """Refuse a source that is none of `SOURCES`, and a statement that nothing decides."""
        if self.source not in SOURCES:
            raise ScorecardError(f"{self.claim!r}: source is {self.source!r}; choose one of {', '.join(SOURCES)}")
        if not self.records:
            raise ScorecardError(f"{self.claim!r}: records is empty; name the id of the record that will decide it")


@functools.cache
def statements(file: Path = SCORECARD_FILE) -> tuple[Statement, ...]:
    """Return the lines of the scorecard in their order; raises ScorecardError naming the line at fault."""
    found = []
    for fields in load_yaml(file.read_text(encoding="utf-8")):
        try:
            found.append(Statement(**fields))
        except TypeError as error:
            raise ScorecardError(f"{fields.get('claim')!r}: missing or unknown field ({error})") from None
    return tuple(found)


def names() -> dict[str, str]:
    """Return id -> what it measures, in the words of the scorecard."""
    found: dict[str, str] = {}
    for statement in statements():
        found |= statement.records
    return found


@dataclass(frozen=True)
class Primaries:
    """The primary claims of a ledger: which hold, which do not, which cannot be judged, each by id in their order."""

    holding: tuple[str, ...]
    failing: tuple[str, ...]
    open: tuple[str, ...]  # not recorded, or too few draws
    holm: Mapping[str, float]  # id -> two-sided p of the t-test against 0, adjusted over all primaries

    @property
    def number(self) -> int:
        """Return how many primary claims there are."""
        return len(self.holding) + len(self.failing) + len(self.open)


def primaries(records: Iterable[Record]) -> Primaries:
    """Return how the primary claims came out, with Holm's correction over all of them; an open one counts as p = 1."""
    by_id = {record.id: record for record in records}
    wanted = [claim.id for claim in load_claims().values() if claim.kind == PRIMARY]
    judged: dict[str, Record] = {}
    for name in wanted:
        if name in by_id and by_id[name].verdict != NOT_COMPARABLE:
            judged[name] = by_id[name]
    p_values = [stats.p_of_interval(record.value, *record.ci, record.n_runs) for record in judged.values()]
    undecided = [1.0] * (len(wanted) - len(judged))
    adjusted = stats.holm([*p_values, *undecided]).tolist()
    return Primaries(
        holding=tuple(name for name, record in judged.items() if record.verdict in HOLDS),
        failing=tuple(name for name, record in judged.items() if record.verdict not in HOLDS),
        open=tuple(name for name in wanted if name not in judged),
        holm=dict(zip(judged, adjusted, strict=False)),
    )
