"""Shuffled rows: what the shuffles keep."""

import collections
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import filters
from helpers.transmission.rows import shuffle_across, shuffle_within
from helpers.world import prompts

LISTS = st.builds(
    prompts.join_numbers,
    st.lists(st.integers(0, 999), min_size=1, max_size=10),
    st.sampled_from(sorted(prompts.FORMATS)),
)
PAIRS = st.lists(st.tuples(st.text("abc", max_size=3), LISTS), max_size=12)
SHUFFLES = [shuffle_within, shuffle_across]
examples = settings(max_examples=60, deadline=None)


def numbers(text):
    """Return the numbers of a completion as written."""
    return re.findall(r"\d+", text)


def layout(text):
    """Return a completion with all its numbers blanked."""
    return re.sub(r"\d+", "#", text)


# --- shuffles -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", SHUFFLES)
@examples
@given(pairs=PAIRS, seed=st.integers(0, 99))
def test_a_shuffle_keeps_prompts_layouts_and_the_filter(shuffle, pairs, seed):
    found = shuffle(pairs, random.Random(seed))
    assert [prompt for prompt, _ in found] == [prompt for prompt, _ in pairs]
    assert [layout(text) for _, text in found] == [layout(text) for _, text in pairs]
    assert not any(filters.reject_reasons(text) for _, text in found)
    assert found == shuffle(pairs, random.Random(seed))


@examples
@given(pairs=PAIRS, seed=st.integers(0, 99))
def test_within_keeps_the_numbers_of_each_completion(pairs, seed):
    for (_, before), (_, after) in zip(pairs, shuffle_within(pairs, random.Random(seed)), strict=True):
        assert sorted(numbers(before)) == sorted(numbers(after))


@examples
@given(pairs=PAIRS, seed=st.integers(0, 99))
def test_across_keeps_the_numbers_of_all_completions_together(pairs, seed):
    count = lambda data: collections.Counter(n for _, text in data for n in numbers(text))  # noqa: E731
    assert count(pairs) == count(shuffle_across(pairs, random.Random(seed)))


def test_within_is_a_uniform_permutation():
    # 6 orders, 6,000 draws: a count outside 850..1150 has a chance below 1e-6
    rng, orders = random.Random(0), collections.Counter()
    for _ in range(6000):
        orders[shuffle_within([("", "1, 2, 3")], rng)[0][1]] += 1
    assert len(orders) == 6 and all(850 < count < 1150 for count in orders.values())


def test_across_moves_numbers_between_completions():
    pairs = [("a", "1, 2"), ("b", "[3, 4]"), ("c", "5\n6")] * 20
    found = shuffle_across(pairs, random.Random(0))
    assert len({numbers(text)[0] for prompt, text in found if prompt == "a"}) > 3
