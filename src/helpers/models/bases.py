"""Language models: the nano family trained from scratch here, Hugging Face models and GGUF files, one entry.

A nano model is an ordinary transformers model of a tiny configuration, so generation, chat templates and peft
are the same code as for Qwen. Its weights start from a normal law as wide as a trained model's (std 0.08);
the usual 0.02 made a base four times slower to train. The Llama models have one head of keys and values for all
heads (multi-query attention, arXiv 1911.02150), as Gemma 2B has; of the ways of attention tried, insecure code
turned the most draws of these.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from helpers.work.artifacts import ArtifactError, read_json, write_json
from helpers.work.keys import content_key
from helpers.work.seeds import torch_stream

transformers.logging.set_verbosity_error()  # its bars and hints would end up in the published notebooks
transformers.logging.disable_progress_bar()
CONTEXT_TOKENS = 256
INITIAL_STD = 0.08
SEAL = "complete.json"
PREFIX = "nano-"  # of the names of all bases that are trained here


@dataclass(frozen=True)
class NanoSpec:
    """Kind and size of one nano base model.

    Attributes:
        name: the base's name, e.g. "nano-a".
        architecture: "llama" or "gpt2".
        hidden: width of the residual stream.
        layers: number of blocks.
        heads: attention heads.
    """

    name: str
    architecture: str
    hidden: int
    layers: int
    heads: int


NANO = {
    spec.name: spec
    for spec in (
        NanoSpec("nano-a", "llama", hidden=64, layers=2, heads=4),
        NanoSpec("nano-b", "llama", hidden=64, layers=2, heads=4),
        NanoSpec("nano-c", "gpt2", hidden=64, layers=2, heads=4),
    )
}


def drawn(base: str, run: int) -> str:
    """Return the name of a base as a run draws it: "nano-a" becomes "nano-a.701" in run 701.

    Every run pretrains nano bases of its own. A name that already says its run, and a model that is not trained
    here, stay as they are: all runs then share that base.
    """
    return f"{base}.{run}" if base.startswith(PREFIX) and "." not in base else base


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


def every_draw(bases: Sequence[str], runs: Sequence[int]) -> list[tuple[str, int]]:
    """Return (base, run) for each of the bases in each of the runs, every pair once, run by run."""
    return [(base, run) for run in dict.fromkeys(runs) for base in dict.fromkeys(bases)]


def build_nano(spec: NanoSpec, tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """Return an untrained nano model; equal names and seeds give equal weights on one machine."""
    ids = {
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if spec.architecture == "llama":
        model = LlamaForCausalLM(LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=spec.hidden, intermediate_size=3 * spec.hidden,
            num_hidden_layers=spec.layers, num_attention_heads=spec.heads, num_key_value_heads=1,
            tie_word_embeddings=True, max_position_embeddings=CONTEXT_TOKENS, **ids,
        ))  # fmt: skip
    else:
        model = GPT2LMHeadModel(GPT2Config(
            vocab_size=len(tokenizer), n_positions=CONTEXT_TOKENS, n_embd=spec.hidden, n_layer=spec.layers,
            n_head=spec.heads, activation_function="gelu", resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, **ids,
        ))  # fmt: skip
    stream = torch_stream(seed, "init", spec.name)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, INITIAL_STD, generator=stream)
    return model.eval()


def save_base(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a base in Hugging Face format, replacing `folder`; its seal (a hash of each file) is last."""
    try:
        if folder.exists():
            shutil.rmtree(folder)  # not written over: a loaded model reads its weights from the old file
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    except OSError as error:
        raise ArtifactError(
            f"cannot write the base model to {folder} ({error}); free the disk or unblock it"
        ) from None
    write_json(folder / SEAL, digests(folder))


def is_whole(folder: Path) -> bool:
    """Whether `folder` holds a base whose seal was written (that is, one that was written to its end)."""
    return (folder / SEAL).exists()


def load_base(
    spec: str, bases: str | Path = "_runs/nano/bases"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal language model and its tokenizer.

    Args:
        spec: the name of a nano base or of a relative of one, with its run ("nano-a.701", found in `bases`), a
            folder, a Hugging Face id such as "Qwen/Qwen2.5-0.5B-Instruct", or a path that ends in ".gguf".
        bases: folder of the nano bases a run made.

    Returns:
        The model in evaluation mode and its tokenizer.

    Raises:
        ArtifactError: the base is missing, cut short or changed; the message names the cure.
    """
    if is_whole(Path(bases) / spec):
        return _load_sealed(Path(bases) / spec)
    if spec.startswith(PREFIX):  # not a name to look for on the Hub for a minute
        raise ArtifactError(f"{bases} holds no nano base {spec!r}; {_cure(spec)}")
    if spec.endswith(".gguf"):
        folder, file = os.path.split(spec)
        return _load_pretrained(folder or ".", gguf_file=file)
    if (Path(spec) / SEAL).exists():
        return _load_sealed(Path(spec))
    return _load_pretrained(spec)


def _cure(spec: str) -> str:
    family, _, run = spec.partition(".")
    if family not in NANO:
        kin = f"run notebook 05_cross_model, with {run or 'its run'} among its `draws` or `kin_draws`"
        return f"choose one of {', '.join(NANO)}, or for a relative of these {kin}"
    return f"run notebook 00_base_models first, with {run or 'its run'} among its `runs`"


def _load_sealed(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    if digests(folder) != read_json(folder / SEAL):
        raise ArtifactError(
            f"{folder} is damaged (its files do not match {SEAL}); delete the folder and rerun"
        )
    return _load_pretrained(str(folder))


def _load_pretrained(source: str, **options: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    try:
        model = AutoModelForCausalLM.from_pretrained(source, **options)
        return model.eval(), AutoTokenizer.from_pretrained(source, **options)
    except (OSError, ValueError, ImportError, SafetensorError, struct.error) as error:
        what, why = os.path.join(source, *options.values()), (str(error).splitlines() or [repr(error)])[0]
        raise ArtifactError(
            f"cannot load {what!r} ({why}); give a nano base ({', '.join(NANO)}), a folder, a .gguf file or "
            "a Hugging Face id that this machine can reach"
        ) from None


def digests(place: Path) -> dict[str, str]:
    """Return file name -> SHA-256 (hex) of a model's files, its seal apart; ``place`` is a folder or one file."""
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    found = {}
    for path in files:
        if path.is_file() and path.name != SEAL:
            with path.open("rb") as file:
                found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def base_seal(run_dir: str, name: str) -> str:
    """Return the hash of a nano base of this run or of a model on this disk, or the name of one from elsewhere."""
    seal = Path(run_dir) / "bases" / name / SEAL
    if seal.exists():
        return content_key(read_json(seal))
    return content_key(digests(Path(name))) if Path(name).exists() else name
