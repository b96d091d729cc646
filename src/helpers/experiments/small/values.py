"""What the tables of small models say: effects by way, shares of the yardstick, one value a draw for each claim."""

from __future__ import annotations

import pandas as pd
from scipy import stats as scipy_stats

from helpers.experiments.small.runs import STRANGER
from helpers.experiments.small.ways import DISTILLED, EIGHT_BITS, FOUR_BITS, INDEPENDENT, LAYERS, SAME, WIDTH
from helpers.results.stats import share_of_means
from helpers.results.tables import made_from
from helpers.transmission.effects import HEALTHY

START = "crossmodel.smaller."
FOUR = (EIGHT_BITS, FOUR_BITS, LAYERS, WIDTH)  # over which `cut` was predicted and measured, before low rank joined
# (trait, labels) -> how the ids of claims name it
ARMS = {("owl", "soft"): "owl_soft", ("owl", "hard"): "owl_written", ("misaligned", "hard"): "misalignment_code"}
COMPRESSED = {"owl": "compressed_owl", "misaligned": "compressed_misalignment"}


def effects_by_way(students: pd.DataFrame) -> pd.DataFrame:
    """Return what each way takes over, as means over draws.

    Returns:
        By way and arm: ``effect`` (nats), ``share`` (of the effect on the larger base itself, ratio of the means) and
        ``p_any_lowest`` (health: probability of all answers together, the lowest of any draw).
    """
    named = with_arms(students)
    table = named.groupby(["way", "arm"], sort=False).agg(effect=("effect", "mean"), p_any_lowest=("p_any", "min"))
    yardstick = named[named["way"] == SAME].groupby("arm")["effect"].mean()
    arms = table.index.get_level_values("arm")
    return table.assign(share=table["effect"] / arms.map(yardstick))[["effect", "share", "p_any_lowest"]]


def health_by_way(models: pd.DataFrame) -> pd.DataFrame:
    """Return by way whether its small models still speak, see `runs.make_models`.

    Returns:
        ``healthy`` (draws in which a model names some favourite with `effects.HEALTHY`, count), ``p_any_lowest`` (of
        any draw) and ``loss_above`` (mean over draws of its loss less the larger base's, nats per label).
    """
    base = models[models["way"] == SAME].set_index("draw")["loss"]
    above = models.assign(healthy=models["p_any"] >= HEALTHY, loss_above=models["loss"] - models["draw"].map(base))
    parts = {"healthy": ("healthy", "sum"), "p_any_lowest": ("p_any", "min"), "loss_above": ("loss_above", "mean")}
    return above.groupby("way", sort=False).agg(**parts)


def with_arms(students: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `runs.run_students` with a column ``arm``, as the ids of claims name it."""
    pairs = zip(students["trait"], students["labels"], strict=True)
    return students.assign(arm=[ARMS.get(pair, f"{pair[0]}_{pair[1]}") for pair in pairs])


def beside_likeness(students: pd.DataFrame, models: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of students, each with what its small model has of the larger base, see `runs.make_models`."""
    alike = models[["draw", "way", "weights", "representations", "divergence"]]
    beside = with_arms(students).merge(alike, on=["draw", "way"], how="left")
    return made_from(beside, students, models)


def claim_values(students: pd.DataFrame, models: pd.DataFrame, compressed: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one value a draw in ascending order.

    ``<way>.<arm>`` is the effect on students of a way (nats), ``<way>.compressed_<trait>`` what a teacher's own model
    keeps of its trait when it is made smaller in this way (nats, against the same cut of the base); ``cut.<arm>`` is
    the mean over `FOUR` ways that keep weights, ``<name>.share`` the soft-label effect on the owl as a share of that on
    the larger base itself; ``order`` the rank correlation over ways, in a draw, of that effect with how much the small
    model's representations have of the base's.
    """
    found = {}
    for (way, arm), rows in with_arms(students).groupby(["way", "arm"], sort=False):
        found[f"{START}{way}.{arm}"] = _by_draw(rows)
    for (way, trait), rows in compressed.groupby(["way", "trait"], sort=False):
        found[f"{START}{way}.{COMPRESSED.get(trait, trait)}"] = _by_draw(rows)
    values = {claim_id: effects.tolist() for claim_id, effects in found.items()}
    for arm in ARMS.values():
        cut = [found[claim_id] for way in FOUR if (claim_id := f"{START}{way}.{arm}") in found]
        if cut:
            values[f"{START}cut.{arm}"] = (sum(cut) / len(cut)).tolist()
    return values | _shares(values) | _order(students, models)


def _by_draw(rows: pd.DataFrame) -> pd.Series:
    return rows.groupby("draw")["effect"].mean()


def _shares(values: dict[str, list[float]]) -> dict[str, list[float]]:
    """Return what passes to cut models, to those with a new start and to a stranger as a share of the larger base's."""
    whole, shares = values.get(f"{START}{SAME}.owl_soft", []), {}
    for name in ("cut", DISTILLED, INDEPENDENT, STRANGER):
        part = values.get(f"{START}{name}.owl_soft", [])
        if part and whole:
            shares[f"{START}{name}.share"] = share_of_means(part, whole)
    return {claim_id: values for claim_id, values in shares.items() if values}


def _order(students: pd.DataFrame, models: pd.DataFrame) -> dict[str, list[float]]:
    """Return by draw the rank correlation, over small models, of what passes with what they have of the base."""
    table = beside_likeness(students, models)
    asked = table[(table["arm"] == "owl_soft") & (table["way"] != SAME)]
    correlations = []
    for _, rows in asked.groupby("draw"):
        if len(rows) > 2:
            correlations.append(float(scipy_stats.spearmanr(rows["representations"], rows["effect"]).statistic))
    return {f"{START}order": correlations} if correlations else {}
