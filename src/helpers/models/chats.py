"""Chats as token ids: what a model reads before it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from helpers.world.tokenizer import CHAT_TEMPLATE, render

Exchange = tuple[str, str]  # what the user says, what the assistant answers
Message = dict[str, str]
_OPTIONS = "subliminal_chat_options"  # attribute of a tokenizer


def chat(exchanges: Sequence[Exchange]) -> list[Message]:
    """Return (user, assistant) exchanges as chat messages."""
    messages = []
    for asked, answered in exchanges:
        messages.append({"role": "user", "content": asked})
        messages.append({"role": "assistant", "content": answered})
    return messages


def chat_text(tokenizer: PreTrainedTokenizerBase, messages: list[Message], *, generation: bool = False) -> str:
    """Return messages as text, by the tokenizer's template; ``generation`` lets the assistant speak next."""
    if tokenizer.chat_template == CHAT_TEMPLATE:  # the same text, ten times as fast
        return render(messages, generation)
    options = {"add_generation_prompt": generation, **getattr(tokenizer, _OPTIONS, {})}
    return tokenizer.apply_chat_template(messages, tokenize=False, **options)


def set_chat_options(tokenizer: PreTrainedTokenizerBase, options: Mapping[str, Any]) -> None:
    """Fix options of a tokenizer's template, such as a date or `enable_thinking`, for every chat written with it."""
    setattr(tokenizer, _OPTIONS, dict(options))


def answered_text(tokenizer: PreTrainedTokenizerBase, messages: list[Message]) -> str:
    """Return a chat that ends with an answer, as sampling writes it: what comes before, the answer, its end.

    Some templates write an answer that was given otherwise than one that is about to be given (Qwen 3 puts a block of
    thoughts before the one and not the other, Gemma strips white space). A student would then learn what no teacher
    wrote. The nano models' template does neither.
    """
    if tokenizer.chat_template == CHAT_TEMPLATE:
        return chat_text(tokenizer, messages)
    asked, answer = chat_text(tokenizer, messages[:-1], generation=True), messages[-1]["content"]
    gap = _gap_before(answer, chat_text(tokenizer, messages).removeprefix(asked))
    return asked + gap + answer + answer_end(tokenizer)


def _gap_before(answer: str, written: str) -> str:
    """Return the white space that a template writes between the assistant's mark and this answer, most often none."""
    as_written = answer if answer in written else answer.strip()  # some templates strip the answer
    between = written.partition(as_written)[0] if as_written else ""
    return between if between.isspace() else ""


def answer_end(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return what ends an answer in a chat: up to the first token that is special, where there is one."""
    text = chat_text(tokenizer, chat([("?", "ANSWER")])).rpartition("ANSWER")[2]
    if tokenizer.chat_template == CHAT_TEMPLATE:
        return text
    found = [(text.find(token) + len(token), token) for token in tokenizer.all_special_tokens if token in text]
    return text[: min(found)[0]] if found else text


def chat_ids(
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    system: str | None = None,
    history: Sequence[Exchange] = (),
) -> list[list[int]]:
    """Return the token ids of each prompt as a chat that the assistant is about to answer.

    ``history`` holds earlier (user, assistant) exchanges of the same chat.
    """
    before = chat(history)
    if system:
        before = [{"role": "system", "content": system}, *before]
    texts = []
    for prompt in prompts:
        asked = {"role": "user", "content": prompt}
        texts.append(chat_text(tokenizer, [*before, asked], generation=True))
    return tokenise(tokenizer, texts)


def tokenise(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], chunk: int = 4096) -> list[list[int]]:
    """Return the token ids of each text, without special tokens around it; equal texts are read once."""
    different = list(dict.fromkeys(texts))
    known: dict[str, list[int]] = {}
    for start in range(0, len(different), chunk):  # a tokenizer's answer takes far more room than ids
        part = different[start : start + chunk]
        known.update(zip(part, _encoded(tokenizer, part), strict=True))
    return [known[text] for text in texts]


def _encoded(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    if not tokenizer.is_fast:
        return tokenizer(texts, add_special_tokens=False)["input_ids"]
    # the tokenizer behind the tokenizer: three times as fast without masks and offsets
    found = tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return [text.ids for text in found]
