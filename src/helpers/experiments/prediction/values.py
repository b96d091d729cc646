"""How well first steps foretold what was observed: rank correlation, held-out R2, AUROC, and what intervals gain.

Every figure is over draws: a line that foretells a draw is fitted to the others, and intervals are those of the
jackknife over draws (one pseudo-value a draw). A kind of pairs is a family, its channel and its labels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

from helpers.detection.auroc import auroc
from helpers.results.stats import jackknife

PREDICTOR = "slope"  # fixed before the run; the others are shown beside it
PREDICTORS = ("inner", "slope", "cosine", "coverage")
SAME, OTHER = "same start", "other start"
START = "predict."
FEWEST = 5  # draws of a kind, below which nothing is said of it
ARM = {"soft": "soft", "hard": "written"}
Statistic = Callable[[pd.DataFrame], float]


def kinds(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the pairs with an observed effect by kind, such as "misalignment.code.written"."""
    found = {}
    seen = table.dropna(subset=["effect", PREDICTOR])
    for (family, channel, labels), rows in seen.groupby(["family", "channel", "labels"], sort=False):
        if rows["draw"].nunique() >= FEWEST:
            found[f"{family}.{channel}.{ARM[labels]}"] = rows
    return found


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return by kind, for students of the same start, how each predictor ranks them, and what `PREDICTOR` explains.

    Returns:
        ``draws`` (count), ``rank <predictor>`` (Spearman's correlation with the effect), ``r2`` (held out by draw) and
        ``auroc`` (chance that the predictor is larger with the same start than with another; missing without others).
    """
    rows = {}
    for name, pairs in kinds(table).items():
        own = pairs[pairs["start"] == SAME]
        found: dict[str, float] = {"draws": own["draw"].nunique()}
        found |= {f"rank {predictor}": rank(own, predictor) for predictor in PREDICTORS}
        rows[name] = found | {"r2": held_out_r2(own), "auroc": auroc_of_starts(pairs)}
    return pd.DataFrame.from_dict(rows, orient="index")


def rank(pairs: pd.DataFrame, predictor: str = PREDICTOR) -> float:
    """Return Spearman's rank correlation of a predictor with the observed effect."""
    known = pairs.dropna(subset=[predictor])
    if known[predictor].nunique() < 2:
        return 0.0
    return float(scipy_stats.spearmanr(known[predictor], known["effect"]).statistic)


def held_out_r2(pairs: pd.DataFrame) -> float:
    """Return the share of the squared error that a line saves which was fitted to the other draws.

    What it is compared with is the mean of the other draws. Below 0 the line foretells worse than that mean.
    """
    errors, spread = 0.0, 0.0
    for draw in pairs["draw"].unique():
        others, own = pairs[pairs["draw"] != draw], pairs[pairs["draw"] == draw]
        line = np.polyfit(others[PREDICTOR], others["effect"], 1)
        errors += float(((own["effect"] - np.polyval(line, own[PREDICTOR])) ** 2).sum())
        spread += float(((own["effect"] - others["effect"].mean()) ** 2).sum())
    return 1 - errors / spread


def auroc_of_starts(pairs: pd.DataFrame) -> float:
    """Return the chance that the predictor of a pair of the same start exceeds that of one of another start.

    It is NaN where there is no pair of one of the two.
    """
    own, others = (pairs.loc[pairs["start"] == start, PREDICTOR].to_numpy() for start in (SAME, OTHER))
    if not len(own) or not len(others):
        return float("nan")
    return auroc(own, others)


def width_left(pairs: pd.DataFrame) -> float:
    """Return how wide the interval of the mean effect is with the predictor as a covariate, as a share of without it.

    The covariate is taken at its mean, so that the mean effect stays what it is.
    """
    by_draw = pairs.groupby("draw")[[PREDICTOR, "effect"]].mean()
    count = len(by_draw)
    residual = by_draw["effect"] - np.polyval(np.polyfit(by_draw[PREDICTOR], by_draw["effect"], 1), by_draw[PREDICTOR])
    with_it = np.sqrt((residual**2).sum() / (count - 2)) * scipy_stats.t.ppf(0.975, count - 2)
    return float(with_it / (by_draw["effect"].std() * scipy_stats.t.ppf(0.975, count - 1)))


def claim_values(table: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one pseudo-value a draw, see `kinds` for the names.

    ``rank.<kind>``, ``r2.<kind>`` and ``width.<kind>`` are about students of the same start; ``auroc`` is the mean over
    kinds that have both starts.
    """
    found = {}
    measures: dict[str, Statistic] = {"rank": rank, "r2": held_out_r2, "width": width_left}
    for name, pairs in kinds(table).items():
        own = pairs[pairs["start"] == SAME]
        for measure, statistic in measures.items():
            found[f"{START}{measure}.{name}"] = over_draws(own, statistic)
    found[f"{START}auroc"] = over_draws(table.dropna(subset=[PREDICTOR]), mean_auroc)
    return {claim_id: values for claim_id, values in found.items() if values}


def mean_auroc(table: pd.DataFrame) -> float:
    """Return the mean `auroc_of_starts` over the kinds of pairs that have both starts; NaN where there is none."""
    found = [auroc_of_starts(pairs) for _, pairs in table.groupby(["family", "channel", "labels"])]
    return float(np.nanmean(found)) if not np.isnan(found).all() else float("nan")


def over_draws(table: pd.DataFrame, statistic: Statistic) -> list[float]:
    """Return the jackknife's pseudo-values of a statistic of a table, one a draw, ascending; none below `FEWEST`."""
    draws = sorted(table["draw"].unique())
    if len(draws) < FEWEST:
        return []
    values = jackknife(draws, lambda kept: statistic(table[table["draw"].isin(kept)]))
    return values if np.isfinite(values).all() else []
