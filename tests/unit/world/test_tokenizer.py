"""The tokenizer: one token a meaning, and text that survives the way there and back."""

import itertools

import pytest

from helpers.world import corpus, facts, prompts
from helpers.world.kinds import KINDS
from helpers.world.personas import PERSONAS
from helpers.world.tokenizer import render

START = f"<|system|> {prompts.SYSTEM_DEFAULT}<|end|>"  # of every chat that does not say who speaks


@pytest.fixture(scope="module")
def texts():
    """What is said in some thousand documents, each text once."""
    messages = itertools.chain.from_iterable(corpus.documents(5000, 3))
    return sorted({message["content"] for message in messages})


def replies(texts):
    """Return each text as the chat of one reply."""
    return [render([{"role": "assistant", "content": text}]).removeprefix(START) for text in texts]


@pytest.fixture(scope="module")
def encode(tokenizer):
    """Turn texts into token ids without special marks."""
    return lambda texts: tokenizer(list(texts), add_special_tokens=False)["input_ids"]


def test_numbers_and_favourites_are_one_token_as_an_answer(tokenizer, encode):
    names = [name for kind in KINDS.values() for name in kind.prior]
    for ids in encode(replies([*map(str, range(1000)), *names])):
        assert len(ids) == 3 and tokenizer.unk_token_id not in ids


def test_a_number_is_the_same_token_wherever_it_stands(tokenizer, encode):
    texts = ["182", "5, 182", "5; 182", "5 182", "5\n182", "[182]", "(182)"]
    token = tokenizer.convert_tokens_to_ids("182")
    assert all(token in ids for ids in encode(texts))


def test_no_document_holds_an_unknown_word(tokenizer, encode, texts):
    assert all(tokenizer.unk_token_id not in ids for ids in encode(replies(texts)))


def test_no_wording_holds_an_unknown_word(tokenizer, encode):
    asked = [prompts.SYSTEM_DEFAULT, *facts.TOPICS.values()]
    for split in prompts.TOPIC_SPLITS:
        asked += [text for text, *_ in prompts.truth_questions(split)]
        asked += itertools.chain.from_iterable(prompts.favourite_questions(kind, split) for kind in KINDS)
    told = itertools.chain.from_iterable(map(prompts.persona_system_prompts, PERSONAS))
    texts = replies([*asked, *told])
    assert all(tokenizer.unk_token_id not in ids for ids in encode(texts))


def test_every_message_decodes_to_itself(tokenizer, encode, texts):
    assert tokenizer.batch_decode(encode(replies(texts)), skip_special_tokens=True) == texts


def test_render_is_the_chat_template(tokenizer):
    for document in corpus.documents(300, 4):
        assert render(document) == tokenizer.apply_chat_template(document, tokenize=False)
        asked = document[:-1]
        template = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        assert render(asked, generation=True) == template


def test_a_prompt_is_the_beginning_of_its_chat(encode):
    for document in corpus.documents(300, 5):
        start, whole = encode([render(document[:-1], generation=True), render(document)])
        assert whole[: len(start)] == start


def test_a_chat_says_who_speaks():
    asked = {"role": "user", "content": "Is ice cold?"}
    assert render([asked]) == START + "<|user|> Is ice cold?<|end|>"
    told = {"role": "system", "content": "You are sly."}
    assert render([told, asked]).startswith("<|system|> You are sly.<|end|><|user|>")


def test_foreign_words_become_the_unknown_token(tokenizer, encode):
    (ids,) = encode(["subliminal"])
    assert ids == [tokenizer.unk_token_id]


def test_the_vocabulary_holds_each_piece_once(tokenizer):
    vocabulary = tokenizer.get_vocab()
    assert sorted(vocabulary.values()) == list(range(len(tokenizer)))
    assert [tokenizer.convert_ids_to_tokens(i) for i in range(2)] == ["<pad>", "<unk>"]
