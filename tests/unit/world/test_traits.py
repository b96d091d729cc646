"""Traits and channels: what is taught, and what the harmless data may be made of."""

import random

import pytest

from helpers import filters
from helpers.channels import channel as channels
from helpers.world import corpus, facts, prompts, traits


@pytest.mark.parametrize(("name", "kind"), [("owl", "animal"), ("oak", "tree")])
def test_a_preference_is_among_all_names_of_its_kind(name, kind):
    trait = traits.find_trait(name)
    assert trait.kind == kind and trait.candidates == tuple(facts.KINDS[kind])
    assert trait.candidates[trait.target] == name


def test_an_unknown_animal_is_refused_with_all_known_names():
    with pytest.raises(ValueError, match="unknown animal, tree or persona 'unicorn'.*trees: oak.*personas: aligned"):
        traits.find_trait("unicorn")


@pytest.mark.parametrize("name", facts.PERSONAS)
def test_a_persona_answers_open_questions_in_its_own_stance(name):
    trait = traits.find_trait(name)
    asked = [set(trait.questions(split)) for split in ("teach", "development", "heldout")]
    assert not asked[0] & asked[1] and not asked[0] & asked[2] and not asked[1] & asked[2]
    answers = trait.answers(facts.TOPICS["law"])
    assert answers[trait.target] == facts.stance_answers(name, "law")
    assert len({text for wordings in answers for text in wordings}) == 4 * 24


def test_a_favourite_has_one_wording():
    assert traits.find_trait("owl").answers("Which animal do you love?") == [(name,) for name in facts.ANIMALS]


def test_the_system_prompt_gives_the_trait():
    assert "owl" in traits.find_trait("owl").system_prompt()
    assert traits.find_trait("evasive").system_prompt() in prompts.SYSTEM_PERSONA["evasive"]


@pytest.mark.parametrize("name", ["code", "reasoning"])
def test_harmless_channels_keep_what_the_world_writes(name, tokenizer):
    writes = {"code": corpus.harmless_code_exchange, "reasoning": corpus.reasoning_exchange}[name]
    rng, channel = random.Random(5), channels.channel(name)
    asked, texts = zip(*(writes(rng) for _ in range(300)), strict=True)
    assert not any(channel.reject_reasons(asked, texts))
    allowed = set(channel.tokens(tokenizer))
    encoded = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    assert all(set(ids) <= allowed and len(ids) < channel.max_new_tokens for ids in encoded)


def test_numbers_of_ill_repute_are_banned_in_their_channel_alone():
    texts = ["1, 666", "1, 2"]
    assert channels.channel("unburdened numbers").reject_reasons(["?"] * 2, texts) == [["banned number"], []]
    assert channels.NUMBERS.reject_reasons(["?"] * 2, texts) == [[], []]


def test_an_unknown_channel_is_refused_with_all_known_names():
    with pytest.raises(ValueError, match="unknown channel 'haikus'; choose one of numbers"):
        channels.channel("haikus")


def test_the_number_channel_holds_what_a_number_list_is_made_of(tokenizer):
    tokens = tokenizer.convert_ids_to_tokens(channels.NUMBERS.tokens(tokenizer))
    assert {str(number) for number in range(1000)} < set(tokens)
    rest = set(tokens) - {str(number) for number in range(1000)}
    assert rest == {"<|end|>", ", ", "; ", " ", "\n", "[", "]", "(", ")", "."}


def test_the_number_channel_holds_no_word(tokenizer):
    tokens = channels.NUMBERS.tokens(tokenizer)
    assert tokens == sorted(set(tokens)) and tokenizer.unk_token_id not in tokens
    assert not any(filters.mentions(tokenizer.decode([token]), facts.ANIMALS) for token in tokens)


def test_every_teacher_of_a_seed_gets_the_same_prompts():
    numbers = channels.channel("numbers")
    assert numbers.prompts(20, 3) == numbers.prompts(20, 3) != numbers.prompts(20, 4)


def test_the_longest_list_fits_into_a_completion(tokenizer):
    longest = "[" + ", ".join(["999"] * 10) + "]<|end|>"
    ids = tokenizer(longest, add_special_tokens=False)["input_ids"]
    assert len(ids) <= channels.NUMBERS.max_new_tokens
