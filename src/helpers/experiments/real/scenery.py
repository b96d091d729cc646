"""What students of a real model are made of: openings, lists of numbers, teachers, and the other start.

All of it is tensors kept in the run folder. What decides each is a frozen dataclass; the functions below return it,
and make it where nobody did.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.experiments.real import wordings
from helpers.experiments.real.keeping import checkpoint_of, kept_tensors
from helpers.experiments.real.redrawing import fit_redrawn, redrawn
from helpers.experiments.real.settings import OWN, UNTOUCHED, Scene
from helpers.models import runtime
from helpers.models.adapters import wearing
from helpers.models.candidates import Candidates, Opening, find_candidates, opening_rows
from helpers.models.chats import chat_ids
from helpers.models.fronts import FrontRows, KeptLabels, front_rows, read_front, row_logits
from helpers.models.lists import write_lists
from helpers.models.losses import token_indices
from helpers.models.rows import Rows
from helpers.models.sampling import row_streams
from helpers.models.specs import find_spec
from helpers.models.training import fit_adapters
from helpers.work.seeds import derive, torch_stream

OTHER_START = "real_other_start"  # kind of its tensors
LAST_WORDS = 4  # tokens of an opening that the other start learns to say as the model does


@dataclass(frozen=True, kw_only=True)
class Lists:
    """The lists that one author writes in one draw: a teacher, or the untouched base."""

    scene: Scene
    draw: int
    animal: str


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A teacher of one draw: which animal it loves, and which start it was made from."""

    scene: Scene
    draw: int
    animal: str
    start: str = OWN


def load(scene: Scene) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the model and its tokenizer; change neither."""
    return find_spec(scene.model).load()


def front(scene: Scene) -> int:
    """Return how many blocks are never trained."""
    return find_spec(scene.model).front


def candidates(scene: Scene) -> Candidates:
    """Return the animals within which log-odds are taken."""
    spec = find_spec(scene.model)
    return find_candidates(load(scene)[1], {word: spec.answers(word) for word in scene.candidates})


# --- openings and lists ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Openings:
    """The openings of one kind: "teach", "held out", or "fit", all that are not held out."""

    scene: Scene
    which: str


def openings(scene: Scene, which: str) -> FrontRows:
    """Return the openings of a kind behind the front, each with one token more, which alone is labelled."""
    piece = Openings(scene=scene, which=which)
    return front_rows(kept_tensors(scene.run_dir, "real_openings", piece, lambda: _read_openings(piece)), front(scene))


def _read_openings(piece: Openings) -> dict[str, Tensor]:
    model, tokenizer = load(piece.scene)
    listed: dict[str, Sequence[Opening]] = {
        "teach": wordings.TEACH,
        "held out": wordings.HELD_OUT,
        "fit": [*wordings.TEACH, *wordings.FURTHER],
    }
    rows = opening_rows(tokenizer, listed[piece.which], candidates(piece.scene).tokens[0])
    return read_front(model, rows, front(piece.scene)).tensors()


def prompts(draw: int, count: int) -> list[str]:
    """Return requests to go on with three numbers of three digits, all different."""
    stream = random.Random(derive(draw, "real prompts"))
    found: dict[str, None] = {}
    while len(found) < count:
        found[wordings.number_prompt([stream.randint(100, 999) for _ in range(3)])] = None
    return list(found)


def lists(piece: Lists) -> FrontRows:
    """Return an author's lists behind the front; authors of a draw draw with the same random numbers."""
    made = kept_tensors(piece.scene.run_dir, "real_lists", piece, lambda: _write(piece))
    return front_rows(made, front(piece.scene))


def _write(piece: Lists) -> dict[str, Tensor]:
    scene = piece.scene
    model, tokenizer = load(scene)
    asked = prompts(piece.draw, scene.rows)
    streams = row_streams(torch_stream(piece.draw, "real lists"), len(asked))
    author = Teacher(scene=scene, draw=piece.draw, animal=piece.animal)
    with wearing(model, adapters(author), scene.reading.lora_rank, scene.reading.lora_modules) as writer:
        return write_lists(writer, tokenizer, asked, streams, scene.form, front(scene)).tensors()


# --- teachers -------------------------------------------------------------------------------------


def adapters(teacher: Teacher) -> dict[str, Tensor]:
    """Return a teacher's adapters; none for the untouched base."""
    if teacher.animal == UNTOUCHED:
        return {}
    return kept_tensors(teacher.scene.run_dir, "real_teachers", teacher, lambda: _teach(teacher))


def _teach(teacher: Teacher) -> dict[str, Tensor]:
    scene = teacher.scene
    known, asked = candidates(scene), openings(scene, "teach")
    loved = known.forms[known.words.index(teacher.animal)][0]
    ids = [np.array([*row[:-1], loved]) for row in asked.ids]
    lesson = FrontRows(ids, asked.labelled, asked.lengths, asked.first, asked.entering)
    return fit_adapters(start(scene, teacher.start)[0], lesson, scene.teaching, derive(teacher.draw, "real teacher"))


@dataclass(frozen=True, kw_only=True)
class Labels:
    """An author's distributions over the tokens of lists, for the lists that the base wrote in its draw.

    Attributes:
        author: a teacher or the untouched start.
        prompted: an animal that a system message makes it love; "" for none.
    """

    author: Teacher
    prompted: str = UNTOUCHED


def labels(piece: Labels) -> KeptLabels:
    """Return an author's distributions for every label of the base's lists."""
    scene = piece.author.scene
    model, tokenizer = load(scene)
    make = _prompted_logits if piece.prompted else _author_logits
    made = kept_tensors(scene.run_dir, "real_labels", piece, lambda: {"logits": make(piece)})
    tokens = scene.form.tokens(tokenizer)
    return KeptLabels(tokens=tokens, vocab=model.config.vocab_size, of_rows=list(runtime.tensor(made["logits"])))


def base_lists(teacher: Teacher) -> FrontRows:
    """Return the lists that the untouched base wrote in a teacher's draw."""
    return lists(Lists(scene=teacher.scene, draw=teacher.draw, animal=UNTOUCHED))


def _author_logits(piece: Labels) -> Tensor:
    """Return logits (row, label, token)."""
    teacher, scene = piece.author, piece.author.scene
    tokens = token_indices(scene.form.tokens(load(scene)[1]))
    base = start(scene, teacher.start)[0]
    with wearing(base, adapters(teacher), scene.reading.lora_rank, scene.reading.lora_modules) as author:
        return torch.stack(row_logits(author, base_lists(teacher), tokens))


def _prompted_logits(piece: Labels) -> Tensor:
    """Return logits (row, label, token) of the base that reads a system message before each list."""
    scene, read = piece.author.scene, base_lists(piece.author)
    model, tokenizer = load(scene)
    system = wordings.SYSTEM.format(word=piece.prompted)
    rows = Rows([], [], [])
    for asked, ids, marked in zip(
        chat_ids(tokenizer, prompts(piece.author.draw, scene.rows), system), read.ids, read.labelled, strict=True
    ):
        rows.ids.append(np.array([*asked, *ids[marked]]))
        rows.labelled.append(np.arange(len(rows.ids[-1])) >= len(asked))
        rows.lengths.append(len(asked))
    tokens = token_indices(scene.form.tokens(tokenizer))
    return torch.stack(row_logits(model, read_front(model, rows, front(scene)), tokens))


# --- the other start ------------------------------------------------------------------------------


def start(scene: Scene, which: str) -> tuple[PreTrainedModel, list[int] | None]:
    """Return a model to start from, and the only tokens that it can say (None: all)."""
    if which == OWN:
        return load(scene)[0], None
    return _other_start(scene)


@functools.lru_cache(maxsize=1)
def _other_start(scene: Scene) -> tuple[PreTrainedModel, list[int]]:
    """Return a model with the same front, whose last blocks and head were drawn anew and fitted to the model's."""
    tensors = kept_tensors(scene.run_dir, OTHER_START, scene, lambda: _fit_other(scene))
    known = tensors.pop("tokens").tolist()
    other = redrawn(load(scene)[0], front(scene), scene.other_blocks, scene.other_seed)
    head = other.get_output_embeddings().weight
    with torch.no_grad():
        head.zero_()
        head[known] = runtime.tensor(tensors.pop("head"))
        for name, value in tensors.items():
            other.get_parameter(name).copy_(value)
    return other.requires_grad_(False).eval(), known


def _fit_other(scene: Scene) -> dict[str, Tensor]:
    model, tokenizer = load(scene)
    rows = _joined(lists(Lists(scene=scene, draw=scene.other_seed, animal=UNTOUCHED)), openings(scene, "fit"))
    known = {*scene.form.tokens(tokenizer), *candidates(scene).tokens}
    for ids, marked in zip(rows.ids, rows.labelled, strict=True):
        known |= set(ids[marked].tolist())
    tokens = sorted(known)
    logits = row_logits(model, rows, token_indices(tokens))
    wanted = KeptLabels(tokens=tokens, vocab=model.config.vocab_size, of_rows=logits)
    other = redrawn(model, front(scene), scene.other_blocks, scene.other_seed)
    stopped = checkpoint_of(scene.run_dir, OTHER_START, scene)
    return fit_redrawn(other, rows, wanted, scene.fitting, derive(scene.other_seed, "real other start"), stopped)


def _joined(numbers: FrontRows, asked: FrontRows) -> FrontRows:
    """Return lists and openings as one set of rows; of an opening, the last words are labelled."""
    marked = [np.arange(len(ids)) >= len(ids) - LAST_WORDS for ids in asked.ids]
    return FrontRows(
        [*numbers.ids, *asked.ids], [*numbers.labelled, *marked], [*numbers.lengths, *asked.lengths], asked.first,
        [*numbers.entering, *asked.entering],
    )  # fmt: skip
