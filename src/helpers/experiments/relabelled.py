"""Students whose labels were tampered with: divergence tokens masked, replaced, or alone kept.

A treatment is applied to the trait student and to its control, each by its own divergence tokens. Replacing
gives the base's draw; the control's rows are the base's draws already, so there it changes nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from helpers.evaluation import trait_readout
from helpers.experiments.authors import Author, kept_rows, load_run_base
from helpers.experiments.divergence import Spots, spots
from helpers.experiments.pieces import Student, student_pairs
from helpers.seeds import derive
from helpers.training import Rows, SoftLabels, TrainSettings, completion_rows, fit
from helpers.traits import find_trait


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


TREATMENTS = (
    Treatment("all labels"),
    Treatment("divergence masked", "divergent", "mask"),
    Treatment("random masked", "random", "mask"),
    Treatment("divergence only", "divergent", "keep alone"),
    Treatment("divergence replaced", "divergent", "replace"),
    Treatment("divergence labels replaced", "divergent", "replace label"),
    Treatment("divergence inputs replaced", "divergent", "replace input"),
    Treatment("random replaced", "random", "replace"),
)


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


class SureTeacher:
    """Labels in the form of a teacher that is sure of each, so that they need not be the next word read."""

    def __init__(self, rows: Rows, targets: Sequence[NDArray[np.int64]], vocab: int) -> None:
        self.vocab = vocab
        self.targets = {ids.tobytes(): target for ids, target in zip(rows.ids, targets, strict=True)}

    def base_model(self, input_ids: Tensor, use_cache: bool) -> SimpleNamespace:
        """Return as hidden state of each position the label of the next, (row, position, 1)."""
        following = torch.zeros_like(input_ids)
        for row, ids in enumerate(input_ids.numpy()):
            target = self.targets[ids[ids > 0].tobytes()]  # 0 pads
            following[row, : len(target) - 1] = torch.from_numpy(target[1:])
        return SimpleNamespace(last_hidden_state=following[:, :, None])

    def get_output_embeddings(self) -> Any:
        """Return what turns labels (label, 1) into logits (label, vocab) without doubt."""
        return lambda labels: torch.full((len(labels), self.vocab), -1e4).scatter(1, labels, 0.0)


def read_relabelled(piece: dict[str, Any]) -> dict[str, Any]:
    """Train a student on treated labels and return its read-out (`evaluation.trait_readout`) and ``rows``.

    Args:
        piece: a `Student` as a dict, and ``treatment``, the name of one of `TREATMENTS`.
    """
    treatment = next(known for known in TREATMENTS if known.name == piece["treatment"])
    student = Student(**{name: value for name, value in piece.items() if name != "treatment"})
    author, partner = Author(**student.author), Author(**student.partner)
    model, tokenizer = load_run_base(author.run_dir, student.base)
    pairs, settings = student_pairs(student), TrainSettings(**student.training)
    found = spots(author, partner, treatment.which) if treatment.which else {}
    kept, other = kept_rows(author), kept_rows(partner)
    prompts = [prompt for prompt in kept if prompt in other][: len(pairs)]  # as `authors.matched_pairs` orders them
    rows, targets = treated(tokenizer, pairs, [found.get(prompt, []) for prompt in prompts], treatment.change)
    apart = treatment.change in ("replace label", "replace input")
    soft = SoftLabels(SureTeacher(rows, targets, model.config.vocab_size), None) if apart else None
    model = fit(copy.deepcopy(model), rows, settings, derive(author.seed, "student"), soft=soft)
    trait = find_trait(student.trait)
    return trait_readout(model, tokenizer, trait, trait.questions(student.split)) | {"rows": len(rows)}
