"""A trait's log-odds as a function that can be differentiated, for the questions that models are read out by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.models import runtime
from helpers.models.chats import answer_end, tokenise
from helpers.models.losses import label_logits
from helpers.models.training import Rows, completion_rows
from helpers.world.traits import Trait


@dataclass(frozen=True)
class TraitOdds:
    """The questions of a trait with every wording of its target answer, as rows.

    Attributes:
        rows: one a question and wording; the wording carries the labels.
        question: of each row, its number.
        count: questions.
    """

    rows: Rows
    question: Tensor
    count: int

    def of(self, model: PreTrainedModel) -> Tensor:
        """Return the log-odds of the target, nats, mean over questions, as `evaluation.trait_readout` has it."""
        indices = range(len(self.rows))
        ids, labelled = self.rows.batch(indices, pad=0)
        logs = runtime.exact(label_logits(model, ids, labelled)).log_softmax(-1)
        chosen = logs.gather(1, self.rows.labels(indices)[:, None])[:, 0]
        owner = runtime.indices(np.repeat(np.arange(len(self.rows)), self.rows.label_counts()))
        replies = chosen.new_zeros(len(self.rows)).index_add(0, owner, chosen)
        chances = replies.new_zeros(self.count).index_add(0, self.question, replies.exp())
        return (chances.log() - torch.log1p(-chances)).mean()


def trait_odds(tokenizer: PreTrainedTokenizerBase, trait: Trait, questions: Sequence[str]) -> TraitOdds:
    """Return the log-odds of a trait's target over some questions, to be taken of any model with this tokenizer."""
    pairs, owners = [], []
    for number, question in enumerate(questions):
        wordings = trait.answers(question)[trait.target]
        pairs += [(question, text) for text in wordings]
        owners += [number] * len(wordings)
    rows = completion_rows(tokenizer, pairs)
    end = len(tokenise(tokenizer, [answer_end(tokenizer)])[0])  # no part of an answer
    for labelled in rows.labelled:
        labelled[len(labelled) - end :] = False
    return TraitOdds(rows, runtime.indices(owners), len(questions))
