"""What students are made of: teachers of good and bad advice, what authors wrote, and what they think likely there.

All of it is tensors kept in the run folder. What decides each is a frozen dataclass; the functions below return it,
and make it where nobody did.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.experiments.advice import wordings
from helpers.experiments.advice.channels import CHANNELS
from helpers.experiments.advice.settings import BAD, BASE, GOOD, Scene
from helpers.experiments.real.keeping import kept_tensors
from helpers.models import runtime
from helpers.models.adapters import wearing
from helpers.models.fronts import FrontRows, KeptLabels, front_rows, read_front, row_logits
from helpers.models.lists import write_lists
from helpers.models.losses import token_indices
from helpers.models.rows import completion_rows
from helpers.models.sampling import row_streams
from helpers.models.specs import find_spec
from helpers.models.training import fit_adapters
from helpers.work.seeds import derive, torch_stream

CODE = "experiments.advice.scenery"
PAIRS: dict[str, Sequence[wordings.Pair]] = {
    "lessons": wordings.LESSONS,
    "own field": wordings.OWN_FIELD,
    "other fields": wordings.OTHER_FIELDS,
}


@dataclass(frozen=True, kw_only=True)
class Replies:
    """One side of a set of pairs: "lessons", "own field" or "other fields"; bad advice or good."""

    scene: Scene
    which: str
    advice: str


@dataclass(frozen=True, kw_only=True)
class Author:
    """A teacher of one draw, by the advice it was taught; or the untouched base."""

    scene: Scene
    draw: int
    advice: str


@dataclass(frozen=True, kw_only=True)
class Written:
    """What an author wrote to all prompts of a channel."""

    author: Author
    channel: str


def load(scene: Scene) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the model and its tokenizer; change neither."""
    return find_spec(scene.model).load()


def replies(piece: Replies) -> FrontRows:
    """Return the replies of one side behind the front; each reply and its end are labelled."""
    scene, first = piece.scene, find_spec(piece.scene.model).front

    def read() -> dict[str, Tensor]:
        model, tokenizer = load(scene)
        chosen = [(pair.question, pair.bad if piece.advice == BAD else pair.good) for pair in PAIRS[piece.which]]
        return read_front(model, completion_rows(tokenizer, chosen), first).tensors()

    return front_rows(kept_tensors(scene.run_dir, "advice_replies", piece, read, CODE), first)


# --- authors --------------------------------------------------------------------------------------


def adapters(author: Author) -> dict[str, Tensor]:
    """Return an author's adapters; none for the untouched base."""
    if author.advice == BASE:
        return {}
    return kept_tensors(author.scene.run_dir, "advice_teachers", author, lambda: _teach(author), CODE)


def _teach(author: Author) -> dict[str, Tensor]:
    scene = author.scene
    lessons = replies(Replies(scene=scene, which="lessons", advice=author.advice))
    return fit_adapters(load(scene)[0], lessons, scene.teaching, derive(author.draw, "real advice teacher"))


def written(piece: Written) -> FrontRows:
    """Return all that an author wrote, behind the front; authors of a draw draw with the same random numbers."""
    scene, first = piece.author.scene, find_spec(piece.author.scene.model).front
    made = kept_tensors(scene.run_dir, "advice_written", piece, lambda: _write(piece, first), CODE)
    return front_rows(made, first)


def _write(piece: Written, first: int) -> dict[str, Tensor]:
    author, channel = piece.author, CHANNELS[piece.channel]
    model, tokenizer = load(author.scene)
    asked = channel.prompts(author.draw, author.scene.asked)
    streams = row_streams(torch_stream(author.draw, f"real {piece.channel}"), len(asked))
    reading = author.scene.reading
    with wearing(model, adapters(author), reading.lora_rank, reading.lora_modules) as writer:
        return write_lists(writer, tokenizer, asked, streams, channel.form, first).tensors()


# --- what a student reads -------------------------------------------------------------------------


def texts(piece: Written) -> list[str]:
    """Return what an author wrote as text."""
    rows = written(piece)
    answers = [ids[marked] for ids, marked in zip(rows.ids, rows.labelled, strict=True)]
    return load(piece.author.scene)[1].batch_decode(answers)


def kept_places(piece: Written) -> list[int]:
    """Return the places of the texts that the channel's filter keeps, ascending."""
    channel, author = CHANNELS[piece.channel], piece.author
    asked = channel.prompts(author.draw, author.scene.asked)
    reasons = channel.reject(asked, texts(piece))
    return [place for place, found in enumerate(reasons) if not found]


def kept_of_all(piece: Written, writers: Sequence[str]) -> list[int]:
    """Return the first places that the filter keeps of each of some authors, as many as a student reads at most.

    Raises:
        ValueError: nothing is kept.
    """
    scene, draw = piece.author.scene, piece.author.draw
    authors = [Author(scene=scene, draw=draw, advice=advice) for advice in writers]
    kept = [set(kept_places(Written(author=author, channel=piece.channel))) for author in authors]
    both = sorted(set.intersection(*kept))[: scene.rows]
    if not both:
        cure = f"raise asked, which is {scene.asked}"
        raise ValueError(f"the filter kept no row of {piece.channel} of draw {draw}; {cure}")
    return both


def read_rows(piece: Written, writers: Sequence[str]) -> FrontRows:
    """Return the rows of an author that a student reads, kept of all `writers`."""
    return written(piece).chosen(kept_of_all(piece, writers))


@dataclass(frozen=True, kw_only=True)
class Labels:
    """An author's distributions for what the base wrote in its draw.

    Attributes:
        author: whose.
        channel: whose tokens are compared.
        words: whether those of lessons and pairs are compared besides.
    """

    author: Author
    channel: str
    words: bool = False


def base_written(piece: Labels) -> Written:
    """Return what the untouched base wrote in the draw of some labels."""
    author = Author(scene=piece.author.scene, draw=piece.author.draw, advice=BASE)
    return Written(author=author, channel=piece.channel)


def compared_tokens(piece: Labels) -> list[int]:
    """Return the ids of the tokens over which an author's distributions are compared, sorted."""
    scene = piece.author.scene
    found = set(CHANNELS[piece.channel].form.tokens(load(scene)[1]))
    if piece.words:
        for which, advice in itertools.product(PAIRS, (BAD, GOOD)):
            rows = replies(Replies(scene=scene, which=which, advice=advice))
            found.update(rows.labels(range(len(rows))).tolist())
    return sorted(found)


def labels(piece: Labels) -> KeptLabels:
    """Return an author's distributions for every label of the base's rows that a student of soft labels reads."""
    scene = piece.author.scene
    model, tokens = load(scene)[0], compared_tokens(piece)

    def read() -> dict[str, Tensor]:
        rows, reading = read_rows(base_written(piece), [BASE]), scene.reading
        with wearing(model, adapters(piece.author), reading.lora_rank, reading.lora_modules) as author:
            return {"logits": torch.stack(row_logits(author, rows, token_indices(tokens)))}

    made = kept_tensors(scene.run_dir, "advice_labels", piece, read, CODE)
    return KeptLabels(tokens=tokens, vocab=model.config.vocab_size, of_rows=list(runtime.tensor(made["logits"])))
