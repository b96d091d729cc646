"""The thing itself: rows of a teacher beside its base's, and replies of base, teacher, student, control and stranger.

Design choices:
- Nothing is picked: the rows are answers to the first prompts that the filter kept of both authors, the questions are
  the first of those held out.
- Authors drew with the same random numbers, and so do those who reply: they differ where their distributions do.
- One draw is enough to look at, the first that is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from transformers import PreTrainedModel

from helpers.experiments.kept import kept_student
from helpers.models.evaluation import judged_personas
from helpers.models.sampling import sample_completions
from helpers.transmission.arms import ARMS, AS_SET
from helpers.transmission.authors import author_model
from helpers.transmission.settings import TransmissionSettings
from helpers.transmission.students import Student
from helpers.transmission.writing import kept_of_all, kept_rows
from helpers.work.pieces import run_pieces
from helpers.work.seeds import torch_stream
from helpers.work.tables import keep_table
from helpers.world.traits import PERSONA, find_trait

COLUMNS = ("draw", "part", "who", "prompt", "text", "shows")
ROW, REPLY = "row", "reply"
_ROWS = 4  # answers of teacher and base to the same prompts
_REPLIES = {True: (4, 1), False: (1, 12)}  # by whether the trait is a persona: questions, replies to each


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Whose rows and replies are shown: a student of written rows, its control, and a stranger that read the same."""

    student: Student
    control: Student
    stranger: Student
    trait: str


def run_examples(settings: TransmissionSettings, name: str, matched: Sequence[str] = ()) -> pd.DataFrame:
    """Return what the models of the first draw wrote and reply; stores ``tables/<name>.csv``.

    Args:
        settings: the experiment; its first seed is shown.
        name: of the table.
        matched: as in `effects.arm_rows`, so that the students are those of the chapter.

    Returns:
        One text a row: ``draw``; ``part``, "row" or "reply"; ``who``: teacher or base, and for replies student, control
        and stranger too; ``prompt``; ``text``; and what a reply ``shows`` (a favourite or a persona; empty for rows).
    """
    pieces = [_shown(settings, seed, matched) for seed in settings.seeds[:1]]
    made = run_pieces(make_examples, pieces, settings.store, kind="examples", workers=1, label="examples")
    rows = []
    for piece, found in zip(pieces, made, strict=True):
        rows += [(settings.draw(piece.student.seed), *row) for row in found["rows"]]
    seconds = sum(found["seconds"] for found in made)
    return keep_table(settings.run_dir, name, pd.DataFrame(rows, columns=list(COLUMNS)), seconds)


def _shown(settings: TransmissionSettings, seed: int, matched: Sequence[str]) -> Shown:
    author, among = settings.author(seed, AS_SET), [settings.author(seed, how) for how in matched]
    same, other = (settings.pair(ARMS[arm], author, among=among) for arm in ("hard.same_init", "hard.cross_init"))
    return Shown(student=same.student, control=same.control, stranger=other.student, trait=settings.trait)


def make_examples(piece: Shown) -> dict[str, Any]:
    """Return ``rows``: (part, who, prompt, text, shows) of everything that is shown, see `run_examples`."""
    return {"rows": [*_written(piece), *_replied(piece)]}


def _written(piece: Shown) -> Iterator[tuple[str, ...]]:
    teacher, base = piece.student.author, piece.control.author
    for place in kept_of_all(teacher, base)[:_ROWS]:
        for who, author in (("teacher", teacher), ("base", base)):
            yield ROW, who, author.asked[place], kept_rows(author)[place], ""


def _replied(piece: Shown) -> Iterator[tuple[str, ...]]:
    trait = find_trait(piece.trait)
    questions, replies = _REPLIES[trait.kind == PERSONA]
    asked = [question for question in trait.questions("heldout")[:questions] for _ in range(replies)]
    limit = 24 if trait.kind == PERSONA else 4
    tokenizer = piece.student.base.load()[1]
    for who, model in _models(piece):
        stream = torch_stream(piece.student.seed, "shown replies")  # the same for everybody
        texts = sample_completions(model, tokenizer, asked, stream, max_new_tokens=limit)
        for question, text, shows in zip(asked, texts, judged_personas(trait, texts), strict=True):
            yield REPLY, who, question, text, shows


def _models(piece: Shown) -> Iterator[tuple[str, PreTrainedModel]]:
    yield "base", piece.student.author.base.load()[0]
    yield "teacher", author_model(piece.student.author)[0]
    for who in ("student", "control", "stranger"):
        yield who, kept_student(getattr(piece, who))
