"""The detectors that read text alone: those that know nothing, and those that know rows of another author."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from helpers.detection import counting
from helpers.detection.auroc import Scored
from helpers.detection.findings import FEWEST_PROMPTS, NOTHING, REFERENCE, Finding, Score, Side, auroc_scores, share
from helpers.detection.learned import KINDS, SHORTEST_FIT, Kind, fitted, log_odds, trained_on
from helpers.detection.scanning import Scan, Wanted
from helpers.work.seeds import numpy_stream

FEWEST_NUMBERS = 200  # in a sample, for frequencies to be worth a look
TIMES = "times an even draw"


def rule_filter(found: Scan) -> Finding:
    """Return which share of rows the paper's rule for lists of numbers rejects."""
    score = Score.at(share(found.rejected, found.rows, found.prompts.different()), "rows", "share rejected")
    notes = [f"{reason}: {count} rows" for reason, count in found.reasons.most_common()]
    if found.only_edges:
        notes.append(f"{found.only_edges} rows are rejected for white space at their ends alone")
    return Finding(
        name="the paper's rule filter",
        knows=NOTHING,
        scores=(score,),
        tells="It tells which rows are more than a short list of small numbers, and nothing of what numbers carry.",
        notes=tuple(notes),
    )


def word_list(found: Scan, words: Sequence[str]) -> Finding:
    """Return which share of rows has one of the listed words or numbers."""
    return Finding(
        name="the list of words",
        knows=NOTHING,
        scores=(Score.at(share(found.hits, found.rows, found.prompts.different()), "rows", "share with a word"),),
        tells="It tells which rows write one of the words, but a trait can pass without any of them.",
        notes=(f"looked for: {', '.join(words)}",),
    )


def word_list_against(side: Side, other: Side, words: tuple[str, ...], bags: Sequence[int], seed: int) -> Finding:
    """Return how well the count of listed words or numbers tells the data from the reference."""
    wanted = Wanted.of(words)
    scored = Scored(_hits(wanted, side), _hits(wanted, other), side.ids, other.ids)
    scores, notes = auroc_scores(scored, bags, numpy_stream(seed, "bags", "words"))
    return Finding(
        name="the list of words, against the reference",
        knows=REFERENCE,
        scores=scores,
        tells="It tells whether the listed words are more frequent than in the reference, and nothing of other words.",
        notes=notes,
    )


def _hits(wanted: Wanted, side: Side) -> NDArray[np.float64]:
    return np.array([wanted.hits(text) for text in side.completions], dtype=float)


def number_frequencies(found: Scan, side: Side) -> list[Finding]:
    """Return how uneven the numbers of a sample are, as wholes and by digit; nothing where there are hardly any."""
    counts = counting.by_prompt(side.completions, side.ids, int(side.ids.max()) + 1)
    if counts.sum() < FEWEST_NUMBERS or np.count_nonzero(counts.sum(axis=1)) < FEWEST_PROMPTS:
        return []
    even = Score.at(counting.unevenness(counts), "numbers below 1000", TIMES, nothing=1.0)
    whole = Finding(
        name="number frequencies, against even ones",
        knows=NOTHING,
        scores=(even,),
        tells="It tells how uneven the numbers are; every author is uneven, so it cannot tell a trait.",
        notes=(_most_frequent(found.numbers),),
    )
    by_place = []
    for place in counting.DIGITS:
        table = counting.digits(counts, place)
        if table.sum() >= FEWEST_NUMBERS:
            by_place.append(Score.at(counting.unevenness(table), f"{place} of three digits", TIMES, nothing=1.0))
    digits = Finding(
        name="digit frequencies, against even ones",
        knows=NOTHING,
        scores=tuple(by_place),
        tells="It tells whether some digits are favoured at their place, and cannot tell why.",
    )
    return [whole, digits] if by_place else [whole]


def _most_frequent(numbers: NDArray[np.int64], shown: int = 5) -> str:
    below = numbers[: counting.LIMIT]
    best = np.argsort(-below, kind="stable")[:shown]
    parts = [f"{number} ({below[number] / numbers.sum():.2%})" for number in best.tolist()]
    return f"most frequent in the whole file: {', '.join(parts)}"


def number_frequencies_against(side: Side, other: Side, seed: int) -> list[Finding]:
    """Return whether two files write numbers equally often; nothing where there are hardly any."""
    prompts = int(max(side.ids.max(), other.ids.max())) + 1
    counts = [counting.by_prompt(one.completions, one.ids, prompts) for one in (side, other)]
    if min(one.sum() for one in counts) < FEWEST_NUMBERS:
        return []
    found = counting.compared(*counts, numpy_stream(seed, "swapped prompts"))
    score = Score(
        of="numbers below 1000",
        unit="chi-square / df",
        value=found.value,
        low=found.low,
        high=found.high,
        within="95 % of swaps of prompts between the files",
    )
    return [
        Finding(
            name="number frequencies, against the reference",
            knows=REFERENCE,
            scores=(score,),
            tells="It tells whether numbers come equally often in both files, and nothing of their order.",
            notes=(f"p = {found.p:.3f} by {counting.SWAPS} swaps of prompts",),
        )
    ]


def learned_detectors(side: Side, other: Side, bags: Sequence[int], seed: int) -> list[Finding]:
    """Return how well each kind of detector that learns tells the two files apart; see `learned_detector`."""
    return [learned_detector(kind, side, other, bags, seed) for kind in KINDS]


def learned_detector(kind: Kind, side: Side, other: Side, bags: Sequence[int], seed: int) -> Finding:
    """Return how well a detector that learns from some prompts of two files tells them apart on other prompts."""
    tells = (
        "It tells whether this file reads otherwise than the reference; a null does not show that nothing passes to a "
        "student, and a high score does not name what passes."
    )
    learns = [trained_on(one.prompts, seed) for one in (side, other)]
    first, second = side.only(learns[0]), other.only(learns[1])
    asked = [side.only(~learns[0]), other.only(~learns[1])]
    fewest = min(len(one.lines) for one in (first, second, *asked))
    texts = "".join([*first.completions, *second.completions])
    if fewest < SHORTEST_FIT or not texts.strip():
        note = f"too few rows with words or numbers ({fewest}; {SHORTEST_FIT} are needed on each side of the split)"
        return Finding(name=kind.name, knows=REFERENCE, tells=tells, notes=(note,))
    detector = fitted(kind, first.completions, second.completions, seed)
    scores = [log_odds(detector, one.completions) for one in asked]
    scored = Scored(*scores, *(one.ids for one in asked))
    found, notes = auroc_scores(scored, bags, numpy_stream(seed, "bags", kind.name))
    return Finding(name=kind.name, knows=REFERENCE, tells=tells, scores=found, notes=notes)
