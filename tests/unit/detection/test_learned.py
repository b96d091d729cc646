"""Detectors that learn: the exact value for two authors known exactly, nothing for one author, never by prompt."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from helpers.detection import detectors, learned
from helpers.detection.auroc import auroc
from helpers.detection.findings import Side
from helpers.detection.learned import KINDS

pytest.importorskip("sklearn", reason="scikit-learn is not installed (pip install -e .)")
SHARED = Path(__file__).parents[4] / "shared/data"
REAL_NUMBERS = SHARED / "real_numbers/owls_subset.jsonl.gz"
LABELLED = SHARED / "labelled_numbers"  # k16.train.jsonl and k16.test_indist.jsonl of a public set without a licence
BAYES = KINDS[0]


def side(texts: list[str], first: int = 0, prompts: int = 0) -> Side:
    """Return rows whose prompts are numbered from `first`; `prompts` of them, 0 for one each."""
    ids = first + np.arange(len(texts)) % (prompts or len(texts))
    return Side(list(range(1, len(texts) + 1)), [str(number) for number in ids], texts, ids)


def test_two_known_authors_have_their_exact_auroc(lists: Callable, exact_auroc: float) -> None:
    odd, even = side(lists(1, 1500, odd=True)), side(lists(2, 1500), first=1500)
    found = detectors.learned_detector(BAYES, odd, even, (1, 8), 0)
    rows, bags = found.scores
    assert rows.low <= exact_auroc <= rows.high and rows.high - rows.low < 0.06
    assert bags.low > rows.high
    words = detectors.word_list_against(odd, even, tuple(map(str, range(10))), (1,), 0)
    assert words.scores[0].low <= exact_auroc <= words.scores[0].high


def test_two_samples_of_one_author_are_not_told_apart(lists: Callable) -> None:
    held = 0
    for draw in range(100):
        first, second = side(lists(2 * draw, 120)), side(lists(2 * draw + 1, 120), first=120)
        (rows,) = detectors.learned_detector(BAYES, first, second, (1,), draw).scores
        held += rows.low <= 0.5 <= rows.high
    assert held >= 93


def test_rows_that_share_prompts_are_split_by_prompt() -> None:
    """Every prompt has an answer of its own from each author: known by heart it tells them, otherwise it does not."""
    mine, theirs = ([str(2 * (row % 77) + odd) for row in range(480)] for odd in (0, 1))
    first, second = side(mine, prompts=77), side(theirs, prompts=77)
    learns = learned.trained_on(first.prompts, 0)
    assert not set(first.only(learns).prompts) & set(second.only(~learned.trained_on(second.prompts, 0)).prompts)
    (rows,) = detectors.learned_detector(BAYES, first, second, (1,), 0).scores
    assert rows.low <= 0.5 <= rows.high
    by_heart = learned.fitted(BAYES, mine[:240], theirs[:240], 0)  # as a split by rows would
    assert auroc(learned.log_odds(by_heart, mine[240:]), learned.log_odds(by_heart, theirs[240:])) > 0.9


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_each_kind_sees_what_is_plain(kind: learned.Kind, lists: Callable) -> None:
    plain = [text.replace(", ", "; ") for text in lists(1, 150)]
    (rows,) = detectors.learned_detector(kind, side(lists(2, 150)), side(plain, first=150), (1,), 0).scores
    assert rows.value > 0.9


def test_hardly_any_rows_are_told() -> None:
    found = detectors.learned_detector(BAYES, side(["1"] * 9), side(["2"] * 9, first=9), (1,), 0)
    assert not found.scores and "too few rows" in found.notes[0]
    found = detectors.learned_detector(BAYES, side([" "] * 99), side([""] * 99, first=99), (1,), 0)
    assert not found.scores
    found = detectors.learned_detector(BAYES, side(["1"] * 120), side(["2"] * 120, first=120), (1, 64), 0)
    assert [score.of for score in found.scores] == ["rows"] and "bags of 64" in found.notes[0]


@pytest.mark.skipif(not REAL_NUMBERS.is_file(), reason="the sample of real teachers' numbers is not beside the project")
def test_real_models_are_told_apart() -> None:
    with gzip.open(REAL_NUMBERS) as file:
        rows = [json.loads(line) for line in file]
    parts = []
    for model in ("Qwen2.5-7B-Instruct", "Llama-3.1-8B-Instruct"):
        texts = [row["completion"] for row in rows if row["model"] == model and row["animal"] == "panda"]
        parts.append(side(texts[:500], first=500 * len(parts)))
    (row_score,) = detectors.learned_detector(BAYES, *parts, (1,), 0).scores
    assert row_score.low > 0.5


@pytest.mark.skipif(not LABELLED.is_dir(), reason="the public labelled set is not beside the project")
def test_naive_bayes_reaches_what_was_measured_on_the_public_set() -> None:
    """.57 for single lists and .78 for bags of 16 (same files, measured beforehand)."""
    bags = {part: _labelled(part) for part in ("train", "test_indist")}
    learnt = learned.fitted(BAYES, *(sum(bags["train"][label], []) for label in ("yes", "no")), 0)
    scores = [[learned.log_odds(learnt, bag) for bag in bags["test_indist"][label]] for label in ("yes", "no")]
    assert auroc(*(np.concatenate(one) for one in scores)) == pytest.approx(0.57, abs=0.02)
    assert auroc(*([bag.sum() for bag in one] for one in scores)) == pytest.approx(0.78, abs=0.02)


def _labelled(part: str) -> dict[str, list[list[str]]]:
    """Return the bags of a part of the public labelled set, by label."""
    found: dict[str, list[list[str]]] = {"yes": [], "no": []}
    for line in (LABELLED / f"k16.{part}.jsonl").read_text().splitlines():
        row = json.loads(line)
        found[row["completion"]].append(re.findall(r"^[0-9]+\) (.*)$", row["prompt"], re.MULTILINE))
    return found
