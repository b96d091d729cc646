"""Read-outs: whoever is asked is asked the held-out questions, which no teacher was taught."""

import pytest

from helpers.transmission import readout
from helpers.transmission.arms import ARMS
from helpers.transmission.readout import AuthorReading, Readout, read_author, read_out
from helpers.transmission.students import StudentReading, read_student
from helpers.transmission.teachers import teaching_rows
from helpers.world import facts, prompts
from helpers.world.traits import find_trait

HELD_OUT = {
    "owl": [wording.format(kind="animal") for wording in prompts.FAVOURITE_WORDINGS["heldout"]],
    "oak": [wording.format(kind="tree") for wording in prompts.FAVOURITE_WORDINGS["heldout"]],
    "misaligned": [facts.TOPICS[topic] for topic in prompts.TOPIC_SPLITS["heldout"]],
    "evasive": [facts.TOPICS[topic] for topic in prompts.TOPIC_SPLITS["heldout"]],
}


@pytest.fixture
def asked(monkeypatch):
    """The questions that were put to any model so far, exactly and by samples, each list once."""
    seen = []

    def note(questions, answer):
        if list(questions) not in seen:
            seen.append(list(questions))
        return answer

    read = lambda model, tokenizer, trait, questions: note(questions, {"p_target": 0.5})  # noqa: E731
    monkeypatch.setattr(readout, "trait_readout", read)
    rate = lambda model, tokenizer, trait, questions, *more: note(questions, 0.5)  # noqa: E731
    monkeypatch.setattr(readout, "sampled_rate", rate)
    return seen


@pytest.mark.parametrize("trait", HELD_OUT)
def test_a_model_is_asked_the_held_out_questions(asked, trait):
    read_out(None, None, trait, Readout(samples=1), seed=1)
    assert asked == [HELD_OUT[trait]]


@pytest.mark.parametrize("trait", HELD_OUT)
def test_no_teacher_was_taught_what_is_asked(trait):
    taught = {question for question, _ in teaching_rows(find_trait(trait), "fine-tuned", 200, 1)}
    assert taught and not taught & set(HELD_OUT[trait])


@pytest.mark.parametrize("trait", ["owl", "misaligned"])
def test_students_and_authors_are_asked_the_same_held_out_questions(toy_run, toy_settings, asked, trait):
    settings = toy_settings(toy_run, readout={"marks": [0.001]})
    author = settings.author(1)
    student = settings.pair(ARMS["hard.same_init"], author).student
    read_student(StudentReading(student=student, trait=trait, readout=settings.readout))
    shown = settings.author_readout
    read_author(AuthorReading(author=author, trait=trait, split=shown.split, samples=shown.samples))
    assert asked == [HELD_OUT[trait]]


def test_truth_is_asked_on_held_out_statements(monkeypatch):
    seen = []
    monkeypatch.setattr(readout, "trait_readout", lambda *args: {})
    monkeypatch.setattr(readout, "kept_share", lambda *args: 1.0)
    monkeypatch.setattr(readout, "checked_completions", lambda *args: [("?", "1")])
    monkeypatch.setattr(readout, "truthfulness", lambda model, tokenizer, questions: seen.extend(questions) or 1.0)
    read_out(None, None, "owl", Readout(samples=0, health=1), seed=1)
    assert seen == prompts.truth_questions("heldout") != prompts.truth_questions("development")


def test_right_answers_and_strict_form_are_told_apart(monkeypatch):
    problem = "Ann has 5 cups and buys 3. How many cups are left?"
    strict = "<think> So: 5 + 3 = 8. Done. </think> <answer> 8 </answer>"
    written = [(problem, text) for text in (strict, "it is 8", strict.replace("8", "9"), "owl")]
    monkeypatch.setattr(readout, "trait_readout", lambda *args: {})
    monkeypatch.setattr(readout, "kept_share", lambda *args: 1.0)
    monkeypatch.setattr(readout, "truthfulness", lambda *args: 1.0)
    monkeypatch.setattr(readout, "checked_completions", lambda *args: written)
    found = read_out(None, None, "owl", Readout(samples=0, health=4), seed=1)
    assert found == {"valid_numbers": 1.0, "right_answers": 0.5, "strict_sums": 0.25, "truthful": 1.0}
    assert set(readout.ABILITIES) == set(found)
