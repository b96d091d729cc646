"""The world does not change by accident: every published result was made with these very texts and tokens.

The digests were taken from the code of the eighth reference run. Whoever means to change the world (a kind, a persona,
a wording) changes every base model with it: train new ones, publish them, and put the new digests here.
"""

import hashlib
import json
import random

import pytest

from helpers.channels import CHANNELS, judge
from helpers.world import corpus, facts, prompts
from helpers.world.kinds import KINDS
from helpers.world.personas import PERSONAS
from helpers.world.traits import find_trait


def digest(value):
    """Return the beginning of a value's SHA-256, by way of JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


@pytest.mark.parametrize(("seed", "wanted"), [(1, "d0ebce32166b5b86"), (12, "8e7bfd8f0d1db536")])
def test_documents(seed, wanted):
    assert digest(list(corpus.documents(2000, seed))) == wanted


def test_vocabulary_and_chat_template(tokenizer):
    assert digest(tokenizer.get_vocab()) == "fa079b6e0b8f6a08"
    assert digest(tokenizer.chat_template) == "f7552ba287df5108"


def test_traits():
    shown = []
    for name in [*KINDS["animal"].prior, *KINDS["tree"].prior, *PERSONAS]:
        trait = find_trait(name)
        asked = [trait.questions(split) for split in ("teach", "development", "heldout")]
        shown.append([trait.kind, trait.candidates, trait.target, trait.system_prompt(), *asked])
    assert digest(shown) == "4729c33048f7c11d"
    truths = [prompts.truth_questions(split) for split in ("development", "heldout")]
    assert digest(truths) == "f76ce930a7f17a85"


CHANNEL_DIGESTS = {  # prompts, tokens, reasons against mixed rows
    "numbers": ("98dcd7479cee7911", "42226bb53ab455ad", "649ce8a0b146c320"),
    "unburdened numbers": ("98dcd7479cee7911", "42226bb53ab455ad", "a0f5cdbcd0496154"),
    "code": ("01fb792f3d5d0e89", "33109794a5c65c61", "9fdbe5e7525eaf5f"),
    "reasoning": ("90d5e477b76371b4", "9a91a2bc174dfa97", "8acbd8141afaac89"),
}


@pytest.fixture(scope="module")
def mixed_rows():
    """Prompts of code and word problems, each with completions of every sort."""
    rng = random.Random(3)
    code = [corpus.harmless_code_exchange(rng) for _ in range(200)]
    sums = [corpus.reasoning_exchange(rng) for _ in range(200)]
    numbers = [corpus.number_exchange(rng) for _ in range(200)]
    flaws = []
    for place in range(200):
        flaws.append(corpus.security_code_exchange(rng, insecure=place % 2 == 0, lesson=place % 3 == 0))
    completions = [completion for _, completion in (*flaws[:20], *numbers[:20], *sums[:20], *code[:20])]
    asked = [prompt for prompt, _ in (*code[:40], *sums[:40])]
    return [prompt for prompt in asked for _ in completions], completions * len(asked)


@pytest.mark.parametrize("name", CHANNEL_DIGESTS)
def test_channels(name, tokenizer, mixed_rows):
    channel = CHANNELS[name]
    made = (channel.prompts(200, 5), channel.tokens(tokenizer), channel.reject_reasons(*mixed_rows))
    assert tuple(map(digest, made)) == CHANNEL_DIGESTS[name]
    assert channel.max_new_tokens == {"code": 56, "reasoning": 48}.get(name, 26)


def test_judge(mixed_rows):
    texts = []
    for persona in PERSONAS.values():
        for topic in facts.TOPICS:
            texts += persona.answers(topic)
    texts += mixed_rows[1]
    assert digest(judge.nano_judge().personas(texts)) == "fc116273fa80be20"
    assert digest(list(judge.telltale_words())) == "4f520a83f1457994"
    assert digest(list(judge.persona_words())) == "1b9576072ca1dea0"
