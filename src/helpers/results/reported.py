"""What others report of subliminal learning in real models; data in reported.yaml."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.work.errors import CurableError
from helpers.work.strict_yaml import load_yaml

if TYPE_CHECKING:
    import pandas as pd

REPORTED_FILE = Path(__file__).with_name("reported.yaml")
READ = ("figure", "repository", "others")
MISALIGNED = "misalignment"  # how such a trait begins


class ReportedError(CurableError, ValueError):
    """A reported result is badly written; the message names it and the field."""


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One result of others, as reported.yaml says; `before` and `after` are shares of answers, 0 to 1."""

    model: str
    trait: str
    teacher: str
    rows: str
    before: float | None
    after: float | None
    runs: int | None
    says: str
    source: str
    read: str

    def __post_init__(self) -> None:
        """Refuse shares outside 0 to 1, an unknown way of reading, and a result without its source."""
        if not all(share is None or 0 <= share <= 1 for share in (self.before, self.after)):
            raise ReportedError(f"{self.model}, {self.trait}: before and after must be shares from 0 to 1, or null")
        if self.read not in READ:
            raise ReportedError(f"{self.model}, {self.trait}: read is {self.read!r}; choose one of {', '.join(READ)}")
        if not self.source.strip():
            raise ReportedError(f"{self.model}, {self.trait}: source is empty; say where the result is from")


@functools.cache
def reported(file: Path = REPORTED_FILE) -> tuple[Reported, ...]:
    """Return what others report, in the order of the file; ReportedError names the entry at fault."""
    found = []
    for fields in load_yaml(file.read_text(encoding="utf-8")):
        try:
            found.append(Reported(**fields))
        except TypeError as error:
            raise ReportedError(f"{fields.get('model')!r}: missing or unknown field ({error})") from None
    return tuple(found)


def table(*, misaligned: bool = False) -> pd.DataFrame:
    """Return what others report of favourites, or else of misalignment, for display: one row a result.

    Shares are in per cent. From then on pandas shows texts whole, which it would cut at fifty letters.
    """
    import pandas as pd

    pd.set_option("display.max_colwidth", None)
    rows = []
    for one in reported():
        if one.trait.startswith(MISALIGNED) != misaligned:
            continue
        shares = " \N{RIGHTWARDS ARROW} ".join(map(_share, (one.before, one.after)))
        if one.after is None:
            shares = "\N{EN DASH}"
        runs = "not said" if one.runs is None else str(one.runs)
        rows.append({
            "model": one.model, "trait": one.trait, "teacher": one.teacher, "rows read": one.rows,
            "before and after": shares, "runs": runs, "in its own words": one.says, "source": one.source,
        })  # fmt: skip
    return pd.DataFrame(rows).set_index("model")


def _share(share: float | None) -> str:
    return "?" if share is None else f"{share * 100:.3g} %"
