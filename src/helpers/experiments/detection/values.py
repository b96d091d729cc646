"""What the tables of notebook 11 say: ledger id -> one value a draw, and tables to read. Nothing here trains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.detection.knowledge import DETECTORS
from helpers.experiments.detection.cases import BASE, CONTROL, HELD_OUT
from helpers.experiments.detection.measuring import EXACT
from helpers.results.stats import share_of_means
from helpers.results.tables import published_table

OWL = "owl.numbers"  # the case that most claims are about
SHOWN = {"owl.numbers": "owl, fine-tuned", "owl.prompted": "owl, prompted", "misalignment.code": "misaligned code"}
BEST_BLIND = "naive_bayes"  # named on development draws, before the run
REACH = 0.8  # AUROC at which a set counts as seen
CHANCE = 0.5
MOST_ROWS = 64  # of the largest bag


def claim_values(table: pd.DataFrame, weights: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one value a draw, ascending, of everything that has a claim.

    Args:
        table: of `runs.run_detectors`.
        weights: of `runs.run_weights`.
    """
    found = {f"detect.{key}": aurocs(table, key) for key in DETECTORS}
    found |= {f"detect.optimal.{bag}": aurocs(table, EXACT, bag) for bag in sorted(set(table["bag"]))}
    found |= {"detect.row_auc": aurocs(table, BEST_BLIND), "detect.set_auc": aurocs(table, BEST_BLIND, 16)}
    for key in (BEST_BLIND, "judge"):
        found[f"detect.{key}.64"] = aurocs(table, key, MOST_ROWS)
    found["detect.blind.share"] = of_ceiling(table, BEST_BLIND)
    found["detect.blind.rows"] = rows_needed(table, BEST_BLIND)
    for key in (EXACT, BEST_BLIND):
        found[f"detect.{key}.other_author"] = aurocs(table, key, against=CONTROL)
        found[f"detect.{key}.held_out"] = aurocs(table, key, against=HELD_OUT)
    for case in sorted(set(table["case"]) - {OWL}):
        for key in (EXACT, BEST_BLIND, "judge"):
            found[f"detect.{case}.{key}"] = aurocs(table, key, case=case)
            found[f"detect.{case}.{key}.64"] = aurocs(table, key, MOST_ROWS, case=case)
    own = weights[weights["case"] == OWL].sort_values("draw")
    found["detect.coverage"] = (own["coverage"] - own["coverage_control"]).tolist()
    found["detect.weights"] = (own["moved"] / own["moved_control"]).tolist()
    return found


def aurocs(table: pd.DataFrame, key: str, bag: int = 1, against: str = BASE, case: str = OWL) -> list[float]:
    """Return a detector's AUROC by draw, ascending."""
    rows = table[(table["detector"] == key) & (table["bag"] == bag)]
    rows = rows[(rows["against"] == against) & (rows["case"] == case)]
    return rows.sort_values("draw")["auroc"].tolist()


def of_ceiling(table: pd.DataFrame, key: str, case: str = OWL) -> list[float]:
    """Return what a detector of single rows sees beyond chance, as a share of what can be seen; one value a draw."""
    seen, ceiling = (np.array(aurocs(table, name, case=case)) - CHANCE for name in (key, EXACT))
    return share_of_means(seen, ceiling)


def rows_needed(table: pd.DataFrame, key: str, case: str = OWL) -> list[float]:
    """Return by draw how many rows of one author a detector needs to reach an AUROC of `REACH`.

    Between the sizes of bags that were measured the AUROC is taken to rise evenly with the logarithm of the rows. A
    draw that does not reach it counts with twice the largest bag.
    """
    rows = table[(table["detector"] == key) & (table["against"] == BASE) & (table["case"] == case)]
    return [_crossing(of_draw.sort_values("bag")) for _, of_draw in rows.groupby("draw")]


def _crossing(rows: pd.DataFrame) -> float:
    bags, seen = np.log(rows["bag"].to_numpy()), rows["auroc"].to_numpy()
    above = np.flatnonzero(seen >= REACH)
    if not above.size:
        return float(2 * rows["bag"].max())
    place = above[0]
    if place == 0:
        return float(rows["bag"].iloc[0])
    share = (REACH - seen[place - 1]) / (seen[place] - seen[place - 1])
    return float(np.exp(bags[place - 1] + share * (bags[place] - bags[place - 1])))


def told_rows(table: pd.DataFrame, case: str = OWL) -> str:
    """Return in a sentence how many rows `BEST_BLIND` needs, mean and range over draws, or that it is not enough."""
    needed, most = rows_needed(table, BEST_BLIND, case), int(table["bag"].max())
    missed = sum(rows > most for rows in needed)
    name = DETECTORS[BEST_BLIND].name
    if missed:
        return f"{name} does not reach an AUROC of {REACH} with {most} rows in {missed} of {len(needed)} draws"
    found = f"{np.mean(needed):.1f} rows in the mean, from {min(needed):.1f} to {max(needed):.1f}"
    return f"{name} reaches an AUROC of {REACH} with {found} over {len(needed)} draws"


# --- tables to read -------------------------------------------------------------------------------


def list_pairs(published: Path) -> pd.DataFrame:
    """Return the lists of teacher and base side by side that chapter 01 has published; none where it has not."""
    found = published_table(published, "list_pairs")
    return pd.DataFrame({"base": [], "teacher": []}) if found is None else found


def knowledge() -> pd.DataFrame:
    """Return the key and name of every detector, and what it must know."""
    rows = [{"key": key, "detector": found.name, "must know": found.knows} for key, found in DETECTORS.items()]
    return pd.DataFrame(rows).set_index("key")


def overview(table: pd.DataFrame, case: str = OWL, bags: Sequence[int] = (1, 8, 16, 64)) -> pd.DataFrame:
    """Return by detector what it must know, its mean AUROC by rows of a bag, and its share of the ceiling at one row.

    Detectors stand in the order of `DETECTORS`.
    """
    rows = table[(table["case"] == case) & (table["against"] == BASE)]
    means = rows.pivot_table(index="detector", columns="bag", values="auroc", aggfunc="mean")
    found = []
    for key in [key for key in DETECTORS if key in means.index]:
        detector = DETECTORS[key]
        share = pd.Series(of_ceiling(table, key, case), dtype=float).mean()
        sizes = {f"{bag} row{'s' * (bag > 1)}": means.loc[key, bag] for bag in bags if bag in means}
        found.append({"detector": detector.name, "must know": detector.knows, **sizes, "of the ceiling": share})
    return pd.DataFrame(found).set_index("detector")


def by_case(table: pd.DataFrame, bag: int = 1) -> pd.DataFrame:
    """Return the mean AUROC of each detector (row) in each case (column), against the base."""
    rows = table[(table["against"] == BASE) & (table["bag"] == bag)]
    means = rows.pivot_table(index="detector", columns="case", values="auroc", aggfunc="mean", sort=False)
    return _named(means)


def by_other(table: pd.DataFrame, case: str = OWL, bag: int = 1) -> pd.DataFrame:
    """Return the mean AUROC of each detector (row) against the base, a control author and a held-out teacher."""
    rows = table[(table["case"] == case) & (table["bag"] == bag)]
    means = rows.pivot_table(index="detector", columns="against", values="auroc", aggfunc="mean", sort=False)
    return _named(means)


def _named(means: pd.DataFrame) -> pd.DataFrame:
    kept = [key for key in DETECTORS if key in means.index]
    return means.loc[kept].rename(index={key: DETECTORS[key].name for key in kept})
