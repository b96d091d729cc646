"""What a run computed against what is published: the check, and the sentences and table that tell it.

Only notebooks that ran to their end count, with the draws they computed. Where a notebook had other settings than the
published one, its rows are no repetitions of those, and nothing is compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from helpers.chain.profiles import Profile
from helpers.chain.steps import ChainError, Step, plan, read_marker
from helpers.results.compare import Comparison, Value, compare_chapter
from helpers.results.published import PublishedRun
from helpers.work.artifacts import RESULTS

SHOWN = 20  # differing values named on the screen, and in the book; the others are counted


@dataclass(frozen=True)
class Checked:
    """One notebook of a run: what it computed, how that compares, and on what machine it took how long."""

    notebook: str
    comparison: Comparison
    seconds: float  # of the whole notebook
    processor: str

    @property
    def words(self) -> str:
        """Return in words how its values compare with the published ones."""
        found = self.comparison
        if found.skipped:
            return found.skipped
        parts = []
        if found.values:
            parts.append(f"{found.agree} of {found.values} values agree, largest difference {found.largest:.2g}")
        if found.new_values:
            parts.append(f"{found.inside} of {found.new_values} values of new draws lie where the published draws say")
        return "; ".join(parts) or "nothing recomputed"


def check(profile: Profile) -> list[Checked]:
    """Compare a profile's run with its published rows, notebook by notebook, in order.

    Raises:
        ChainError: nothing is published, or a notebook was changed since it ran.
    """
    published = PublishedRun(RESULTS / profile.name)
    if not published.all_parameters():
        raise ChainError(f"profile {profile.name} has published nothing to compare with; take --profile nano")
    steps = [step for step in plan(profile) if step.marker.exists()]
    if changed := [step.stem for step in steps if not step.is_fresh()]:
        again = f"run `subliminal run --profile {profile.name}` again"
        raise ChainError(f"changed since it ran: {', '.join(changed)}; {again}")
    return [_checked(step, published) for step in steps]


def _checked(step: Step, published: PublishedRun) -> Checked:
    marker = read_marker(step.marker)
    comparison = Comparison(step.stem)
    if differs := published.difference(step.stem, step.all_parameters):
        comparison.skipped = differs
    else:
        computed = step.parameters.get("recompute")
        comparison = compare_chapter(step.stem, step.run_dir, published.folder, computed)
    return Checked(step.stem, comparison, marker["seconds"], marker["processor"])


# --- telling --------------------------------------------------------------------------------------


def report(checked: Iterable[Checked]) -> list[str]:
    """Return the lines that `subliminal check` prints."""
    lines = []
    for one in checked:
        found = one.comparison
        draws = f" (draws {', '.join(map(str, found.draws))})" if found.draws else ""
        lines.append(f"{one.notebook}{draws}: {one.words}")
        lines += _listed("differs", found.unlike) + _listed("outside", found.outside)
    return lines


def _listed(what: str, values: list[Value]) -> list[str]:
    lines = [f"  {what}: {value}" for value in values[:SHOWN]]
    return lines + ([f"  and {len(values) - SHOWN} more"] if len(values) > SHOWN else [])


def table(checked: Iterable[Checked]) -> list[dict[str, Any]]:
    """Return one row a notebook that computed something, for the page "Your machine"."""
    rows = []
    for one in checked:
        found = one.comparison
        if found.draws or found.skipped:
            rows.append({
                "notebook": one.notebook, "draws": list(found.draws), "values": found.values, "agree": found.agree,
                "largest": found.largest, "new_values": found.new_values, "inside": found.inside,
                "unlike": list(map(str, found.unlike)), "outside": list(map(str, found.outside)),
                "skipped": found.skipped, "seconds": one.seconds, "processor": one.processor,
            })  # fmt: skip
    return rows
