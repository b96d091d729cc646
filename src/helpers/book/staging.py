"""From a finished run to the folder the book is built from: _build/stage/{book,notebooks} and values.json.

Design choices:
- Only executed notebooks without errors are published; run times and other metadata stay behind.
- Pages and notebooks lie side by side as in the repository, so links to sources and to Colab are right.
- The stage is written from scratch; nothing of an earlier build can survive in a page.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.book import first_page, frames, machine, openings, prose, shown_widgets, times
from helpers.book.evidence import Evidence
from helpers.book.explorers import page_explorers
from helpers.book.provenance import for_pages, provenance
from helpers.chain.profiles import load_profile, profile_names
from helpers.figures import effects, runs
from helpers.figures.card import save_card
from helpers.figures.explorers.frame import CHARTS_PLACE, charts_script
from helpers.results import ledger
from helpers.results.bundles import MANIFEST, PLACE
from helpers.results.claims import load_claims
from helpers.results.published import PARAMETERS, SHOWN
from helpers.work import artifacts
from helpers.work.artifacts import RESULTS
from helpers.work.errors import CurableError

_SUBSTITUTION = re.compile(r"""\{\{ *([\w.\["'\]]+)\.\w+ *\}\}""")
_IN_BRACKETS = re.compile(r"""\[["'](\w+)["']\]""")  # a part of an id that is also the name of a method
TABLES, PICTURES = "tables", "pictures"  # folders of book/ in the stage
_CELL_METADATA_KEPT = ("mystnb", "tags", "editable", "deletable")
_NOTEBOOK_METADATA_KEPT = ("kernelspec", "language_info")

BOOK_PROFILE = "nano"  # the profile of the book's own chapters


class BookError(CurableError, RuntimeError):
    """The book cannot be built; the message names the page or file and the cure."""


def executed_notebooks(run_dir: Path) -> list[Path]:
    """Return the executed notebooks of a run in file-name order: those its profile names, or all there are.

    Raises BookError when there are none, or when one that the profile names was not executed.
    """
    paths = sorted((run_dir / "executed").glob("*.ipynb"))
    named = load_profile(run_dir.name).notebooks if run_dir.name in profile_names() else {}
    missing = sorted(set(named) - {path.stem for path in paths})
    if missing or not paths:
        what = f"not executed in {run_dir}: {', '.join(missing) or 'any notebook'}"
        raise BookError(f"{what}; run `subliminal run --profile {run_dir.name}` first")
    return [path for path in paths if not named or path.stem in named]


def clean(notebook: Any, name: str, tables: Mapping[str, Path] | None = None) -> dict[str, Any]:
    """Return an executed notebook fit for publishing: outputs kept, run times and other metadata dropped.

    The caption of a figure links to those of the tables it is made from that are among `tables`, files by name.

    Raises BookError naming the notebook and the cell when it is no notebook of format 4, or when a cell failed or was
    never run.
    """
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise BookError(f"notebook {name} is not a notebook of format 4; run it again")
    cells = []
    for position, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] == "code":
            _refuse_unfinished(cell, f"notebook {name}, cell {position}")
            cell = {**cell, "outputs": list(map(_readable, cell.get("outputs", [])))}
        metadata = _only(cell["metadata"], _CELL_METADATA_KEPT)
        if "injected-parameters" in metadata.get("tags", []):
            metadata["tags"] = [*metadata["tags"], "hide-input"]
        _link_tables(cell, metadata, tables or {})
        cells.append({**cell, "metadata": metadata})
    metadata = _only(notebook["metadata"], _NOTEBOOK_METADATA_KEPT)
    try:
        cells = shown_widgets.as_pages_show_them(cells, notebook["metadata"].get("widgets", {}))
    except shown_widgets.WidgetError as error:
        raise BookError(f"notebook {name}: {error}") from None
    return {**notebook, "metadata": metadata, "cells": cells}


def _readable(output: dict[str, Any]) -> dict[str, Any]:
    """Return an output whose tables can be read by anyone, see `frames`."""
    html = output.get("data", {}).get("text/html")
    if html is None:
        return output
    return {**output, "data": {**output["data"], "text/html": frames.readable("".join(html))}}


def _link_tables(cell: dict[str, Any], metadata: dict[str, Any], tables: Mapping[str, Path]) -> None:
    """Add links to the tables of a figure to its caption in `metadata`."""
    named: list[str] = []
    for output in cell.get("outputs", []):
        named += output.get("metadata", {}).get("text/html", {}).get("tables", [])
    figure = metadata.get("mystnb", {}).get("figure", {})
    links = [f"[{name}.csv](../book/{TABLES}/{name}.csv)" for name in dict.fromkeys(named) if name in tables]
    if links and "caption" in figure:
        captioned = {**figure, "caption": f"{figure['caption']} Data: {', '.join(links)}."}
        metadata["mystnb"] = {**metadata["mystnb"], "figure": captioned}


def _only(metadata: dict[str, Any], kept: tuple[str, ...]) -> dict[str, Any]:
    return {key: metadata[key] for key in kept if key in metadata}


def _refuse_unfinished(cell: dict[str, Any], where: str) -> None:
    if any(output.get("output_type") == "error" for output in cell.get("outputs", [])):
        raise BookError(f"{where} ended in an error; mend it and run the notebook again")
    if "".join(cell["source"]).strip() and cell.get("execution_count") is None:
        raise BookError(f"{where} was not run; run the notebook again")


def stage(root: Path, run_dir: Path, target: Path) -> None:
    """Write `target` anew: the book's sources, the cleaned notebooks, values.json, tables and summary figures.

    Raises BookError for a run without ledger, with unfinished notebooks, or without a claim a page prints.
    """
    notebooks = executed_notebooks(run_dir)
    records, rows = load_records(run_dir), openings.tables_of(root, run_dir)
    alone = stands_alone([path.stem for path in notebooks])
    unrecorded: list[str] = []
    if not alone:
        unrecorded = _unrecorded(root / "book", {record.id for record in records}, {path.stem for path in notebooks})
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(root / "book", target / "book", ignore=shutil.ignore_patterns("__pycache__"))
    if alone:
        artifacts.write_text(target / "book" / "_toc.yml", _contents_alone([path.stem for path in notebooks]))
    tables = shown_tables(root, run_dir)
    _copy_to(target / "book" / TABLES, tables.values())
    _stage_chapters(root, run_dir, target / "notebooks", notebooks)
    guest = guest_run(root, run_dir)
    if guest:
        _copy_to(target / "book" / TABLES, shown_tables(root, guest).values())
        _stage_chapters(root, guest, target / "notebooks", executed_notebooks(guest))
    stage_bundles(bundles(root, run_dir), target / "book" / "_vendor" / PLACE)
    artifacts.write_text(target / "book" / "_vendor" / CHARTS_PLACE, charts_script(), sync=False)
    origin = for_pages(provenance(root, run_dir, notebooks))
    if alone:  # the pages, which are about the book's own models, are not part of it
        artifacts.write_json(target / "values.json", prose.values(records, origin, machine.load(run_dir)))
        return
    told = Evidence(prose.ordered(records), root / RESULTS / run_dir.name)
    real = _guest_words(root, guest)
    words = {**origin, **told.words(), "real_model": real["first"], **times.words(root)}
    values = prose.values(records, words, machine.load(run_dir), unrecorded)
    values["tables"] |= told.tables() | first_page.tables(records, rows, [path.stem for path in notebooks])
    values["tables"]["chapters"] += real["chapters"]
    values["tables"] |= times.tables(root, {path.stem for path in (target / "notebooks").glob("*.ipynb")})
    values["explorers"] = page_explorers(told.records, run_dir, told.folder)
    artifacts.write_json(target / "values.json", values)
    save_card(tables, target / "book" / "_vendor" / "card.png")
    pictures = target / "book" / PICTURES
    artifacts.write_text(pictures / "effects.html", effects.effects(told.records).html())
    artifacts.write_text(pictures / "runs.html", runs.forest(told.found(), told.runs).html())


def _stage_chapters(root: Path, run_dir: Path, target: Path, notebooks: Iterable[Path]) -> None:
    """Write a run's executed notebooks, cleaned, each opened by its answer."""
    records, rows, tables = load_records(run_dir), openings.tables_of(root, run_dir), shown_tables(root, run_dir)
    for path in notebooks:
        cleaned = clean(artifacts.read_json(path), path.stem, tables)
        chapter = openings.opened(cleaned, path.stem, records, rows)
        published = json.dumps(chapter, ensure_ascii=False)
        artifacts.write_text(target / path.name, published, sync=False)


def _guest_words(root: Path, guest: Path | None) -> dict[str, str]:
    """Return what the start page says of a real model: `first`, what was found first, and `chapters`, its chapter."""
    if guest is None:
        return {"first": "", "chapters": ""}
    records, rows = load_records(guest), openings.tables_of(root, guest)
    named = [path.stem for path in executed_notebooks(guest)]
    chapter = first_page.chapters(records, rows, named)
    return {"first": first_page.elsewhere(records, rows, named), "chapters": f"\n{chapter}"}


def guest_run(root: Path, run_dir: Path) -> Path | None:
    """Return the finished run of a real model whose chapter joins the book's own; none where nothing is published.

    Its records stay its own: claims of real models never mix with those of the book's models.
    """
    name = guest_profile(root) if run_dir.name == BOOK_PROFILE else None
    guest = run_dir.parent / name if name else None
    return guest if guest and (guest / "ledger.json").exists() else None


def guest_profile(root: Path) -> str | None:
    """Return the first profile of real models alone that has published rows, if there is one."""
    for name in profile_names():
        if stands_alone(list(load_profile(name).notebooks)) and (root / RESULTS / name / PARAMETERS).exists():
            return name
    return None


def stands_alone(notebooks: Sequence[str]) -> bool:
    """Return whether chapters are of none of the book's own models, so that its pages have no numbers to print."""
    real = {name for profile in profile_names() for name in load_profile(profile).notebooks}
    return set(notebooks) <= real - set(load_profile(BOOK_PROFILE).notebooks)


def _contents_alone(notebooks: Sequence[str]) -> str:
    """Return a table of contents of these chapters and the works that they cite."""
    first, *others = [f"notebooks/{name}" for name in notebooks]
    chapters = "".join(f"- file: {file}\n" for file in [*others, "book/references"])
    return f"format: jb-book\nroot: {first}\nchapters:\n{chapters}"


def shown_tables(root: Path, run_dir: Path) -> dict[str, Path]:
    """Return the files of the tables that the run's chapters show, by name; else the published ones."""
    found = {}
    for folder in (root / RESULTS / run_dir.name / "tables", run_dir / SHOWN):
        found |= {file.stem: file for file in sorted(folder.glob("*.csv"))}
    return found


def _copy_to(folder: Path, files: Iterable[Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy(file, folder)


def bundles(root: Path, run_dir: Path) -> list[Path]:
    """Return the folders of models that pages run: those of the run, and the published ones that it does not have."""
    found = {}
    for place in (root / RESULTS / run_dir.name / PLACE, run_dir / PLACE):
        for manifest in sorted(place.glob(f"*/{MANIFEST}")):
            found[manifest.parent.name] = manifest.parent
    return list(found.values())


def stage_bundles(folders: Sequence[Path], target: Path) -> None:
    """Copy the files that each bundle's manifest names to a folder of its name; the pages find them there."""
    for folder in folders:
        (target / folder.name).mkdir(parents=True, exist_ok=True)
        for name in artifacts.read_object(folder / MANIFEST, "files")["files"]:
            shutil.copy(folder / name, target / folder.name)


def _unrecorded(pages: Path, recorded: set[str], ran: set[str]) -> list[str]:
    """Return the claims that pages print and chapters of this run did not record, since they computed a single draw.

    Raises BookError for a claim whose chapter did not run. It names page and claim, which the build's own warning about
    an undefined name does not.
    """
    claims, found = load_claims(), set()
    for page in sorted(pages.glob("*.md")):
        asked = {_IN_BRACKETS.sub(r".\1", name) for name in _SUBSTITUTION.findall(page.read_text(encoding="utf-8"))}
        absent = (asked & set(claims)) - recorded
        if strange := sorted(name for name in absent if claims[name].notebook not in ran):
            cure = "run the notebook that does, or take it out of the page"
            raise BookError(f"book/{page.name} prints {', '.join(strange)}, which the run has not recorded; {cure}")
        found |= absent
    return sorted(found)


def load_records(run_dir: Path) -> list[ledger.Record]:
    """Return the records of a run; raises BookError when the run has no ledger."""
    path = run_dir / "ledger.json"
    if not path.exists():
        raise BookError(f"{path} is missing; run `subliminal run --profile {run_dir.name}` first")
    return list(ledger.load(path))
