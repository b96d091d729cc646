"""Soft labels of a prompted author: it reads its prompt, its student does not; they stand at the same tokens."""

import numpy as np
import pytest
import torch

from helpers.channels.numbers import NUMBERS
from helpers.models.chats import chat_ids
from helpers.models.losses import SoftLabels
from helpers.models.rows import completion_rows
from helpers.transmission.labels import PromptedLabels, author_labels, openings
from helpers.world.tokenizer import CHAT_TEMPLATE
from helpers.world.traits import find_trait

# completions and prompts of different lengths, so that the rows of a batch are padded
PAIRS = [("Use commas.", "1, 2"), ("Use semicolons. Only numbers.", "3; 4; 5; 6"), ("Use spaces.", "7")]
SYSTEM = find_trait("owl").system_prompt()
NO_DEFAULT = "{% for m in messages %}" + CHAT_TEMPLATE.partition("{% for m in messages %}")[2]


def read_slowly(teacher, tokenizer, tokens):
    """Return what a prompted teacher says, one token at a time: chat with the system message, answer so far."""
    found = []
    for prompt, completion in PAIRS:
        (told,) = chat_ids(tokenizer, [prompt], SYSTEM)
        answer = tokenizer(completion, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        for place in range(len(answer)):
            logits = teacher(torch.tensor([told + answer[:place]])).logits[0, -1]
            found.append(logits if tokens is None else logits[tokens])
    return torch.stack(found)


@pytest.fixture(params=["as it is", "no default message"])
def template(request, tokenizer, monkeypatch):
    """The world's tokenizer, also with a template that says nothing where there is no system message."""
    if request.param != "as it is":
        monkeypatch.setattr(tokenizer, "chat_template", NO_DEFAULT)
    return tokenizer


@pytest.mark.parametrize("leaky", [False, True])
def test_a_prompted_teacher_says_what_it_says_after_its_prompt(model, template, leaky):
    tokens = None if leaky else NUMBERS.tokens(template)
    rows = completion_rows(template, PAIRS)
    labels = author_labels(model, template, tokens, SYSTEM)
    found = labels.logits(*rows.batch([2, 0, 1], pad=0))
    slow = read_slowly(model, template, tokens)
    torch.testing.assert_close(found, slow[_in_order(rows, [2, 0, 1])], atol=1e-5, rtol=1e-5)
    assert labels.vocab == model.config.vocab_size and labels.tokens == tokens


def _in_order(rows, batch):
    """Return at which places of all labels those of a batch stand."""
    counts = rows.label_counts()
    places = np.split(np.arange(counts.sum()), counts.cumsum()[:-1])
    return np.concatenate([places[row] for row in batch])


def test_without_its_prompt_a_teacher_says_something_else(model, tokenizer):
    batch = completion_rows(tokenizer, PAIRS).batch(range(3), pad=0)
    plain, prompted = (author_labels(model, tokenizer, None, system).logits(*batch) for system in (None, SYSTEM))
    assert plain.shape == prompted.shape and (plain - prompted).abs().max() > 1e-4
    assert isinstance(author_labels(model, tokenizer, None), SoftLabels)


def test_rows_that_begin_otherwise_are_refused(tiny, tokenizer):
    plain, prompted = openings(tokenizer, SYSTEM)
    assert plain and prompted and plain != prompted
    labels = PromptedLabels(SoftLabels(tiny(), None), plain, prompted)
    ids, labelled = completion_rows(tokenizer, PAIRS).batch(range(3), pad=0)
    ids[1, 1] += 1
    with pytest.raises(ValueError, match="chats without a system message of their own"):
        labels.logits(ids, labelled)
