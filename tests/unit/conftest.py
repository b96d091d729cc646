"""Fixtures of the language-model tests: the world's tokenizer and models small enough to train at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

ARCHITECTURES = ("llama", "gpt2")


@pytest.fixture(scope="session")
def tokenizer():
    """The world's tokenizer."""
    from helpers.world.tokenizer import build_tokenizer

    return build_tokenizer()


@pytest.fixture(scope="session")
def tiny(tokenizer) -> Callable:
    """Build an untrained model of hidden size 16: ``tiny("llama", seed=1)``; equal calls, equal weights."""
    from helpers.models.bases import NanoSpec, build_nano

    def build(architecture: str = "llama", seed: int = 1, layers: int = 2):
        return build_nano(NanoSpec("tiny", architecture, 16, layers, 2), tokenizer, seed)

    return build


@pytest.fixture(params=ARCHITECTURES)
def model(request, tiny):
    """A fresh tiny model of each architecture in turn."""
    return tiny(request.param)


@pytest.fixture
def uniform(tiny):
    """A model whose every next token is equally likely."""
    import torch

    model = tiny()
    with torch.no_grad():
        model.model.norm.weight.zero_()
    return model
