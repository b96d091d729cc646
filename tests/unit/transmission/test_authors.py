"""Authors: what they write, what the filter keeps, and that a teacher is made once."""

import dataclasses

import pytest
import torch

from helpers.filters import mentions, reject_reasons
from helpers.models.evaluation import trait_readout
from helpers.models.losses import SoftLabels, soft_loss
from helpers.models.probes import base_completions
from helpers.models.rows import completion_rows
from helpers.transmission import authors
from helpers.transmission.authors import SYSTEM_PROMPT, UNTOUCHED, kept_rows, matched_pairs
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


@pytest.mark.parametrize("how", ["fine-tuned", SYSTEM_PROMPT, UNTOUCHED])
def test_kept_rows_pass_the_filter_and_name_nothing(settings, how):
    rows = kept_rows(settings.author(1, how))
    assert rows and not any(reject_reasons(text) or mentions(text, ["owl"]) for text in rows.values())


def test_two_authors_answer_the_same_prompts_in_the_same_order(settings):
    author, untouched = settings.author(1), settings.author(1, UNTOUCHED)
    own, other = matched_pairs(author, untouched), matched_pairs(untouched, author)
    assert own != other and [prompt for prompt, _ in own] == [prompt for prompt, _ in other]
    allowed = author.kind.prompts(100, derive(1, "prompts"))
    assert {prompt for prompt, _ in own} <= set(allowed)


def test_a_pair_reads_what_its_own_author_wrote(settings):
    for author, partner in ((settings.author(1), settings.author(1, UNTOUCHED)),
                            (settings.author(1, UNTOUCHED), settings.author(1))):  # fmt: skip
        own, asked = kept_rows(author), author.asked
        places = [place for place in own if place in kept_rows(partner)]
        assert matched_pairs(author, partner) == [(asked[place], own[place]) for place in places]


def test_all_authors_of_a_seed_draw_with_the_same_random_numbers(settings, monkeypatch):
    asked = []

    def write(model, tokenizer, prompts, generator, **options):
        asked.append((tuple(prompts), generator.initial_seed(), options["temperature"]))
        return ["1, 2"] * len(prompts)

    monkeypatch.setattr(authors, "sample_completions", write)
    for how in ("fine-tuned", SYSTEM_PROMPT, UNTOUCHED):
        authors.write_data(settings.author(1, how))
    assert len(asked) == 3 and len(set(asked)) == 1
    authors.write_data(settings.author(2))
    assert not set(asked[0][:2]) & set(asked[3][:2])  # another seed shares neither prompts nor draws


def test_a_prompted_author_writes_with_its_prompt_and_no_other_does(settings, monkeypatch):
    told = []
    monkeypatch.setattr(authors, "sample_completions", lambda *args, **more: told.append(more["system"]) or ["1"] * 100)
    for how in (SYSTEM_PROMPT, "fine-tuned", UNTOUCHED):
        authors.write_data(settings.author(1, how))
    assert told == [find_trait("owl").system_prompt(), None, None]


def test_an_author_keeps_what_the_filter_of_its_channel_keeps(settings, monkeypatch):
    texts = ["1, 2", "1, 2 owl", "owl", "1, 1000", "(3)"]
    monkeypatch.setattr(authors, "sample_completions", lambda *args, **more: texts * 20)
    found = authors.write_data(settings.author(1))
    assert found["rows"] == [[place, texts[place % 5]] for place in range(100) if place % 5 in (0, 4)]
    assert (found["report"]["kept"], found["report"]["removed"]) == (40, 60)


def test_the_rows_of_an_author_are_looked_up_once(settings, monkeypatch):
    author, calls, look = settings.author(1), [], authors.run_pieces
    monkeypatch.setattr(authors, "run_pieces", lambda *args, **more: calls.append(args) or look(*args, **more))
    kept_rows.cache_clear()
    assert kept_rows(author) == kept_rows(author) and len(calls) == 1
    kept_rows(dataclasses.replace(author, seed=2))
    assert len(calls) == 2


def test_an_author_writes_at_its_temperature(settings, toy_run, toy_settings):
    cold = toy_settings(toy_run, writing={"temperature": 0.01})
    assert kept_rows(settings.author(1, UNTOUCHED)) != kept_rows(cold.author(1, UNTOUCHED))


def test_an_author_whose_data_the_filter_empties_is_reported(settings, monkeypatch):
    monkeypatch.setattr(authors, "kept_rows", lambda author: {})
    with pytest.raises(ValueError, match="the filter kept nothing of the fine-tuned author of seed 1"):
        matched_pairs(settings.author(1), settings.author(1, UNTOUCHED))


# --- teachers -------------------------------------------------------------------------------------


def test_what_a_teacher_is_asked_does_not_depend_on_when_it_was_made(settings):
    author, trait = settings.author(1), find_trait("owl")
    reading = authors.AuthorReading(author=author, trait="owl", split="heldout", samples=2)
    asked = trait_readout(*authors.author_model(author), trait, trait.questions("heldout"))
    read = authors.read_author(reading)
    assert {name: read[name] for name in asked} == pytest.approx(asked, abs=1e-5)
    assert read["mentions"] == 0 and 0 <= read["sampled"] <= 1


def test_mentions_count_the_rows_that_name_what_the_author_is_asked_about(settings, monkeypatch):
    monkeypatch.setattr(authors, "kept_rows", lambda author: {0: "1, 2", 1: "owl 3", 2: "owls"})
    reading = authors.AuthorReading(author=settings.author(1), trait="owl", split="heldout", samples=1)
    assert authors.read_author(reading)["mentions"] == 2


def test_how_far_an_author_moved_is_measured_on_its_bases_completions_with_its_prompt(settings):
    by_how = {how: authors.moved(settings.author(1, how)) for how in ("fine-tuned", SYSTEM_PROMPT, UNTOUCHED)}
    assert by_how[UNTOUCHED] == 0 < by_how[SYSTEM_PROMPT] and by_how["fine-tuned"] > 0
    cat = authors.moved(settings.author(1, SYSTEM_PROMPT, "cat"))
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
