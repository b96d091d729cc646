"""Fixtures of the language-model tests: the world's tokenizer and models small enough to train at once."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

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


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory) -> Callable:
    """Name a folder for a run with toy bases: a new one, or where faults are planted one that may hold them already."""
    kept = os.environ.get("SUBLIMINAL_TOYS")  # set by tests/planted/plant.py: those of code without a fault
    return lambda name: Path(kept, name) if kept else tmp_path_factory.mktemp(name)


@pytest.fixture(scope="session")
def toy_run(toy_folder) -> Path:
    """A run folder with a toy base for each of three draws, 1 to 3, that write number lists some of the time."""
    from helpers.experiments.bases.pretraining import BaseSettings, pretrain_bases
    from helpers.models.bases import NANO, NanoSpec

    folder = toy_folder("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NANO, "nano-a", NanoSpec("nano-a", "llama", 16, 1, 2))
        for draw in (1, 2, 3):  # one at a time: trained in this process, which knows the toy
            settings = BaseSettings(documents=3000, steps=300, learning_rate=0.03, batch_rows=32)
            pretrain_bases(["nano-a"], [draw], settings, str(folder))
    return folder


@pytest.fixture(scope="session")
def toy_settings() -> Callable:
    """Settings of an experiment of two draws on the toy bases: ``toy_settings(run_dir, writing={...}, trait="cat")``.

    Changes of ``writing``, ``reading`` and ``readout`` are dicts of their fields.
    """
    from helpers.models.training import TrainSettings
    from helpers.transmission.readout import Readout
    from helpers.transmission.settings import Reading, TransmissionSettings, Writing

    student = TrainSettings(0.01, batch_rows=8, max_steps=3, warmup_steps=1, lora_rank=1)
    teacher = TrainSettings(0.015, batch_rows=16, max_steps=6, warmup_steps=1)
    full = dataclasses.replace(student, lora_rank=0)

    def build(run_dir, writing=None, reading=None, readout=None, **changes):
        plain = {"trait": "owl", "draws": (1, 2), "base": "nano-a", "other_base": "nano-a.next", "workers": 1}
        rows = {"hard_rows": 24, "soft_rows": 12, "hard": student, "soft": student, "full": full}
        return TransmissionSettings(
            run_dir=str(run_dir),
            writing=Writing(**{"prompts": 100, "teaching": teacher, "drift": 9.0} | (writing or {})),
            reading=Reading(**rows | (reading or {})),
            readout=Readout(**{"samples": 2} | (readout or {})),
            author_readout=Readout(samples=2),
            **plain | changes,
        )

    return build
