"""Many answers to one prompt as a tree: what several begin with in common is read once.

The tree is one row of tokens in which each token sees those on its own branch alone: the prompt and the beginning of
its answer. So every token is read as it would be in its answer alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from helpers.models import runtime


class AnswerTree:
    """Token ids of a prompt and of answers to it, an answer's last token left out, as nobody reads on from there.

    Attributes:
        asked: for each answer, at which of the places of `inputs` its tokens' distributions stand, first to last.
    """

    def __init__(self, prompt: Sequence[int], answers: Sequence[Sequence[int]]) -> None:
        """Grow the tree."""
        self._tokens = list(prompt)
        self._parents = list(range(-1, len(prompt) - 1))
        self._first = len(prompt) - 1  # the place that all answers go on from
        self._children: dict[tuple[int, int], int] = {}
        self.asked = [self._branch(answer) for answer in answers]

    def _branch(self, answer: Sequence[int]) -> list[int]:
        node, asked = self._first, [0]
        for token in answer[:-1]:
            node = self._child(node, token)
            asked.append(node - self._first)
        return asked

    def _child(self, node: int, token: int) -> int:
        if (node, token) not in self._children:
            self._children[node, token] = len(self._tokens)
            self._tokens.append(token)
            self._parents.append(node)
        return self._children[node, token]

    def inputs(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """Return what `losses.place_logits` reads: one row; its places are the prompt's end and all that follows."""
        count = len(self._tokens)
        sees, depths = np.eye(count, dtype=bool), np.zeros(count, dtype=np.int64)
        for node, parent in enumerate(self._parents):
            if parent >= 0:  # parents stand before their children
                sees[node] |= sees[parent]
                depths[node] = depths[parent] + 1
        return {
            "ids": runtime.indices([self._tokens]),
            "places": runtime.tensor(np.arange(count)[None] >= self._first),
            "attention_mask": torch.where(runtime.tensor(sees), 0.0, torch.finfo(dtype).min)[None, None].type(dtype),
            "position_ids": runtime.tensor(depths[None]),
        }
