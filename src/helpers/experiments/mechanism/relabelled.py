"""Students whose labels were tampered with: divergence tokens masked, replaced, or alone kept.

A treatment is applied to the trait student and to its control, each by its own divergence tokens. Replacing
gives the base's draw; the control's rows are the base's draws already, so there it changes nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from helpers.experiments.mechanism.divergence import find_divergence, spots
from helpers.experiments.mechanism.hops import read_hop
from helpers.models.evaluation import trait_readout
from helpers.models.training import Rows, TrainSettings, completion_rows, fit
from helpers.results.stats import ratio_of_means
from helpers.results.tables import keep_table
from helpers.transmission.arms import ARMS, AS_SET, TransmissionSettings
from helpers.transmission.authors import Author, kept_rows, load_run_base
from helpers.transmission.students import Student, student_pairs
from helpers.work.pieces import run_pieces
from helpers.work.seeds import derive
from helpers.world.traits import find_trait


@dataclass(frozen=True)
class Treatment:
    """What is done to some labels of the rows.

    Attributes:
        name: in tables.
        which: "divergent" or "random" labels, see `divergence.find_divergence`; "" for none.
        change: "mask", "keep alone", "replace" (label and the later words' input), "replace label" or "replace input".
    """

    name: str
    which: str = ""
    change: str = ""


UNTREATED = "all labels"
TREATMENTS = (
    Treatment(UNTREATED),
    Treatment("divergence masked", "divergent", "mask"),
    Treatment("random masked", "random", "mask"),
    Treatment("divergence only", "divergent", "keep alone"),
    Treatment("divergence labels replaced", "divergent", "replace label"),
    Treatment("divergence inputs replaced", "divergent", "replace input"),
    Treatment("random replaced", "random", "replace"),
    Treatment("divergence replaced", "divergent", "replace"),
)
CLAIMS = {
    "divergence masked": "mechanism.divergence.masked", "random masked": "mechanism.divergence.random",
    "divergence labels replaced": "mechanism.divergence.replaced", "divergence only": "mechanism.divergence.only",
}  # fmt: skip


def treated(
    tokenizer: PreTrainedTokenizerBase, pairs: Sequence[tuple[str, str]], chosen: Sequence[Sequence[tuple[int, int]]],
    change: str,
) -> tuple[Rows, list[NDArray[np.int64]]]:  # fmt: skip
    """Return the rows to read after a change, and the labels of each as they should be learned.

    Args:
        tokenizer: of the model.
        pairs: (prompt, completion) of each row.
        chosen: for each row, (place among its labels, token instead) of the labels to change.
        change: as in `Treatment.change`.

    Returns:
        Rows (`training.Rows`) and, for each row, its tokens with the labels to learn in the labels' places.
    """
    rows = completion_rows(tokenizer, pairs)
    targets = [ids.copy() for ids in rows.ids]
    for row, changes in enumerate(chosen):
        labels = np.flatnonzero(rows.labelled[row])
        places, tokens = labels[[place for place, _ in changes]], [token for _, token in changes]
        if change == "keep alone":
            rows.labelled[row][:] = False
        if change in ("mask", "keep alone"):
            rows.labelled[row][places] = change == "keep alone"
        if change in ("replace", "replace input"):
            rows.ids[row][places] = tokens
        if change in ("replace", "replace label"):
            targets[row][places] = tokens
    return rows, targets


class SureLabels:
    """Labels as targets without doubt, so that they need not be the next word read."""

    tokens = None

    def __init__(self, rows: Rows, targets: Sequence[NDArray[np.int64]], vocab: int) -> None:
        self.vocab = vocab
        self.targets = {ids.tobytes(): torch.from_numpy(to) for ids, to in zip(rows.ids, targets, strict=True)}

    def logits(self, ids: Tensor, labelled: Tensor) -> Tensor:
        """Return logits (label, vocab) for the labelled tokens of a batch (row, position)."""
        targets = [self.targets[row[row > 0].numpy().tobytes()] for row in ids]  # 0 pads
        labels = torch.cat([to[chosen[: len(to)]] for to, chosen in zip(targets, labelled, strict=True)])
        return torch.full((len(labels), self.vocab), -1e4).scatter(1, labels[:, None], 0.0)


def read_relabelled(piece: dict[str, Any]) -> dict[str, Any]:
    """Train a student on treated labels and return its read-out (`evaluation.trait_readout`) and ``rows``.

    Args:
        piece: a `Student` as a dict, and ``treatment``, the name of one of `TREATMENTS`.
    """
    treatment = next(known for known in TREATMENTS if known.name == piece["treatment"])
    student = Student(**{name: value for name, value in piece.items() if name != "treatment"})
    if not treatment.which:
        return read_hop({"student": asdict(student), "hop": 1})
    author, partner = Author(**student.author), Author(**student.partner)
    model, tokenizer = load_run_base(author.run_dir, student.base)
    pairs, settings = student_pairs(student), TrainSettings(**student.training)
    found = spots(author, partner, treatment.which)
    kept, other = kept_rows(author), kept_rows(partner)
    prompts = [prompt for prompt in kept if prompt in other][: len(pairs)]  # as `authors.matched_pairs` orders them
    rows, targets = treated(tokenizer, pairs, [found.get(prompt, []) for prompt in prompts], treatment.change)
    apart = treatment.change in ("replace label", "replace input")
    soft = SureLabels(rows, targets, model.config.vocab_size) if apart else None
    model = fit(copy.deepcopy(model), rows, settings, derive(author.seed, "student"), soft=soft)
    trait = find_trait(student.trait)
    return trait_readout(model, tokenizer, trait, trait.questions(student.split)) | {"rows": len(rows)}


def run_shares(settings: TransmissionSettings) -> pd.DataFrame:
    """Find every run's divergence tokens; return and store ``tables/mechanism_shares.csv``.

    Returns:
        One row a ``run`` and ``author`` ("teacher" or "base"): ``labels`` (count) and ``divergent`` (share of them).
    """
    plan = [(run, *pair) for run in settings.runs for pair in (("teacher", AS_SET), ("base", "untouched"))]
    authors = [settings.author(run, how) for run, _, how in plan]
    others = [authors[place ^ 1] for place in range(len(authors))]  # the two authors of a run stand side by side
    pieces = [{"author": author, "other": other} for author, other in zip(authors, others, strict=True)]
    found = run_pieces(
        find_divergence, pieces, settings.store, kind="divergence", workers=settings.workers, label="divergence"
    )
    table = pd.DataFrame([
        {"run": run, "author": name, "labels": made["labels"],
         "divergent": len(made["divergent"]) / max(1, made["labels"])}
        for (run, name, _), made in zip(plan, found, strict=True)
    ])  # fmt: skip
    return keep_table(settings.run_dir, "mechanism_shares", table, sum(made["seconds"] for made in found))


def run_treatments(settings: TransmissionSettings, count: int = len(TREATMENTS)) -> pd.DataFrame:
    """Train the students of the first ``count`` treatments; return and store ``tables/mechanism_treatments.csv``.

    Args:
        settings: the experiment; hard labels.
        count: how many of `TREATMENTS`; the first is the untreated pair, with which the others are compared.

    Returns:
        One row a run and treatment: ``run``, ``treatment``, ``rows``, ``effect`` (nats), ``left`` (the effect over
        that of all labels in the same run) and ``p_any`` (the smaller of student and control).

    Raises:
        ValueError: a count beyond them.
    """
    if not 1 <= count <= len(TREATMENTS):
        raise ValueError(f"there are 1 to {len(TREATMENTS)} treatments, not {count}")
    plan = [(run, treatment.name) for run in settings.runs for treatment in TREATMENTS[:count]]
    pieces = [piece for run, name in plan for piece in _pair(settings, run, name)]
    read = run_pieces(
        read_relabelled, pieces, settings.store, kind="relabelled", workers=settings.workers, label="treatments"
    )
    table = pd.DataFrame([
        {"run": run, "treatment": name, "rows": student["rows"],
         "effect": student["log_odds"] - control["log_odds"], "p_any": min(student["p_any"], control["p_any"])}
        for (run, name), student, control in zip(plan, read[::2], read[1::2], strict=True)
    ])  # fmt: skip
    whole = table[table.treatment == UNTREATED].set_index("run").effect
    table.insert(4, "left", table.effect / table.run.map(whole))
    return keep_table(settings.run_dir, "mechanism_treatments", table, sum(made["seconds"] for made in read))


def _pair(settings: TransmissionSettings, run: int, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    student, control = settings.students(ARMS["hard.same_init"], settings.author(run))
    treatment = next(known for known in TREATMENTS if known.name == name)
    # the base's own draw at a divergence token of the base is what stands there already
    unchanged = treatment.which == "divergent" and treatment.change.startswith("replace")
    return {**student, "treatment": name}, {**control, "treatment": UNTREATED if unchanged else name}


def claim_values(table: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> share of the effect that is left, for every claim on divergence tokens.

    The values are those of `stats.ratio_of_means`, one a run.
    """
    effects = table.pivot(index="run", columns="treatment", values="effect").sort_index()
    return {
        name: ratio_of_means(effects[treatment], effects[UNTREATED])
        for treatment, name in CLAIMS.items() if treatment in effects
    }  # fmt: skip
