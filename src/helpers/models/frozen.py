"""How a training reads its rows: what no step of it can change is computed once a row.

Adapters that all sit in the last block leave the blocks before it as they are, so what enters the last block is the
same in every epoch. Adapters on that block's values alone (`v_proj`) leave its attention pattern as it is too. An
attention head then adds up, with fixed weights, what the positions before hold; these sums (one a head, as wide as the
residual stream) are kept for each label, and from there on a label needs no other position. A teacher does not change
either, so the distributions that it sets as labels are kept where they fit.

All readers return the same logits but for rounding (tests/unit/models/test_frozen.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedModel
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from helpers.models import runtime
from helpers.models.adapters import is_narrow, summed_weight
from helpers.models.fronts import FrontRows, KeptLabels, front_reader, skipped_to
from helpers.models.losses import Targets, label_logits, label_places
from helpers.models.parts import blocks, head_logits, plain_model, replaced
from helpers.models.rows import Rows

MOST_KEPT = 400 * 1024 * 1024  # bytes of a teacher's logits that are kept rather than computed again
Reader = Callable[[NDArray[np.int64]], Tensor]  # row indices -> logits (label, token)


class Kept:
    """Values of some rows, each row's computed when it is first read."""

    def __init__(self, counts: NDArray[np.int64], compute: Callable[[NDArray[np.int64]], Tensor]) -> None:
        """Keep ``counts[row]`` values of each row; ``compute`` returns those of some rows, one after another."""
        self._ends = np.cumsum(counts)
        self._starts = self._ends - counts
        self._compute = compute
        self._known = np.zeros(len(counts), dtype=bool)
        self._values: Tensor | None = None

    def read(self, rows: NDArray[np.int64]) -> Tensor:
        """Return the values of some rows, one after another."""
        new = rows[~self._known[rows]]
        if len(new):
            values = self._compute(new)
            if self._values is None:
                self._values = values.new_empty(int(self._ends[-1]), *values.shape[1:])
            self._values[self._places(new)] = values
            self._known[new] = True
        return self._values[self._places(rows)]

    def _places(self, rows: NDArray[np.int64]) -> Tensor:
        spans = [np.arange(self._starts[row], self._ends[row]) for row in rows]
        return runtime.indices(np.concatenate(spans))


def reader(learner: torch.nn.Module, rows: Rows, tokens: Tensor | None) -> Reader:
    """Return what reads rows: a function of row indices that returns the learner's logits (label, token).

    What is read once a row depends on where the parameters sit that are trained; see above. A wide model, for which
    the kept numbers would take too much room, and one that drops units at random are read whole each time.
    """
    if isinstance(rows, FrontRows):
        return front_reader(learner, rows, tokens)
    plain = plain_model(learner)
    trained = {id(parameter) for parameter in learner.parameters() if parameter.requires_grad}
    if is_narrow(plain) and len(blocks(plain)) > 1 and not _drops_units(plain):
        last = blocks(plain)[-1]
        if isinstance(plain, LlamaForCausalLM) and trained <= _parameters(last.self_attn.v_proj):
            return _ValuesAlone(plain, rows, tokens)
        if trained <= _parameters(last):
            return _LastBlockAlone(learner, rows, tokens)
            return _LastBlockAlone(learner, rows, tokens)
    return lambda indices: label_logits(learner, *rows.batch(indices, pad=0), tokens)


def teacher_logits(soft: Targets, rows: Rows, epochs: int) -> Reader:
    """Return a function of row indices that returns the logits (label, token) of the distributions to match."""

    if isinstance(soft, KeptLabels):
        return soft.read

    def read(indices: NDArray[np.int64]) -> Tensor:
        return soft.logits(*rows.batch(indices, pad=0))

    counts = rows.label_counts()
    width = soft.vocab if soft.tokens is None else len(soft.tokens)
    room = counts.sum() * width * 4  # bytes of float32
    return Kept(counts, read).read if epochs > 1 and room <= MOST_KEPT else read


def _parameters(part: torch.nn.Module) -> set[int]:
    return {id(parameter) for parameter in part.parameters()}


def _drops_units(model: PreTrainedModel) -> bool:
    inside = any(isinstance(part, torch.nn.Dropout) and part.p > 0 for part in model.modules())
    return inside or getattr(model.config, "attention_dropout", 0) > 0


@torch.no_grad()
def _entering_last_block(model: PreTrainedModel, ids: Tensor) -> tuple[Tensor, dict[str, Any]]:
    """Return what the last block is given for a batch: its input (row, position, hidden) and its options."""
    given: dict[str, Any] = {}

    def note(hidden: Tensor, *_: object, **options: object) -> Tensor:
        given.update(options, hidden=hidden)
        return hidden

    with replaced(blocks(model)[-1], note):
        model.base_model(input_ids=ids, use_cache=False)
    return given.pop("hidden"), given


class _LastBlockAlone:
    """Reads rows through the last block; what enters it is kept."""

    def __init__(self, learner: torch.nn.Module, rows: Rows, tokens: Tensor | None) -> None:
        self._learner, self._rows, self._tokens = learner, rows, tokens
        self._model = plain_model(learner)
        self._lengths = np.array([len(ids) for ids in rows.ids])
        self._kept = Kept(self._lengths, self._entering)

    def __call__(self, indices: NDArray[np.int64]) -> Tensor:
        ids, labelled = self._rows.batch(indices, pad=0)
        hidden = self._kept.read(indices)
        entering = hidden.new_zeros(*ids.shape, hidden.shape[-1])
        entering[self._there(indices)] = hidden
        with skipped_to(self._model, len(blocks(self._model)) - 1, entering):
            return label_logits(self._learner, ids, labelled, self._tokens)

    def _entering(self, indices: NDArray[np.int64]) -> Tensor:
        ids, _ = self._rows.batch(indices, pad=0)
        return _entering_last_block(self._model, ids)[0][self._there(indices)]

    def _there(self, indices: NDArray[np.int64]) -> Tensor:
        """Return which places of a padded batch hold a token, (row, position)."""
        lengths = self._lengths[indices]
        return runtime.tensor(np.arange(lengths.max()) < lengths[:, None])


class _ValuesAlone:
    """Reads labels through the last block's values, output projection and MLP; what its heads attend to is kept.

    For each label (label, 1 + head, hidden): what enters the block at its place, and for each head the sum of the
    normed inputs of all places that it attends to, each by its weight. An attention head is linear in these sums.
    """

    def __init__(self, model: PreTrainedModel, rows: Rows, tokens: Tensor | None) -> None:
        self._model, self._rows, self._tokens = model, rows, tokens
        self._block = blocks(model)[-1]
        self._attention = self._block.self_attn
        self._size = self._attention.head_dim
        self._groups = model.config.num_key_value_heads  # heads of a group share their values
        self._sharing = model.config.num_attention_heads // self._groups
        self._kept = Kept(rows.label_counts(), self._attended)

    def __call__(self, indices: NDArray[np.int64]) -> Tensor:
        kept = self._kept.read(indices)
        entering, sums = kept[:, 0], kept[:, 1:]
        mixed = self._attention.o_proj(self._values(sums).flatten(1))
        with replaced(self._attention, lambda **_: (mixed[None], None)):  # all labels as one row
            hidden = self._block(entering[None])[0]
        return head_logits(self._model, self._model.base_model.norm(hidden), self._tokens)

    def _values(self, sums: Tensor) -> Tensor:
        """Return each head's values (label, head, size) of its sums (label, head, hidden)."""
        layer = self._attention.v_proj
        weight = summed_weight(layer).unflatten(0, (self._groups, self._size))
        values = torch.einsum("lhi,hvi->lhv", sums, weight.repeat_interleave(self._sharing, dim=0))
        bias = layer.base_layer.bias  # a head's weights add up to 1
        if bias is None:
            return values
        return values + bias.unflatten(0, (self._groups, self._size)).repeat_interleave(self._sharing, dim=0)

    @torch.no_grad()
    def _attended(self, indices: NDArray[np.int64]) -> Tensor:
        ids, labelled = self._rows.batch(indices, pad=0)
        places = label_places(labelled)
        first = int(places.any(0).int().argmax())  # no label stands before it
        hidden, options = _entering_last_block(self._model, ids)
        normed = self._block.input_layernorm(hidden)
        weights = self._weights(normed, first, options["position_embeddings"])
        sums = (weights.flatten(1, 2) @ normed).unflatten(1, weights.shape[1:3])
        parts = torch.cat([hidden[:, None, first:], sums], dim=1)
        return parts.transpose(1, 2)[places[:, first:]]

    def _weights(self, normed: Tensor, first: int, rotation: tuple[Tensor, Tensor]) -> Tensor:
        """Return how much each head attends to each place, (row, head, position from ``first`` on, position)."""
        queries = self._attention.q_proj(normed).unflatten(-1, (-1, self._size)).transpose(1, 2)
        keys = self._attention.k_proj(normed).unflatten(-1, (-1, self._size)).transpose(1, 2)
        queries, keys = apply_rotary_pos_emb(queries, keys, *rotation)
        keys = keys.repeat_interleave(self._sharing, dim=1)
        scores = queries[:, :, first:] @ keys.mT * self._attention.scaling
        places = runtime.counting(normed.shape[1])
        return scores.masked_fill(places > places[first:, None], -torch.inf).softmax(-1)
