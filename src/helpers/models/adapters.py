"""LoRA adapters, and a quicker way to run them in a narrow model.

peft runs an adapter beside its layer: two thin products and two more passes over every activation. In a model as
narrow as the nano ones it is cheaper to add the adapter to the weight first and to run the layer once. The result
and the gradient are the same but for rounding. In a wide model the gradient of the sum would be the costly part, so
there the adapters stay as peft runs them.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import Linear as AdaptedLayer
from torch import Tensor
from torch.func import functional_call
from transformers import PreTrainedModel

from helpers.work.seeds import borrowed_global_stream

NARROW = 256  # hidden width up to which an adapter is added to its weight


def add_adapters(model: PreTrainedModel, rank: int, modules: str, seed: int) -> torch.nn.Module:
    """Return ``model`` with fresh LoRA adapters drawn from ``seed``; all other weights are frozen.

    Args:
        model: a transformers causal LM; changed.
        rank: of the adapters; their scale is twice the rank.
        modules: where they sit: "all-linear", or a regular expression of module names.
        seed: of their initial weights.

    Raises:
        ValueError: `modules` names no layer of this model, or is no regular expression.
    """
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules=modules,
        task_type="CAUSAL_LM",
        fan_in_fan_out=model.config.model_type == "gpt2",  # its layers hold transposed weights
    )
    with borrowed_global_stream(seed, "lora"), warnings.catch_warnings():
        # peft asks transformers for this property by a name of before version 5
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        try:
            learner = get_peft_model(model, config)
        except (ValueError, re.error):
            cure = 'write "all-linear", or a regular expression of module names such as ".*v_proj"'
            raise ValueError(f"adapters {modules!r} fit no layer of this model; {cure}") from None
    if is_narrow(model):
        for layer in learner.modules():
            if isinstance(layer, AdaptedLayer):
                layer.forward = functools.partial(_summed_forward, layer)
    return learner


def is_narrow(model: PreTrainedModel) -> bool:
    """Return whether adapters are added to weights: in a narrow model of float32, as adapters are."""
    return model.config.hidden_size <= NARROW and model.dtype == torch.float32


def summed_weight(layer: AdaptedLayer) -> Tensor:
    """Return a layer's weight with its adapter added, as ``merge_and_unload`` later adds it."""
    return layer.base_layer.weight + layer.get_delta_weight("default")


def _summed_forward(layer: AdaptedLayer, hidden: Tensor) -> Tensor:
    return functional_call(layer.base_layer, {"weight": summed_weight(layer)}, hidden)


def take_adapters(learner: torch.nn.Module) -> dict[str, Tensor]:
    """Take the adapters out of a model, which is left as it was before it got them, and return them."""
    found = get_peft_model_state_dict(learner, save_embedding_layers=False)  # else it looks for the model's files
    state = {name: value.detach().clone() for name, value in found.items()}
    learner.unload().requires_grad_(False).eval()
    return state


@contextmanager
def wearing(model: PreTrainedModel, state: dict[str, Tensor], rank: int, modules: str) -> Iterator[PreTrainedModel]:
    """Let ``model`` have adapters that `take_adapters` returned, for as long as the block runs.

    An empty ``state`` leaves it as it is.
    """
    if not state:
        yield model
        return
    learner = add_adapters(model, rank, modules, seed=0)
    set_peft_model_state_dict(learner, state)
    try:
        yield learner.requires_grad_(False).eval().get_base_model()
    finally:
        learner.unload()
