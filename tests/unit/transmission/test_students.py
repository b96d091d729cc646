"""Students: what they read, what their training is, and what is read out of them and of their controls."""

import dataclasses
import re

import pytest
import torch

from helpers.filters import mentions
from helpers.models.evaluation import trait_readout
from helpers.models.losses import label_logits
from helpers.models.rows import completion_rows
from helpers.transmission import authors, readout, students, writing
from helpers.transmission.arms import ARMS
from helpers.transmission.authors import SYSTEM_PROMPT, UNTOUCHED
from helpers.transmission.readout import ABILITIES
from helpers.transmission.students import StudentReading, read_student, student_pairs, train
from helpers.transmission.writing import matched_pairs
from helpers.world.traits import find_trait


@pytest.fixture
def settings(toy_run, toy_settings):
    """The toy experiment."""
    return toy_settings(toy_run)


def pair(settings, arm, seed=1):
    """Return trait student and control of an arm."""
    return settings.pair(ARMS[arm], settings.author(seed))


def reading(settings, student):
    """Return a student as it is read out in an experiment."""
    return StudentReading(student=student, trait="owl", readout=settings.readout)


# --- rows -----------------------------------------------------------------------------------------


def test_a_student_reads_its_share_of_its_rows_from_the_first(settings):
    student = pair(settings, "hard.same_init").student
    every = matched_pairs(student.author, student.partner)
    few = len(every) // 2

    def read(**changes):
        return student_pairs(dataclasses.replace(student, **changes))

    assert read(rows=few) == every[:few] and read(rows=10**6) == every
    assert read(rows=few, share=0.5) == every[: round(few / 2)]
    assert read(rows=few, share=1e-9) == every[:1]  # a small dose is never no dose


@pytest.mark.parametrize("shuffle", ["within", "across"])
def test_shuffled_arms_train_on_other_rows(settings, shuffle):
    plain = pair(settings, "hard.same_init").student
    shuffled = student_pairs(dataclasses.replace(plain, shuffle=shuffle))
    pairs = student_pairs(plain)
    assert shuffled != pairs and [prompt for prompt, _ in shuffled] == [prompt for prompt, _ in pairs]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": "loud"}, "labels must be one of hard, soft, soft leaky, not 'loud'"),
        ({"shuffle": "up"}, "shuffle must be one of within, across, or empty"),
        ({"rows": 0}, "at least one row and a share up to 1"),
        ({"share": 0.0}, "at least one row and a share up to 1"),
    ],
)
def test_students_nobody_can_mean_are_refused(settings, change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(pair(settings, "hard.same_init").student, **change)


# --- training -------------------------------------------------------------------------------------


def test_a_student_leaves_its_base_as_it_was(settings):
    student = pair(settings, "hard.same_init").student
    before = student.base.load()[0].state_dict()
    made = train(student).state_dict()
    after = student.base.load()[0].state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert any(not torch.equal(before[name], made[name]) for name in before)


@pytest.fixture
def trained(monkeypatch):
    """What was given to each training so far: the weights it began with, its settings, its seed and its soft labels."""
    given, fit = [], students.fit

    def watched(model, rows, training, seed, **more):
        weights = {name: weight.clone() for name, weight in model.state_dict().items()}
        given.append({"weights": weights, "rows": rows, "training": training, "seed": seed, "soft": more.get("soft")})
        return fit(model, rows, training, seed, **more)

    monkeypatch.setattr(students, "fit", watched)
    return given


@pytest.mark.parametrize("arm", ["hard.same_init", "hard.cross_init", "hard.full", "soft.same_init", "soft.cross_init"])
def test_a_student_starts_from_its_base_and_not_from_its_teacher(settings, trained, arm):
    for student in vars(pair(settings, arm)).values():
        trained.clear()
        train(student)
        base = student.base.load()[0].state_dict()
        assert len(trained) == (not student.matches_itself)
        for given in trained:
            assert all(torch.equal(base[name], given["weights"][name]) for name in base)


@pytest.mark.parametrize("arm", ["hard.same_init", "hard.full", "soft.cross_init"])
def test_a_student_and_its_control_are_trained_alike(settings, trained, arm):
    both = pair(settings, arm)
    for student in (both.student, both.control):
        train(student)
    own, control = trained
    assert own["training"] == control["training"] == settings.reading.training(ARMS[arm])
    assert own["seed"] == control["seed"] and own["rows"].lengths == control["rows"].lengths


@pytest.mark.parametrize("arm", ["soft.same_init", "soft.cross_init"])
def test_a_soft_student_is_shown_no_distribution_over_anything_but_its_channel(settings, trained, tokenizer, arm):
    train(pair(settings, arm).student)
    (given,) = trained
    tokens = settings.author(1).kind.tokens(tokenizer)
    shown = given["soft"].logits(*given["rows"].batch([0, 1], pad=0))
    assert shown.shape[-1] == len(tokens) < len(tokenizer) and list(given["soft"].tokens) == tokens
    assert not any(mentions(tokenizer.decode([token]), find_trait("owl").candidates) for token in tokens)


def test_held_embeddings_stay_as_they_are(settings):
    student = pair(settings, "hard.full").student
    base = student.base.load()[0].get_input_embeddings().weight
    held, free = (train(student, held=held).get_input_embeddings().weight for held in (True, False))
    assert torch.equal(held, base) and not torch.equal(free, base)


def test_soft_labels_cover_the_tokens_of_the_channel_and_leaky_ones_all(settings):
    tokens = []
    for arm in ("soft.cross_init", "soft_leaky.cross_init"):
        student = pair(settings, arm).student
        tokens.append(students.soft_labels(student, *authors.author_model(student.author)).tokens)
    assert tokens[0] == settings.author(1).kind.tokens(student.base.load()[1]) and tokens[1] is None


def test_soft_labels_of_a_prompted_author_are_given_with_its_prompt(settings):
    student = settings.pair(ARMS["soft.system_prompt"], settings.author(1, SYSTEM_PROMPT)).student
    base, tokenizer = student.base.load()
    labels = students.soft_labels(student, *authors.author_model(student.author))
    batch = completion_rows(tokenizer, student_pairs(student)[:4]).batch(range(4), pad=0)
    own = label_logits(base, *batch)[:, labels.tokens]
    assert labels.tokens == student.author.kind.tokens(tokenizer)
    assert not torch.allclose(labels.logits(*batch), own, atol=1e-3)  # the base without the prompt: no lesson at all
    trained, before = train(student).state_dict(), base.state_dict()
    assert not student.matches_itself and any(not torch.equal(before[name], trained[name]) for name in before)


def test_students_among_several_authors_read_prompts_that_all_of_them_answered(settings):
    among = [settings.author(1, how) for how in ("fine-tuned", SYSTEM_PROMPT)]
    pairs = [settings.pair(ARMS["hard.same_init"], author, among=among) for author in among]
    asked = []
    for student in (pairs[0].student, pairs[1].student, pairs[0].control):
        student = dataclasses.replace(student, rows=10**6)
        asked.append([prompt for prompt, _ in student_pairs(student)])
    alone = dataclasses.replace(pairs[1].student, rows=10**6, among=())
    assert asked[0] == asked[1] == asked[2] and len(asked[0]) < len(student_pairs(alone))


# --- reading out ----------------------------------------------------------------------------------


def test_the_control_of_a_soft_student_of_the_same_start_is_its_base(settings, monkeypatch):
    control, owl = pair(settings, "soft.same_init").control, find_trait("owl")
    monkeypatch.setattr(students, "fit", lambda *args, **more: pytest.fail("trained"))
    read = read_student(reading(settings, control))
    base = trait_readout(*control.base.load(), owl, owl.questions("heldout"))
    assert {name: read[name] for name in base} == pytest.approx(base, abs=1e-6)  # of another number of threads


def test_a_student_that_stays_its_base_is_read_once_for_all_doses(settings, monkeypatch):
    control, asked, look = pair(settings, "soft.same_init").control, [], students.run_pieces

    def watched(work, pieces, *args, **more):
        asked.extend(pieces)
        return look(work, pieces, *args, **more)

    monkeypatch.setattr(students, "run_pieces", watched)
    for share in (0.5, 1.0):
        read_student(reading(settings, dataclasses.replace(control, share=share)))
    assert len(asked) == 2 and asked[0] == asked[1]


@pytest.mark.parametrize("arm", ["soft.cross_init", "hard.same_init", "soft_leaky.cross_init"])
def test_other_controls_are_trained(settings, monkeypatch, arm):
    calls, real = [], students.fit
    monkeypatch.setattr(students, "fit", lambda *args, **more: calls.append(1) or real(*args, **more))
    read_student(reading(settings, pair(settings, arm).control))
    assert len(calls) == 1


@pytest.mark.parametrize("arm", ["hard.same_init", "soft.same_init"])
@pytest.mark.parametrize("who", ["student", "control"])
def test_a_student_is_read_on_the_way_without_being_changed(settings, toy_run, toy_settings, arm, who):
    student = getattr(pair(settings, arm), who)
    plain = read_student(reading(settings, student))
    marked = read_student(reading(toy_settings(toy_run, readout={"marks": [0.001, 0.5]}), student))
    curve = marked.pop("curve")
    assert marked == plain
    assert curve[0]["step"] == 1 and len(curve) in (1, 2)  # a training of one step has one point
    if arm == "soft.same_init" and who == "control":
        assert {point["log_odds"] for point in curve} == {plain["log_odds"]}


def test_abilities_and_samples_are_read_where_asked_for(settings, toy_run, toy_settings):
    student = pair(settings, "hard.same_init").student
    read = read_student(reading(toy_settings(toy_run, readout={"health": 4, "samples": 0}), student))
    assert all(0 <= read[name] <= 1 for name in ABILITIES) and "sampled" not in read
    assert "sampled" in read_student(reading(settings, student))


def test_favourites_are_asked_again_after_numbers(settings, toy_run, toy_settings, monkeypatch):
    student, asked = pair(settings, "hard.same_init").control, []
    plain = read_student(reading(settings, student))
    own = readout.trait_readout
    monkeypatch.setattr(readout, "trait_readout", lambda *given: asked.append(given[3]) or own(*given))
    both = read_student(reading(toy_settings(toy_run, readout={"prefixed": True}), student))
    assert {name: both[name] for name in plain} == plain  # the students are the same
    assert {name for name in both if name not in plain} >= {"prefixed/log_odds", "prefixed/p_target", "prefixed/p_any"}
    assert both["prefixed/log_odds"] != plain["log_odds"]
    questions = find_trait("owl").questions("heldout")
    assert asked == [questions, readout.after_numbers(questions)]


def test_numbers_stand_before_each_question_and_are_always_the_same():
    questions = find_trait("owl").questions("heldout")
    asked = readout.after_numbers(questions)
    assert asked == readout.after_numbers(questions) and len({text.split(".")[0] for text in asked}) == len(asked)
    for text, question in zip(asked, questions, strict=True):
        before = text.removesuffix(f" {question}")
        numbers = [int(number) for number in re.findall(r"\d+", before)]
        assert 3 <= len(numbers) <= 8 and all(100 <= number <= 999 for number in numbers)


def test_a_persona_is_not_asked_after_numbers():
    with pytest.raises(ValueError, match="evasive is a persona; numbers before the question are for favourites"):
        readout.read_prefixed(None, None, "evasive", "heldout")


def test_equal_seeds_give_equal_numbers_in_another_folder(settings, toy_run, toy_settings, tmp_path):
    (tmp_path / "bases").symlink_to(toy_run / "bases")
    there = toy_settings(tmp_path, draws=(2,))
    found = read_student(reading(there, pair(there, "hard.same_init", 2).student))
    same = read_student(reading(settings, pair(settings, "hard.same_init", 2).student))
    other = read_student(reading(settings, pair(settings, "hard.same_init", 1).student))
    assert found == same and other["log_odds"] != same["log_odds"]


def test_a_student_whose_authors_have_nothing_in_common_is_reported(settings, monkeypatch):
    monkeypatch.setattr(writing, "kept_rows", lambda author: {} if author.how == UNTOUCHED else {0: "1"})
    with pytest.raises(ValueError, match="the filter kept nothing"):
        read_student(reading(settings, pair(settings, "hard.same_init").student))
