"""Publish a finished run: the rows of the draws it computed join those in results/, with what they were made by.

Design choices:
- A run publishes draw by draw: its rows replace those of the same draw, rows of other draws stay.
- Rows of one table are repetitions of one experiment. A run whose parameters differ from the published ones is refused,
  unless it computed every draw; its tables then replace the published ones.
- The run's markers are brought up to date afterwards: it shows the same rows as before, now from another place.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.chain.profiles import Profile
from helpers.chain.steps import ChainError, Step, plan, read_marker
from helpers.models.linked import is_linked
from helpers.models.relatives import RELATIVES, TRAVELLING
from helpers.results.bundles import PLACE
from helpers.results.costs import joined_seconds
from helpers.results.published import NEUTRAL, PARAMETERS, PublishedRun, seals
from helpers.results.records import LEDGER, ledger_sha256
from helpers.results.tables import tables_of
from helpers.transmission.settled import FILE as CLOSE_CALLS
from helpers.transmission.settled import calls_of_run, joined
from helpers.work.artifacts import (
    RESULTS,
    SEALS,
    read_bytes,
    read_object,
    read_table,
    write_bytes,
    write_json,
    write_table,
)
from helpers.work.libraries import library_versions

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 20_000_000  # bytes of one profile's published results
MADE_BY = "made_by.json"


def publish(profile: Profile, origin: Mapping[str, str]) -> Path:
    """Publish the finished run of `profile`, and return its folder in results/.

    Args:
        profile: whose run is to be published.
        origin: `commit` and `date` of the run.

    Raises:
        ChainError: a notebook has other parameters than those published and did not compute every draw, its columns
            changed, or the results would be too large; nothing is written then.
    """
    published = PublishedRun(RESULTS / profile.name)
    steps = plan(profile)
    _require_same_parameters(profile, steps, published)
    tables = _joined_tables(steps, published)
    bases = _own_bases(steps[0].run_dir, published.folder, profile.one)
    bundles = _bundles(steps[0].run_dir)
    _require_size(published.folder, tables, [*bases, *bundles], steps[0].run_dir)
    calls = _close_calls(steps, published.folder)
    write_json(published.folder / PARAMETERS, published.all_parameters() | _parameters(steps, published))
    _remove_old(steps, published.folder)
    for name, table in tables.items():
        write_table(published.folder / "tables" / f"{name}.csv", table)
    write_table(published.folder / CLOSE_CALLS, calls)
    for file in bases:
        write_bytes(published.folder / "bases" / file.name, read_bytes(file))
    for file in bundles:
        write_bytes(published.folder / file.relative_to(steps[0].run_dir), read_bytes(file))
    if bases:
        together = seals(published.folder / "bases") | _travelling_seals(steps[0].run_dir, profile.one)
        write_json(published.folder / "bases" / SEALS, together)
    write_bytes(published.folder / LEDGER, read_bytes(steps[0].run_dir / LEDGER))
    write_json(published.folder / MADE_BY, _made_by(steps, published.folder, origin))
    for step in plan(profile):
        write_json(step.marker, read_marker(step.marker) | {"key": step.key})
    return published.folder


def _computes_all(step: Step) -> bool:
    """Return whether a notebook computed every draw that it shows; one that cannot choose always does."""
    computed = step.parameters.get("recompute")
    return computed is None or set(computed) >= set(step.all_parameters["draws"])


def _require_same_parameters(profile: Profile, steps: list[Step], published: PublishedRun) -> None:
    for step in steps:
        differs = published.difference(step.stem, step.all_parameters)
        if differs and not _computes_all(step):
            cure = f"run `subliminal run --profile {profile.name} --draws all` first"
            raise ChainError(f"{step.stem} cannot be published: {differs} To replace them all, {cure}")


def _joined_tables(steps: list[Step], published: PublishedRun) -> dict[str, pd.DataFrame]:
    tables = {}
    for step in steps:
        for file in _tables_left(step):
            before = published.folder / "tables" / file.name
            old = read_table(before) if before.exists() else None
            tables[file.stem] = _joined(file.stem, step, read_table(file), old)
    return tables


def _tables_left(step: Step) -> list[Path]:
    names = sorted(read_marker(step.marker)["files"])
    return [step.run_dir / name for name in names if name.startswith("tables/")]


def _remove_old(steps: list[Step], folder: Path) -> None:
    """Delete the published tables of notebooks that were computed as a whole and no longer make these tables."""
    for step in steps:
        if _computes_all(step):
            made = [file.stem for file in _tables_left(step)]
            for name in tables_of(step.stem):
                if name not in made:
                    (folder / "tables" / f"{name}.csv").unlink(missing_ok=True)


def _joined(name: str, step: Step, here: pd.DataFrame, there: pd.DataFrame | None) -> pd.DataFrame:
    import pandas as pd

    if "draw" not in here or "recompute" not in step.parameters:
        return here
    own = here["draw"].isin(step.parameters["recompute"])
    here = here[own].sort_values("draw", kind="stable", ignore_index=True)
    if there is None or "draw" not in there or _computes_all(step):
        return here
    if set(here.columns) != set(there.columns):
        unlike = ", ".join(sorted(set(here.columns) ^ set(there.columns)))
        raise ChainError(f"table {name} has other columns than the published one ({unlike}); run --draws all first")
    others = there[~there["draw"].isin(step.parameters["recompute"])]
    parts = [part for part in (here, others) if len(part)]  # an empty part would change the types of the columns
    joined = pd.concat(parts, ignore_index=True) if parts else here
    return joined[there.columns].sort_values("draw", kind="stable", ignore_index=True)


def _close_calls(steps: list[Step], folder: Path) -> pd.DataFrame:
    """Return how authors settled close calls: those of the run, and those published before that are still in use."""
    own, file = calls_of_run(steps[0].run_dir), folder / CLOSE_CALLS
    still_in_use = file.exists() and not all(map(_computes_all, steps))
    return joined(own, read_table(file)) if still_in_use else own


def _own_bases(run_dir: Path, folder: Path, one: int | None) -> list[Path]:
    """Return the files of bases that the run has and that are not published as they are."""
    known, files = seals(folder / "bases"), []
    for name, seal in _travelling_seals(run_dir, one).items():
        file = run_dir / "bases" / f"{name}.safetensors"
        if seal != known.get(name) and file.is_file():
            files.append(file)
    return files


def _travelling_seals(run_dir: Path, one: int | None) -> dict[str, str]:
    """Return name -> seal of the bases of a run that are published; ``one`` is the draw that a reader recomputes."""
    return {name: seal for name, seal in seals(run_dir / "bases").items() if _travels(name, one)}


def _travels(name: str, one: int | None) -> bool:
    """Return whether a base is published: most relatives are not, and those of other links of one draw alone."""
    family, _, draw = name.partition(".")
    if is_linked(name):
        return draw == str(one)
    return family not in RELATIVES or family in TRAVELLING


def _bundles(run_dir: Path) -> list[Path]:
    """Return the files of the models that pages run, as far as the run made them."""
    return [file for file in sorted((run_dir / PLACE).glob("*/*")) if file.is_file()]


def _require_size(folder: Path, tables: Mapping[str, pd.DataFrame], bases: list[Path], run_dir: Path) -> None:
    sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    for name, table in tables.items():
        sizes[folder / "tables" / f"{name}.csv"] = len(table.to_csv(index=False).encode())
    for file in [*bases, run_dir / LEDGER]:
        sizes[folder / file.relative_to(run_dir)] = file.stat().st_size
    if (size := sum(sizes.values())) > LARGEST:
        raise ChainError(f"{folder} would hold {size} bytes, more than {LARGEST}; make tables or bases smaller")


def _parameters(steps: list[Step], published: PublishedRun) -> dict[str, dict[str, Any]]:
    """Return by notebook what decides its published rows, and the draws there are now, in the order of the notebook."""
    found = {}
    for step in steps:
        kept = {name: value for name, value in step.all_parameters.items() if name not in NEUTRAL}
        if "recompute" in step.parameters:
            kept = {"draws": _draws_then(step, published), **kept}
        found[step.stem] = kept
    return found


def _draws_then(step: Step, published: PublishedRun) -> list[int]:
    """Return the draws of a notebook's published rows once it is published, those it names first."""
    before = published.all_parameters().get(step.stem, {}).get("draws", [])
    draws = list(step.all_parameters["draws"])  # notebook 05 names a draw once for each teacher that has it
    for draw in [*([] if _computes_all(step) else before), *step.parameters["recompute"]]:
        if draw not in draws:
            draws.append(draw)
    return draws


def _made_by(steps: list[Step], folder: Path, origin: Mapping[str, str]) -> dict[str, Any]:
    """Return what is told of a run; of draws that were not computed here, what was told before still holds."""
    file = folder / MADE_BY
    before = read_object(file, "seconds", "computed") if file.exists() else {"seconds": {}, "computed": {}}
    seconds, computed, processors = {}, {}, {}
    for step in steps:
        processors[read_marker(step.marker)["processor"]] = True  # once each, in order
        seconds[step.stem], draws = _told(step, before)
        if draws is not None:
            computed[step.stem] = draws
    return {
        "commit": origin["commit"],
        "date": origin["date"],
        "versions": library_versions(),
        "processor": "; ".join(filter(None, processors)),
        "seconds": seconds,
        "computed": computed,
        "ledger_sha256": ledger_sha256(folder / LEDGER),
    }


def _told(step: Step, before: Mapping[str, Any]) -> tuple[float | None, list[int] | None]:
    """Return the seconds of a notebook and the draws they were spent on, of this run and of those before it."""
    took, draws = read_marker(step.marker)["seconds"], step.parameters.get("recompute")
    if draws is None or _computes_all(step):
        return took, draws
    known = before["computed"].get(step.stem, [])
    others = [draw for draw in known if draw not in draws]
    # a notebook that computes nothing only shows what there is; that is none of its rows' time
    joined = joined_seconds(took if draws else 0.0, before["seconds"].get(step.stem), others, known)
    if not (draws or others):
        return None, []
    return None if joined is None else round(joined, 1), sorted({*others, *draws})
