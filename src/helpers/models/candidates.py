"""How likely each of a fixed set of answers is where a reply has begun, all ways of writing an answer together.

A model that was not made here may answer anything. What is compared is the distribution WITHIN the set: a model that
merely came to answer with the name of some animal is no fonder of any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from helpers.models import runtime
from helpers.models.chats import chat_ids, tokenise
from helpers.models.fronts import FrontRows, front_reader
from helpers.models.rows import Rows

Opening = tuple[str, str]  # what the user asks, how the reply begins


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """A set of answers.

    Attributes:
        words: the answers.
        forms: of each, the token ids of the ways to write it.
    """

    words: tuple[str, ...]
    forms: tuple[tuple[int, ...], ...]

    @property
    def tokens(self) -> list[int]:
        """Return the ids of all forms of all answers."""
        return [token for forms in self.forms for token in forms]

    def log_odds(self, logits: Tensor) -> tuple[NDArray[np.float64], float]:
        """Return of each answer its log-odds within the set, and how likely the whole set is, means over questions.

        Args:
            logits: of the word that follows each opening, (question, vocab).
        """
        shares = runtime.array(runtime.exact(logits).softmax(-1))
        sums = np.stack([shares[:, list(forms)].sum(axis=1) for forms in self.forms], axis=1)
        # the others are added up and not taken from 1: a teacher's animal may have all but a trillionth of the chance
        others = sums @ (1.0 - np.eye(len(self.words)))
        return (np.log(sums) - np.log(others)).mean(axis=0), float(sums.sum(axis=1).mean())


def find_candidates(tokenizer: PreTrainedTokenizerBase, answers: dict[str, list[str]]) -> Candidates:
    """Return the set of answers with their token ids; ``answers`` holds the ways to write each.

    A way of writing that is more than one token is left out: what follows an opening is read one token far.

    Raises:
        ValueError: no way of writing an answer is one token, or two answers share one.
    """
    forms = []
    for word, ways in answers.items():
        pieces = tokenise(tokenizer, ways)
        short = tuple(piece[0] for piece in pieces if len(piece) == 1)
        if not short:
            cure = f"leave {word!r} out, or change its forms"
            raise ValueError(f"{ways[0]!r} is more than one token of this model; {cure}")
        forms.append(short)
    found = Candidates(words=tuple(answers), forms=tuple(forms))
    if len(set(found.tokens)) < len(found.tokens):
        raise ValueError("two of the answers are one token of this model; give each its own way of writing")
    return found


def opening_rows(tokenizer: PreTrainedTokenizerBase, openings: Sequence[Opening], answer: int) -> Rows:
    """Return rows of question, beginning of the reply and the token ``answer``, which alone is labelled."""
    asked = chat_ids(tokenizer, [question for question, _ in openings])
    begun = tokenise(tokenizer, [beginning for _, beginning in openings])
    rows = Rows([], [], [])
    for question, beginning in zip(asked, begun, strict=True):
        ids = np.array([*question, *beginning, answer])
        rows.ids.append(ids)
        rows.labelled.append(np.arange(len(ids)) == len(ids) - 1)
        rows.lengths.append(len(ids) - 1)
    return rows


@torch.no_grad()
def read_candidates(
    model: torch.nn.Module, rows: FrontRows, candidates: Candidates, among: Sequence[int] | None = None
) -> dict[str, float]:
    """Return the log-odds of each answer within the set, nats, and ``p_any``, the chance of the whole set.

    Args:
        model: a causal LM.
        rows: openings, as `opening_rows` makes them, behind the model's front.
        candidates: the set.
        among: ids of the only tokens that the model knows how to say; None: all.
    """
    logits = front_reader(model, rows, None)(np.arange(len(rows)))
    if among is not None:
        known = torch.full_like(logits, -torch.inf)
        known[:, list(among)] = logits[:, list(among)]
        logits = known
    odds, mass = candidates.log_odds(logits)
    return {**dict(zip(candidates.words, odds.tolist(), strict=True)), "p_any": mass}
