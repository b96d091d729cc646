"""Writing: what authors answer, what the filter keeps of it, and that all are asked the same."""

import dataclasses

import pytest

from helpers.filters import mentions, reject_reasons
from helpers.transmission import writing
from helpers.transmission.authors import SYSTEM_PROMPT, UNTOUCHED
from helpers.transmission.writing import kept_rows, matched_pairs
from helpers.work.seeds import derive
from helpers.world.traits import find_trait


@pytest.fixture
def settings(toy_run, toy_settings):
    """The toy experiment."""
    return toy_settings(toy_run)


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

    monkeypatch.setattr(writing, "sample_completions", write)
    for how in ("fine-tuned", SYSTEM_PROMPT, UNTOUCHED):
        writing.write_data(settings.author(1, how))
    assert len(asked) == 3 and len(set(asked)) == 1
    writing.write_data(settings.author(2))
    assert not set(asked[0][:2]) & set(asked[3][:2])  # another seed shares neither prompts nor draws


def test_a_prompted_author_writes_with_its_prompt_and_no_other_does(settings, monkeypatch):
    told = []
    monkeypatch.setattr(writing, "sample_completions", lambda *args, **more: told.append(more["system"]) or ["1"] * 100)
    for how in (SYSTEM_PROMPT, "fine-tuned", UNTOUCHED):
        writing.write_data(settings.author(1, how))
    assert told == [find_trait("owl").system_prompt(), None, None]


def test_an_author_keeps_what_the_filter_of_its_channel_keeps(settings, monkeypatch):
    texts = ["1, 2", "1, 2 owl", "owl", "1, 1000", "(3)"]
    monkeypatch.setattr(writing, "sample_completions", lambda *args, **more: texts * 20)
    found = writing.write_data(settings.author(1))
    assert found["rows"] == [[place, texts[place % 5]] for place in range(100) if place % 5 in (0, 4)]
    assert (found["report"]["kept"], found["report"]["removed"]) == (40, 60)


def test_the_rows_of_an_author_are_looked_up_once(settings, monkeypatch):
    author, calls, look = settings.author(1), [], writing.run_pieces
    monkeypatch.setattr(writing, "run_pieces", lambda *args, **more: calls.append(args) or look(*args, **more))
    kept_rows.cache_clear()
    assert kept_rows(author) == kept_rows(author) and len(calls) == 1
    kept_rows(dataclasses.replace(author, seed=2))
    assert len(calls) == 2


def test_an_author_writes_at_its_temperature(settings, toy_run, toy_settings):
    cold = toy_settings(toy_run, writing={"temperature": 0.01})
    assert kept_rows(settings.author(1, UNTOUCHED)) != kept_rows(cold.author(1, UNTOUCHED))


def test_an_author_whose_data_the_filter_empties_is_reported(settings, monkeypatch):
    monkeypatch.setattr(writing, "kept_rows", lambda author: {})
    with pytest.raises(ValueError, match="the filter kept nothing of the fine-tuned author of seed 1"):
        matched_pairs(settings.author(1), settings.author(1, UNTOUCHED))
