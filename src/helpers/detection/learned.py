"""Detectors that learn from labelled rows who wrote a row: naive Bayes, logistic regression, boosted trees.

Each is trained on some prompts and asked about others, so a detector that knows prompts by heart gains nothing. Rows
are split by the hash of their prompt, which is the same in every file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from helpers.detection.counting import LIMIT, numbers_in
from helpers.detection.sketches import text_hash
from helpers.work.seeds import derive

TOKENS = r"[0-9]+|[^\W\d_]+|[^\w\s]"  # numbers, words, marks
MOST_FEATURES = 50_000
BOOSTED_TOKENS = 100  # the most frequent ones, counted for the boosted trees
TRAINED_TENTHS = 6  # of the prompts; the others are asked about
SHORTEST_FIT = 20  # rows of each author that a detector must have to learn from
_SPACE = re.compile(r"\s")


class Detector(Protocol):
    """What can be trained on texts with labels; it gives log-odds as scikit-learn's classifiers of two labels do.

    That is by `decision_function`, (text,), nats, or where a kind has none by `predict_log_proba`, (text, label).
    """

    def fit(self, texts: Sequence[str], labels: NDArray[np.bool_]) -> Any:
        """Learn from texts; True is the first author."""
        ...


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A way of learning: what it is called and how one is made from a seed."""

    name: str
    make: Callable[[int], Detector]


def naive_bayes(seed: int = 0) -> Detector:
    """Return naive Bayes over numbers, words and marks, one by one; nothing in it is drawn."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    return make_pipeline(CountVectorizer(token_pattern=TOKENS, lowercase=False), MultinomialNB())


def ngrams(seed: int = 0) -> Detector:
    """Return logistic regression over single tokens and pairs of neighbours."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    options = {"ngram_range": (1, 2), "max_features": MOST_FEATURES, "lowercase": False}
    words = CountVectorizer(token_pattern=TOKENS, **options)
    return make_pipeline(words, LogisticRegression(C=0.03, solver="liblinear", random_state=seed))


def boosted(seed: int = 0) -> Detector:
    """Return gradient-boosted trees over the shape of a text and its most frequent tokens."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.preprocessing import FunctionTransformer

    frequent = CountVectorizer(token_pattern=TOKENS, lowercase=False, max_features=BOOSTED_TOKENS)
    features = make_union(FunctionTransformer(shapes), make_pipeline(frequent, FunctionTransformer(_dense)))
    trees = HistGradientBoostingClassifier(max_leaf_nodes=15, early_stopping=False, random_state=seed)
    return make_pipeline(features, trees)


KINDS = (
    Kind(name="naive Bayes", make=naive_bayes),
    Kind(name="logistic regression over n-grams", make=ngrams),
    Kind(name="gradient boosting", make=boosted),
)


def shapes(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return what a text looks like, (text, feature): lengths, numbers, their sizes, steps and digits, marks, space."""
    return np.array([_shape(text) for text in texts])


def _shape(text: str) -> list[float]:
    numbers = np.array(numbers_in(text) or [LIMIT], dtype=float)
    steps = np.diff(numbers) if numbers.size > 1 else np.zeros(1)
    sizes = [numbers.mean(), numbers.min(), numbers.max(), numbers[0], numbers[-1]]
    moves = [steps.mean(), np.abs(steps).mean(), (steps > 0).mean(), np.unique(numbers).size / numbers.size]
    marks = [len(text), numbers.size, text.count(","), text.count("\n"), len(_SPACE.findall(text))]
    ends = [text.count(str(digit)) for digit in range(10)]
    return [*map(float, [*sizes, *moves, *marks, text != text.strip(), *ends])]


def _dense(counts: Any) -> NDArray[np.float64]:
    return counts.toarray()


def trained_on(prompts: Sequence[str], seed: int) -> NDArray[np.bool_]:
    """Return whether a detector may learn from rows of each prompt; equal prompts, equal answers, in every file."""
    salt = str(derive(seed, "split by prompt"))
    return np.array([text_hash(salt, prompt) % 10 < TRAINED_TENTHS for prompt in prompts], dtype=bool)


def fitted(kind: Kind, first: Sequence[str], second: Sequence[str], seed: int) -> Detector:
    """Return a detector that has learnt from the texts of two authors."""
    from threadpoolctl import threadpool_limits

    labels = np.arange(len(first) + len(second)) < len(first)
    detector = kind.make(derive(seed, kind.name) % 2**31)
    with threadpool_limits(1):  # the trees' threads wait for each other where other programs are at work
        detector.fit([*first, *second], labels)
    return detector


def log_odds(detector: Detector, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the log-odds that the first author wrote each text, nats."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        if hasattr(detector, "decision_function"):
            return detector.decision_function(texts)
        second, first = detector.predict_log_proba(texts).T
    return first - second
