"""The explorer "digits from noise": a smaller network than the experiment's, trained in the page.

Digits are averaged to half their side and kept as 16 grey values, so that some two thousand fit a page.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.figures.explorers.frame import Explorer, check_columns, script, show, style
from helpers.figures.mnist import sweeps as sweep_panels

TAUGHT, TESTED = 1800, 400  # digits of the page: to teach on, and to test on
AUX, OVERLAPS = (1, 3, 10, 50), (0.0, 0.9, 0.99, 1.0)  # to choose from
KINDS = {
    "uniform": "uniform noise",
    "gaussian": "normal noise",
    "shuffled": "digits with shuffled pixels",
    "digits": "digits without their labels",
}
# Tried on digits that the page does not hold: some seconds of training, and students between chance and their teacher.
WIDTH, BATCH = 96, 100
STEPS = {"teacher": 108, "student": 400}
RATES = {"teacher": 0.001, "student": 0.0015}
_SWEEPS = ("sweep", "setting", "arm", "draw", "accuracy")


class DigitsExplorer(Explorer):
    """A widget that trains networks in the page; `data` is what `digits_data` returns."""

    _esm, _css = script("digits", "digits_network"), style("digits")


def digits_explorer(
    sweeps: pd.DataFrame, images: NDArray[np.uint8], labels: NDArray[np.uint8], aux_logits: int
) -> DigitsExplorer:
    """Return the explorer of tables/mnist_sweeps.csv and of some digits.

    Args:
        sweeps: columns sweep, setting, arm, draw, accuracy.
        images: uint8 [image, 28, 28], at least `TAUGHT` + `TESTED`; more are left out.
        labels: uint8 [image].
        aux_logits: auxiliary outputs of the main experiment, which the sweeps of other things have.

    Raises:
        ExplorerError: a column is missing, or there are no rows.
    """
    data = digits_data(recorded(sweeps, aux_logits), images, labels, aux_logits)
    return show(DigitsExplorer(data), sweep_panels(sweeps).html())


def digits_data(
    found: list[dict[str, Any]], images: NDArray[np.uint8], labels: NDArray[np.uint8], aux_logits: int
) -> dict[str, Any]:
    """Return what the explorer's script needs, as plain JSON values; ``recorded`` is ``found``, see `recorded`."""
    small = shrunk(images[: TAUGHT + TESTED])
    known = {"aux": list(AUX), "overlaps": list(OVERLAPS), "kinds": KINDS, "recorded": found}
    recipe = {"width": WIDTH, "batch": BATCH, "steps": STEPS, "rate": RATES, "paper": {"aux": aux_logits}}
    digits = {"side": small.shape[1], "count": len(small), "packed": packed(small)}
    digits["labels"] = "".join(map(str, labels[: len(small)]))
    return {**known, **recipe, "taught": min(TAUGHT, len(small) * TAUGHT // (TAUGHT + TESTED)), "digits": digits}


def recorded(sweeps: pd.DataFrame, aux_logits: int) -> list[dict[str, Any]]:
    """Return what the sweeps found, an entry for each setting that the explorer offers.

    An entry has ``aux`` (auxiliary outputs), ``overlap`` (of the starts), ``kind`` (of the student's images),
    ``draws`` (accuracies, shares) and their ``mean``.
    """
    check_columns("MNIST sweeps", sweeps, _SWEEPS)
    found: dict[tuple[int, float, str], dict[str, Any]] = {}
    for (sweep, setting, arm), rows in sweeps.groupby(["sweep", "setting", "arm"], sort=False):
        place = _place(sweep, setting, arm, aux_logits)
        if place is not None and place not in found:
            aux, overlap, kind = place
            draws = [round(float(value), 4) for value in rows["accuracy"]]
            mean = round(float(rows["accuracy"].mean()), 4)
            found[place] = {"aux": aux, "overlap": overlap, "kind": kind, "draws": draws, "mean": mean}
    return list(found.values())


def _place(sweep: str, setting: Any, arm: str, aux_logits: int) -> tuple[int, float, str] | None:
    """Return the auxiliary outputs, likeness and images of a point of a sweep; None where the page has no such."""
    aux, overlap, kind = aux_logits, 0.0 if arm == "cross_aux" else 1.0, "uniform"
    if sweep == "aux_logits":
        aux = int(float(setting))
    elif sweep == "overlap":
        overlap = float(setting)
    elif sweep == "inputs":
        kind = str(setting)
    else:
        return None
    return (aux, overlap, kind) if aux in AUX and overlap in OVERLAPS and kind in KINDS else None


def shrunk(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images uint8 [image, side, side] at half their side, as grey values 0 to 15."""
    count, side, _ = images.shape
    means = images.reshape(count, side // 2, 2, side // 2, 2).mean(axis=(2, 4))
    return np.rint(means / 17).astype(np.uint8)


def packed(grey: NDArray[np.uint8]) -> str:
    """Return grey values 0 to 15, an even number of them, two in a byte, compressed and in base64."""
    values = grey.reshape(-1)
    pairs = (values[::2] << 4) | values[1::2]
    return base64.b64encode(zlib.compress(pairs.tobytes(), 9)).decode()
