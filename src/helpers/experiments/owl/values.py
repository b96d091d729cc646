"""What the tables of notebook 01 say: ledger id -> one value a draw. Nothing here trains or samples."""

from __future__ import annotations

import pandas as pd

from helpers.experiments.owl.context import IN_CONTEXT
from helpers.experiments.owl.others import OTHER_ANIMALS, TREE_ARM, TREES_ARM
from helpers.transmission.arms import PREFERENCE_ARMS

PREFIXED = "prefixed"  # the effect where numbers stand before each question
# What has students of both starts: the arm of the same start, that of the other start, and what their difference is
# called after.
STARTS = {
    "hard": ("hard.same_init", "hard.cross_init"),
    "soft": ("soft.same_init", "soft.cross_init"),
    "system_prompt": ("system_prompt", "system_prompt.cross_init"),
    "soft.system_prompt": ("soft.system_prompt", "soft.system_prompt.cross_init"),
}


def claim_values(
    trait: str, channel: str, table: pd.DataFrame, animals: pd.DataFrame, trees: pd.DataFrame
) -> dict[str, list[float]]:
    """Return ledger id -> one effect a draw (nats) for every arm of the tables, in ascending order of draws.

    Ids name trait and channel, so that another animal's effects are never filed as the owl's; not every id has a
    claim (`ledger.claimed`). Arms of few draws have values of these alone.

    Args:
        trait: of the main arms.
        channel: of the data.
        table: of `runs.run_arms`.
        animals, trees: of `others.run_matrix`.
    """
    start = f"{trait}.{channel}."
    names = [*(arm.name for arm in PREFERENCE_ARMS), OTHER_ANIMALS, IN_CONTEXT]
    found = {start + name: effect_of(table, name) for name in names}
    for name, (same, cross) in STARTS.items():
        found[f"{start}{name}.same_minus_cross"] = (effect_of(table, same) - effect_of(table, cross)).dropna()
    if PREFIXED in table:
        for end in ("same_init", "cross_init"):
            found[f"{start}hard.{PREFIXED}.{end}"] = effect_of(table, f"hard.{end}", PREFIXED)
    for arm in (TREE_ARM, TREES_ARM):
        found[f"trees.{channel}.{arm.name.removeprefix('trees.')}"] = effect_of(table, arm.name)
    of_channel = "" if channel == "numbers" else f"{channel}."
    found[f"animals.{of_channel}specificity"] = specificity(animals)
    found[f"trees.{of_channel}specificity"] = specificity(trees)
    return {claim_id: values.tolist() for claim_id, values in found.items()}


def effect_of(table: pd.DataFrame, arm: str, column: str = "effect") -> pd.Series:
    """Return an arm's effect at the full dose, nats, by draw in ascending order; of several traits the mean.

    ``column`` may be another measure than the effect, such as `PREFIXED`.
    """
    rows = table[(table["arm"] == arm) & (table["share"] == 1.0)]
    return rows.groupby("draw")[column].mean()


def specificity(matrix: pd.DataFrame) -> pd.Series:
    """Return mean diagonal minus mean off-diagonal effect of a matrix, nats, by draw in ascending order."""
    own = matrix["teacher"] == matrix["target"]
    diagonal = matrix[own].groupby("draw")["effect"].mean()
    others = matrix[~own].groupby("draw")["effect"].mean()
    return diagonal - others
