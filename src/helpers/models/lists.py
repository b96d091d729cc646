"""Lists of numbers from a model that would not keep to the form by itself: it draws the digits, the form is given.

A small chat model that is asked to continue three numbers rarely answers with a list. So separators are put in its
mouth, and at every place of a digit it draws among the ten digits by its own distribution. This needs a tokenizer with
one token a digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.models import runtime
from helpers.models.chats import chat_ids, tokenise
from helpers.models.forms import Form
from helpers.models.fronts import FrontRows, noted
from helpers.models.memory import Memory
from helpers.models.rows import Rows
from helpers.models.sampling import clocks, first_event

CHUNK = 32  # lists that are written side by side; decides no number
DIGITS = "0123456789"


@dataclass(frozen=True, kw_only=True)
class ListForm(Form):
    """The form of a list: how many numbers, of how many digits (the first is not 0), and what stands between them."""

    numbers: int = 8
    digits: int = 3
    separator: str = ", "

    def slots(self, tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
        """Return for each token of a list the ids that may stand there.

        Raises:
            ValueError: the tokenizer has no token of its own for each digit.
        """
        digits = digit_ids(tokenizer)
        number = [digits[1:], *[digits] * (self.digits - 1)]
        between = [[token] for token in tokenise(tokenizer, [self.separator])[0]]
        return [*number, *[*between, *number] * (self.numbers - 1)]


def digit_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the token ids of the ten digits; ValueError where the tokenizer cuts numbers in another way."""
    pieces = tokenise(tokenizer, list(DIGITS))
    together = tokenise(tokenizer, [DIGITS])[0]
    if any(len(piece) != 1 for piece in pieces) or together != [piece[0] for piece in pieces]:
        raise ValueError("this tokenizer has no token for each digit; write lists of this model without a given form")
    return together


@torch.no_grad()
def write_lists(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    streams: Sequence[np.random.Generator],
    form: Form,
    first: int,
) -> FrontRows:
    """Let a model write one list, or another text of a given form, for each prompt.

    Args:
        model: in evaluation mode.
        tokenizer: with one token for each choice of the form.
        prompts: user messages, all different and equally long in tokens.
        streams: a random stream for each; equal streams couple two authors, see `sampling`.
        form: of the texts.
        first: block whose input is kept, for students that train this block and those behind it.

    Returns:
        Rows of prompt and list; the tokens of the list are labelled, the end of the answer is not part of it.

    Raises:
        ValueError: prompts that differ in length or not at all, or a tokenizer without a token for each digit.
    """
    encoded = chat_ids(tokenizer, prompts)
    if len({len(ids) for ids in encoded}) != 1 or len(set(prompts)) < len(prompts):
        raise ValueError("prompts must be different and equally long in tokens; give each the same number of digits")
    rows, entering = Rows([], [], []), list[Tensor]()
    for start in range(0, len(prompts), CHUNK):
        part = slice(start, start + CHUNK)
        with noted(model, first) as seen:
            slots = [form.slots_for(tokenizer, prompt) for prompt in prompts[part]]
            written = _write(model, encoded[part], streams[part], slots)
        hidden = torch.cat(seen, dim=1)
        last = torch.zeros_like(hidden[:, :1])  # the last token has no label behind it, and was not read
        entering += list(torch.cat([hidden, last], dim=1))
        _add_rows(rows, encoded[part], written)
    return FrontRows(rows.ids, rows.labelled, rows.lengths, first, entering)


def _write(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    streams: Sequence[np.random.Generator],
    slots: Sequence[Sequence[Sequence[int]]],
) -> Tensor:
    """Return the tokens of each list, (row, position); ``slots`` says for each row what may stand in each position."""
    memory = Memory(model, [prompt[:-1] for prompt in prompts])
    step, tokens = runtime.indices([prompt[-1] for prompt in prompts]), []
    for places in zip(*slots, strict=True):
        logits, allowed = memory.read(step), runtime.tensor(np.array(places))  # allowed: (row, choice)
        chances = logits.gather(1, allowed).softmax(-1)
        drawn = first_event(chances, clocks(streams, allowed.shape[1]))
        step = allowed.gather(1, drawn[:, None])[:, 0]
        tokens.append(step)
    return torch.stack(tokens, dim=1)


def _add_rows(rows: Rows, prompts: Sequence[Sequence[int]], written: Tensor) -> None:
    for prompt, tokens in zip(prompts, written.tolist(), strict=True):
        ids = np.array([*prompt, *tokens])
        rows.ids.append(ids)
        rows.labelled.append(np.arange(len(ids)) >= len(prompt))
        rows.lengths.append(len(prompt))
