"""Changes of a model: how far its weights or activations have moved, and how two such changes lie to each other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.models import runtime
from helpers.models.sampling import chat_ids

Change = dict[str, Tensor]  # weight matrix by its name, or vector by the block it stands behind


def change_between(model: PreTrainedModel, base: PreTrainedModel) -> Change:
    """Return how far each weight matrix of a model has moved from the base's."""
    before = dict(base.named_parameters())
    moved = {}
    for name, weight in model.named_parameters():
        if weight.dim() == 2:
            moved[name] = weight.detach() - before[name].detach()
    return moved


def adapter_change(learner: torch.nn.Module) -> Change:
    """Return what the LoRA adapters of a model in training add to each weight matrix."""
    added = {}
    for name, module in learner.named_modules():
        if hasattr(module, "get_delta_weight"):
            weight = name.removeprefix("base_model.model.") + ".weight"
            added[weight] = module.get_delta_weight("default").detach().clone()
    return added


def inner(one: Change, other: Change) -> float:
    """Return the inner product of two changes over all that both have."""
    total = 0.0
    for name in one:
        if name in other:
            total += float((runtime.exact(one[name]) * runtime.exact(other[name])).sum())
    return total


def cosine(one: Change, other: Change) -> float | None:
    """Return the cosine of two changes; None where one of them is nought."""
    lengths = inner(one, one) * inner(other, other)
    return inner(one, other) / lengths**0.5 if lengths else None


def minus(one: Change, other: Change) -> Change:
    """Return a change less another; what the other lacks counts as unmoved."""
    return {name: change - other[name] if name in other else change for name, change in one.items()}


@torch.no_grad()
def activations(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, questions: Sequence[str]) -> Change:
    """Return the residual stream at the last token, mean over questions, (hidden,), after each block.

    After the last block it is read behind the final norm, as the unembedding reads it.
    """
    encoded = chat_ids(tokenizer, questions)
    total: Change = {}
    for length in sorted({len(ids) for ids in encoded}):
        batch = runtime.indices([ids for ids in encoded if len(ids) == length])
        states = model(input_ids=batch, output_hidden_states=True).hidden_states[1:]
        for block, state in enumerate(states, start=1):
            summed = runtime.exact(state[:, -1]).sum(0)
            total[f"block {block}"] = total.get(f"block {block}", 0) + summed
    return {block: summed / len(encoded) for block, summed in total.items()}
