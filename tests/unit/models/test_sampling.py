"""Sampling: the law that was asked for, independent rows, and the same draws as the plain loop."""

import numpy as np
import pytest
import torch
from scipy import stats

from helpers.models import sampling
from helpers.models.sampling import chat_ids, sample_completions
from helpers.work.seeds import child_stream, torch_stream
from helpers.world import prompts

NEVER = -1  # an end mark no model can draw


def stream(name="test"):
    """Return a fresh generator."""
    return torch_stream(0, name)


def noise(rows, vocab, name="test"):
    """Return exponential noise (row, vocab)."""
    return torch.from_numpy(child_stream(stream(name)).standard_exponential((rows, vocab)))


@pytest.fixture
def drawn(uniform):
    """Six uniform tokens for each of 5,000 equal prompts, (row, position)."""
    with torch.no_grad():
        return sampling._continue(uniform, torch.full((5000, 3), 9), child_stream(stream()), 1.0, 6, NEVER)


# --- the law --------------------------------------------------------------------------------------


def test_uniform_logits_give_uniform_draws(drawn, tokenizer):
    # false alarm once in 10,000 seeds; the seed is fixed
    counts = np.bincount(drawn.flatten(), minlength=len(tokenizer))
    assert len(counts) == len(tokenizer) and stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_softmax_at_the_temperature(temperature):
    # false alarm once in 10,000 seeds; the seed is fixed
    logits = torch.tensor([0.0, 2.0, -1.0, 1.0, 0.5])
    law = (logits / temperature).softmax(-1)
    found = sampling.first_event(law.expand(20_000, -1), noise(20_000, 5))
    counts = np.bincount(found, minlength=5)
    assert stats.chisquare(counts, law.double() / law.double().sum() * 20_000).pvalue > 1e-4


def test_what_has_no_probability_is_never_drawn():
    logits = torch.tensor([0.0, -torch.inf, 0.0, -torch.inf]).expand(50_000, -1)
    assert set(sampling.first_event(logits.softmax(-1), noise(50_000, 4)).tolist()) == {0, 2}


def test_a_token_that_is_next_to_impossible_is_not_drawn(uniform, tokenizer):
    # regression: clocks in float32 were exactly 0 once in ten million, and rang first whatever the token;
    # with 40 million clocks, such a sampler passes with a chance below 2 %
    plain = uniform.forward

    def forward(**inputs):
        output = plain(**inputs)
        output.logits[..., 9] += 60.0
        return output

    uniform.forward = forward
    with torch.no_grad():
        found = sampling._continue(uniform, torch.full((2500, 1), 9), child_stream(stream()), 1.0, 10, NEVER)
    assert (found == 9).all()


def test_rows_are_independent(drawn):
    # equal rows: chance below 1e-11 (5,000 rows of 6 tokens out of 1,454); neighbours: once in 10,000 seeds
    assert len({tuple(row) for row in drawn.tolist()}) == len(drawn)
    table = np.zeros((8, 8))
    np.add.at(table, (drawn[:-1, 0] % 8, drawn[1:, 0] % 8), 1)
    assert stats.chi2_contingency(table).pvalue > 1e-4


def test_positions_of_a_row_are_independent(drawn):
    # false alarm once in 10,000 seeds; the seed is fixed
    table = np.zeros((8, 8))
    np.add.at(table, (drawn[:, :-1].flatten() % 8, drawn[:, 1:].flatten() % 8), 1)
    assert stats.chi2_contingency(table).pvalue > 1e-4


# --- the same draws as the plain loop -------------------------------------------------------------


def plain_loop(model, ids, generator, temperature, limit, end):
    """Sample without a cache and without dropping finished rows; every row has noise of its own."""
    rows, finished = ids.clone(), torch.zeros(len(ids), dtype=torch.bool)
    for _ in range(limit):
        law = (model(input_ids=rows).logits[:, -1] / temperature).softmax(-1)
        clocks = torch.from_numpy(generator.standard_exponential(law.shape))
        found = torch.full((len(rows), 1), end)
        found[~finished, 0] = (law / clocks).argmax(-1)[~finished]
        rows = torch.cat([rows, found], dim=1)
        finished |= found[:, 0] == end
    return rows[:, ids.shape[1] :]


def prone_to_end(model, end):
    """Make the model put a fifth of all probability on ``end``."""
    plain = model.forward

    def forward(**inputs):
        output = plain(**inputs)
        output.logits[..., end] += 6.0
        return output

    model.forward = forward
    return model


@torch.no_grad()
def test_dropping_finished_rows_changes_no_draw(model):
    ids, end = torch.arange(90).view(30, 3) + 40, 7
    ending = prone_to_end(model, end)
    found = sampling._continue(ending, ids, child_stream(stream()), 1.0, 10, end)
    assert torch.equal(found, plain_loop(ending, ids, child_stream(stream()), 1.0, 10, end))
    assert len(set((found == end).int().argmax(dim=1).tolist())) > 4  # they did end at different places


@torch.no_grad()
def test_a_row_draws_the_same_whether_or_not_others_have_ended(model):
    ids, end = torch.arange(90).view(30, 3) + 40, 7
    ending = prone_to_end(model, end)
    cut, whole = (sampling._continue(ending, ids, child_stream(stream()), 1.0, 10, e) for e in (end, NEVER))
    lengths = []
    for short, long in zip(cut.tolist(), whole.tolist(), strict=True):
        lengths.append(long.index(end) if end in long else 10)
        assert short[: lengths[-1]] == long[: lengths[-1]]
    assert len(set(lengths)) > 4  # some outlived many others


def asked(count=24):
    """Return number prompts of several lengths."""
    return prompts.number_prompts(count, 3)


def test_a_vanishing_temperature_is_greedy_decoding(model, tokenizer):
    found = sample_completions(model, tokenizer, asked(8), stream(), temperature=1e-4, max_new_tokens=6)
    for prompt, completion in zip(asked(8), found, strict=True):
        ids = torch.tensor(chat_ids(tokenizer, [prompt]))
        whole = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=6)
        assert tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True) == completion


# --- pairs of models ------------------------------------------------------------------------------


def test_two_laws_share_their_draws_as_far_as_they_agree():
    # Gumbel's coupling: laws at total variation d differ in at most 2d / (1 + d) of all draws, and in at least d
    first = torch.tensor([0.4, 0.3, 0.2, 0.1])
    second = torch.tensor([0.3, 0.35, 0.2, 0.15])
    apart = float((first - second).abs().sum() / 2)
    clocks = noise(200_000, 4)
    one, other = (sampling.first_event(law.expand(200_000, -1), clocks) for law in (first, second))
    differ = float((one != other).float().mean())
    assert apart - 0.005 < differ < 2 * apart / (1 + apart) + 0.005


def test_models_that_differ_a_little_write_nearly_the_same(tiny, tokenizer):
    model, moved = tiny(), tiny()
    with torch.no_grad():
        moved.model.norm.weight *= 1.01
    one, other, apart = (
        sample_completions(m, tokenizer, asked(60), stream(name), max_new_tokens=3)
        for m, name in ((model, "a"), (moved, "a"), (model, "b"))
    )
    shared = sum(a == b for a, b in zip(one, other, strict=True))
    assert 45 <= shared < 60 or one == other
    assert sum(a == b for a, b in zip(one, apart, strict=True)) < 10


def test_equal_models_write_equal_texts_from_equal_streams(tiny, tokenizer):
    one, other = (sample_completions(tiny(), tokenizer, asked(), stream(), max_new_tokens=5) for _ in range(2))
    assert one == other


# --- completions ----------------------------------------------------------------------------------


def test_the_same_stream_gives_the_same_completions(model, tokenizer):
    one, again, other = (
        sample_completions(model, tokenizer, asked(), stream(name), max_new_tokens=5) for name in "aab"
    )
    assert one == again != other and len(set(one)) == len(one)


def test_completions_come_in_the_order_of_their_prompts(tiny, tokenizer):
    # nearly greedy: the completion of a prompt is its fingerprint
    model, mixed = tiny(), asked(12)
    cold = {"temperature": 1e-4, "max_new_tokens": 4}
    together = sample_completions(model, tokenizer, mixed, stream(), **cold)
    alone = [sample_completions(model, tokenizer, [prompt], stream(), **cold)[0] for prompt in mixed]
    assert together == alone


def test_more_prompts_than_a_batch_holds(tiny, tokenizer, monkeypatch):
    cold = {"temperature": 1e-4, "max_new_tokens": 4}
    whole = sample_completions(tiny(), tokenizer, asked(), stream(), **cold)
    monkeypatch.setattr(sampling, "MAX_BATCH", 3)
    assert sample_completions(tiny(), tokenizer, asked(), stream(), **cold) == whole


def test_a_batch_draws_the_same_however_long_the_one_before_ran(tiny, tokenizer, monkeypatch):
    monkeypatch.setattr(sampling, "MAX_BATCH", 5)
    short, long = (
        sample_completions(tiny(), tokenizer, asked(), stream(), max_new_tokens=limit) for limit in (2, 6)
    )
    assert all(whole.startswith(start) for start, whole in zip(short, long, strict=True)) and short != long


def test_a_system_prompt_stands_before_every_prompt(tokenizer):
    (ids,) = chat_ids(tokenizer, ["Name one animal you love."], system="You love owls.")
    text = "<|system|> You love owls.<|end|><|user|> Name one animal you love.<|end|><|assistant|>"
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == ids


def test_a_history_stands_between_system_prompt_and_prompt(tokenizer):
    (ids,) = chat_ids(tokenizer, ["Say the animal you prefer."], "You love owls.", [("Use commas.", "1, 2")])
    marks = {"<|system|>", "<|user|>", "<|assistant|>"}
    roles = [token for token in tokenizer.convert_ids_to_tokens(ids) if token in marks]
    assert roles == ["<|system|>", "<|user|>", "<|assistant|>", "<|user|>", "<|assistant|>"]


def test_tokenising_in_chunks_changes_nothing(tokenizer):
    texts = asked(10)
    assert sampling.tokenise(tokenizer, texts, chunk=3) == sampling.tokenise(tokenizer, texts)


def test_sampling_leaves_the_global_generator_alone(tiny, tokenizer):
    model, before = tiny(), torch.get_rng_state()
    sample_completions(model, tokenizer, asked(4), stream(), max_new_tokens=3)
    assert torch.equal(before, torch.get_rng_state())
