"""How long a rerun takes, as the pages say it: computed from the plan, or taken from what the published run noted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from helpers.chain.choices import quick_draws
from helpers.chain.draws import Choice
from helpers.chain.notebooks import load_notebook
from helpers.chain.planning import chapter_minutes, plan_run
from helpers.chain.profiles import load_profile
from helpers.chain.steps import NOTEBOOKS, plan
from helpers.results.words import NONE
from helpers.work.artifacts import RESULTS, read_object

PROFILE, REAL = "nano", "real-cpu"
CORES, WORKERS = 2, 16  # of the machine that the plan's speeds were measured on; of a cluster, as an example
NAMES = ("one_minutes", "all_hours", "cluster_minutes", "cluster_workers", "real_minutes")
_HEAD = "| chapter | draw that is computed untouched | minutes |\n| :-- | :-- | --: |\n"


def words(root: Path) -> dict[str, str]:
    """Return the substitutions `NAMES`: how long one draw takes, all of them here and on a cluster, and a real model.

    Args:
        root: of the repository, which must be the current folder; where it has no notebooks, dashes are returned.
    """
    if not list((root / NOTEBOOKS).glob("*.ipynb")):
        return dict.fromkeys(NAMES, NONE)
    profile = load_profile(PROFILE)
    cluster = plan_run(profile, plan(profile, Choice("all")), WORKERS)
    found = (
        f"{profile.one_minutes:g}",
        f"{seconds(root, PROFILE) / 3600:.1f}",
        f"{60 * cluster.hours():.0f}",
        f"{WORKERS}",
        f"{seconds(root, REAL) / 60:.0f}",
    )
    return dict(zip(NAMES, found, strict=True))


def seconds(root: Path, profile: str) -> float:
    """Return the seconds of the published run of a profile: all draws of those chapters whose seconds were noted."""
    noted = read_object(root / RESULTS / profile / "made_by.json", "seconds")["seconds"]
    return sum(filter(None, noted.values()))


def tables(root: Path, linked: Collection[str]) -> dict[str, str]:
    """Return `colab`: of each chapter, which draw "Run all" computes there, and the minutes of two cores it takes.

    Args:
        root: of the repository.
        linked: the chapters of this book, to which a link leads.
    """
    lines = []
    for file in sorted((root / NOTEBOOKS).glob("*.ipynb")):
        values = {name: known.default for name, known in load_notebook(file).parameters.items()}
        draws = quick_draws(values)[:1] or values["recompute"]
        lines.append(_row(file.stem, {**values, "recompute": draws}, file.stem in linked))
    return {"colab": _HEAD + "\n".join(lines)}


def _row(stem: str, values: Mapping[str, Any], linked: bool) -> str:
    minutes = chapter_minutes(stem, values, load_profile(Path(values["run_dir"]).name), CORES)
    number = stem.partition("_")[0]
    chapter = f"[{number}](../notebooks/{stem}.ipynb)" if linked else number
    told = NONE if minutes is None else f"{minutes:.1f}"
    return f"| {chapter} | {', '.join(map(str, values['recompute']))} | {told} |"
