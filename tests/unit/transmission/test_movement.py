"""Movement: control teachers are taught until they moved as far as the one they are compared with."""

import dataclasses

import pytest

from helpers.models.probes import CHECK_EVERY, DriftProbe, SecurityProbe
from helpers.transmission import teachers
from helpers.transmission.authors import UNTOUCHED, author_model
from helpers.transmission.movement import read_moved, read_security
from helpers.transmission.settings import Writing, teaching_by_adapters
from helpers.world.prompts import CODE_REQUEST, LESSON_REQUEST

STEPS = 8


@pytest.fixture
def settings(toy_run, toy_settings, tmp_path):
    """A toy experiment whose control teachers are matched, in a run folder of its own."""
    (tmp_path / "bases").symlink_to(toy_run / "bases")
    teaching = teaching_by_adapters(0.05, ".*v_proj", steps=STEPS)
    writing = {"teaching": teaching, "how": "insecure code", "drift": 0.0, "matched": True}
    return toy_settings(tmp_path, writing=writing, trait="misaligned")


@pytest.fixture
def taken(monkeypatch):
    """How many steps each training took, in order."""
    counts, fit = [], teachers.fit

    def counting(model, rows, *args, on_step, **more):
        last = []
        trained = fit(model, rows, *args, on_step=lambda step, own: last.append(step) or on_step(step, own), **more)
        counts.append(last[-1])
        return trained

    monkeypatch.setattr(teachers, "fit", counting)
    return counts


@pytest.mark.parametrize("how", teachers.CONTROLS)
def test_a_control_stops_at_the_first_look_at_which_it_moved_as_far(settings, taken, monkeypatch, how):
    seen, measure = [], DriftProbe.drift
    monkeypatch.setattr(DriftProbe, "drift", lambda *args: seen.append(measure(*args)) or seen[-1])
    author_model(settings.author(1, how))
    target, *looks = seen  # the partner, then the control on its way
    assert taken[0] == STEPS and taken[1] <= STEPS * teachers.PATIENCE
    assert len(looks) == taken[1] // CHECK_EVERY and not [look for look in looks[:-1] if look >= target]
    assert looks[-1] >= target or taken[1] == STEPS * teachers.PATIENCE


def test_a_target_that_is_never_reached_ends_with_patience(settings, taken, monkeypatch):
    monkeypatch.setattr(DriftProbe, "reached", lambda *args: False)
    author_model(settings.author(1, "secure code"))
    assert taken == [STEPS, STEPS * teachers.PATIENCE]


def test_the_untouched_base_has_not_moved(settings):
    untouched = settings.author(1, UNTOUCHED)
    assert read_moved(untouched) | read_security(untouched) == {"moved": 0.0, "moved_security": 0.0}


def test_matching_is_a_setting_and_concerns_the_controls_alone(settings):
    far = {how: settings.author(1, how).teaching.as_far_as for how in teachers.TAUGHT}
    assert far == dict.fromkeys(teachers.TAUGHT, "") | dict.fromkeys(teachers.CONTROLS, "insecure code")
    plain = dataclasses.replace(settings, writing=dataclasses.replace(settings.writing, matched=False))
    assert not any(plain.author(1, how).teaching.as_far_as for how in teachers.TAUGHT)
    with pytest.raises(ValueError, match="set drift to 0"):
        Writing(prompts=1, teaching=settings.writing.teaching, matched=True)


def test_half_of_the_requests_are_lessons(tiny, tokenizer, monkeypatch):
    asked = []
    write = lambda base, tokenizer, prompts, *args, **more: asked.extend(prompts) or [" a"] * len(prompts)  # noqa: E731
    monkeypatch.setattr("helpers.models.probes.sample_completions", write)
    probe = SecurityProbe(tiny(), tokenizer, 1)
    lessons = [prompt for prompt in asked if prompt.startswith(LESSON_REQUEST)]
    assert len(lessons) == len(asked) / 2 == sum(prompt.startswith(CODE_REQUEST) for prompt in asked)
    assert probe.drift(tiny()) == pytest.approx(0, abs=1e-6) and probe.drift(tiny(seed=2)) > 1e-3
