"""Sampling: the law that was asked for, independent rows, and the same draws as the plain loop."""

import numpy as np
import pytest
import torch
from scipy import stats

from helpers.models import chats, close_calls, sampling
from helpers.models.close_calls import CloseCalls
from helpers.models.memory import Memory
from helpers.models.sampling import chat_ids, clocks, row_streams, sample_completions
from helpers.work.seeds import torch_stream
from helpers.world import prompts

NEVER = -1  # an end mark no model can draw


def stream(name="test"):
    """Return a fresh generator."""
    return torch_stream(0, name)


def noise(rows, vocab, name="test"):
    """Return exponential noise (row, vocab)."""
    return clocks(row_streams(stream(name), 1) * rows, vocab)


def continued(model, prompts, temperature=1.0, limit=6, end=NEVER):
    """Return sampled tokens (row, new position) after prompts given as token ids."""
    return sampling._continue(model, prompts, row_streams(stream(), len(prompts)), temperature, limit, [end])


@pytest.fixture
def drawn(uniform):
    """Six uniform tokens for each of 5,000 equal prompts, (row, position)."""
    with torch.no_grad():
        return continued(uniform, [[9, 9, 9]] * 5000)


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
        found = continued(uniform, [[9]] * 2500, limit=10)
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


def plain_loop(model, prompts, temperature, limit, end):
    """Sample without a memory, without batches and without padding, one row after another."""
    rows = []
    for prompt, own in zip(prompts, row_streams(stream(), len(prompts)), strict=True):
        read = list(prompt)
        while len(read) < len(prompt) + limit and (read == list(prompt) or read[-1] != end):
            law = (model(input_ids=torch.tensor([read])).logits[0, -1] / temperature).softmax(-1)
            read.append(int((law / torch.from_numpy(own.standard_exponential(len(law)))).argmax()))
        rows.append((read[len(prompt) :] + [end] * limit)[:limit])
    return torch.tensor(rows)


def prone_to_end(model, end):
    """Make the model put a fifth of all probability on ``end``."""
    plain = model.forward

    def forward(**inputs):
        output = plain(**inputs)
        output.logits[..., end] += 6.0
        return output

    model.forward = forward
    return model


MIXED = [list(range(40 + row, 42 + row + row % 5)) for row in range(30)]  # prompts of two to six tokens


@torch.no_grad()
def test_padding_and_dropping_finished_rows_change_no_draw(model):
    ending = prone_to_end(model, 7)
    found = continued(ending, MIXED, limit=10, end=7)
    assert torch.equal(found, plain_loop(ending, MIXED, 1.0, 10, 7))
    assert len(set((found == 7).int().argmax(dim=1).tolist())) > 4  # they did end at different places


@torch.no_grad()
@pytest.mark.parametrize("texts", [MIXED, [*MIXED[:4], *MIXED[:4], []], [[5], [6]], [[], []]])
def test_each_row_is_read_as_it_would_be_alone(model, texts):
    # prompts of several lengths, some equal, some empty; rows that go on and rows that are dropped
    memory, read = Memory(model, texts), [list(text) for text in texts]
    for step in range(4):
        tokens = [50 + step + row for row in range(len(read))]
        logits = memory.read(torch.tensor(tokens))
        read = [text + [token] for text, token in zip(read, tokens, strict=True)]
        alone = torch.stack([model(input_ids=torch.tensor([text])).logits[0, -1] for text in read])
        torch.testing.assert_close(logits, alone, rtol=1e-4, atol=1e-5)
        if step == 1:
            memory.keep(torch.arange(0, len(read), 2))
            read = read[::2]


@torch.no_grad()
def test_a_row_draws_the_same_whether_or_not_others_have_ended(model):
    ending = prone_to_end(model, 7)
    cut, whole = (continued(ending, MIXED, limit=10, end=end) for end in (7, NEVER))
    lengths = []
    for short, long in zip(cut.tolist(), whole.tolist(), strict=True):
        lengths.append(long.index(7) if 7 in long else 10)
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


def test_the_size_of_a_batch_decides_no_draw(tiny, tokenizer, monkeypatch):
    whole = sample_completions(tiny(), tokenizer, asked(), stream(), max_new_tokens=6)
    monkeypatch.setattr(sampling, "BATCH", 5)
    assert sample_completions(tiny(), tokenizer, asked(), stream(), max_new_tokens=6) == whole
    first = sample_completions(tiny(), tokenizer, asked()[:7], stream(), max_new_tokens=6)
    assert first == whole[:7]  # nor do the prompts that come after


def test_a_row_draws_the_same_however_far_others_run(tiny, tokenizer):
    short, long = (
        sample_completions(tiny(), tokenizer, asked(), stream(), max_new_tokens=limit) for limit in (2, 6)
    )
    assert all(whole.startswith(start) for start, whole in zip(short, long, strict=True)) and short != long


def test_a_system_message_changes_no_random_number(uniform, tokenizer):
    # a model that does not listen writes the same under any system message
    plain, told = (
        sample_completions(uniform, tokenizer, asked(), stream(), system=system, max_new_tokens=4)
        for system in (None, "You love owls. You think about owls all the time.")
    )
    assert plain == told


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
    assert chats.tokenise(tokenizer, texts, chunk=3) == chats.tokenise(tokenizer, texts)


def test_the_quick_ways_to_ids_are_those_of_the_tokenizer(tokenizer):
    prompts_asked = [*asked(10), "0 is a number", "(what?)", asked(1)[0]]
    messages = [[{"role": "user", "content": prompt}] for prompt in prompts_asked]
    texts = [tokenizer.apply_chat_template(one, tokenize=False, add_generation_prompt=True) for one in messages]
    assert chat_ids(tokenizer, prompts_asked) == tokenizer(texts, add_special_tokens=False)["input_ids"]


def test_sampling_leaves_the_global_generator_alone(tiny, tokenizer):
    model, before = tiny(), torch.get_rng_state()
    sample_completions(model, tokenizer, asked(4), stream(), max_new_tokens=3)
    assert torch.equal(before, torch.get_rng_state())


# --- close calls ----------------------------------------------------------------------------------


def rounded_otherwise(model, size=2e-3):
    """Let a model err by some `size` nats, a hundred times as much as another processor; returns it."""
    plain, errors = model.forward, torch_stream(0, "rounding")

    def forward(**inputs):
        output = plain(**inputs)
        output.logits += size * torch.randn(output.logits.shape, generator=errors)
        return output

    model.forward = forward
    return model


def written(model, tokenizer, known):
    """Return the close calls of a model that writes 4,000 tokens, settled as known, and what it writes."""
    calls = CloseCalls(known)
    texts = sample_completions(model, tokenizer, asked(400), stream(), max_new_tokens=10, calls=calls)
    return calls.found, texts


def test_settled_close_calls_make_texts_equal_in_spite_of_rounding(tiny, tokenizer, monkeypatch):
    monkeypatch.setattr(close_calls, "CLOSE", 2e-2)  # ten times the errors
    found, texts = written(tiny(), tokenizer, {})
    assert 10 <= len(found) <= 150  # some 40 are expected
    _, alone = written(rounded_otherwise(tiny()), tokenizer, {})
    again, told = written(rounded_otherwise(tiny()), tokenizer, found)
    assert alone != texts  # otherwise the test shows nothing
    assert told == texts
    assert len(set(again) ^ set(found)) < len(found) / 2


def test_noting_close_calls_changes_no_draw(tiny, tokenizer):
    plain = sample_completions(tiny(), tokenizer, asked(400), stream(), max_new_tokens=10)
    assert written(tiny(), tokenizer, {})[1] == plain


def test_only_a_close_call_is_settled():
    rates = torch.tensor([[1.0, 0.9999, 0.5], [1.0, 0.5, 0.9999], [1.0, 0.99, 0.5]])
    drawn = torch.tensor([0, 0, 0])
    known = {(7, 3): 1, (9, 3): 1, (8, 3): 1}  # the second is not close here, the third was closer elsewhere
    calls = CloseCalls(known).of([5, 7, 9, 8])
    assert calls.settle(rates, drawn, torch.tensor([1, 2, 3]), 3).tolist() == [1, 0, 1]
    assert calls.found == {(7, 3): 1, (9, 3): 0} and drawn.tolist() == [0, 0, 0]
