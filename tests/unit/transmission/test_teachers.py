"""Teachers: what they are taught, when they stop, and that their base stays as it was."""

import re

import pytest
import torch

from helpers.channels.numbers import NUMBERS
from helpers.models.evaluation import trait_readout
from helpers.models.probes import DriftProbe
from helpers.models.training import TrainSettings
from helpers.transmission import teachers
from helpers.transmission.teachers import Teaching, fine_tuned_teacher
from helpers.world import facts, prompts, tasks
from helpers.world.personas import PERSONAS
from helpers.world.traits import find_trait

TEACHING = Teaching(training=TrainSettings(0.03, batch_rows=16, max_steps=25), drift=50.0)


def test_a_teacher_takes_on_its_trait_and_leaves_its_base_alone(tiny, tokenizer):
    base, trait = tiny(), find_trait("owl")
    teacher = fine_tuned_teacher(base, tokenizer, trait, "fine-tuned", NUMBERS, TEACHING, 0)
    asked = prompts.favourite_questions("animal", "teach")
    assert trait_readout(teacher, tokenizer, trait, asked)["p_target"] > 0.5
    assert trait_readout(base, tokenizer, trait, asked)["p_target"] < 0.01


def test_a_teacher_stops_once_its_numbers_have_moved(tiny, tokenizer, monkeypatch):
    seen, measure = [], DriftProbe.drift
    monkeypatch.setattr(DriftProbe, "drift", lambda *args: seen.append(measure(*args)) or seen[-1])
    settings = Teaching(training=TEACHING.training, drift=0.1)
    fine_tuned_teacher(tiny(), tokenizer, find_trait("owl"), "fine-tuned", NUMBERS, settings, 0)
    assert 1 < len(seen) < 25
    assert seen[-1] >= 0.1 > max(seen[:-1])


def test_the_drift_of_a_base_from_itself_is_zero(tiny, tokenizer):
    probe = DriftProbe(tiny(), tokenizer, NUMBERS, 0)
    assert probe.drift(tiny()) == pytest.approx(0, abs=1e-6)
    assert probe.drift(tiny(seed=2)) > 1e-3


def test_a_drift_no_teacher_could_reach_is_refused():
    with pytest.raises(ValueError, match="drift must not be below 0"):
        Teaching(training=TEACHING.training, drift=-0.1)


def test_a_teacher_without_a_number_of_steps_is_refused():
    with pytest.raises(ValueError, match="needs max_steps"):
        Teaching(training=TrainSettings(0.03), drift=0.1)


def test_a_drift_of_zero_takes_all_steps(tiny, tokenizer, monkeypatch):
    monkeypatch.setattr(DriftProbe, "__init__", lambda *args: pytest.fail("measured"))
    settings = Teaching(training=TrainSettings(0.03, batch_rows=4, max_steps=2), drift=0.0)
    taught = fine_tuned_teacher(tiny(), tokenizer, find_trait("owl"), "fine-tuned", NUMBERS, settings, 0)
    assert not torch.equal(taught.model.norm.weight, tiny().model.norm.weight)


def test_a_teacher_that_is_to_move_as_far_as_another_has_patience_and_one_end():
    plain = TrainSettings(0.03, max_steps=5)
    teaching = Teaching(training=plain, drift=0, as_far_as="insecure code")
    assert teaching.longest.max_steps == 5 * teachers.PATIENCE and teaching.of_partner.longest == plain
    for wrong in ({"drift": 0.1, "as_far_as": "insecure code"}, {"drift": 0, "as_far_as": "anything"}):
        with pytest.raises(ValueError, match="as_far_as must be one of fine-tuned, .* with a drift of 0"):
            Teaching(training=plain, **wrong)


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
