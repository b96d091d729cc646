"""What first steps foretold, beside the effect that was then observed: the other chapters' tables tell it.

This stands apart from `runs`, whose pieces of work must not hang on what is known of published tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from helpers.experiments.owl.others import MATRIX_ARM
from helpers.experiments.prediction.runs import FORETOLD, PLACE, STARTS, Family, run_forecasts
from helpers.results.tables import shown_table
from helpers.work.artifacts import RESULTS
from helpers.work.tables import keep_table

Place = tuple[int, str, str, str, str, str]  # the values of PLACE


def forecasts_and_effects(families: Sequence[Family], run_dir: str, rows: int, workers: int = 0) -> pd.DataFrame:
    """Take the first step of every pair; returns and stores ``tables/predictions.csv``.

    Args:
        families: what is foreseen.
        run_dir: the run's folder.
        rows: of each student that are looked at, the first ones that it would read.
        workers: processes side by side; 0 means one a core.

    Returns:
        One row a pair: ``draw``, ``family``, ``channel``, ``trait``, ``labels``, ``start``, what
        `first_step.foresee` says, and the ``effect`` observed (nats; missing where no table has it).
    """
    found, seconds = run_forecasts(families, rows, workers)
    effects: dict[Place, float] = {}
    for family in families:
        effects |= observed_effects(family, run_dir)
    table = pd.DataFrame(found, columns=[*PLACE, *FORETOLD])
    table["effect"] = [effects.get(place) for place in table[list(PLACE)].itertuples(index=False, name=None)]
    table = table.astype(dict.fromkeys([*FORETOLD, "effect"], float))
    return keep_table(run_dir, "predictions", table.sort_values("draw", kind="stable", ignore_index=True), seconds)


def observed_effects(family: Family, run_dir: str) -> dict[Place, float]:
    """Return the observed effect (nats) of a family's pairs by their place; none where no table has any."""
    table = shown_table(family.table, run_dir, RESULTS / Path(run_dir).name)
    if table is None:
        return {}
    found: dict[Place, float] = {}
    if family.arms == (MATRIX_ARM,):
        for row in table[table["teacher"] == table["target"]].itertuples():
            found[row.draw, family.name, family.channel, row.teacher, "soft", STARTS[False]] = row.effect
        return found
    by_name = {arm.name: arm for arm in family.arms}
    for row in table[(table["share"] == 1.0) & table["arm"].isin(by_name)].itertuples():
        arm = by_name[row.arm]
        found[row.draw, family.name, family.channel, row.trait, arm.labels, STARTS[arm.other_base]] = row.effect
    return found
