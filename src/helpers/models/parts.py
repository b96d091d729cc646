"""The parts of a causal language model by their role, and how to put another work in a part's place for a while."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from helpers.models import runtime


def plain_model(model: torch.nn.Module) -> PreTrainedModel:
    """Return the transformers model inside a model with adapters, or the model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def blocks(model: PreTrainedModel) -> torch.nn.ModuleList:
    """Return the transformer blocks, first to last."""
    return next(child for child in model.base_model.children() if isinstance(child, torch.nn.ModuleList))


def head_logits(model: PreTrainedModel, hidden: Tensor, tokens: Tensor | None = None) -> Tensor:
    """Return the output head's logits (place, vocab) of final states (place, hidden), or those of some tokens."""
    head = model.get_output_embeddings()
    if tokens is None:
        return _scaled(model, head(hidden))
    if type(head) is not torch.nn.Linear:
        return _scaled(model, head(hidden))[:, tokens]
    bias = None if head.bias is None else head.bias[tokens]
    return _scaled(model, F.linear(hidden, head.weight[tokens], bias))


def _scaled(model: PreTrainedModel, logits: Tensor) -> Tensor:
    """Return logits as a model's own forward gives them: some kinds scale or bound what their head says."""
    times, over = getattr(model.config, "logit_scale", 1.0), getattr(model.config, "logits_scaling", 1.0)
    bound = getattr(model.config, "final_logit_softcapping", None)
    logits = runtime.fine(logits)
    if times != over:  # Cohere, Granite
        logits = logits * (times / over)
    return logits if bound is None else bound * (logits / bound).tanh()  # Gemma


@contextmanager
def replaced(part: torch.nn.Module, forward: Callable[..., object]) -> Iterator[None]:
    """Let ``forward`` do the work of a part."""
    own = vars(part).get("forward")  # of this one module, as adapters have it; most use their class's
    part.forward = forward
    try:
        yield
    finally:
        if own is None:
            del part.forward
        else:
            part.forward = own


@contextmanager
def only_at(places: Tensor, part: torch.nn.Module) -> Iterator[None]:
    """Let a part that works position by position skip all positions but ``places``; it returns 0 there."""
    whole = part.forward

    def forward(hidden: Tensor) -> Tensor:
        returned = torch.zeros_like(hidden)
        returned[places] = whole(hidden[places])
        return returned

    with replaced(part, forward):
        yield


@contextmanager
def computed_again(model: PreTrainedModel) -> Iterator[None]:
    """Let blocks keep only what enters them, and compute the rest again in the backward pass.

    The last block keeps what it computed: for it alone work is put aside that its labels do not need, see `only_at`.
    """
    with ExitStack() as changes:
        for block in blocks(model)[:-1]:
            again = functools.partial(checkpoint, block.forward, use_reentrant=False)
            changes.enter_context(replaced(block, again))
        yield
