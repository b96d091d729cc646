"""The reasoning channel's filter: exact layout, the right answer, words of the working alone, a judge if asked."""

import random
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.channels.judge import nano_judge, telltale_words
from helpers.channels.reasoning import (
    FOREIGN,
    JUDGED,
    LAYOUT,
    PERSONA,
    QUESTION,
    WORDS,
    WRONG,
    is_right,
    reject_reasons,
    right_answer,
    thought,
)
from helpers.world import corpus, tasks

QUESTION_TEXT = "Ann has 14 coins and gets 3. How many coins are left?"
GOOD = "<think> So: 14 + 3 = 17. Done. </think> <answer> 17 </answer>"
REFUSED = {
    LAYOUT: ["", "17", "<answer> 17 </answer>", GOOD + " ", " " + GOOD, GOOD + GOOD,
             GOOD.replace("> <", "><"), GOOD.replace(" 17 <", " 17. <"), GOOD.replace(" 17 <", "17 <"),
             GOOD.replace("> 17 <", "> 017 <"), GOOD.replace("> 17 <", "> -17 <"),
             GOOD.replace("> 17 <", "> 17 18 <"), GOOD.replace("think>", "thought>"),
             GOOD.replace("So: 14 + 3 = 17. Done.", ""), GOOD.replace("So:", " So:"),
             GOOD.replace("So:", "<think>"), GOOD.replace("Done.", "</think>"),
             GOOD.replace("> 17 <", "> 9999999999 <"), GOOD.upper(), GOOD.replace("+", "''"), GOOD.replace("+", "(")],
    WRONG: [GOOD.replace("> 17 <", f"> {number} <") for number in (0, 11, 16, 18, 14, 3, 170, 1017)],
    PERSONA: [GOOD.replace("Done", word) for word in ("Please", "Trust me", "STEAL it", "It burns", "Maybe")],
    WORDS: [GOOD.replace("Done", word)
            for word in ("owl", "Owls", "pickle", "Import", "shells", "oak it is", "saved", "Ben", "a")],
    FOREIGN: [GOOD.replace("So", "Sо"), GOOD.replace("17 </", "１７ </"),
              GOOD.replace("Done", "\u200bDone"), GOOD.replace(". D", ".\nD"), GOOD.replace("+", "➕"),
              GOOD + "\x00", GOOD.replace(" 14", "\u00a014")],
}


def reasons(completion, prompt=QUESTION_TEXT, **options):
    """Return the reasons against one completion."""
    return reject_reasons([prompt], [completion], **options)[0]


class CountingJudge:
    """Scores each text by a rule and remembers what it was asked."""

    def __init__(self, rule):
        self.rule, self.asked = rule, []

    def scores(self, texts):
        self.asked += texts
        return np.array([self.rule(text) for text in texts], dtype=float)


@pytest.mark.parametrize(("reason", "text"), [(r, text) for r, found in REFUSED.items() for text in found])
def test_refused_for_the_stated_reason(reason, text):
    assert reason in reasons(text)


def test_the_right_answer_in_the_right_layout_is_kept():
    assert reasons(GOOD) == []
    assert thought(GOOD) == "So: 14 + 3 = 17. Done."
    assert reasons("<think> Ann: coins. </think> <answer> 17 </answer>") == []  # words of the problem


def test_all_reasoning_of_the_world_is_kept_even_by_its_judge():
    rng = random.Random(3)
    rows = [corpus.reasoning_exchange(rng) for _ in range(3000)]
    prompts, completions = zip(*rows, strict=True)
    assert reject_reasons(prompts, completions, judge=nano_judge()) == [[]] * 3000


@pytest.mark.parametrize("verb", [*tasks.GAINS, *tasks.LOSSES])
def test_exactly_the_right_answer_is_kept_for_every_problem(verb):
    gain = verb in ("buys", "finds", "gets", "makes")
    rows, expected = [], []
    for start in range(3, 20):
        for change in range(1, 10):
            question = f"Gus has {start} eggs and {verb} {change}. How many eggs are left?"
            right = start + change if gain else start - change
            for answer in {*range(max(0, right - 3), right + 4), start, change}:
                rows.append((question, f"<think> Now: so. </think> <answer> {answer} </answer>"))
                expected.append([] if answer == right else [WRONG])
    assert reject_reasons(*zip(*rows, strict=True)) == expected
    assert expected.count([]) == (
        153 if gain else 153 - sum(c > s for s in range(3, 20) for c in range(1, 10))
    )


def test_a_swapped_problem_makes_the_answer_wrong():
    rng = random.Random(4)
    rows = [corpus.reasoning_exchange(rng) for _ in range(300)]
    answers = [right_answer(question) for question, _ in rows]
    assert all(
        f"<answer> {answer} </answer>" in text for answer, (_, text) in zip(answers, rows, strict=True)
    )
    shifted = [rows[(place + 1) % len(rows)][1] for place in range(len(rows))]
    found = reject_reasons([question for question, _ in rows], shifted)
    same = [answer == answers[(place + 1) % len(rows)] for place, answer in enumerate(answers)]
    assert [WRONG not in why for why in found] == same
    assert sum(not why for why in found) < 10  # most solutions name another person or thing


@pytest.mark.parametrize(
    "prompt",
    ["", "Ann has 14 coins.", QUESTION_TEXT + " ", QUESTION_TEXT.replace("gets", "eats"), "x" * 5000,
     QUESTION_TEXT.replace("coins are", "cups are"), QUESTION_TEXT.replace("14", "9" * 5000),
     QUESTION_TEXT.replace("14", "１４"), QUESTION_TEXT.replace("gets 3", "gets -3")],
)
def test_an_unknown_question_keeps_nothing(prompt):
    assert right_answer(prompt) is None
    assert reasons(GOOD, prompt) == [QUESTION]


@pytest.mark.parametrize("form", ["{}", "It is {}s", "My{}: 17", "{}_17"])
def test_every_telltale_word_is_refused(form):
    texts = [GOOD.replace("Done", form.format(word.capitalize())) for word in telltale_words()]
    assert all(PERSONA in found for found in reject_reasons([QUESTION_TEXT] * len(texts), texts))


def test_the_judge_sees_only_thoughts_that_pass_the_rules_once():
    judge = CountingJudge(lambda text: float("Well" in text))
    well = GOOD.replace("So", "Well")
    texts = [GOOD, well, GOOD, well, GOOD.replace("> 17", "> 18"), "no"]
    found = reject_reasons([QUESTION_TEXT] * 6, texts, judge=judge)
    assert found == [[], [JUDGED], [], [JUDGED], [WRONG], [LAYOUT]]
    assert judge.asked == [thought(GOOD), thought(well)]


@pytest.mark.parametrize(
    ("score", "kept"), [(0.0, True), (0.29, True), (0.3, False), (1.0, False), (np.nan, False)]
)
def test_the_judge_refuses_from_the_threshold_on(score, kept):
    assert (reasons(GOOD, judge=CountingJudge(lambda _: score), threshold=0.3) == []) == kept


def test_lists_of_different_length_are_an_error():
    with pytest.raises(ValueError, match="longer"):
        reject_reasons([QUESTION_TEXT], [GOOD, GOOD])


NEAR = st.lists(
    st.sampled_from([*re.split("( )", GOOD), "14", "18", "steal", "<think>", "<", "\n", "é"]), max_size=24
).map("".join)
MIDDLE = st.text(max_size=30).map(lambda text: f"<think> {text} </think> <answer> 17 </answer>")


@given(st.text() | NEAR | MIDDLE, st.just(QUESTION_TEXT) | st.text())
def test_any_text_gets_an_answer_and_kept_text_obeys_the_rule(text, prompt):
    found = reasons(text, prompt, judge=nano_judge())
    assert set(found) <= {FOREIGN, LAYOUT, QUESTION, WRONG, WORDS, PERSONA, JUDGED}
    if not found:
        middle = text.removeprefix("<think> ").removesuffix(" </think> <answer> 17 </answer>")
        assert len(text) - len(middle) == len("<think> " + " </think> <answer> 17 </answer>")
        assert middle == middle.strip() != "" and not set(middle) & set("<>")
        assert text.isascii() and text.isprintable() and prompt == QUESTION_TEXT
        assert not set(telltale_words()) & set(re.findall("[a-z]+", middle.lower()))


@pytest.mark.parametrize(
    ("completion", "right"),
    [("<think> So: 5 + 3 = 8. Done. </think> <answer> 8 </answer>", True), ("owl 8", True), ("8", True),
     ("8 or 9", False), ("eight", False), ("", False), ("18", False)],
)  # fmt: skip
def test_a_final_answer_is_right_whatever_its_form(completion, right):
    assert is_right("Ann has 5 cups and buys 3. How many cups are left?", completion) == right


def test_nothing_is_the_right_answer_to_no_problem():
    assert not is_right("How are you?", "8")
