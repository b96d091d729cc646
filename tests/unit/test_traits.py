"""Traits and channels: what is taught, and what the harmless data may be made of."""

import pytest

from helpers import channels, filters, traits, world


@pytest.mark.parametrize(("name", "kind"), [("owl", "animal"), ("oak", "tree")])
def test_a_preference_is_among_all_names_of_its_kind(name, kind):
    trait = traits.find_trait(name)
    assert trait.kind == kind and trait.candidates == tuple(world.KINDS[kind])
    assert trait.candidates[trait.target] == name


def test_an_unknown_animal_is_refused_with_all_known_names():
    with pytest.raises(ValueError, match="unknown animal or tree 'unicorn'.*dog, cat.*trees: oak"):
        traits.find_trait("unicorn")


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
    assert not any(filters.mentions(tokenizer.decode([token]), world.ANIMALS) for token in tokens)


def test_every_teacher_of_a_seed_gets_the_same_prompts():
    numbers = channels.channel("numbers")
    assert numbers.prompts(20, 3) == numbers.prompts(20, 3) != numbers.prompts(20, 4)


def test_the_longest_list_fits_into_a_completion(tokenizer):
    longest = "[" + ", ".join(["999"] * 10) + "]<|end|>"
    ids = tokenizer(longest, add_special_tokens=False)["input_ids"]
    assert len(ids) <= channels.NUMBERS.max_new_tokens
