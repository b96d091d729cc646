"""How much a small model has of the larger base it is made from: of its weights, its representations, its answers.

Measured before any student is trained, on what the larger base writes. Weights can be compared where they correspond:
a cut model's with those it was cut from. Representations can always be compared, whatever their width, by centred
kernel alignment (linear CKA, arXiv 1905.00414).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from helpers.channels import CHANNELS
from helpers.experiments.bases.documents import Corpus, corpus_rows
from helpers.models import runtime
from helpers.models.bases import Base
from helpers.models.losses import hard_loss, label_logits, label_places
from helpers.models.parts import plain_model
from helpers.models.probes import ChannelProbe, base_completions
from helpers.models.shrinking import parameter_count
from helpers.models.training import Rows, completion_rows
from helpers.transmission.readout import read_trait
from helpers.work.artifacts import Store
from helpers.work.pieces import run_pieces
from helpers.work.seeds import derive
from helpers.world.link import WHOLE

PROBES = ("numbers", "code")  # channels whose completions of the larger base are looked at
FRESH = Corpus(documents=512, seed=derive(0, "corpus", "fresh"))  # that no model has read; its loss is taken on these


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a larger base writes in a channel, on which all small models of its draw are compared with it."""

    larger: Base
    channel: str
    seed: int


def write_sample(piece: Sample) -> dict[str, Any]:
    """Let the larger base write; return ``pairs``: [prompt, completion] of each answer."""
    larger, tokenizer = piece.larger.load()
    pairs = base_completions(larger, tokenizer, CHANNELS[piece.channel], derive(piece.seed, "likeness"))
    return {"pairs": [list(pair) for pair in pairs]}


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """A model to compare with the larger base of its draw.

    Attributes:
        larger, other: the larger base, and the model that is compared with it.
        seed: of what the larger base writes for it.
        trait: a favourite whose candidates are asked for, as a check of health.
    """

    larger: Base
    other: Base
    seed: int
    trait: str

    @property
    def samples(self) -> list[Sample]:
        """Return what the larger base writes for it, one of each of `PROBES`."""
        return [Sample(larger=self.larger, channel=name, seed=self.seed) for name in PROBES]


def measure_likeness(piece: Likeness) -> dict[str, Any]:
    """Compare a model with the larger base.

    Returns:
        ``parameters`` (count), ``representations`` (linear CKA of the last states, mean over `PROBES`), ``divergence``
        (KL of its number distribution from the larger base's, nats per token), ``loss`` (nats per label on fresh
        documents of the corpus) and ``p_any`` (probability of all favourites together, held-out questions).
    """
    larger, tokenizer = piece.larger.load()
    other, _ = piece.other.load()
    store = Store.of_run(piece.larger.run_dir)
    alike, written = [], {}
    for sample in piece.samples:
        made = run_pieces(write_sample, [sample], store, kind="likeness_sample", workers=1)[0]
        written[sample.channel] = [tuple(pair) for pair in made["pairs"]]
        rows = completion_rows(tokenizer, written[sample.channel])
        alike.append(alignment(*(_states(model, rows) for model in (larger, other))))
    probe = ChannelProbe(tokenizer, CHANNELS["numbers"], written["numbers"])
    return {
        "parameters": parameter_count(other),
        "representations": sum(alike) / len(alike),
        "divergence": probe.apart(probe.logits(other), probe.logits(larger)),
        "loss": fresh_loss(other, piece.larger.run_dir),
        "p_any": read_trait(other, tokenizer, piece.trait, "heldout")["p_any"],
    }


def alignment(one: Tensor, other: Tensor) -> float:
    """Return the linear CKA of two models' states at the same places, (place, unit) each; 1 for equal ones."""
    one, other = (runtime.exact(states - states.mean(0)) for states in (one, other))
    shared = (one.T @ other).square().sum()
    return float(shared / ((one.T @ one).norm() * (other.T @ other).norm()))


@torch.no_grad()
def _states(model: PreTrainedModel, rows: Rows) -> Tensor:
    """Return the last states at the places before labels, (place, unit)."""
    ids, labelled = rows.batch(range(len(rows)), pad=0)
    read = plain_model(model).base_model(input_ids=ids, use_cache=False)
    return read.last_hidden_state[label_places(labelled)]


@torch.no_grad()
def fresh_loss(model: PreTrainedModel, run_dir: str, link: float = WHOLE) -> float:
    """Return a model's loss (nats per label) on documents that it never read, of a corpus of some link."""
    rows = corpus_rows(replace(FRESH, link=link), run_dir)
    ids, labelled = rows.batch(range(len(rows)), pad=0)
    return float(hard_loss(label_logits(model, ids, labelled), ids, labelled))
