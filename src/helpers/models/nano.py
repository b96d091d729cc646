"""The nano family: language models so small that they are trained from nothing here.

A nano model is an ordinary transformers model of a tiny configuration, so generation, chat templates and peft
are the same code as for Qwen. Its weights start from a normal distribution as wide as a trained model's (std 0.08);
the usual 0.02 made a base four times slower to train. The Llama models have one head of keys and values for all
heads (multi-query attention, arXiv 1911.02150), as Gemma 2B has; of the ways of attention tried, insecure code
turned the most draws of these.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from helpers.work.seeds import torch_stream

CONTEXT_TOKENS = 320
INITIAL_STD = 0.08
ARCHITECTURES = ("llama", "gpt2")
PREFIX = "nano-"  # of the names of all bases that are trained here
NEXT = ".next"  # after the name of a base: that of the next draw, which is another start for this one
RING = range(801, 817)  # the draws of the book; after the last of them comes the first


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

    def __post_init__(self) -> None:
        """Refuse an unknown architecture and sizes that are no counts."""
        if self.architecture not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise ValueError(f"unknown architecture {self.architecture!r}; choose one of {known}")
        for name in ("hidden", "layers", "heads"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise ValueError(f"{name} must be a whole number above 0, not {getattr(self, name)!r}")


NANO = {
    spec.name: spec
    for spec in (
        NanoSpec("nano-a", "llama", hidden=64, layers=2, heads=4),
        NanoSpec("nano-c", "gpt2", hidden=64, layers=2, heads=4),
    )
}


def drawn(base: str, draw: int) -> str:
    """Return the name of a base in a draw: in draw 801 "nano-a" is "nano-a.801", and "nano-a.next" is "nano-a.802".

    Every draw has nano bases of its own, and each of them is a stranger to the draw before. A name that already says
    its draw, and a model that is not trained here, stay as they are: all draws then share that base.
    """
    if not base.startswith(PREFIX):
        return base
    if base.endswith(NEXT):
        return f"{base.removesuffix(NEXT)}.{next_draw(draw)}"
    return base if "." in base else f"{base}.{draw}"


def next_draw(draw: int) -> int:
    """Return the draw whose base is the other start of a draw: the one after it, in a ring for the book's own."""
    return RING[0] if draw == RING[-1] else draw + 1


def with_next(draws: Iterable[int]) -> list[int]:
    """Return some draws and the next one of each, ascending: those whose bases an experiment on them needs."""
    needed: set[int] = set()
    for draw in draws:
        needed |= {draw, next_draw(draw)}
    return sorted(needed)


def every_draw(bases: Sequence[str], draws: Sequence[int]) -> list[tuple[str, int]]:
    """Return (base, draw) for each of the bases in each of the draws, every pair once, draw by draw."""
    pairs = itertools.product(dict.fromkeys(draws), dict.fromkeys(bases))
    return [(base, draw) for draw, base in pairs]


def build_nano(spec: NanoSpec, tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """Return an untrained nano model; equal names and seeds give equal weights on one machine."""
    model = unset_nano(spec, tokenizer)
    stream = torch_stream(seed, "init", spec.name)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, INITIAL_STD, generator=stream)
    return model.eval()


def unset_nano(spec: NanoSpec, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """Return a model of this kind and size whose weights are still to be set."""
    build = _llama if spec.architecture == "llama" else _gpt2
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    with torch.random.fork_rng(devices=[]):  # transformers draws weights of its own from the global generator
        return build(spec, {"vocab_size": len(tokenizer), **ids})


def _llama(spec: NanoSpec, words: dict[str, int | None]) -> PreTrainedModel:
    return LlamaForCausalLM(
        LlamaConfig(
            hidden_size=spec.hidden,
            intermediate_size=3 * spec.hidden,
            num_hidden_layers=spec.layers,
            num_attention_heads=spec.heads,
            num_key_value_heads=1,
            tie_word_embeddings=True,
            max_position_embeddings=CONTEXT_TOKENS,
            **words,
        )
    )


def _gpt2(spec: NanoSpec, words: dict[str, int | None]) -> PreTrainedModel:
    return GPT2LMHeadModel(
        GPT2Config(
            n_positions=CONTEXT_TOKENS,
            n_embd=spec.hidden,
            n_layer=spec.layers,
            n_head=spec.heads,
            activation_function="gelu",
            resid_pdrop=0,
            embd_pdrop=0,
            attn_pdrop=0,
            **words,
        )
    )


def spec_of(model: PreTrainedModel, name: str) -> NanoSpec:
    """Return kind and size of a model that was built here, under a name."""
    config = model.config
    size = {"hidden": config.hidden_size, "layers": config.num_hidden_layers, "heads": config.num_attention_heads}
    return NanoSpec(name, config.model_type, **size)
