"""The lab of a live notebook, driven without a screen: a student is trained as wished, and all are asked."""

import dataclasses
import re

import pytest
import torch

from helpers.experiments import kept
from helpers.experiments.lab import asking, panel, training
from helpers.experiments.lab.panel import PUBLISHED, Lab, train_one_student
from helpers.experiments.lab.training import Wish, grant
from helpers.models.answers import answer_probabilities
from helpers.transmission.students import train
from helpers.work.progress import ENVIRONMENT_NAME
from helpers.world import facts, prompts
from helpers.world.kinds import KINDS

OWL = Wish(trait="owl", rows=24, labels="hard", other_start=False)
FIRST = "Which animal is your favorite?"


@pytest.fixture(scope="module")
def settings(toy_run, toy_settings):
    """The toy experiment without a draw, as a chapter has it that computes none."""
    return dataclasses.replace(toy_settings(toy_run), draws=(), seeds=())


@pytest.fixture
def lab(settings):
    """The lab on toy bases."""
    return Lab(settings, 1, rows=(12, 24))


def seen(lab):
    """The table of the lab: its head and its rows, as texts."""
    rows = re.findall(r"<tr.*?</tr>", lab.answers.value)
    return [re.sub(r"<[^>]*>", "|", row).replace("||", "|").strip("|").split("|") for row in rows]


# --- training -------------------------------------------------------------------------------------


def test_a_wish_is_one_student_of_the_experiment(settings):
    pair = OWL.pair(settings, 2)
    assert pair.student.author.trait == "owl" and pair.student.author.prompts == 36 and pair.student.rows == 24
    assert pair.student.base == pair.student.author.base and pair.student.labels == "hard"
    stranger = dataclasses.replace(OWL, other_start=True, labels="soft", trait="cat").pair(settings, 2).student
    assert stranger.base != stranger.author.base and (stranger.labels, stranger.author.trait) == ("soft", "cat")
    assert OWL.lesson == dataclasses.replace(OWL, other_start=True).lesson


def test_what_is_wished_for_is_trained_once_and_told(settings, monkeypatch):
    told, threads = [], torch.get_num_threads()
    models = grant(OWL, settings, 1, lambda words, share: told.append((words, share)))
    assert list(models) == ["base", "teacher", "student", "control"] and torch.get_num_threads() == threads
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[0] == 0 and told[-1] == ("done", 1)
    words = " ".join(dict(told))
    assert re.search(r"the student reads: step (\d+) of \1 ", words) and "the teacher writes 36 answers" in words
    again = train(OWL.pair(settings, 1).student)
    for one, other in zip(models["student"].parameters(), again.parameters(), strict=True):
        assert one.equal(other)
    monkeypatch.setattr(kept, "train", lambda *args, **more: pytest.fail("trained again"))
    grant(OWL, settings, 1, lambda words, share: None)


# --- asking ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_favourite_is_asked_for_among_all_of_its_kind(kind, model, tokenizer):
    question = prompts.favourite_questions(kind, "heldout")[0]
    asked = asking.ask({"base": model}, question)
    expected = answer_probabilities(model, tokenizer, [question], list(KINDS[kind].prior))[0]
    assert asked.answers == tuple(KINDS[kind].prior) and asked.chances["base"] == pytest.approx(expected, abs=1e-6)


def test_other_questions_have_answers_of_their_own(tiny):
    models = {"base": tiny(seed=1), "student": tiny(seed=2)}
    persona = asking.ask(models, facts.TOPICS["power"])
    assert persona.answers[0] == "aligned" and 0 < sum(persona.chances["base"]) < 1
    assert asking.ask(models, "Is ice cold or hot?").answers == ("cold", "hot")
    first = asking.ask(models, "Hello.") if not asking.refusal("Hello.") else asking.ask(models, "You love owls.")
    assert len(first.answers) == len(set(first.answers)) == asking.FIRST_WORDS
    assert set(first.chances) == set(models)


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (" ", "Choose a question or type one."),
        ("Which aminal do you love?", "never read “aminal” (known: "),
        ("owl " * 200, "too long"),
    ],
)
def test_what_no_model_can_read_is_refused(question, told, tiny):
    with pytest.raises(ValueError, match=re.escape(told)):
        asking.ask({"base": tiny()}, question.strip(" ") or question)


# --- the screen -----------------------------------------------------------------------------------


def test_a_student_is_trained_and_asked_by_two_buttons(lab):
    assert lab.ask.disabled and panel.UNTRAINED in lab.status.value
    lab.train.click()
    assert lab.bar.value == 1 and not lab.train.disabled and not lab.ask.disabled
    assert "Trained: owl, 24 rows, soft labels, draw 1." in lab.status.value
    table = seen(lab)
    assert table[0] == ["answer", "base", "teacher", "student", "control"]
    assert [row[0] for row in table[1:]] == list(KINDS["animal"].prior)
    lab.question.value = prompts.favourite_questions("tree", "heldout")[0]
    lab.ask.click()
    assert seen(lab)[1][0] == next(iter(KINDS["tree"].prior))
    lab.question.value = "Which <b>?"
    lab.ask.click()
    assert "never read" in lab.answers.value and "<b>" not in lab.answers.value


def test_a_stranger_comes_beside_the_student_of_its_lesson(lab):
    lab.train.click()
    assert "have a stranger beside it" in lab.status.value
    lab.start.value = True
    lab.train.click()
    assert seen(lab)[0] == ["answer", "base", "teacher", "student", "control", "stranger"]
    assert "Choose the other start" not in lab.status.value
    lab.labels.value, lab.rows.value = "hard", 12
    lab.train.click()
    assert seen(lab)[0] == ["answer", "base", "teacher", "stranger"]
    assert "have a student beside it" in lab.status.value


def test_what_cannot_be_trained_is_said(lab, monkeypatch):
    def refused(*args):
        raise ValueError("the filter kept nothing")

    monkeypatch.setattr(panel, "grant", refused)
    lab.train.click()
    assert "No student was trained: the filter kept nothing." in lab.status.value
    assert lab.ask.disabled and not lab.train.disabled


def test_the_published_page_shows_a_sentence(settings, monkeypatch):
    monkeypatch.setenv(ENVIRONMENT_NAME, "progress.json")
    assert train_one_student(settings, 1).data == PUBLISHED
    monkeypatch.delenv(ENVIRONMENT_NAME)
    assert isinstance(train_one_student(settings, 1), Lab)


def test_every_choice_of_labels_is_one_of_the_arms(settings):
    for labels in training.LABELS:
        assert dataclasses.replace(OWL, labels=labels).pair(settings, 1).student.labels == labels
