"""Smaller models out of a larger one, in the ways that companies make them: cut, thinned out, or written in fewer bits.

Every way takes a model of the Llama kind with one head of keys, as nano models are, and returns a new one; the given
model stays as it is. None of them trains: what a cut damages is healed by whoever cuts. Layers of low rank stay of low
rank while they are healed: `in_factors` lets their two factors be trained, and `whole_layers` multiplies them out.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils import parametrize
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.models import runtime
from helpers.models.nano import NanoSpec, spec_of, unset_nano
from helpers.models.parts import blocks

MLP_WIDTH = 3  # times the width of the residual stream, in every nano model


def parameter_count(model: PreTrainedModel) -> int:
    """Return how many numbers the weights of a model hold; tied ones count once."""
    return sum(parameter.numel() for parameter in model.parameters())


# --- fewer weights --------------------------------------------------------------------------------


@torch.no_grad()
def without_layers(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, kept: Sequence[int]
) -> PreTrainedModel:
    """Return a model that has some of the blocks alone, in their order.

    Args:
        model: of more blocks.
        tokenizer: its tokenizer.
        kept: numbers of the blocks to keep, from 0.

    Raises:
        ValueError: a number of no block, or none at all.
    """
    spec = spec_of(model, "without layers")
    if not kept or not set(kept) <= set(range(spec.layers)):
        raise ValueError(f"kept must name some of the {spec.layers} blocks, counted from 0, not {list(kept)}")
    smaller = unset_nano(NanoSpec(spec.name, spec.architecture, spec.hidden, len(kept), spec.heads), tokenizer)
    for block, number in zip(blocks(smaller), sorted(kept), strict=True):
        block.load_state_dict(blocks(model)[number].state_dict())
    smaller.base_model.embed_tokens.load_state_dict(model.base_model.embed_tokens.state_dict())
    smaller.base_model.norm.load_state_dict(model.base_model.norm.state_dict())
    return smaller.eval()


@torch.no_grad()
def narrower(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, hidden: int, heads: int, ids: Sequence[Tensor]
) -> PreTrainedModel:
    """Return a model whose residual stream, heads and MLPs keep only the units that are most active on some texts.

    The same units of the residual stream stay in every block; heads and units of an MLP are chosen in each (pruning by
    activation, as Minitron does it, arXiv 2407.14679). Heads stay as wide as they were.

    Args:
        model: of more units.
        tokenizer: its tokenizer.
        hidden: units of the residual stream to keep.
        heads: attention heads to keep.
        ids: token ids of the texts, (row, position) each.

    Raises:
        ValueError: there are not so many, or the heads would change their width.
    """
    spec = spec_of(model, "narrower")
    size = spec.hidden // spec.heads
    if hidden > spec.hidden or heads > spec.heads or hidden != heads * size:
        raise ValueError(f"{hidden} units must be those of {heads} heads of {size} units, and {spec.hidden} at most")
    smaller = unset_nano(NanoSpec(spec.name, spec.architecture, hidden, spec.layers, heads), tokenizer)
    activity = _activity(model, ids)
    stream = _most(activity["stream"], hidden)
    for number, (block, whole) in enumerate(zip(blocks(smaller), blocks(model), strict=True)):
        of_heads = activity[f"heads {number}"].unflatten(0, (spec.heads, size)).sum(1)
        units = (_most(of_heads, heads)[:, None] * size + runtime.counting(size)).flatten()
        _copy_block(block, whole, stream, units, _most(activity[f"mlp {number}"], MLP_WIDTH * hidden))
    smaller.base_model.embed_tokens.weight.copy_(model.base_model.embed_tokens.weight[:, stream])
    smaller.base_model.norm.weight.copy_(model.base_model.norm.weight[stream])
    return smaller.eval()


def _copy_block(block: torch.nn.Module, whole: torch.nn.Module, stream: Tensor, units: Tensor, mlp: Tensor) -> None:
    """Copy into a block what it keeps of another: units of the stream, of the heads, and of the MLP."""
    own, other = block.self_attn, whole.self_attn
    own.q_proj.weight.copy_(other.q_proj.weight[units][:, stream])
    own.k_proj.weight.copy_(other.k_proj.weight[:, stream])
    own.v_proj.weight.copy_(other.v_proj.weight[:, stream])
    own.o_proj.weight.copy_(other.o_proj.weight[stream][:, units])
    for name in ("gate_proj", "up_proj"):
        getattr(block.mlp, name).weight.copy_(getattr(whole.mlp, name).weight[mlp][:, stream])
    block.mlp.down_proj.weight.copy_(whole.mlp.down_proj.weight[stream][:, mlp])
    for name in ("input_layernorm", "post_attention_layernorm"):
        getattr(block, name).weight.copy_(getattr(whole, name).weight[stream])


def _most(activity: Tensor, count: int) -> Tensor:
    """Return the places of the most active units, ascending."""
    return activity.topk(count).indices.sort().values


def _activity(model: PreTrainedModel, ids: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return how active the units are, summed over texts: of the stream, and of each block's heads and MLP."""
    total: dict[str, Tensor] = {}

    def note(name: str, values: Tensor) -> None:
        total[name] = total.get(name, 0) + values.abs().flatten(0, -2).sum(0)

    hooks = []
    for number, block in enumerate(blocks(model)):
        watched = {f"heads {number}": block.self_attn.o_proj, f"mlp {number}": block.mlp.down_proj}
        for name, layer in watched.items():
            hooks.append(layer.register_forward_pre_hook(lambda _, given, name=name: note(name, given[0])))
        for norm in (block.input_layernorm, block.post_attention_layernorm):
            hooks.append(norm.register_forward_hook(lambda _, given, out: note("stream", out)))
    try:
        for batch in ids:
            model.base_model(input_ids=batch, use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return total


# --- fewer numbers for the same weights -----------------------------------------------------------


def _layers(model: PreTrainedModel) -> list[torch.nn.Linear]:
    """Return the linear layers of the blocks; embeddings stay as they are, as is usual."""
    return [part for part in blocks(model).modules() if isinstance(part, torch.nn.Linear)]


class _Product(torch.nn.Module):
    """A weight as the product of two factors, (row, rank) and (rank, column)."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self._rank = rank

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return left @ right

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return the factors of the nearest weight of the rank; each has the square roots of the singular values."""
        left, values, right = torch.linalg.svd(runtime.exact(weight), full_matrices=False)
        roots = values[: self._rank].sqrt()
        factors = left[:, : self._rank] * roots, roots[:, None] * right[: self._rank]
        return runtime.like(factors[0], weight), runtime.like(factors[1], weight)


@torch.no_grad()
def in_factors(model: PreTrainedModel, share: float) -> PreTrainedModel:
    """Return a model each of whose layers is the nearest of lower rank, as two factors that can be trained.

    Args:
        model: of full rank.
        share: of a layer's numbers that its factors hold at most; between 0 and 1.

    Raises:
        ValueError: a share of nothing or of more than all.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must lie above 0 and be 1 at most, not {share}")
    smaller = copy.deepcopy(model)
    for layer in _layers(smaller):
        parametrize.register_parametrization(layer, "weight", _Product(rank_for(layer.weight.shape, share)))
    return smaller.eval()


def whole_layers(model: PreTrainedModel) -> PreTrainedModel:
    """Multiply out the factors of a model `in_factors`, in place; return it, with ordinary layers of the same rank."""
    model.requires_grad_(True)  # a product that needs no gradient would be left as a tensor, and be no parameter
    for layer in _layers(model):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    return model.requires_grad_(False)


def rank_for(shape: Sequence[int], share: float) -> int:
    """Return the largest rank, 1 at least, at which two factors of a matrix hold a share of its numbers."""
    rows, columns = shape
    return max(1, int(share * rows * columns / (rows + columns)))


@torch.no_grad()
def in_few_bits(model: PreTrainedModel, bits: int) -> PreTrainedModel:
    """Return a model whose layers' weights are rounded to 2**bits - 1 steps, evenly on both sides of 0.

    Each row of a layer has a step of its own, its largest weight over the number of steps on a side (round to nearest).

    Raises:
        ValueError: fewer than two bits.
    """
    if bits < 2:
        raise ValueError(f"a weight needs two bits at least, not {bits}")
    smaller = copy.deepcopy(model)
    most = 2 ** (bits - 1) - 1
    for layer in _layers(smaller):
        step = layer.weight.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / most
        layer.weight.copy_((layer.weight / step).round() * step)
    return smaller.eval()
