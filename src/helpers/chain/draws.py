"""Which draws a run computes: the words of `--draws` become the parameter `recompute` of each notebook.

Design choices:
- A notebook's own parameter `draws`, with what the profile says of it, is what there is to choose from.
- A notebook that published nothing has nothing to show instead of its own rows, so it computes all of its draws.
- The choice is kept in the run folder, because it belongs to the results: the book, the ledger and the check of a run
  ask what it was.
- Rows taken from results/ decide what a notebook shows, so they are part of its key; those of the draws that it
  computes itself are not, and publishing a run does not make it run again.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.chain.notebooks import Notebook
from helpers.chain.profiles import Profile
from helpers.results.published import NEUTRAL, PublishedRun
from helpers.results.tables import tables_of
from helpers.work.artifacts import RESULTS, damaged, read_object, write_json
from helpers.work.errors import CurableError
from helpers.work.keys import content_key

WORDS = ("one", "all", "none", "new")
CHOICES = "draws.json"  # in a run's folder


class DrawsError(CurableError, ValueError):
    """Draws that cannot be chosen; the message names the choice and what there is."""


@dataclass(frozen=True)
class Choice:
    """What `--draws` said: one of `WORDS`, or seeds."""

    word: str = "one"
    seeds: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Return the choice as `--draws` takes it."""
        return self.word or ",".join(map(str, self.seeds))


def read_choice(text: str) -> Choice:
    """Return the choice that `text` names: a word, or seeds with commas between; DrawsError for anything else."""
    if text in WORDS:
        return Choice(text)
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise DrawsError(f"draws {text!r}: write one of {', '.join(WORDS)}, or seeds such as 701,702")
    return Choice("", tuple(sorted(set(map(int, parts)))))


def kept_choices(run_dir: Path) -> dict[str, Choice]:
    """Return, by notebook, the choice under which it ran last in `run_dir`; those that never ran are left out."""
    file = run_dir / CHOICES
    kept = read_object(file) if file.exists() else {}
    try:
        return {stem: read_choice(str(text)) for stem, text in kept.items()}
    except DrawsError as error:
        raise damaged(file, f"does not hold choices ({error})") from None


def keep_choices(run_dir: Path, choices: Mapping[str, Choice]) -> None:
    """Note the choice of each notebook in the run's folder, beside those of the others."""
    kept = kept_choices(run_dir) | dict(choices)
    write_json(run_dir / CHOICES, {stem: str(choice) for stem, choice in sorted(kept.items())})


def has_draws(notebook: Notebook) -> bool:
    """Return whether a notebook tells draws shown from draws computed."""
    return {"draws", "recompute"} <= set(notebook.parameters)


def settled(choice: Choice, profile: Profile, notebooks: Mapping[str, Notebook]) -> Choice:
    """Return the choice with seeds for "new": one above all that the notebooks or results/ have."""
    if choice.word != "new":
        return choice
    known = sorted(_universe(profile, notebooks)[1])
    for parameters in _published(profile).values():
        known += parameters["draws"]
    return Choice("", (max(known, default=0) + 1,))


def recompute(
    choices: Mapping[str, Choice], profile: Profile, notebooks: Mapping[str, Notebook]
) -> dict[str, list[int]]:
    """Return, by notebook, the draws it computes; notebooks without such a parameter are left out.

    Args:
        choices: by notebook; none means one draw.
        profile: says which draw is "one", and where the published rows are.
        notebooks: all of the profile, by name.

    Raises:
        DrawsError: nothing shall be computed, and the profile published nothing.
    """
    published = _published(profile)
    universe, known = _universe(profile, notebooks)
    chosen = {}
    for stem, draws in universe.items():
        choice = choices.get(stem, Choice())
        if choice.word == "none" and not published:
            cure = "leave `--draws none` out, or take a profile with published rows, such as nano"
            raise DrawsError(f"profile {profile.name} has no published rows to show in place of computed ones; {cure}")
        if stem not in published or choice.word == "all":
            chosen[stem] = draws
        elif choice.word == "one":
            chosen[stem] = [profile.one if profile.one in draws else draws[0]]
        else:  # seeds, or none; a seed that no notebook has is a new draw of each
            chosen[stem] = [seed for seed in choice.seeds if seed in draws or seed not in known]
    return chosen


def shown_key(profile: Profile, notebook: Notebook, computed: list[int]) -> str:
    """Return a hash of all in results/ that a notebook shows beside the draws `computed` by itself; "" for nothing."""
    parameters = _published(profile).get(notebook.stem)
    if parameters is None:
        return ""
    shown = set(map(str, _all(profile, notebook))) - set(map(str, computed))
    rows = []
    for name in tables_of(notebook.stem):
        file = RESULTS / profile.name / "tables" / f"{name}.csv"
        if file.exists():
            rows.append(_rows(file, shown))
    decisive = {name: value for name, value in parameters.items() if name not in NEUTRAL}
    return content_key([decisive, rows])


def _rows(file: Path, draws: set[str]) -> list[str]:
    """Return a table's name and a hash of its rows of some draws."""
    with open(file, encoding="utf-8", newline="") as lines:
        table = csv.reader(lines)
        columns = next(table, [])
        place = columns.index("draw") if "draw" in columns else None
        digest = hashlib.sha256(json.dumps(columns).encode())
        for row in table:
            if place is not None and row[place] in draws:
                digest.update(json.dumps(row).encode())
    return [file.name, digest.hexdigest()]


def _universe(profile: Profile, notebooks: Mapping[str, Notebook]) -> tuple[dict[str, list[int]], set[int]]:
    """Return the draws of each notebook that can choose, and the draws of any."""
    universe, known = {}, set()
    for stem, notebook in notebooks.items():
        if has_draws(notebook):
            universe[stem] = _all(profile, notebook)
            known.update(universe[stem])
    return universe, known


def _all(profile: Profile, notebook: Notebook) -> list[int]:
    own: dict[str, Any] = profile.notebooks[notebook.stem]
    return sorted(set(own.get("draws", notebook.parameters["draws"].default)))


def _published(profile: Profile) -> dict[str, dict[str, Any]]:
    return PublishedRun(RESULTS / profile.name).all_parameters()
