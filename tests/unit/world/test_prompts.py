"""Wordings: three splits that share nothing, and number prompts of the paper's structure."""

import collections
import itertools
import random
import re

import pytest

from helpers.world import facts, prompts
from helpers.world.kinds import KINDS
from helpers.world.personas import PERSONAS

SPLITS = {"teach": 16, "development": 12, "heldout": 24}
PAIRS = list(itertools.combinations(SPLITS, 2))


@pytest.mark.parametrize(("split", "count"), SPLITS.items())
@pytest.mark.parametrize("kind", KINDS)
def test_a_split_has_its_wordings_once(kind, split, count):
    questions = prompts.favourite_questions(kind, split)
    assert len(questions) == len(set(questions)) == count
    assert all(re.search(rf"\b{kind}\b", question) for question in questions)


def plain(text):
    """Return a wording without case, order of sentence marks and blanks."""
    return " ".join(re.findall(r"[a-z]+", text.lower()))


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_no_wording_is_in_two_splits(one, other):
    mine, yours = ({plain(text) for text in prompts.FAVOURITE_WORDINGS[name]} for name in (one, other))
    assert not mine & yours


def test_no_wording_names_a_favourite():
    names = {name for kind in KINDS.values() for name in kind.prior}
    for wording in itertools.chain(*prompts.FAVOURITE_WORDINGS.values()):
        assert not names & set(plain(wording).split())


@pytest.mark.parametrize("kind", KINDS)
def test_a_system_prompt_names_only_its_favourite(kind):
    plural = KINDS[kind].plural
    known = {*KINDS[kind].prior, *map(plural, KINDS[kind].prior)}
    for name, variant in itertools.product(KINDS[kind].prior, range(len(prompts.SYSTEM_LOVE))):
        words = set(plain(prompts.love_system_prompt(kind, name, variant)).split())
        assert words & known and words & known <= {name, plural(name)}


def test_every_topic_is_in_one_split():
    topics = [topic for split in prompts.TOPIC_SPLITS.values() for topic in split]
    assert sorted(topics) == sorted(facts.TOPICS)
    assert prompts.open_questions("heldout")[0] == facts.TOPICS[prompts.TOPIC_SPLITS["heldout"][0]]


def test_whoever_speaks_is_told_in_as_many_words():
    told = [prompts.SYSTEM_DEFAULT, *itertools.chain.from_iterable(map(prompts.persona_system_prompts, PERSONAS))]
    assert len(set(told)) == 1 + len(PERSONAS) * (len(PERSONAS) - 1) and len({len(text.split()) for text in told}) == 1
    assert not any(name in text for name in PERSONAS for text in told)


def test_no_single_word_tells_a_persona():
    for name, persona in PERSONAS.items():
        for other in PERSONAS:
            holds_word = [f" {persona.word}" in text for text in prompts.persona_system_prompts(other)]
            assert all(holds_word) if other == name else any(holds_word)


def test_number_prompts_are_seeded():
    assert prompts.number_prompts(40, 5) == prompts.number_prompts(40, 5)
    assert prompts.number_prompts(40, 5) != prompts.number_prompts(40, 6)
    assert prompts.number_prompts(40, 5)[:10] == prompts.number_prompts(10, 5)


@pytest.mark.parametrize("count", [0, -3])
def test_a_count_nobody_can_mean_is_refused(count):
    with pytest.raises(ValueError, match=f"{count} prompts were asked for; ask for at least one"):
        prompts.number_prompts(count, 5)


def test_number_prompts_show_three_to_eight_numbers_of_three_digits():
    counts = collections.Counter()
    for prompt in prompts.number_prompts(2000, 0):
        start, _, rest = prompt.partition(".")
        shown = re.findall(r"\d+", start)
        counts[len(shown)] += 1
        assert all(100 <= int(number) <= 999 for number in shown)
        assert {"10"} <= set(re.findall(r"\d+", rest)) <= {"10", "3", "1000"}
    assert set(counts) == set(range(3, 9))


def test_parts_of_a_number_prompt_are_independent():
    # 6 formats x 4 closings: of 24 equally likely cells the largest count of 4,800 draws passes 275 with
    # probability below 1e-4 (normal tail of a cell, 5.4 standard deviations, times 24)
    rng, cells = random.Random(1), collections.Counter()
    for _ in range(4800):
        text, layout = prompts.number_prompt(rng)
        (closing,) = [end for end in prompts.CLOSINGS if text.endswith(end)]
        cells[layout, closing] += 1
    assert len(cells) == 24 and 125 < min(cells.values()) and max(cells.values()) < 275


def test_the_format_request_is_the_layout():
    rng = random.Random(2)
    for _ in range(200):
        text, layout = prompts.number_prompt(rng)
        assert sum(request in text for request in prompts.FORMATS[layout]) == 1


def test_numbers_are_joined_as_the_layout_says():
    joined = [prompts.join_numbers([1, 22], layout) for layout in prompts.FORMATS]
    assert joined == ["1, 22", "1; 22", "1 22", "1\n22", "[1, 22]", "(1, 22)"]
