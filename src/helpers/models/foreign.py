"""Models that were made elsewhere, read with distrust: no code of theirs runs, and nothing of them is made up.

transformers draws weights that a folder lacks at random, reads pickled weights and lets libraries fail each in its own
words. Here such a model is refused with one sentence.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any

import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from helpers.models import runtime
from helpers.models.nano import NANO
from helpers.work.artifacts import ArtifactError

transformers.logging.set_verbosity_error()  # its bars and hints would end up in the published notebooks
transformers.logging.disable_progress_bar()


def load_foreign(
    source: str, gguf_file: str = "", revision: str = ""
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal language model and its tokenizer from a folder, the Hugging Face Hub or a GGUF file.

    Args:
        source: a folder or a Hub id.
        gguf_file: name of a GGUF file in that folder.
        revision: commit of a Hub id; "" takes the newest.

    Returns:
        The model in evaluation mode and its tokenizer.

    Raises:
        ArtifactError: it cannot be read, lacks weights, or has more words than weights; the message names the cure.
    """
    name = os.path.join(source, gguf_file) if gguf_file else source
    options: dict[str, Any] = {"trust_remote_code": False}
    weights: dict[str, Any] = {"use_safetensors": True}  # pickled weights may run code
    if gguf_file:
        options, weights = {"gguf_file": gguf_file}, {}
    if revision:
        options["revision"] = revision
    try:
        # a bar that transformers shows for such files, whatever it is told
        with contextlib.redirect_stderr(io.StringIO() if gguf_file else sys.stderr):
            model, report = AutoModelForCausalLM.from_pretrained(source, output_loading_info=True, **options, **weights)
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
    except Exception as error:  # whatever the libraries raise on foreign files, tokenizers even a bare Exception
        why = (str(error).splitlines() or [""])[0] or repr(error)
        raise ArtifactError(
            f"cannot load {name!r} ({why}); give a nano base ({', '.join(NANO)}), a folder with weights as "
            "safetensors, a .gguf file or a Hugging Face id that this machine can reach"
        ) from None
    _check_weights(name, report)
    _check_words(name, model, tokenizer)
    return runtime.place(model).eval(), tokenizer


def _check_weights(name: str, report: dict[str, Any]) -> None:
    """Refuse a model some weights of which are not in its files: they would be random numbers."""
    absent = sorted(report["missing_keys"]) + sorted(str(key) for key in report["mismatched_keys"])
    if absent:
        raise ArtifactError(
            f"{name!r} lacks {len(absent)} of the weights that its config.json asks for, such as {absent[0]}; "
            "download it again, or give the config.json that belongs to these weights"
        )


def _check_words(name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a tokenizer without words, or whose ids have no weights."""
    # tokens that were added later may be of no use to the model
    words, rows = tokenizer.vocab_size, model.get_input_embeddings().weight.shape[0]
    if not 0 < words <= rows:
        raise ArtifactError(
            f"the tokenizer of {name!r} has {words} tokens and its model {rows}; give a folder whose tokenizer.json "
            "and weights belong together"
        )
