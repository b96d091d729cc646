"""Base models by name: the nano bases of a run or of the book, Hugging Face models and GGUF files, one entry."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.models import runtime
from helpers.models.foreign import load_foreign
from helpers.models.linked import is_linked
from helpers.models.nano import CONTEXT_TOKENS, INITIAL_STD, NANO, PREFIX, NanoSpec, build_nano, drawn, every_draw
from helpers.models.nano_files import SUFFIX, base_facts, base_file, read_base, save_base
from helpers.work.artifacts import RESULTS, ArtifactError
from helpers.work.elsewhere import at_hand
from helpers.work.keys import content_key
from helpers.world.tokenizer import build_tokenizer

# bases are built, named, kept and found, and callers find all of it here
__all__ = [
    "CONTEXT_TOKENS",
    "INITIAL_STD",
    "NANO",
    "PREFIX",
    "Base",
    "NanoSpec",
    "base_seal",
    "build_nano",
    "drawn",
    "every_draw",
    "find_base",
    "load_base",
    "published_bases",
    "save_base",
]


@dataclass(frozen=True, kw_only=True)
class Base:
    """A base model of a run, as settings name it.

    Attributes:
        run_dir: the run's folder.
        name: of the base, as `load_base` takes it.
        seal: hash of its weights, so that a new base means new work.
    """

    run_dir: str
    name: str
    seal: str

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """Return the model, in evaluation mode, and its tokenizer."""
        return load_base(self.name, bases=Path(self.run_dir) / "bases")


def find_base(run_dir: str, name: str) -> Base:
    """Return the base of this name of a run, or any other model that `load_base` knows, with its seal."""
    return Base(run_dir=run_dir, name=name, seal=base_seal(run_dir, name))


def base_seal(run_dir: str, name: str) -> str:
    """Return the seal of a nano base, the hash of a model's files on this disk, or the name of one from elsewhere.

    Raises:
        ArtifactError: there is no such nano base, or its file is damaged.
    """
    path = Path(name)
    if name.startswith(PREFIX):
        path = _nano_file(name, Path(run_dir) / "bases")
    if path.suffix == SUFFIX:
        return base_facts(path).seal
    return content_key(digests(path)) if path.exists() else name


def published_bases(run_dir: str | Path) -> Path:
    """Return the folder of the bases that came with the book, for the profile of a run; it may not exist."""
    return RESULTS / Path(run_dir).name / "bases"


def load_base(
    spec: str, bases: str | Path = "_runs/nano/bases"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal language model and its tokenizer.

    Args:
        spec: the name of a nano base or of a relative of one, with its draw ("nano-a.701"), the file of one, a folder,
            a Hugging Face id such as "Qwen/Qwen2.5-0.5B-Instruct", or a path that ends in ".gguf".
        bases: folder of the nano bases a run made; those that it does not hold are looked for among the published ones
            of the same profile.

    Returns:
        The model in evaluation mode and its tokenizer.

    Raises:
        ArtifactError: the base is missing, cut short or changed; the message names the cure.
    """
    if spec.startswith(PREFIX):  # not a name to look for on the Hub for a minute
        return runtime.place(read_base(_nano_file(spec, Path(bases)))), build_tokenizer()
    if spec.endswith(SUFFIX):
        return runtime.place(read_base(Path(spec))), build_tokenizer()
    if spec.endswith(".gguf"):
        folder, file = os.path.split(spec)
        return load_foreign(folder or ".", gguf_file=file)
    return load_foreign(spec)


def _nano_file(name: str, bases: Path) -> Path:
    """Return the file of a nano base in a run's folder, or else among the published ones; ArtifactError for none."""
    published = published_bases(bases.parent)
    for folder in (bases, published):
        if at_hand(base_file(folder, name)).exists():
            return base_file(folder, name)
    where = f"{bases} and {published.as_posix()} hold" if published.exists() else f"{bases} holds"
    raise ArtifactError(f"{where} no nano base {name!r}; {_cure(name)}")


def _cure(name: str) -> str:
    family, _, draw = name.partition(".")
    if is_linked(name):
        return f"run notebook 15_link_dial, with {draw or 'its draw'} in its `recompute`"
    if family not in NANO:
        kin = f"run notebook 05_cross_model, with {draw or 'its draw'} among its `draws` or `kin_draws`"
        return f"choose one of {', '.join(NANO)}, or for a relative of these {kin}"
    return f"run notebook 00_base_models first, with {draw or 'its draw'} in its `recompute`"


def digests(place: Path) -> dict[str, str]:
    """Return file name -> SHA-256 (hex) of a model's files; ``place`` is a folder or one file."""
    found = {}
    for path in sorted(place.iterdir()) if place.is_dir() else [place]:
        if path.is_file():
            with path.open("rb") as file:
                found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
