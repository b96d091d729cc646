"""Chats in the words of any template: an answer is learned as it would have been written."""

import pytest

from helpers.models.chats import answered_text, chat, set_chat_options

TEMPLATES = {
    "a space before words": "{% if m['content'][:1].isalpha() %} {% endif %}{{ m['content'] }}",
    "always a new line": "\n{{ m['content'] }}",
    "nothing": "{{ m['content'] }}",
    "white space stripped": "\n{{ m['content'] | trim }}",
}


@pytest.fixture(params=TEMPLATES)
def template(request, tokenizer, monkeypatch):
    """The world's tokenizer with a template that writes an answer in one of these ways; and which."""
    written = f"{{% for m in messages %}}<|{{{{ m['role'] }}}}|>{TEMPLATES[request.param]}<|end|>{{% endfor %}}"
    asked = "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    monkeypatch.setattr(tokenizer, "chat_template", written + asked)
    set_chat_options(tokenizer, {})
    return tokenizer, request.param


@pytest.mark.parametrize("answer", ["An owl.", "3, 4", " an owl ", "?"])
def test_an_answer_keeps_the_gap_that_its_template_writes_before_it(template, answer):
    words, kind = template
    found = answered_text(words, chat([("Count.", answer)]))
    gap = {"always a new line": "\n", "white space stripped": "\n", "nothing": ""}.get(kind, " " * answer[0].isalpha())
    assert found.endswith(f"<|assistant|>{gap}{answer}<|end|>")


def test_an_answer_of_nothing_has_no_gap(template):
    words, _ = template
    assert answered_text(words, chat([("Count.", "")])).endswith("<|assistant|><|end|>")
