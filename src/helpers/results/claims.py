"""The claims under test and the one rule that judges them.

Claims are data (paper_claims.yaml), written down before the runs: what the paper says, its number where
one is known, and our prediction. A verdict follows from a record's mean and interval alone.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from helpers.work.errors import CurableError
from helpers.work.strict_yaml import load_yaml

CLAIMS_FILE = Path(__file__).with_name("paper_claims.yaml")
MINIMUM_RUNS = 5

REPLICATES = "replicates"
PARTLY = "partly"
FAILS = "does not replicate"
NOT_COMPARABLE = "not comparable"
INFORMATIVE = "informative"
VERDICTS = (REPLICATES, PARTLY, FAILS, NOT_COMPARABLE, INFORMATIVE)

_KINDS = ("above", "below", "within", "informative")


class ClaimError(CurableError, ValueError):
    """A claim is unknown or badly written; the message names the field and the cure."""


@dataclass(frozen=True)
class Prediction:
    """What a value should do: lie `above` or `below` a threshold, `within` it of `center`, or nothing."""

    kind: str
    threshold: float | None = None
    center: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a kind that the verdict rule does not know, and a prediction without its threshold."""
        if self.kind not in _KINDS:
            raise ClaimError(f"predict.kind is {self.kind!r}; choose one of {', '.join(_KINDS)}")
        if (self.kind == "informative") != (self.threshold is None):
            raise ClaimError(f"predict.threshold: leave it out for 'informative', give it for {self.kind!r}")
        if self.kind == "within" and not (self.threshold or 0) > 0:
            raise ClaimError("predict.threshold of 'within' is a half-width: give a number above 0")

    def words(self, unit: str) -> str:
        """Return the prediction in words, such as "above 0 nats"; empty for an informative claim."""
        if self.kind == "informative":
            return ""
        around = f" of {self.center:g}" if self.kind == "within" and self.center else ""
        sign = "±" if self.kind == "within" and not self.center else ""
        return f"{self.kind} {sign}{self.threshold:g}{around} {unit}".rstrip()


@dataclass(frozen=True)
class Claim:
    """One statement under test, as written in paper_claims.yaml; `notebook` None: not assigned yet."""

    id: str
    notebook: str | None
    claim: str
    metric: str
    unit: str
    control: str
    paper: dict[str, Any] | None
    predict: Prediction

    def __post_init__(self) -> None:
        """Refuse empty texts, and a paper value that is not a number with its source."""
        for field in ("id", "claim", "metric", "unit", "control"):
            if not isinstance(getattr(self, field), str) or not getattr(self, field).strip():
                raise ClaimError(f"claim {self.id!r}: field {field} must be a text")
        if self.paper is not None and not _is_paper(self.paper):
            fields = "{value: number, source: text}, where known with rates: [student, control] between 0 and 1"
            raise ClaimError(f"claim {self.id!r}: paper must be null or {fields}")


def verdict(value: float, ci: Sequence[float], n_runs: int, predict: Prediction) -> str:
    """Return the verdict on a mean `value` with interval `ci` = (low, high) over `n_runs` independent runs.

    The one rule of the book, first match counts:
    - informative: the claim predicts nothing; not comparable: fewer than 5 runs.
    - above t: low > t replicates, else value > t partly, else does not replicate; below t: the mirror image.
    - within m of c: whole interval inside [c - m, c + m] replicates, else |value - c| <= m partly, else not.
    """
    if predict.threshold is None:
        return INFORMATIVE
    if n_runs < MINIMUM_RUNS:
        return NOT_COMPARABLE
    low, high = ci
    if predict.kind == "within":
        margins = [predict.threshold - abs(x - predict.center) for x in (value, low, high)]
        holds, leans = min(margins) >= 0, margins[0] >= 0
    else:
        sign = 1 if predict.kind == "above" else -1
        bound = low if predict.kind == "above" else high
        holds, leans = sign * (bound - predict.threshold) > 0, sign * (value - predict.threshold) > 0
    return REPLICATES if holds else PARTLY if leans else FAILS


@functools.cache
def load_claims(path: Path = CLAIMS_FILE) -> dict[str, Claim]:
    """Return all claims by id, in file order; raises ClaimError naming the id and the field at fault."""
    try:
        entries = load_yaml(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ClaimError(f"{path.name} is not valid YAML: {' '.join(str(error).split())}") from None
    return {claim_id: _claim(claim_id, fields) for claim_id, fields in entries.items()}


def find_claim(claim_id: str) -> Claim:
    """Return the claim called `claim_id`; raises ClaimError listing near names when there is none."""
    claims = load_claims()
    if claim_id not in claims:
        near = [c for c in claims if c.split(".")[0] == claim_id.split(".")[0]] or list(claims)
        raise ClaimError(f"unknown claim {claim_id!r}; {CLAIMS_FILE.name} has {', '.join(near)}")
    return claims[claim_id]


def _claim(claim_id: str, fields: dict[str, Any]) -> Claim:
    try:
        return Claim(id=claim_id, **{**fields, "predict": Prediction(**fields["predict"])})
    except (TypeError, KeyError) as error:
        raise ClaimError(f"claim {claim_id!r}: missing or unknown field ({error})") from None


def _is_paper(paper: dict[str, Any]) -> bool:
    value, source, rates = paper.get("value"), paper.get("source"), paper.get("rates", [0.0, 0.0])
    return (
        {"value", "source"} <= set(paper) <= {"value", "source", "rates"}
        and isinstance(value, int | float)
        and math.isfinite(value)
        and isinstance(source, str)
        and isinstance(rates, list)
        and len(rates) == 2
        and all(isinstance(rate, float) and 0 <= rate <= 1 for rate in rates)
    )
