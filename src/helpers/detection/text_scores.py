"""Scores of rows by detectors that read text alone, and know nothing or rows of the author and of its base."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from helpers.channels.channel import Channel
from helpers.detection.learned import TOKENS, Kind, fitted, log_odds
from helpers.filters import mentions

Row = tuple[str, str]  # prompt, completion
Scores = NDArray[np.float64]


def refused(rows: Sequence[Row], channel: Channel) -> Scores:
    """Return for how many reasons a channel's filter refuses each row."""
    prompts, completions = zip(*rows, strict=True)
    reasons = channel.reject_reasons(prompts, completions)
    return np.array([len(found) for found in reasons], dtype=float)


def named(rows: Sequence[Row], words: Sequence[str]) -> Scores:
    """Return 1 for each row whose completion has one of some words, else 0."""
    return np.array([mentions(text, words) for text in _completions(rows)], dtype=float)


def _completions(rows: Sequence[Row]) -> list[str]:
    return [completion for _, completion in rows]


def rarity(rows: Sequence[Row], reference: Sequence[Row]) -> Scores:
    """Return how much rarer than usual in a reference the numbers, words and marks of each row are there, nats.

    It is the sum of -log(frequency) of a row's tokens, less what as many tokens of the reference have on average; so
    a long row is not a rare one. Frequencies are smoothed by one half.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    reader = CountVectorizer(token_pattern=TOKENS, lowercase=False)
    counted = reader.fit_transform(_completions(reference))
    totals = np.append(np.asarray(counted.sum(axis=0)).ravel(), 0) + 0.5  # the last one stands for all unseen tokens
    surprise = -np.log(totals / totals.sum())
    mean = float((totals - 0.5) @ surprise / counted.sum())
    split = reader.build_analyzer()
    scores = []
    for text in _completions(rows):
        places = [reader.vocabulary_.get(token, -1) for token in split(text)]
        scores.append(float(surprise[places].sum()) - mean * len(places))
    return np.array(scores)


def learned(
    rows: Sequence[Row], kind: Kind, own: Sequence[Row], reference: Sequence[Row], seed: int
) -> Scores:
    """Return the log-odds that the author wrote each row, nats, by a detector that learns from rows of both authors."""
    detector = fitted(kind, _completions(own), _completions(reference), seed)
    return log_odds(detector, _completions(rows))
