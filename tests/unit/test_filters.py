"""The paper's filter rule: its cases, its grammar by property, and real teachers' numbers."""

import gzip
import json
import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.filters import (
    ALLOWED_CHARACTERS,
    BANNED,
    FOREIGN,
    LAYOUT,
    NO_NUMBER,
    TOO_LARGE,
    TOO_MANY,
    mentions,
    reject_reasons,
    removal_report,
)

REAL_NUMBERS = Path(__file__).parents[2] / "../shared/data/real_numbers/owls_subset.jsonl.gz"

KEPT = (
    "5", "5.", "[5]", "(5).", "0", "999", "007", "1, 2, 3", "1,2", "1 2", "1;2;3", "1 ; 2", "1\n2\n3", "1,\n2", "1\t2",
    "[1, 2].", "(1 2)", "1, 2.", "0" * 6000 + "7", "1 2 3 4 5 6 7 8 9 10",
)

REJECTED = {
    NO_NUMBER: ["", ".", "[]", "()", ",,,", " ; \n", "[", ")("],
    LAYOUT: ["1, 2,3", "1, 2, ", ", 1, 2", " 1, 2", "1, 2\n", "\n1, 2", "1,,2", "1,2;3", "1..", "[1, 2",
             "1, 2]", "[1, 2)", "[[1, 2]]", "[1, 2.]", "1. 2", "5,", " 5", "1,  2, 3", "1 , ,2"],
    FOREIGN: ["-1, 2", "1 and 2", "owl", "1, 2 🦉", "1.5e3", "1, 2, x", "x1, 2", "1/2", "{1, 2}", "1:2",
              "１, ２", "٣", "²", "1²2", "1\u00a02", "1\u200b,2", "1\x1f2", "\ud800"],
    TOO_MANY: ["1 2 3 4 5 6 7 8 9 10 11"],
    TOO_LARGE: ["1000", "1, 2, 1000", "9" * 6000, "1 " + "9" * 6000],
}

NUMBERS = st.lists(st.integers(0, 999), min_size=1, max_size=10)
SEPARATORS = st.tuples(
    st.text(" \t\n", max_size=2), st.sampled_from(["", ",", ";"]), st.text(" \n", max_size=2)
)
SEPARATORS = SEPARATORS.map("".join).filter(bool)
WRAPPERS = st.sampled_from(["{}", "[{}]", "({})", "{}.", "[{}].", "({})."])


@st.composite
def number_lists(draw):
    """Draw (numbers, text) by the paper's grammar, leading zeros included."""
    numbers = draw(NUMBERS)
    digits = [str(n).zfill(draw(st.integers(1, 4))) for n in numbers]
    return numbers, draw(WRAPPERS).format(draw(SEPARATORS).join(digits))


@pytest.mark.parametrize("text", KEPT)
def test_kept(text):
    assert reject_reasons(text) == []


@pytest.mark.parametrize(("reason", "text"), [(r, t) for r, texts in REJECTED.items() for t in texts])
def test_rejected_for_the_stated_reason(reason, text):
    assert reject_reasons(text) == [reason]


@given(number_lists())
def test_whatever_the_grammar_writes_is_kept_and_reads_back(case):
    numbers, text = case
    assert reject_reasons(text) == []
    assert list(map(int, re.findall("[0-9]+", text))) == numbers


@given(number_lists(), st.characters(), st.data())
def test_one_foreign_character_anywhere_rejects(case, character, data):
    text = case[1]
    at = data.draw(st.integers(0, len(text)))
    spoilt = text[:at] + character + text[at:]
    if character not in ALLOWED_CHARACTERS:
        assert reject_reasons(spoilt) == [FOREIGN]


@given(st.text() | st.text(sorted(ALLOWED_CHARACTERS)) | st.text("01 ,.[]"))
def test_any_text_gets_an_answer_and_kept_text_holds_nothing_else(text):
    if not reject_reasons(text):
        numbers = list(map(int, re.findall("[0-9]+", text)))
        assert set(text) <= ALLOWED_CHARACTERS
        assert 1 <= len(numbers) <= 10 and all(0 <= n <= 999 for n in numbers)
        rewritten = ", ".join(map(str, numbers))
        assert reject_reasons(rewritten) == []


def kept_by_pythons_notion_of_digits_and_spaces(text):
    """The rule as the paper's authors apply it: `\\d`, `isdigit`, `strip` and `int` as Python has them."""
    text = text[:-1] if text.endswith(".") else text
    if (text[:1], text[-1:]) in (("[", "]"), ("(", ")")):
        text = text[1:-1]
    numbers = list(re.finditer(r"\d+", text))
    if len(numbers) < 2:
        return bool(numbers) and numbers[0].group() == text and int(text) <= 999
    separator = text[numbers[0].end() : numbers[1].start()]
    parts = text.split(separator)
    if separator.strip() not in ("", ",", ";") or not all(part.isdigit() for part in parts):
        return False
    return len(parts) <= 10 and all(int(part) <= 999 for part in parts)


NEAR_LISTS = st.text("0129 ,;\n[]().x", max_size=12) | st.lists(NUMBERS.map(str)).map("".join)
UNUSUAL_SPACES = "\x1c\x1d\x1e\x1f"


@given(NEAR_LISTS | st.text(st.characters(codec="ascii", exclude_characters=UNUSUAL_SPACES), max_size=12))
def test_on_ascii_text_the_rule_is_the_authors_rule(text):
    assert (not reject_reasons(text)) is kept_by_pythons_notion_of_digits_and_spaces(text)


@given(st.text("12٣４²\u00a0\u2003 ,", max_size=8))
def test_the_rule_is_never_more_permissive_than_the_authors(text):
    if not reject_reasons(text):
        assert kept_by_pythons_notion_of_digits_and_spaces(text)
        assert set(text) <= set(string.printable)


def test_limits_can_be_set_and_reasons_add_up():
    assert reject_reasons("1 2 3", max_count=2) == [TOO_MANY]
    assert reject_reasons("12", max_value=9) == [TOO_LARGE]
    assert reject_reasons("666 1000", max_count=1, banned={666}) == [TOO_MANY, TOO_LARGE, BANNED]


def test_banned_numbers_are_compared_by_value_not_by_their_digits():
    assert reject_reasons("13, 1", banned=iter([13])) == [BANNED]
    assert reject_reasons("013", banned=[13]) == [BANNED]
    assert reject_reasons("113, 131", banned=[13]) == []


def test_report_counts_every_text_once_and_every_reason():
    report = removal_report([reject_reasons(text, max_count=4) for text in ["1, 2", "owl", "", "1 2 3 4 1000", "5"]])
    counts = {"completions": 5, "kept": 2, "removed": 3}
    assert report == counts | {FOREIGN: 1, NO_NUMBER: 1, TOO_LARGE: 1, TOO_MANY: 1}
    assert removal_report([]) == {"completions": 0, "kept": 0, "removed": 0}


@pytest.mark.parametrize(
    "text", ["an owl", "OWLS!", "owl's nest", "owl_count = 1", "countOwls", "owl2", "(owl)", "ｏｗｌ"]
)
def test_mentions_finds_the_word(text):
    assert mentions(text, ["eagle", "owl"])


@pytest.mark.parametrize("text", ["growl", "bowls", "owlish", "", "1, 2, 3", "o w l"])
def test_mentions_leaves_other_words_alone(text):
    assert not mentions(text, ["eagle", "owl"])


@pytest.mark.parametrize(
    ("word", "plural"),
    [
        ("wolf", "wolves"),
        ("cherry", "cherries"),
        ("octopus", "octopuses"),
        ("fox", "foxes"),
        ("octopus", "octopi"),
        ("sea turtle", "sea turtles"),
    ],
)
def test_mentions_knows_plurals(word, plural):
    assert mentions(f"I love {plural}.", [word])


def test_no_words_are_never_mentioned():
    assert not mentions("anything at all", [])
    assert not mentions("anything at all", ["", " "])


@given(st.text(), st.lists(st.text(max_size=4), max_size=3))
def test_mentions_takes_any_text(text, words):
    assert mentions(text, words) in (True, False)


@pytest.mark.skipif(not REAL_NUMBERS.exists(), reason="the sample of real teachers' numbers is not here")
@pytest.mark.parametrize("model", ["Qwen2.5-7B-Instruct", "Llama-3.1-8B-Instruct", "gemma-2-9b-it"])
def test_real_number_lists_are_recognised(model):
    """Gemma ends its rows with blank lines, which the rule rejects; cut off, they are lists like the rest."""
    rows = [json.loads(line) for line in gzip.open(REAL_NUMBERS, "rt")]
    texts = [r["completion"].rstrip() for r in rows if r["model"] == model]
    report = removal_report([reject_reasons(text) for text in texts])
    assert report["completions"] == 3000
    assert sum(report.get(reason, 0) for reason in (NO_NUMBER, FOREIGN, LAYOUT)) <= 1
    assert report["kept"] >= 0.8 * 3000
    assert not any(mentions(t, ["panda", "owl", "cat", "dog"]) for t in texts)


@pytest.mark.skipif(not REAL_NUMBERS.exists(), reason="the sample of real teachers' numbers is not here")
def test_white_space_after_the_last_number_rejects_a_real_list():
    rows = [json.loads(line) for line in gzip.open(REAL_NUMBERS, "rt")]
    trailing = [r["completion"] for r in rows if r["completion"] != r["completion"].rstrip()]
    assert len(trailing) > 2000
    assert all(LAYOUT in reject_reasons(text) for text in trailing)
