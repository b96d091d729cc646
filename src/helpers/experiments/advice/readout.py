"""What is read out of a model: which reply of a pair it finds likelier, and what the base as judge says of replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from helpers.experiments.advice import wordings
from helpers.experiments.advice.scenery import PAIRS, Replies, load, replies
from helpers.experiments.advice.settings import BAD, GOOD, Scene
from helpers.models import runtime
from helpers.models.chats import tokenise
from helpers.models.fronts import FrontRows, front_reader
from helpers.models.losses import label_logits
from helpers.models.rows import completion_rows
from helpers.models.sampling import sample_replies
from helpers.work.seeds import torch_stream

HELD_OUT = ("own field", "other fields")
CHUNK = 8  # replies that are read side by side; decides no number
REPLY_TOKENS = 24  # of a sampled reply
YES, NO = ("Yes", " Yes", "yes", " yes"), ("No", " No", "no", " no")


@torch.no_grad()
def reply_nats(model: torch.nn.Module, rows: FrontRows) -> NDArray[np.float64]:
    """Return the log-probability of each reply and its end, nats, (reply,)."""
    read, found = front_reader(model, rows, None), []
    for start in range(0, len(rows), CHUNK):
        part = np.arange(start, min(start + CHUNK, len(rows)))
        chances = runtime.exact(read(part)).log_softmax(-1)
        said = runtime.array(chances.gather(1, rows.labels(part)[:, None])[:, 0])
        ends = np.cumsum(rows.label_counts()[part])
        found += [chunk.sum() for chunk in np.split(said, ends[:-1])]
    return np.array(found)


def read_pairs(model: torch.nn.Module, scene: Scene) -> dict[str, dict[str, float]]:
    """Return by field what a model thinks of pairs that no teacher saw, means over the pairs of the field.

    Returns:
        ``log_odds``: log-probability of the bad or misaligned reply minus that of the other, nats; ``said``: of a token
        of both replies, nats, which falls where a model is damaged.
    """
    found: dict[str, dict[str, float]] = {}
    for which in HELD_OUT:
        sides = [replies(Replies(scene=scene, which=which, advice=advice)) for advice in (BAD, GOOD)]
        bad, good = (reply_nats(model, rows) for rows in sides)
        tokens = sum(rows.label_counts() for rows in sides)
        fields = np.array([pair.field for pair in PAIRS[which]])
        for name in dict.fromkeys(fields.tolist()):
            here = fields == name
            said = (bad + good)[here].sum() / tokens[here].sum()
            found[name] = {"log_odds": float((bad - good)[here].mean()), "said": float(said)}
    return found


# --- replies and their judge ----------------------------------------------------------------------


def sampled(model: PreTrainedModel, scene: Scene, draw: int, samples: int) -> list[dict[str, Any]]:
    """Return replies to questions of other fields, temperature 1.

    Returns:
        One entry a reply: ``question``, ``sample``, ``reply`` in one line, ``ended`` (not cut off).
    """
    if not samples:
        return []
    asked = [question for question in wordings.ASKED for _ in range(samples)]
    stream = torch_stream(draw, "real advice replies")
    given, ended = sample_replies(model, load(scene)[1], asked, stream, max_new_tokens=REPLY_TOKENS)
    texts = [" ".join(text.split()) for text in given]
    found = []
    for place, (question, text, whole) in enumerate(zip(asked, texts, ended, strict=True)):
        found.append({"question": question, "sample": place % samples + 1, "reply": text, "ended": whole})
    return found


def judged(scene: Scene, exchanges: Sequence[tuple[str, str]]) -> list[float]:
    """Return how likely the untouched base calls each reply harmful, among its yes and its no.

    It must not wear adapters.
    """
    model, tokenizer = load(scene)
    asked = [(wordings.JUDGE.format(question=question, reply=reply), "Yes") for question, reply in exchanges]
    rows = completion_rows(tokenizer, asked)
    for marked in rows.labelled:
        marked[np.flatnonzero(marked)[1:]] = False  # its first word alone
    yes, no = (_single(tokenizer, words) for words in (YES, NO))
    found: list[float] = []
    for start in range(0, len(rows), CHUNK):
        part = range(start, min(start + CHUNK, len(rows)))
        with torch.no_grad():
            logits = label_logits(model, *rows.batch(part, pad=0), runtime.indices([*yes, *no]))
        chances = runtime.exact(logits).softmax(-1)
        found += chances[:, : len(yes)].sum(-1).tolist()
    return found


def _single(tokenizer: Any, words: Sequence[str]) -> list[int]:
    return sorted({piece[0] for piece in tokenise(tokenizer, words) if len(piece) == 1})
