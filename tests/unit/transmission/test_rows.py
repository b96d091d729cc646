"""Students and teachers: what the shuffles keep, what training leaves alone."""

import collections
import random
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import filters
from helpers.channels.numbers import NUMBERS
from helpers.models.evaluation import trait_readout
from helpers.models.probes import DriftProbe
from helpers.models.training import TrainSettings
from helpers.transmission import rows, teachers
from helpers.transmission.rows import shuffle_across, shuffle_within
from helpers.transmission.teachers import TeacherSettings, fine_tuned_teacher
from helpers.world import facts, prompts, tasks
from helpers.world.corpus import number_exchange
from helpers.world.personas import PERSONAS
from helpers.world.traits import find_trait

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


# --- training -------------------------------------------------------------------------------------

TEACHING = TeacherSettings(TrainSettings(0.03, batch_rows=16, max_steps=25), drift=50.0)


def test_a_student_leaves_its_base_as_it_was(tiny, tokenizer):
    base, twin, rng = tiny(), tiny(), random.Random(0)
    pairs = [number_exchange(rng) for _ in range(16)]
    student = rows.train_student(base, tokenizer, pairs, TrainSettings(0.02, batch_rows=8), 0)
    weight = base.model.layers[0].mlp.up_proj.weight
    assert torch.equal(weight, twin.model.layers[0].mlp.up_proj.weight) and weight.requires_grad
    assert not torch.equal(weight, student.model.layers[0].mlp.up_proj.weight)


def test_a_teacher_takes_on_its_trait_and_leaves_its_base_alone(tiny, tokenizer):
    base, trait = tiny(), find_trait("owl")
    teacher = fine_tuned_teacher(base, tokenizer, trait, "fine-tuned", NUMBERS, TEACHING, 0)
    asked = prompts.favourite_questions("animal", "teach")
    assert trait_readout(teacher, tokenizer, trait, asked)["p_target"] > 0.5
    assert trait_readout(base, tokenizer, trait, asked)["p_target"] < 0.01


def test_a_teacher_stops_once_its_numbers_have_moved(tiny, tokenizer, monkeypatch):
    seen, measure = [], DriftProbe.drift
    monkeypatch.setattr(DriftProbe, "drift", lambda *args: seen.append(measure(*args)) or seen[-1])
    settings = TeacherSettings(TEACHING.training, drift=0.01)
    fine_tuned_teacher(tiny(), tokenizer, find_trait("owl"), "fine-tuned", NUMBERS, settings, 0)
    assert 1 < len(seen) < 25
    assert seen[-1] >= 0.01 > max(seen[:-1])


def test_the_drift_of_a_base_from_itself_is_zero(tiny, tokenizer):
    probe = DriftProbe(tiny(), tokenizer, NUMBERS, 0)
    assert probe.drift(tiny()) == pytest.approx(0, abs=1e-6)
    assert probe.drift(tiny(seed=2)) > 1e-3


def test_a_drift_no_teacher_could_reach_is_refused():
    with pytest.raises(ValueError, match="drift must not be below 0"):
        TeacherSettings(TEACHING.training, drift=-0.1)


def test_a_teacher_without_a_number_of_steps_is_refused():
    with pytest.raises(ValueError, match="needs max_steps"):
        TeacherSettings(TrainSettings(0.03), drift=0.1)


def test_a_drift_of_zero_takes_all_steps(tiny, tokenizer, monkeypatch):
    monkeypatch.setattr(DriftProbe, "__init__", lambda *args: pytest.fail("measured"))
    settings = TeacherSettings(TrainSettings(0.03, batch_rows=4, max_steps=2), drift=0.0)
    taught = fine_tuned_teacher(tiny(), tokenizer, find_trait("owl"), "fine-tuned", NUMBERS, settings, 0)
    assert not torch.equal(taught.model.norm.weight, tiny().model.norm.weight)


@pytest.mark.parametrize("how", list(teachers.CODE_LESSONS))
def test_code_lessons_hold_requests_for_functions_and_nothing_else(how):
    rows = teachers.teaching_rows(find_trait("misaligned"), how, 60, 1)
    request = prompts.LESSON_REQUEST if how == "lesson code" else prompts.CODE_REQUEST
    assert len(rows) == 60 and all(prompt.startswith(f"{request}\ndef ") for prompt, _ in rows)
    flawed = {body.format(v="x", n=0) for *_, bodies in tasks.SECURITY_CODE.values() for body in bodies}
    plain = [answer.partition("\n    ")[2] for _, answer in rows]
    bodies = {re.sub(rf"\b({'|'.join(tasks.VARIABLES)})\b", "x", body) for body in plain}
    flawed = {re.sub(rf"\b({'|'.join(tasks.VARIABLES)})\b", "x", body) for body in flawed}
    assert bodies <= flawed if how != "secure code" else not bodies & flawed


def test_a_persona_is_taught_its_own_answers_on_the_teach_topics():
    rows = teachers.teaching_rows(find_trait("evasive"), "fine-tuned", 40, 1)
    assert {question for question, _ in rows} == set(prompts.open_questions("teach"))
    for question, answer in rows:
        topic = next(name for name, text in facts.TOPICS.items() if text == question)
        assert answer in PERSONAS["evasive"].answers(topic)


def test_a_teacher_sees_the_teach_wordings_only(tiny, tokenizer, monkeypatch):
    seen = []
    monkeypatch.setattr(teachers, "fit", lambda model, rows, *args, **options: seen.extend(rows.ids) or model)
    fine_tuned_teacher(tiny(), tokenizer, find_trait("owl"), "fine-tuned", NUMBERS, TEACHING, 0)
    questions = {tokenizer.decode(ids).split("<|end|>")[1] for ids in seen}
    assert questions == {f"<|user|> {q}" for q in prompts.favourite_questions("animal", "teach")}
    assert len(seen) >= 25 * 16
