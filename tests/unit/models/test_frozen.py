"""What a training computes once a row: the same logits, slopes and students as reading every row whole."""

import random

import numpy as np
import pytest
import torch

from helpers.models import frozen, training
from helpers.models.frozen import Kept
from helpers.models.losses import SoftLabels, label_logits, token_indices
from helpers.models.training import TrainSettings, completion_rows, fit
from helpers.work.seeds import torch_stream
from helpers.world import corpus

VALUES, LAST = r".*[.]layers[.]1[.]self_attn[.]v_proj", r".*[.](layers|h)[.]1[.].*(_proj|c_attn|c_fc)"
WAYS = [("llama", VALUES, "_ValuesAlone"), ("llama", LAST, "_LastBlockAlone"), ("gpt2", LAST, "_LastBlockAlone")]


@pytest.fixture
def rows(tokenizer):
    """Thirty tokenised number exchanges, one of them with two labels only."""
    rng = random.Random(0)
    found = completion_rows(tokenizer, [corpus.number_exchange(rng) for _ in range(30)])
    found.labelled[3][:] = False
    found.labelled[3][-4:-2] = True
    return found


def learner_of(model, modules):
    """Return a model in training whose adapters have left their start."""
    learner = training.trainable(model, TrainSettings(0.1, lora_rank=2, lora_modules=modules), seed=0).train()
    with torch.no_grad():
        for name, value in learner.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.3, generator=torch_stream(0, name))
    return learner


def read_whole(learner, rows, tokens):
    """Stand in for `frozen.reader`: read every row whole."""
    return lambda indices: label_logits(learner, *rows.batch(indices, pad=0), tokens)


@pytest.mark.parametrize("tokens", [None, range(6, 1006)])
@pytest.mark.parametrize(("architecture", "modules", "kind"), WAYS)
def test_a_row_reads_the_same_with_its_frozen_part_kept(tiny, rows, architecture, modules, kind, tokens):
    learner, cut = learner_of(tiny(architecture), modules), token_indices(tokens)
    read, whole = frozen.reader(learner, rows, cut), read_whole(learner, rows, cut)
    assert type(read).__name__ == kind
    for indices in (np.arange(8), np.array([9, 3, 11]), np.array([3, 20, 1])):  # some rows for the second time
        found, expected = read(indices), whole(indices)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        slopes = []
        for logits in (found, expected):
            learner.zero_grad()
            logits.square().mean().backward()
            slopes.append([p.grad.clone() for p in learner.parameters() if p.requires_grad])
        for one, other in zip(*slopes, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(("architecture", "modules", "kind"), WAYS)
def test_a_student_is_the_same_with_its_frozen_part_kept(
    tiny, rows, monkeypatch, architecture, modules, kind, soft
):
    settings = TrainSettings(0.01, 8, epochs=2, lora_rank=2, lora_modules=modules)
    labels = SoftLabels(tiny(architecture, seed=8), list(range(6, 1006))) if soft else None
    start = dict(tiny(architecture).requires_grad_(False).named_parameters())
    found = fit(tiny(architecture), rows, settings, 3, soft=labels)
    monkeypatch.setattr(training, "reader", read_whole)
    monkeypatch.setattr(frozen, "MOST_KEPT", 0)
    expected = dict(fit(tiny(architecture), rows, settings, 3, soft=labels).named_parameters())
    for name, value in found.named_parameters():
        moved = float((expected[name] - start[name]).abs().max())
        assert float((value - expected[name]).abs().max()) <= 2e-3 * moved, name
    assert any(not torch.equal(value, start[name]) for name, value in found.named_parameters())


def test_who_trains_more_than_the_last_block_reads_rows_whole(tiny, rows):
    kept = ("_ValuesAlone", "_LastBlockAlone")
    everything = training.trainable(tiny(), TrainSettings(0.1), seed=0)
    one_block = learner_of(tiny(layers=1), r".*v_proj")
    dropping = learner_of(tiny("gpt2"), LAST)
    dropping.get_base_model().transformer.drop.p = 0.1
    for learner in (everything, learner_of(tiny(), "all-linear"), one_block, dropping):
        assert type(frozen.reader(learner, rows, None)).__name__ not in kept


def test_values_in_groups_of_heads_read_the_same(tiny, rows, tokenizer):
    import transformers

    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, head_dim=6, attention_bias=True, max_position_embeddings=256,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.normal_(std=0.3, generator=torch_stream(0, name))
    learner = learner_of(model, r".*[.]layers[.]2[.]self_attn[.]v_proj")
    read = frozen.reader(learner, rows, None)
    assert type(read).__name__ == "_ValuesAlone"
    expected = read_whole(learner, rows, None)(np.arange(9))
    torch.testing.assert_close(read(np.arange(9)), expected, rtol=1e-4, atol=1e-4)


# --- what is kept -----------------------------------------------------------------------------------


def test_values_of_a_row_are_computed_once():
    counts, asked = np.array([2, 0, 3, 1]), []

    def compute(rows):
        asked.append(rows.tolist())
        return torch.cat([10.0 * row + torch.arange(counts[row]) for row in rows])

    kept = Kept(counts, compute)
    assert kept.read(np.array([2, 0])).tolist() == [20, 21, 22, 0, 1]
    assert kept.read(np.array([0, 3, 2, 1])).tolist() == [0, 1, 30, 20, 21, 22]
    assert asked == [[2, 0], [3, 1]]


def test_a_teacher_is_asked_once_for_each_row_where_its_logits_fit(tiny, rows, monkeypatch):
    seen, logits = [], SoftLabels.logits
    monkeypatch.setattr(SoftLabels, "logits", lambda own, ids, on: seen.append(len(ids)) or logits(own, ids, on))
    labels, settings = SoftLabels(tiny(seed=8), list(range(6, 1006))), TrainSettings(0.01, 8, epochs=3)
    fit(tiny(), rows, settings, 3, soft=labels)
    assert sum(seen) == len(rows)
    seen.clear()
    monkeypatch.setattr(frozen, "MOST_KEPT", 1000)
    fit(tiny(), rows, settings, 3, soft=labels)
    assert sum(seen) == 3 * len(rows)
