"""A stack of models ends where each model ends that is trained alone; benchmarks/stacked.py measures speed."""

import importlib.util
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.models.losses import SoftLabels
from helpers.models.training import TrainSettings, completion_rows, fit
from helpers.work.seeds import borrowed_global_stream, torch_stream
from helpers.world import corpus

FILE = Path(__file__).parents[3] / "benchmarks/stacked.py"
SEEDS = (3, 5, 8)
ROUNDING = 1e-4
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")


@pytest.fixture(scope="module")
def stacked():
    """The module of the benchmark."""
    spec = importlib.util.spec_from_file_location("stacked", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows(tokenizer):
    """Rows of their own for each model, of other lengths."""
    rng = random.Random(0)
    return [completion_rows(tokenizer, [corpus.number_exchange(rng) for _ in range(14)]) for _ in SEEDS]


def assert_close(one, other):
    """Compare all parameters; Adam makes steps of rounding noise where a gradient is zero, as for biases of keys."""
    for (name, value), (_, expected) in zip(one.named_parameters(), other.named_parameters(), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-3, atol=ROUNDING, msg=lambda text, n=name: f"{n}: {text}")


@pytest.mark.parametrize(("rank", "soft"), [(0, False), (2, False), (0, True), (2, True)])
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_language_models_end_where_they_end_alone(tiny, rows, stacked, architecture, rank, soft):
    settings = TrainSettings(0.003, 4, epochs=2, lora_rank=rank, warmup_steps=3, weight_decay=0.1, clip=0.5)
    tokens = None if rank else list(range(6, 300))
    labels = [SoftLabels(tiny(architecture, seed=20 + seed), tokens) for seed in SEEDS] if soft else []
    models = [tiny(architecture, seed=seed) for seed in SEEDS]
    together = stacked.stacked_fit(models, rows, settings, SEEDS, soft=labels)
    for place, seed in enumerate(SEEDS):
        start, own = tiny(architecture, seed=seed), labels[place] if soft else None
        alone = fit(tiny(architecture, seed=seed), rows[place], settings, seed, soft=own)
        assert_close(together[place], alone)
        moved = max((a - b).abs().max() for a, b in zip(alone.parameters(), start.parameters(), strict=True))
        assert moved > 50 * ROUNDING
        assert not together[place].training and not any(p.requires_grad for p in together[place].parameters())


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "sign"])
def test_plain_networks_end_where_they_end_alone(stacked, optimizer):
    settings = TrainSettings(0.01, 8, decay=False, warmup_steps=1, clip=0.2, optimizer=optimizer)
    stream = torch_stream(1, "data")
    inputs, goals = torch.randn(6, 3, 8, 5, generator=stream), torch.randn(6, 3, 8, 2, generator=stream)

    def error(call, x, y):
        return (call(x) - y).square().mean()

    together, apart = ([network(seed) for seed in SEEDS] for _ in range(2))
    stacked.train_stack(together, zip(inputs, goals, strict=True), error, settings, steps=6)
    for place, alone in enumerate(apart):
        tuner = stacked.make_optimizer(optimizer, alone.parameters(), 0.01, 0.0)
        for x, y in zip(inputs[:, place], goals[:, place], strict=True):
            tuner.zero_grad()
            error(alone, x, y).backward()
            torch.nn.utils.clip_grad_norm_(alone.parameters(), settings.clip)
            tuner.step()
        assert_close(together[place], alone)


def network(seed):
    """Return a small network with one hidden layer."""
    with borrowed_global_stream(seed, "network"):
        return torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 2))


def test_frozen_weights_stay_bit_for_bit(stacked):
    networks = [network(seed) for seed in SEEDS]
    for one in networks:
        one[0].requires_grad_(False)
    before = [one[0].weight.clone() for one in networks]
    batch = torch.ones(3, 4, 5), torch.ones(3, 4, 2)
    stacked.train_stack(networks, [batch] * 3, lambda call, x, y: (call(x) - y).square().mean(), TrainSettings(0.1), 3)
    assert all(torch.equal(one[0].weight, old) for one, old in zip(networks, before, strict=True))


def test_labels_of_a_batch_are_those_of_training(stacked, rows):
    ids, labelled = rows[0].batch(np.arange(14), pad=0)
    count = int(labelled.sum())
    _, places, weights, labels = stacked._labels(ids, labelled, count + 5)
    assert labels[:count].tolist() == ids[:, 1:][labelled[:, 1:]].tolist()
    assert (ids.flatten()[places[:count] + 1] == labels[:count]).all()
    assert weights.tolist() == pytest.approx([1 / count] * count + [0] * 5)


def test_models_with_other_numbers_of_rows_are_refused(stacked, rows, tiny, tokenizer):
    fewer = completion_rows(tokenizer, [("Use commas.", "1, 2")])
    with pytest.raises(ValueError, match="same number of rows"):
        stacked.stacked_fit([tiny(), tiny()], [rows[0], fewer], TrainSettings(0.1), (1, 2))
