"""The table of notebook 12: every defence of every channel, in every draw, beside the undefended pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from helpers.channels import find_channel
from helpers.experiments.defences.arms import PLAIN
from helpers.experiments.defences.plans import Cell, Plan
from helpers.experiments.defences.scores import RANDOM, Scoring, score_rows
from helpers.experiments.defences.students import read_defended
from helpers.experiments.mechanism.divergence import Coupled, find_divergence
from helpers.transmission.authors import UNTOUCHED
from helpers.transmission.pairs import ReadPair, effect_row, run_pairs, total_seconds
from helpers.transmission.writing import write_data
from helpers.work.pieces import Piece, run_pieces
from helpers.work.tables import keep_table


def run_defences(plans: Sequence[Plan]) -> pd.DataFrame:
    """Train the students of every defence and their controls; return and store ``tables/defences.csv``.

    Returns:
        One row a draw, channel and defence: ``draw``; ``channel`` (`Channel.claim_name`); ``trait``; ``defence``;
        ``rows`` and ``steps`` of the trait student; ``effect`` (log-odds of the trait against the control with the same
        defence, nats); ``shift`` (log-odds of that control against the undefended control, nats: what the defence does
        to a student of clean rows); ``p_target``, ``p_control``, ``p_any``; ``harm`` of the trait student (nats per
        token, see `students.read_defended`) and ``valid`` (share).
    """
    rows: list[dict[str, Any]] = []
    seconds = 0.0
    for plan in plans:
        made, spent = _rows_of(plan)
        rows, seconds = rows + made, seconds + spent
    table = pd.DataFrame(rows).sort_values("draw", kind="stable", ignore_index=True)
    return keep_table(plans[0].settings.run_dir, "defences", table, seconds)


def _rows_of(plan: Plan) -> tuple[list[dict[str, Any]], float]:
    settings, cells = plan.settings, plan.cells()
    seconds = _write(plan)
    # the undefended first: their students are kept, and detectors ask them
    _read(plan, [cell for cell in cells if not cell[1].change.kind], "undefended students")
    seconds += _prepare(plan, cells)
    reads = _read(plan, cells, "defended students")
    undefended = {}
    rows = []
    for (seed, defence), read in zip(cells, reads, strict=True):
        if defence.name in PLAIN:
            undefended[seed, defence.labels] = read.control["log_odds"]
        shift = read.control["log_odds"] - undefended[seed, defence.labels]
        place = {"draw": settings.draw(seed), "channel": find_channel(settings.writing.channel).claim_name}
        rows.append(place | {"trait": settings.trait, "defence": defence.name} | _row(read, shift))
    return rows, seconds + total_seconds(reads)


def _row(read: ReadPair, shift: float) -> dict[str, Any]:
    student, found = read.student, effect_row(read)
    first = {"rows": found.pop("rows"), "steps": student["steps"], "effect": found.pop("effect"), "shift": shift}
    return first | found | {"harm": student["harm"], "valid": student.get("valid")}


def _read(plan: Plan, cells: Sequence[Cell], label: str) -> list[ReadPair]:
    settings = plan.settings
    shared: dict[str, Any] = {"kind": "defended", "workers": settings.workers, "label": label}
    return run_pairs(read_defended, [plan.pieces(cell) for cell in cells], settings.store, **shared)


# --- what students need -----------------------------------------------------------------------------


def _write(plan: Plan) -> float:
    """Let all authors write; return the seconds it took."""
    settings = plan.settings
    authors = []
    for seed in settings.seeds:
        authors += [settings.author(seed), settings.author(seed, UNTOUCHED), plan.mixed(seed)]
    return _run(plan, write_data, authors, "completions", "authors write")


def _prepare(plan: Plan, cells: Sequence[Cell]) -> float:
    """Score the rows that may be left out and find the labels that may be masked; return the seconds it took."""
    scored: list[Scoring] = []
    coupled: list[Coupled] = []
    for cell in cells:
        change = cell[1].change
        if change.kind == "drop" and change.which != RANDOM:
            scored.append(Scoring(pair=plan.pair(cell), detector=change.which, trait=plan.settings.trait))
        if change.kind == "mask":
            student = plan.pair(cell).student
            coupled.append(Coupled(author=student.author, other=student.partner))
            coupled.append(Coupled(author=student.partner, other=student.author))
    seconds = _run(plan, score_rows, scored, "row_scores", "rows are scored")
    return seconds + _run(plan, find_divergence, coupled, "divergence", "divergence")


def _run(plan: Plan, work: Piece, pieces: Sequence[Any], kind: str, label: str) -> float:
    shared: dict[str, Any] = {"kind": kind, "workers": plan.settings.workers, "label": label}
    made = run_pieces(work, list(dict.fromkeys(pieces)), plan.settings.store, **shared)
    return sum(found["seconds"] for found in made)
