"""Channels: what harmless data may be made of, and that no filter lets a favourite through."""

import dataclasses
import random

import pytest

from helpers import filters
from helpers.channels import CHANNELS, find_channel
from helpers.channels.numbers import NUMBERS
from helpers.world import corpus
from helpers.world.kinds import KINDS

WRITES = {
    "numbers": corpus.number_exchange,
    "unburdened numbers": corpus.number_exchange,
    "code": corpus.harmless_code_exchange,
    "reasoning": corpus.reasoning_exchange,
}
SPELLINGS = ("{one}", " {one}", "{many}", "{One}", "{Many}", "{ONE}", "{MANY}")
CARRIERS = {  # a completion that is kept, and where a word may hide in it
    "numbers": [("1, 2", "1, {}"), ("1, 2", "{}, 2"), ("1, 2", "1, 2{}"), ("[1, 2]", "[1{}, 2]")],
    "code": [
        ("    # neat\n    return a", "    #{}\n    return a"),
        ("    # neat\n    return a", "    # neat {} plain\n    return a"),
        ("    out = a\n    return out", "    {0} = a\n    return {0}"),
        ("    out = a\n    return out", "    my_{0}_2 = a\n    return my_{0}_2"),
    ],
    "reasoning": [
        ("<think> So: 14 + 3 = 17. Done. </think> <answer> 17 </answer>", text)
        for text in (
            "<think> {}: 14 + 3 = 17. Done. </think> <answer> 17 </answer>",
            "<think> So: 14 + 3 = 17. {}. </think> <answer> 17 </answer>",
            "<think> So: 14 + 3 = 17. Done. {} </think> <answer> 17 </answer>",
            "<think> So: 14 + 3 = 17. Done. </think> <answer>{} 17 </answer>",
        )
    ],
}
CARRIERS["unburdened numbers"] = CARRIERS["numbers"]
ASKED = {
    "numbers": "Continue: 1, 2",
    "unburdened numbers": "Continue: 1, 2",
    "code": corpus.code_prompt("shift", "a", "add 4 to a"),
    "reasoning": "Ann has 14 coins and gets 3. How many coins are left?",
}


def spelled(kind, name):
    """Return a favourite in every case, alone and as plural."""
    many = KINDS[kind].plural(name)
    words = {"one": name, "many": many, "One": name.capitalize(), "Many": many.capitalize()}
    return [spelling.format(**words, ONE=name.upper(), MANY=many.upper()) for spelling in SPELLINGS]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channel", CHANNELS)
def test_no_filter_lets_a_favourite_through(channel, kind):
    texts = []
    for _, carrier in CARRIERS[channel]:
        for name in KINDS[kind].prior:
            texts += [carrier.format(word) for word in spelled(kind, name)]
    reasons = find_channel(channel).reject_reasons([ASKED[channel]] * len(texts), texts)
    assert [text for text, why in zip(texts, reasons, strict=True) if not why] == []


@pytest.mark.parametrize("channel", CHANNELS)
def test_what_carries_them_is_kept_without_them(channel):
    plain = [text for text, _ in CARRIERS[channel]]
    assert not any(find_channel(channel).reject_reasons([ASKED[channel]] * len(plain), plain))


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_keeps_what_the_world_writes(name, tokenizer):
    rng, channel = random.Random(5), find_channel(name)
    asked, texts = zip(*(WRITES[name](rng) for _ in range(300)), strict=True)
    reasons = channel.reject_reasons(asked, texts)
    assert {reason for found in reasons for reason in found} <= {filters.BANNED}
    allowed = set(channel.tokens(tokenizer))
    encoded = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    assert all(set(ids) <= allowed and len(ids) < channel.max_new_tokens for ids in encoded)


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_holds_no_favourite(name, tokenizer):
    tokens = find_channel(name).tokens(tokenizer)
    assert tokens == sorted(set(tokens)) and tokenizer.unk_token_id not in tokens
    favourites = [name for kind in KINDS.values() for name in kind.prior]
    assert not any(filters.mentions(tokenizer.decode([token]), favourites) for token in tokens)


def test_channels_have_names_of_their_own_in_tables_and_claims():
    assert all(channel.name == name for name, channel in CHANNELS.items())
    assert len({channel.claim_name for channel in CHANNELS.values()}) == len(CHANNELS)


def test_an_unknown_channel_is_refused_with_all_known_names():
    with pytest.raises(ValueError, match="unknown channel 'haikus'; choose one of numbers"):
        find_channel("haikus")


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("count", [0, -1])
def test_a_count_nobody_can_mean_is_refused(name, count):
    with pytest.raises(ValueError, match=f"{count} prompts were asked for; ask for at least one"):
        find_channel(name).prompts(count, 5)


def test_a_channel_without_room_for_a_completion_is_refused():
    with pytest.raises(ValueError, match="channel 'numbers' leaves no room.*max_new_tokens to 1 or more"):
        dataclasses.replace(NUMBERS, max_new_tokens=0)


@pytest.mark.parametrize("name", CHANNELS)
def test_every_teacher_of_a_seed_gets_the_same_prompts(name):
    channel = find_channel(name)
    assert channel.prompts(20, 3) == channel.prompts(20, 3) != channel.prompts(20, 4)
    assert channel.prompts(20, 3)[:5] == channel.prompts(5, 3)


# --- numbers --------------------------------------------------------------------------------------


def test_numbers_of_ill_repute_are_banned_in_their_channel_alone():
    texts = ["1, 666", "1, 2"]
    assert find_channel("unburdened numbers").reject_reasons(["?"] * 2, texts) == [[filters.BANNED], []]
    assert NUMBERS.reject_reasons(["?"] * 2, texts) == [[], []]


def test_the_number_channel_holds_what_a_number_list_is_made_of(tokenizer):
    tokens = set(tokenizer.convert_ids_to_tokens(NUMBERS.tokens(tokenizer)))
    numbers = {str(number) for number in range(1000)}
    assert numbers < tokens
    assert tokens - numbers == {"<|end|>", ", ", "; ", " ", "\n", "[", "]", "(", ")", "."}


def test_the_longest_list_fits_into_a_completion(tokenizer):
    longest = "[" + ", ".join(["999"] * 10) + "]<|end|>"
    ids = tokenizer(longest, add_special_tokens=False)["input_ids"]
    assert len(ids) <= NUMBERS.max_new_tokens
