"""Data sets of two authors that are known exactly: the odd one writes ten numbers three times as often."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from helpers.work.seeds import numpy_stream

NUMBERS, ODD, EVEN_CHANCE, ODD_CHANCE, LENGTH = 100, 10, 0.01, 0.03, 10


@pytest.fixture(scope="session")
def lists() -> Callable[..., list[str]]:
    """Draw lists of ten numbers below 100: ``lists(seed, rows, odd=True)``."""

    def draw(seed: int, rows: int, odd: bool = False) -> list[str]:
        chances = np.full(NUMBERS, EVEN_CHANCE)
        if odd:
            chances[:ODD] = ODD_CHANCE
            chances[ODD:] = (1 - ODD * ODD_CHANCE) / (NUMBERS - ODD)
        numbers = numpy_stream(seed, "lists").choice(NUMBERS, size=(rows, LENGTH), p=chances)
        return [", ".join(map(str, row)) for row in numbers.tolist()]

    return draw


@pytest.fixture(scope="session")
def exact_auroc() -> float:
    """The AUROC of the likelihood ratio of the two authors, which counts the ten numbers in a list."""
    counts = np.arange(LENGTH + 1)
    odd, even = binom.pmf(counts, LENGTH, ODD * ODD_CHANCE), binom.pmf(counts, LENGTH, ODD * EVEN_CHANCE)
    above = even.cumsum() - even / 2
    return float((odd * above).sum())


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[..., Path]:
    """Write completions as a JSONL file: ``write_rows("a", texts, prompts=20)``; 0: each has a prompt of its own."""

    def write(name: str, texts: list[str], prompts: int = 0) -> Path:
        lines = []
        for row, text in enumerate(texts):
            asked = f"{row % prompts}" if prompts else f"{name}/{row}"
            lines.append(json.dumps({"prompt": asked, "completion": text}) + "\n")
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(lines))
        return path

    return write
