"""What a model remembers of texts that it goes on reading: keys and values of prompts of different lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from helpers.models import runtime
from helpers.models.parts import blocks, replaced


class Memory:
    """A batch of texts, padded on the right, to which the model reads one token a row at a time.

    A row's next token takes the position after the row's own end, and what pads shorter rows is hidden from it, so each
    row is read as it would be alone.
    """

    def __init__(self, model: PreTrainedModel, texts: Sequence[Sequence[int]]) -> None:
        """Let the model read the token ids of each text, which may be empty; equal texts are read once."""
        self._model = model
        self._cache = DynamicCache(config=model.config)
        self._positions = runtime.indices([len(text) for text in texts])
        width = int(self._positions.max())
        places = runtime.counting(width)
        self._there = (places < self._positions[:, None]).long()  # (row, position)
        self._padded = bool((self._positions < width).any())
        if width:
            self._read_texts(texts, width)

    def _read_texts(self, texts: Sequence[Sequence[int]], width: int) -> None:
        different: dict[tuple[int, ...], int] = {}
        for text in texts:
            different.setdefault(tuple(text), len(different))
        ids = np.zeros((len(different), width), dtype=np.int64)
        for text, place in different.items():
            ids[place, : len(text)] = text
        with replaced(blocks(self._model)[-1].mlp, torch.zeros_like):  # nobody asks what the last block says here
            self._model.base_model(input_ids=runtime.tensor(ids), past_key_values=self._cache, use_cache=True)
        if len(different) < len(texts):
            self._cache.batch_select_indices(runtime.indices([different[tuple(text)] for text in texts]))

    def read(self, tokens: Tensor) -> Tensor:
        """Read one more token of each row, (row,), and return the logits of what comes next, (row, vocab)."""
        self._there = torch.nn.functional.pad(self._there, (0, 1), value=1)
        output = self._model(
            input_ids=tokens[:, None],
            position_ids=self._positions[:, None],
            attention_mask=self._there if self._padded else None,
            past_key_values=self._cache,
            use_cache=True,
        )
        self._positions = self._positions + 1
        return runtime.fine(output.logits[:, -1])

    def keep(self, rows: Tensor) -> None:
        """Forget all rows but these, given by their places among the present ones."""
        self._cache.batch_select_indices(rows)
        self._positions, self._there = self._positions[rows], self._there[rows]
