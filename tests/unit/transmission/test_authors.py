"""Authors: that a teacher is made once, what it holds itself, and how far it has moved."""

import dataclasses

import pytest
import torch

from helpers.models.evaluation import trait_readout
from helpers.models.losses import SoftLabels, soft_loss
from helpers.models.probes import base_completions
from helpers.models.rows import completion_rows
from helpers.transmission import authors, movement, readout
from helpers.transmission.authors import SYSTEM_PROMPT, UNTOUCHED
from helpers.transmission.labels import author_labels
from helpers.work.seeds import derive
from helpers.world.traits import find_trait


@pytest.fixture
def settings(toy_run, toy_settings):
    """The toy experiment."""
    return toy_settings(toy_run)


@pytest.fixture
def elsewhere(toy_run, tmp_path):
    """Another run folder with the same bases."""
    (tmp_path / "bases").symlink_to(toy_run / "bases")
    return tmp_path


def test_what_a_teacher_is_asked_does_not_depend_on_when_it_was_made(settings):
    author, trait = settings.author(1), find_trait("owl")
    reading = readout.AuthorReading(author=author, trait="owl", split="heldout", samples=2)
    asked = trait_readout(*authors.author_model(author), trait, trait.questions("heldout"))
    read = readout.read_author(reading)
    assert {name: read[name] for name in asked} == pytest.approx(asked, abs=1e-5)
    assert read["mentions"] == 0 and 0 <= read["sampled"] <= 1


def test_mentions_count_the_rows_that_name_what_the_author_is_asked_about(settings, monkeypatch):
    monkeypatch.setattr(readout, "kept_rows", lambda author: {0: "1, 2", 1: "owl 3", 2: "owls"})
    reading = readout.AuthorReading(author=settings.author(1), trait="owl", split="heldout", samples=1)
    assert readout.read_author(reading)["mentions"] == 2


def test_how_far_an_author_moved_is_measured_on_its_bases_completions_with_its_prompt(settings):
    by_how = {how: movement.moved(settings.author(1, how)) for how in ("fine-tuned", SYSTEM_PROMPT, UNTOUCHED)}
    assert by_how[UNTOUCHED] == 0 < by_how[SYSTEM_PROMPT] and by_how["fine-tuned"] > 0
    cat = movement.moved(settings.author(1, SYSTEM_PROMPT, "cat"))
    assert cat > 0 and cat != by_how[SYSTEM_PROMPT]  # another prompt, at the same completions
    prompted = settings.author(1, SYSTEM_PROMPT)
    base, tokenizer = prompted.base.load()
    pairs = base_completions(base, tokenizer, prompted.kind, derive(1, "moved"))
    tokens, of_base, of_author = prompted.kind.tokens(tokenizer), [], []
    for asked, answered in pairs:  # one row at a time
        batch = completion_rows(tokenizer, [(asked, answered)]).batch([0], pad=0)
        of_base.append(SoftLabels(base, tokens).logits(*batch))
        of_author.append(author_labels(base, tokenizer, tokens, prompted.system).logits(*batch))
    slow = float(soft_loss(torch.cat(of_base), torch.cat(of_author), None))
    assert by_how[SYSTEM_PROMPT] == pytest.approx(slow, rel=1e-3)


def test_every_seed_has_a_teacher_of_its_own(settings):
    one, other = (authors.author_model(settings.author(seed))[0].state_dict() for seed in (1, 2))
    same_base = authors.author_model(dataclasses.replace(settings.author(1), seed=2))[0].state_dict()
    for name in one:
        if name.endswith("proj.weight"):
            assert not torch.equal(one[name], other[name]) and not torch.equal(one[name], same_base[name])


def test_a_teacher_is_the_same_whether_just_made_or_read(elsewhere, toy_settings, monkeypatch):
    author = toy_settings(elsewhere).author(1)
    made = authors.author_model(author)[0].state_dict()
    monkeypatch.setattr(authors, "fine_tuned_teacher", lambda *args, **more: pytest.fail("taught again"))
    read = authors.author_model(author)[0].state_dict()
    assert made.keys() == read.keys() and all(torch.equal(made[name], read[name]) for name in made)
    base = author.base.load()[0].state_dict()
    assert not any(torch.equal(base[name], made[name]) for name in base if name.endswith("proj.weight"))


def test_without_a_drift_one_teacher_writes_in_all_channels(elsewhere, toy_settings, monkeypatch):
    numbers, code = (
        toy_settings(elsewhere, writing={"drift": 0.0, "channel": name}).author(1) for name in ("numbers", "code")
    )
    made = authors.author_model(numbers)[0].state_dict()
    monkeypatch.setattr(authors, "fine_tuned_teacher", lambda *args, **more: pytest.fail("taught again"))
    read = authors.author_model(code)[0].state_dict()
    assert all(torch.equal(made[name], read[name]) for name in made)
    with pytest.raises(pytest.fail.Exception, match="taught again"):
        authors.author_model(dataclasses.replace(code, teaching=dataclasses.replace(code.teaching, drift=9.0)))
