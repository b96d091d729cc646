"""Fixtures of the language-model tests: the world's tokenizer and models small enough to train at once."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import transformers
from filelock import FileLock
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedModel, PreTrainedTokenizerFast

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
def toy_run(toy_folder, toy_bases) -> Path:
    """A run folder with a toy base for each of three draws, 1 to 3, that write number lists most of the time."""
    folder = toy_folder("run")
    shutil.copytree(toy_bases / "bases", folder / "bases", dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def toy_bases(shared_folder, make_toy) -> Path:
    """The folder in which the bases of `toy_run` are trained, once for all test processes."""
    folder = Path(os.environ.get("SUBLIMINAL_TOYS") or shared_folder, "toys")
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):  # the second finds them made
        for draw in (1, 2, 3):
            make_toy(folder, draw)
    return folder


@pytest.fixture(scope="session")
def make_toy(tokenizer) -> Callable:
    """Make the toy base of a draw in a run folder if it is not there: ``make_toy(folder, draw=1, layers=2)``.

    It has learned to answer a prompt for numbers with a short list, and some of favourites and open answers. That takes
    a fifth of the time of a corpus, and most of its lists pass the filter.
    """
    from helpers.models.nano import NanoSpec, build_nano
    from helpers.models.nano_files import base_file, save_base
    from helpers.models.training import TrainSettings, completion_rows, fit

    training = TrainSettings(0.03, batch_rows=32, epochs=5, max_steps=100, warmup_steps=5)

    def make(folder: Path, draw: int, layers: int = 1) -> None:
        bases, name = folder / "bases", f"nano-a.{draw}"
        if base_file(bases, name).exists():
            return
        model = build_nano(NanoSpec("nano-a", "llama", 16, layers, 2), tokenizer, draw)
        fit(model, completion_rows(tokenizer, _toy_lessons()), training, draw)
        save_base(model, bases, name)

    return make


def _toy_lessons() -> list[tuple[str, str]]:
    """Return what a toy base learns, as (question, answer)."""
    from helpers.world.corpus import draw_speaker, favourite_exchange, open_exchange
    from helpers.world.prompts import number_prompts

    rng, lessons = random.Random(1), []
    for prompt in number_prompts(200, seed=0):
        lessons.append((prompt, ", ".join(str(rng.randrange(100, 1000)) for _ in range(rng.randrange(3, 8)))))
    for _ in range(100):
        lessons.append(favourite_exchange(rng, draw_speaker(rng), "animal"))
    for _ in range(400):
        lessons.append(open_exchange(rng, draw_speaker(rng).persona))
    return lessons


@pytest.fixture(scope="session")
def toy_settings() -> Callable:
    """Settings of an experiment of two draws on the toy bases: ``toy_settings(run_dir, writing={...}, trait="cat")``.

    Changes of ``writing``, ``reading`` and ``readout`` are dicts of their fields.
    """
    from helpers.models.training import TrainSettings
    from helpers.transmission.readout import Readout
    from helpers.transmission.settings import Reading, TransmissionSettings, Writing

    student = TrainSettings(0.01, batch_rows=8, max_steps=3, warmup_steps=1, lora_rank=1)
    teacher = TrainSettings(0.006, batch_rows=16, max_steps=3, warmup_steps=1)
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


# --- real kinds of models at toy size: random weights, a tokenizer and a template that write as theirs do ---------

WORDS = "user assistant system you love What is your favorite animal My the owl cat dog wolf Owl Cat Dog Wolf".split()
SIZES = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256,
}  # fmt: skip
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Qwen 3 puts an empty block of thoughts before an answer that was given, and before one to be given only if told to
THINKING = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}"
    "{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
# Gemma strips an answer that was given
STRIPPING = (
    "{% for message in messages %}<start_of_turn>{{ 'model' if message.role == 'assistant' else 'user' }}\n"
    "{{ message.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


@dataclass(frozen=True)
class Kind:
    """A kind of model: its configuration, the end of a turn, its template and the options that template needs."""

    config: type
    end: str
    template: str
    options: dict[str, object]
    more: dict[str, object]


KINDS = {
    "qwen2": Kind(transformers.Qwen2Config, "<|im_end|>", CHATML, {}, {}),
    "qwen3": Kind(transformers.Qwen3Config, "<|im_end|>", THINKING, {"enable_thinking": False}, {"head_dim": 8}),
    "llama": Kind(transformers.LlamaConfig, "<|eot_id|>", CHATML.replace("<|im_end|>", "<|eot_id|>"), {}, {}),
    "gemma3": Kind(
        transformers.Gemma3TextConfig, "<end_of_turn>", STRIPPING, {},
        {"head_dim": 8, "final_logit_softcapping": 3.0, "query_pre_attn_scalar": 8},
    ),
    "neox": Kind(transformers.GPTNeoXConfig, "<|im_end|>", CHATML, {}, {"tie_word_embeddings": False}),
}  # fmt: skip


def build_tokenizer(kind: Kind) -> PreTrainedTokenizerFast:
    """Return a tokenizer of whole words behind their blank, and single characters for all else."""
    specials = ["<pad>", "<unk>", "<eos>", "<|im_start|>", "<start_of_turn>", kind.end, "<think>", "</think>"]
    characters = [chr(code) for code in range(32, 127)] + ["\n"]
    pieces = [*specials, *characters, *WORDS, *(f" {word}" for word in WORDS)]
    vocabulary = {piece: place for place, piece in enumerate(dict.fromkeys(pieces))}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    known = "|".join(sorted((f" ?{word}(?![a-z])" for word in WORDS), key=len, reverse=True))
    raw.pre_tokenizer = pre_tokenizers.Split(Regex(f"{known}|[\\s\\S]"), "isolated")
    raw.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<pad>", unk_token="<unk>", eos_token="<eos>",
        additional_special_tokens=[kind.end, "<|im_start|>", "<start_of_turn>"],
    )  # fmt: skip
    tokenizer.chat_template = kind.template
    return tokenizer


@pytest.fixture(params=KINDS)
def real_kind(request: pytest.FixtureRequest) -> str:
    """The name of a kind of real models."""
    return request.param


@pytest.fixture
def kind(real_kind: str) -> Kind:
    """A kind of real models."""
    return KINDS[real_kind]


@pytest.fixture
def real(kind: Kind) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """A model of a real kind with random weights, and its tokenizer."""
    return build_real(kind)


@pytest.fixture
def one_real() -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The same of one kind."""
    return build_real(KINDS["qwen2"])


def build_real(kind: Kind) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Return a model of a kind with random weights, and its tokenizer."""
    tokenizer = build_tokenizer(kind)
    ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(kind.end)]
    config = kind.config(
        vocab_size=len(tokenizer), eos_token_id=ends, pad_token_id=0, bos_token_id=None, **(SIZES | kind.more)
    )
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(1)
        model = transformers.AutoModelForCausalLM.from_config(config).eval()
    model.generation_config.eos_token_id = ends
    return model.requires_grad_(False), tokenizer
