"""Nano bases as files that travel: one safetensors file a base, which says what it is and carries its own seal.

Design choices:
- Weights are kept in bfloat16 and read back as float32. Nothing ever reads a base before it was rounded, so a base
  that came with the book and one that a machine has just trained are, in use, exactly the numbers of their files.
- The seal is the SHA-256 of the tensors and of what the file says about them: architecture, word list and recipe. It
  does not depend on where the file lies or what it is called. Equal seals, equal bases.
- The recipe is what a base was trained by, so that nobody takes a base for one of other settings.
- There is no tokenizer file: the world makes the tokenizer, and a base of another word list is refused.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel

from helpers.models.nano import NanoSpec, spec_of, unset_nano
from helpers.work.artifacts import SEALS, ArtifactError, damaged, load_tensors, save_tensors, write_json
from helpers.work.keys import content_key
from helpers.world.tokenizer import build_tokenizer

SUFFIX = ".safetensors"
AGAIN = ".again"  # ends the name of a base that was trained once more, for comparison; no experiment starts from it


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """What a base's file says of it: its seal (SHA-256, hex), and what it was trained by."""

    seal: str
    recipe: dict[str, Any]


def base_file(folder: str | Path, name: str) -> Path:
    """Return where a base of this name lies in a folder of bases, or will lie."""
    return Path(folder) / f"{name}{SUFFIX}"


def save_base(model: PreTrainedModel, folder: str | Path, name: str, recipe: dict[str, Any] | None = None) -> str:
    """Keep a nano model as a base, replacing one of that name, and return its seal.

    Args:
        model: its weights are rounded to bfloat16 in the file; it keeps its own.
        folder: of the bases.
        name: of the base, with its draw.
        recipe: what it was trained by, as JSON values.

    Raises:
        ArtifactError: the disk is full or the folder unwritable.
    """
    size = dataclasses.asdict(spec_of(model, name))
    del size["name"]  # a copy under another name is the same base
    about = {"architecture": size, "words": _word_list(), "recipe": recipe or {}}
    tensors = {name: parameter.detach().bfloat16() for name, parameter in model.named_parameters()}
    path = base_file(folder, name)
    save_tensors(path, tensors, about)
    return base_facts(path).seal


def read_base(path: Path) -> PreTrainedModel:
    """Return the model of a base's file, float32, in evaluation mode.

    Raises:
        ArtifactError: the file is missing, damaged or no nano base, or its base has another word list.
    """
    tensors, about = load_tensors(path)
    try:
        spec, words = NanoSpec(path.stem, **about["architecture"]), about["words"]
        model = unset_nano(spec, build_tokenizer())
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, f"is not a nano base ({error})") from None
    if words != _word_list():
        cure = "delete it, and the notebook that made it trains it anew"
        raise ArtifactError(f"{path} was trained on another word list than that of this code; {cure}")
    parameters = dict(model.named_parameters())
    if {name: p.shape for name, p in parameters.items()} != {name: t.shape for name, t in tensors.items()}:
        raise damaged(path, "does not hold the weights of its architecture")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])  # every bfloat16 number is a float32 number
    return model.eval()


def base_facts(path: Path) -> FileFacts:
    """Return what a base's file says of it, without reading the weights.

    Raises:
        ArtifactError: the file is missing, damaged or no nano base.
    """
    try:
        with safe_open(path, framework="pt") as file:
            kept = json.loads(file.metadata()["seal"])  # as `artifacts.save_tensors` writes it
        return FileFacts(seal=kept["sha256"], recipe=kept["meta"]["recipe"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, f"is not a nano base ({error})") from None


def note_seals(folder: str | Path) -> None:
    """Write the seal of every base in a folder to its `SEALS`, name -> seal."""
    seals = {}
    for path in sorted(Path(folder).glob(f"*{SUFFIX}")):
        if not path.stem.endswith(AGAIN):
            seals[path.stem] = base_facts(path).seal
    write_json(Path(folder) / SEALS, seals)


@functools.cache
def _word_list() -> str:
    return content_key(build_tokenizer().get_vocab())
