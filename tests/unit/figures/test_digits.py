"""What the explorer "digits from noise" is given: digits that a page can hold, and what was recorded."""

import base64
import zlib

import numpy as np
import pandas as pd
import pytest

from helpers.figures.explorers import digits
from helpers.figures.explorers.frame import MOST_BYTES, ExplorerError
from helpers.mnist.dataset import load_mnist
from helpers.results.published import RESULTS
from helpers.work.artifacts import read_table

ROWS = [
    ("aux_logits", "3", "aux_only", 0, 0.5), ("aux_logits", "3", "aux_only", 1, 0.7),
    ("aux_logits", "200", "aux_only", 0, 0.9), ("aux_logits", "3", "cross_aux", 0, 0.1),
    ("inputs", "uniform", "aux_only", 0, 0.5), ("inputs", "digits", "cross_aux", 0, 0.2),
    ("overlap", "0.9", "aux_only", 0, 0.3), ("overlap", "0.5", "aux_only", 0, 0.3), ("width", "64", "aux_only", 0, 0.3),
]  # fmt: skip


def table(rows=ROWS):
    """Sweeps as their table holds them."""
    return pd.DataFrame(rows, columns=["sweep", "setting", "arm", "draw", "accuracy"])


def test_a_recorded_point_is_found_by_its_three_settings():
    found = {(row["aux"], row["overlap"], row["kind"]): row["draws"] for row in digits.recorded(table(), 3)}
    assert found == {
        (3, 1.0, "uniform"): [0.5, 0.7],  # of several sweeps the first, which has all draws
        (3, 0.0, "uniform"): [0.1],
        (3, 0.0, "digits"): [0.2],
        (3, 0.9, "uniform"): [0.3],
    }
    assert digits.recorded(table(), 3)[0]["mean"] == 0.6


def test_digits_are_kept_to_a_sixteenth_of_their_grey():
    images = np.random.default_rng(1).integers(0, 256, size=(6, 28, 28)).astype(np.uint8)
    small = digits.shrunk(images)
    assert small.shape == (6, 14, 14) and small.max() <= 15
    assert np.abs(17.0 * small[2, 3, 4] - images[2, 6:8, 8:10].mean()) <= 8.5
    pairs = np.frombuffer(zlib.decompress(base64.b64decode(digits.packed(small))), dtype=np.uint8)
    assert np.array_equal(np.stack([pairs >> 4, pairs & 15], axis=1).reshape(small.shape), small)


def test_the_published_explorer_fits_a_page_and_records_every_choice():
    sweeps = read_table(RESULTS / "nano/tables/mnist_sweeps.csv")
    made = digits.digits_explorer(sweeps, *load_mnist("train"), 3)
    data, size = made.data, len(str(made.data))
    count = digits.TAUGHT + digits.TESTED
    assert size < MOST_BYTES and data["digits"]["count"] == len(data["digits"]["labels"]) == count
    alone = {(row["aux"], row["overlap"], row["kind"]) for row in data["recorded"]}
    assert {(aux, 1.0, "uniform") for aux in digits.AUX} <= alone
    assert {(3, overlap, "uniform") for overlap in digits.OVERLAPS} <= alone
    assert {(3, 1.0, kind) for kind in digits.KINDS} <= alone


def test_a_table_without_a_column_is_refused():
    with pytest.raises(ExplorerError, match="no column `accuracy`"):
        digits.recorded(table().drop(columns="accuracy"), 3)
