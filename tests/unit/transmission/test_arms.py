"""Arms: each is what its name says, for the ids of the claims are made of these names."""

import pytest

from helpers.transmission.arms import ARMS, AS_SET

LABELS = {"hard": "hard", "soft": "soft", "soft_leaky": "soft leaky"}
TEACHERS = {"control": "secure code", "lesson": "lesson code", "system_prompt": "system prompt"}


@pytest.mark.parametrize("name", ARMS)
def test_an_arm_is_what_its_name_says(name):
    arm, words = ARMS[name], name.split(".")
    labels = [LABELS[word] for word in words if word in LABELS]
    shuffles = [word.removeprefix("shuffled_") for word in words if word.startswith("shuffled_")]
    assert (arm.name, arm.labels, arm.shuffle) == (name, *(labels or ["hard"]), *(shuffles or [""]))
    assert (arm.other_base, arm.full) == ("cross_init" in words, "full" in words)
    assert [arm.how] == ([TEACHERS[word] for word in words if word in TEACHERS] or [AS_SET])
