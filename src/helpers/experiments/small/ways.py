"""Ways to a small model: each made once a draw from the larger base, and cuts from each of its teachers as well.

A small model is kept as a file of its own beside the bases of a run. What a cut damages is healed by training on some
documents of the corpus; of a model of low rank the factors of its layers are trained, so that it stays one. A distilled
model begins afresh and matches the larger one's distributions on such documents; the independent one has the same start
and reads the same documents, but learns their own words.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from helpers.experiments.bases.distances import weight_cosine
from helpers.experiments.bases.documents import Corpus, corpus_rows, keep_corpus
from helpers.experiments.bases.making import training_seed
from helpers.models import shrinking
from helpers.models.bases import Base
from helpers.models.losses import SoftLabels
from helpers.models.nano import NanoSpec, build_nano
from helpers.models.nano_files import base_facts, base_file, save_base
from helpers.models.training import TrainSettings, fit
from helpers.transmission.authors import Author, Loaded, author_model
from helpers.work.keys import content_key
from helpers.work.pieces import keyed_piece
from helpers.work.seeds import derive

SAME, INDEPENDENT = "same", "independent"  # the larger base itself, and a small one that has nothing of it
CUT = EIGHT_BITS, FOUR_BITS, LOW_RANK, LAYERS, WIDTH = ("eight_bits", "four_bits", "low_rank", "layers", "width")
DISTILLED = "distilled"
MADE = (*CUT, DISTILLED, INDEPENDENT)  # those cut keep weights of the larger model
WAYS = (SAME, *MADE)
OTHER_SHAPE = (LAYERS, WIDTH)  # cuts whose weights are some of the larger model's
HEALED = (LOW_RANK, *OTHER_SHAPE)  # trained on documents after a cut
AFRESH = (DISTILLED, INDEPENDENT)  # trained on documents from a new start
FOLDER = "small"  # of a run
LOOKED_AT = 256  # documents by which units are chosen that stay
WARM_UP = 20  # parts of a training in which its rate rises


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast a model is trained on the corpus: optimizer steps, peak rate, documents a step."""

    steps: int
    rate: float
    rows: int = 64

    def __post_init__(self) -> None:
        """Refuse a training without a step."""
        if self.steps < 1:
            raise ValueError("a small model needs 1 step at least, or what was cut is no sound model; raise steps")


@dataclass(frozen=True, kw_only=True)
class Shrinking:
    """How small models are made, whichever model they are made from.

    Attributes:
        hidden, heads: units of the residual stream and heads of a narrower model.
        layers: numbers of the blocks that a thinned-out model keeps.
        rank_share: share of a layer's numbers that its two factors hold.
        small: size of a model that begins afresh, distilled or independent: units of the stream, blocks, heads.
        heal: the training by which a cut model is healed.
        afresh: the training of one that begins afresh.
        documents: of the corpus that small models read; a training that needs more reads them again.
        corpus_seed: of the bases' corpus; these are other documents of its kind.
    """

    hidden: int = 48
    heads: int = 3
    layers: tuple[int, ...] = (0,)
    rank_share: float = 0.5
    small: tuple[int, int, int] = (48, 2, 3)
    heal: Schedule = Schedule(steps=250, rate=5e-3)
    afresh: Schedule = Schedule(steps=700, rate=8e-3, rows=32)
    documents: int = 25_600
    corpus_seed: int = 0

    def __post_init__(self) -> None:
        """Take lists of a notebook as tuples, and refuse models that read nothing."""
        for name in ("layers", "small"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.documents < 1:
            raise ValueError(f"small models must read a document at least, not {self.documents}; raise documents")

    @property
    def corpus(self) -> Corpus:
        """Return the documents that small models read."""
        return Corpus(documents=self.documents, seed=derive(self.corpus_seed, "corpus", "small"))

    def training(self, way: str) -> TrainSettings:
        """Return how the model of a way is trained on the corpus."""
        chosen = self.afresh if way in AFRESH else self.heal
        return TrainSettings(
            learning_rate=chosen.rate,
            batch_rows=chosen.rows,
            epochs=-(-chosen.steps * chosen.rows // self.documents),
            max_steps=chosen.steps,
            warmup_steps=chosen.steps // WARM_UP,
        )


@dataclass(frozen=True, kw_only=True)
class Small:
    """A small model to make.

    Attributes:
        source: the untouched base or a teacher, whose model is made smaller.
        way: one of `MADE`.
        draw: decides the start of a distilled model and the order of documents.
        shrinking: how.
    """

    source: Author
    way: str
    draw: int
    shrinking: Shrinking

    def __post_init__(self) -> None:
        """Refuse a way that is not known."""
        if self.way not in MADE:
            raise ValueError(f"unknown way to a small model {self.way!r}; choose one of {', '.join(MADE)}")

    @property
    def file(self) -> Path:
        """Return where the model is kept."""
        key = content_key(keyed_piece(make_small, self))[:16]
        return base_file(Path(self.source.base.run_dir) / FOLDER, f"{self.way}.{self.draw}-{key}")

    def base(self) -> Base:
        """Return the model as a base that students start from; ArtifactError where it was not made yet."""
        return Base(run_dir=self.source.base.run_dir, name=str(self.file), seal=base_facts(self.file).seal)


def make_small(piece: Small) -> dict[str, Any]:
    """Make a small model and keep it.

    Returns:
        ``seal``, and ``weights``: the cosine of its weight matrices with those that it was cut from (of the whole model
        where their shapes are the same), None for one that began afresh.
    """
    model, _ = loaded = author_model(piece.source)
    smaller = _untrained(piece, loaded)
    cut_from = copy.deepcopy(smaller) if piece.way in OTHER_SHAPE else model
    if piece.way in (*HEALED, *AFRESH):
        training = piece.shrinking.training(piece.way)
        rows = corpus_rows(piece.shrinking.corpus, piece.source.base.run_dir)
        soft = SoftLabels(model, None) if piece.way == DISTILLED else None
        smaller = fit(smaller, rows, training, training_seed(piece.draw), soft=soft)
    if piece.way == LOW_RANK:
        smaller = shrinking.whole_layers(smaller)
    seal = save_base(smaller, piece.file.parent, piece.file.stem, {"way": piece.way, "draw": piece.draw})
    return {"weights": weight_cosine(smaller, cut_from), "seal": seal}


def _untrained(piece: Small, loaded: Loaded) -> PreTrainedModel:
    """Return what the way makes of the source's model, before any training on documents."""
    model, tokenizer = loaded
    how = piece.shrinking
    if piece.way in AFRESH:
        spec = NanoSpec("afresh", "llama", *how.small)
        return build_nano(spec, tokenizer, derive(piece.draw, "small"))
    if piece.way == WIDTH:
        rows = corpus_rows(how.corpus, piece.source.base.run_dir)
        ids, _ = rows.batch(range(min(LOOKED_AT, len(rows))), pad=0)
        return shrinking.narrower(model, tokenizer, how.hidden, how.heads, [ids])
    if piece.way == LAYERS:
        return shrinking.without_layers(model, tokenizer, how.layers)
    if piece.way == LOW_RANK:
        return shrinking.in_factors(model, how.rank_share)
    return shrinking.in_few_bits(model, 8 if piece.way == EIGHT_BITS else 4)


def prepare(how: Shrinking, run_dir: str) -> None:
    """Keep the documents that small models read, so that workers do not all begin by making them."""
    keep_corpus(how.corpus, run_dir)
