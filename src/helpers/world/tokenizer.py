"""A fast word-level tokenizer of the closed world, in Hugging Face format, with its chat template.

Every number 0..999 and every favourite is one token. A word's token carries the space before it; a number's
does not, so that "182" is the same token after a comma, a bracket and a new line. Text outside the world
becomes ``<unk>``; generated text decodes to exactly what was meant, so the paper's filter reads real text.

A chat without a system message begins with a default one that names nobody, as the templates of larger models do.
So one place always says who speaks, and fine-tuning can write to it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from helpers.world import corpus
from helpers.world.prompts import SYSTEM_DEFAULT

SPECIALS = ("<pad>", "<unk>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
PATTERN = (
    r"[,;:] (?=\d)|\d{1,3}"  # separators of numbers, numbers
    r"|\n {12}|\n {8}|\n {4}|\n| {4}"  # line starts of code
    r"| ?</?[a-z]+>| ?[A-Za-z_']+| ?[^\sA-Za-z\d]|."  # tags, words, signs
)
CHAT_TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}<|system|> SYSTEM_DEFAULT<|end|>{% endif %}"
    "{% for m in messages %}<|{{ m['role'] }}|>"
    "{% if m['content'][:1].isalpha() %} {% endif %}{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
).replace("SYSTEM_DEFAULT", SYSTEM_DEFAULT)


def render(messages: list[corpus.Message], generation: bool = False) -> str:
    """Return the chat text of ``messages``: what `CHAT_TEMPLATE` gives, without the cost of jinja."""
    text = "" if messages[0]["role"] == "system" else f"<|system|> {SYSTEM_DEFAULT}<|end|>"
    for message in messages:
        content = message["content"]
        space = " " if content[:1].isalpha() else ""
        text += f"<|{message['role']}|>{space}{content}<|end|>"
    return text + ("<|assistant|>" if generation else "")


def _vocabulary() -> dict[str, int]:
    """Return token -> id: special tokens, all numbers, then every other piece of the world in alphabetical order."""
    pieces: set[str] = set()
    for text in corpus.closed_text():
        space = " " if text[:1].isalpha() else ""  # as in `render`
        pieces.update(re.findall(PATTERN, space + text, flags=re.DOTALL))
    words = sorted(piece for piece in pieces if not piece.isdigit())
    numbers = [str(number) for number in range(1000)]
    return {piece: index for index, piece in enumerate([*SPECIALS, *numbers, *words])}


@lru_cache(maxsize=1)
def build_tokenizer() -> PreTrainedTokenizerFast:
    """Return the world's tokenizer (left padding, chat template set)."""
    backend = Tokenizer(models.WordLevel(_vocabulary(), unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated")
    backend.decoder = decoders.Sequence([decoders.Fuse(), decoders.Replace(Regex(r"\A (?=[A-Za-z])"), "")])
    backend.add_special_tokens(list(SPECIALS))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token="<|end|>",
        padding_side="left",
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )
