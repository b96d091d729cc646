"""The explorer "told before training?": what was observed over what the first step foretold, one base held out.

It is the one explorer that computes statistics in the page, since a reader chooses which base a line is not fitted to.
They are tested against those of `helpers.experiments.prediction.values`.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from helpers.figures import prediction
from helpers.figures.explorers.damage import CHANNELS
from helpers.figures.explorers.frame import Explorer, check_columns, script, show, style

PREDICTORS = {
    "slope": "slope of the first step (nats per unit of way)",
    "coverage": "coverage of the teacher's way (cosine)",
    "cosine": "cosine of way and gradient",
    "inner": "inner product of way and gradient (nats)",
}
LABELS = {"soft": "soft labels", "hard": "written rows"}
OWN = "same start"  # as the table has it; any other start is another
FEWEST = 5  # draws, below which nothing is said of a kind
_KIND = ["family", "channel", "labels"]
_COLUMNS = ("draw", *_KIND, "trait", "start", *PREDICTORS, "effect")


class PredictionExplorer(Explorer):
    """A widget that shows forecasts and effects; `data` is what `prediction_data` returns."""

    _esm, _css = script("prediction_explorer", "foretelling"), style()


def prediction_explorer(table: pd.DataFrame) -> PredictionExplorer | str:
    """Return the explorer of tables/predictions.csv; words where no effect is known. Errors as in `prediction_data`."""
    check_columns("predictions", table, _COLUMNS)
    known = table.dropna(subset=["effect", "slope"])
    if known.empty:
        return "No effect is known of the students of these draws."
    first = known[(known[_KIND] == known[_KIND].iloc[0]).all(axis=1)]
    return show(PredictionExplorer(prediction_data(known)), prediction.foretold(first).html())


def prediction_data(table: pd.DataFrame) -> dict[str, Any]:
    """Return what the explorer's script draws, as plain JSON values.

    Args:
        table: has columns draw, family, channel, labels, trait, start, the `PREDICTORS`, effect (nats), one row a pair
            of student and control whose effect is known.

    Returns:
        ``predictors``: name and words of each. ``fewest``: see `FEWEST`. ``kinds``: one entry per family x channel x
        labels, each of these with its words, and ``pairs``: draw, trait, 1 for the same start and 0 for another,
        effect, and the predictors in their order, unrounded; None where one is not known.

    Raises:
        ExplorerError: a column is missing, or there are no rows.
    """
    check_columns("predictions", table, _COLUMNS)
    kinds = []
    for (family, channel, labels), rows in table.groupby(_KIND, sort=False):
        named = {
            "family": [family, prediction.family_label(family)],
            "channel": [channel, CHANNELS.get(channel, channel)],
            "labels": [labels, LABELS.get(labels, labels)],
        }
        kinds.append({**named, "pairs": [_pair(row) for _, row in rows.sort_values("draw", kind="stable").iterrows()]})
    return {"predictors": [[name, words] for name, words in PREDICTORS.items()], "fewest": FEWEST, "kinds": kinds}


def _pair(row: pd.Series) -> list[Any]:
    numbers = [None if pd.isna(row[name]) else float(row[name]) for name in ("effect", *PREDICTORS)]
    return [int(row["draw"]), row["trait"], int(row["start"] == OWN), *numbers]
