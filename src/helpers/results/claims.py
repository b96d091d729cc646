"""The claims under test and the one rule that judges them.

Claims are data (paper_claims.yaml), written down before the runs: what kind of claim it is, what the paper says, its
number where one is known, and our prediction. A verdict follows from mean, interval and number of runs; where the
prediction is "no more than a third of that effect", from the record of that effect as well.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from helpers.work.errors import CurableError
from helpers.work.strict_yaml import load_yaml

CLAIMS_FILE = Path(__file__).with_name("paper_claims.yaml")
MINIMUM_RUNS = 5

# what kind of claim: chosen before the run as those that decide; another finding of the paper; one of ours; a check
# that another claim may be read as it is
PRIMARY, PAPER, OWN, GUARD = KINDS = ("primary", "paper", "own", "guard")

REPLICATES, FAILS = "replicates", "does not replicate"
AS_PREDICTED, NOT_AS_PREDICTED = "as predicted", "not as predicted"
PARTLY = "partly"
NOT_COMPARABLE = "not comparable"
INFORMATIVE = "informative"
VERDICTS = (REPLICATES, AS_PREDICTED, PARTLY, FAILS, NOT_AS_PREDICTED, NOT_COMPARABLE, INFORMATIVE)
HOLDS = (REPLICATES, AS_PREDICTED)
BROKEN = (FAILS, NOT_AS_PREDICTED)

_DIRECTIONS = ("above", "below", "within", "informative")
_OF_THE_PAPER = (PRIMARY, PAPER)
_THIRD = 3  # "no effect": at most a third of the effect named beside it


class ClaimError(CurableError, ValueError):
    """A claim is unknown or badly written; the message names the field and the cure."""


class Measured(Protocol):
    """What of a record decides a verdict: its mean, 95 % interval and number of runs."""

    value: float
    ci: tuple[float, float]
    n_runs: int


@dataclass(frozen=True)
class Prediction:
    """What a value should do: lie `above` or `below` a threshold, `within` it of `center`, or nothing.

    `third_of` names a claim: the threshold of `within` is then a third of what that claim measured, see `settle`.
    """

    kind: str
    threshold: float | None = None
    center: float = 0.0
    third_of: str | None = None

    def __post_init__(self) -> None:
        """Refuse a kind that the verdict rule does not know, and a prediction without its threshold."""
        if self.kind not in _DIRECTIONS:
            raise ClaimError(f"predict.kind is {self.kind!r}; choose one of {', '.join(_DIRECTIONS)}")
        if self.third_of is not None:
            if self.kind != "within":
                raise ClaimError(f"predict.third_of is a margin of 'within'; leave it out for {self.kind!r}")
        elif (self.kind == "informative") != (self.threshold is None):
            raise ClaimError(f"predict.threshold: leave it out for 'informative', give it for {self.kind!r}")
        if self.kind == "within" and self.threshold is not None and not self.threshold > 0:
            raise ClaimError("predict.threshold of 'within' is a half-width: give a number above 0")

    def words(self, unit: str) -> str:
        """Return the prediction in words, such as "above 0 nats"; empty for an informative claim."""
        if self.kind == "informative":
            return ""
        if self.threshold is None:
            return f"within a third of {self.third_of}"
        around = f" of {self.center:g}" if self.kind == "within" and self.center else ""
        sign = "±" if self.kind == "within" and not self.center else ""
        third = f" (a third of {self.third_of})" if self.third_of else ""
        return f"{self.kind} {sign}{self.threshold:.3g}{around} {unit}".rstrip() + third


def obstacle(predict: Prediction, reference: Measured | None) -> str:
    """Return why the margin of a prediction cannot be taken from `reference`, in words; empty where it can be.

    A third of an effect is a margin only where there is such an effect: its interval must lie above 0.
    """
    if predict.third_of is None:
        return ""
    if reference is None:
        return f"{predict.third_of} was not measured"
    if reference.n_runs < MINIMUM_RUNS:
        return f"{predict.third_of} has too few runs"
    return "" if reference.ci[0] > 0 else f"{predict.third_of} is not above 0 itself"


def settle(predict: Prediction, reference: Measured | None) -> Prediction:
    """Return a prediction with its margin, a third of the mean of `reference`; unchanged where it needs or has none."""
    if predict.third_of is None or reference is None or obstacle(predict, reference):
        return predict
    return dataclasses.replace(predict, threshold=abs(reference.value) / _THIRD)


@dataclass(frozen=True)
class Claim:
    """One statement under test, as written in paper_claims.yaml; `notebook` None: not assigned yet.

    `kind` is one of `KINDS`; claims that stand `aside` are listed after the others of their chapter. `over` says what
    an interval is over.
    """

    id: str
    kind: str
    notebook: str | None
    claim: str
    metric: str
    unit: str
    control: str
    paper: dict[str, Any] | None
    predict: Prediction
    aside: bool = False
    over: str = "draws"

    def __post_init__(self) -> None:
        """Refuse empty texts, an unknown kind, and a paper value that is not a number with its source."""
        for field in ("id", "claim", "metric", "unit", "control", "over"):
            if not isinstance(getattr(self, field), str) or not getattr(self, field).strip():
                raise ClaimError(f"claim {self.id!r}: field {field} must be a text")
        if self.kind not in KINDS:
            raise ClaimError(f"claim {self.id!r}: kind is {self.kind!r}; choose one of {', '.join(KINDS)}")
        if self.paper is not None and not _is_paper(self.paper):
            fields = "{value: number, source: text}, where known with rates: [student, control] between 0 and 1"
            raise ClaimError(f"claim {self.id!r}: paper must be null or {fields}")


def verdict(
    value: float, ci: Sequence[float], n_runs: int, predict: Prediction, kind: str = PAPER
) -> str:
    """Return the verdict on a mean `value` with interval `ci` = (low, high) over `n_runs` independent runs.

    The one rule of the book, first match counts; `kind` of claim decides the words, the paper's "replicates" or, for
    claims of our own and guards, "as predicted":
    - informative: the claim predicts nothing; not comparable: fewer than 5 runs, or a margin that is not settled.
    - above t: low > t holds, else value > t partly, else it does not; below t: the mirror image.
    - within m of c: whole interval inside [c - m, c + m] holds, else |value - c| <= m partly, else it does not.
    """
    if predict.kind == "informative":
        return INFORMATIVE
    if n_runs < MINIMUM_RUNS or predict.threshold is None:
        return NOT_COMPARABLE
    low, high = ci
    if predict.kind == "within":
        margins = [predict.threshold - abs(x - predict.center) for x in (value, low, high)]
        holds, leans = min(margins) >= 0, margins[0] >= 0
    else:
        sign = 1 if predict.kind == "above" else -1
        bound = low if predict.kind == "above" else high
        holds, leans = sign * (bound - predict.threshold) > 0, sign * (value - predict.threshold) > 0
    place = 0 if kind in _OF_THE_PAPER else 1
    return HOLDS[place] if holds else PARTLY if leans else BROKEN[place]


@functools.cache
def load_claims(path: Path = CLAIMS_FILE) -> dict[str, Claim]:
    """Return all claims by id, in file order; raises ClaimError naming the id and the field at fault."""
    try:
        entries = load_yaml(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ClaimError(f"{path.name} is not valid YAML: {' '.join(str(error).split())}") from None
    claims = {claim_id: _claim(claim_id, fields) for claim_id, fields in entries.items()}
    for claim in claims.values():
        reference = claims.get(claim.predict.third_of or claim.id)
        if reference is None or reference.unit != claim.unit:
            raise ClaimError(f"claim {claim.id!r}: predict.third_of must name a claim in {claim.unit}")
    return claims


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
