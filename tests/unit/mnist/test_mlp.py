"""The hand-written gradient gives what autograd and torch's own Adam give."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.mnist import mlp
from helpers.mnist.mlp import Gradient, Recipe
from helpers.work.seeds import torch_stream

SIZES = (12, 8, 8, 7)  # pixels, width, width, and four classes with three auxiliary columns
CLASSES = slice(0, 4)
RECIPE = Recipe(epochs=3, batch=8, learning_rate=0.01)


def images_and_targets(images=20, columns=4):
    """Return images [image, pixel] and targets [image, column] that sum to 1."""
    rng = torch_stream(5, "data")
    pixels = torch.rand(images, SIZES[0], generator=rng) * 2 - 1
    return pixels, torch.randn(images, columns, generator=rng).softmax(dim=1)


def as_module(network):
    """Return a network as an ordinary torch module."""
    layers = []
    for weights, biases in network.layers:
        linear = torch.nn.Linear(*weights.shape)
        linear.weight.data, linear.bias.data = weights.T.clone(), biases.clone()
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def loss(logits, target):
    """Return KL(target || network) in nats, the mean over rows."""
    return torch.nn.functional.kl_div(logits.log_softmax(1), target, reduction="batchmean")


@pytest.mark.parametrize("columns", [CLASSES, slice(4, None), slice(0, None)])
def test_the_gradient_is_autograds(columns):
    network = mlp.start(0, SIZES)
    pixels, targets = images_and_targets(columns=len(range(*columns.indices(SIZES[-1]))))
    gradient = Gradient(network, columns)
    gradient.fill(pixels, targets)
    module = as_module(network)
    loss(module(pixels)[:, columns], targets).backward()
    linears = [part for part in module if isinstance(part, torch.nn.Linear)]
    for (weights, biases), linear in zip(gradient.slopes.layers, linears, strict=True):
        torch.testing.assert_close(weights, linear.weight.grad.T)
        torch.testing.assert_close(biases, linear.bias.grad)


def test_training_is_torch_adam():
    network = mlp.start(3, SIZES)
    module = as_module(network)
    pixels, targets = images_and_targets()
    order = mlp.shuffles(3, "teacher", 20)
    mlp.train(network, pixels, targets, CLASSES, order, RECIPE)
    adam = torch.optim.Adam(module.parameters(), lr=RECIPE.learning_rate)
    for epoch in range(RECIPE.epochs):
        for rows in order(epoch).split(RECIPE.batch):
            adam.zero_grad()
            loss(module(pixels[rows])[:, CLASSES], targets[rows]).backward()
            adam.step()
    trained = mlp.outputs(network, pixels, slice(0, None))
    torch.testing.assert_close(trained, module(pixels).detach(), rtol=1e-4, atol=1e-5)


def test_training_repeats_bit_for_bit():
    pixels, targets = images_and_targets()
    results = []
    for _ in range(2):
        network = mlp.start(0, SIZES)
        mlp.train(network, pixels, targets, CLASSES, mlp.shuffles(0, "student", 20), RECIPE)
        results.append(network.flat)
    assert torch.equal(*results)


def test_draws_start_and_shuffle_differently():
    one, two = (mlp.start(seed, SIZES).flat for seed in (0, 1))
    weights = one != 0  # biases start at 0
    assert (one[weights] != two[weights]).all()
    first, second = (mlp.shuffles(seed, "teacher", 50) for seed in (0, 1))
    assert not torch.equal(first(0), second(0)) and not torch.equal(first(0), first(1))
    assert not torch.equal(first(0), mlp.shuffles(0, "student", 50)(0))
    assert sorted(first(3).tolist()) == list(range(50))


def test_untouched_columns_stay_as_they_began_so_one_teacher_serves_all():
    pixels, targets = images_and_targets()
    order = mlp.shuffles(0, "teacher", 20)
    full, bare = mlp.start(0, SIZES), mlp.start(0, (*SIZES[:-1], 4))
    for network in (full, bare):
        mlp.train(network, pixels, targets, CLASSES, order, RECIPE)
    rebuilt = mlp.with_trained(mlp.start(0, SIZES), bare)
    torch.testing.assert_close(rebuilt.flat, full.flat)
    start = mlp.start(0, SIZES).layers[-1][0]
    assert torch.equal(full.layers[-1][0][:, 4:], start[:, 4:])


def test_more_auxiliary_columns_leave_the_rest_of_the_start_alone():
    few, many = (mlp.start(5, (*SIZES[:-1], 4 + extra)) for extra in (1, 9))
    assert torch.equal(many.layers[-1][0][:, :5], few.layers[-1][0])
    assert torch.equal(many.layers[0][0], few.layers[0][0])


def test_the_start_has_the_papers_spread():
    for weights, biases in mlp.start(2, (784, 256, 256, 13)).layers:
        assert weights.std().item() == pytest.approx(weights.shape[0] ** -0.5, rel=0.05)
        assert not biases.any()


@settings(deadline=None)
@given(overlap=st.floats(0, 1))
def test_mixing_two_starts_keeps_their_spread(overlap):
    one, two = (mlp.start(seed, (60, 40, 40, 13)) for seed in (0, 1))
    mixed = mlp.mix(one, two, overlap).flat
    drawn = one.flat != 0
    assert mixed[drawn].std().item() == pytest.approx(one.flat[drawn].std().item(), rel=0.1)
    correlation = np.corrcoef(mixed[drawn], one.flat[drawn])[0, 1]
    assert correlation == pytest.approx(overlap, abs=0.1)


def test_the_ends_of_a_mix_are_the_starts_themselves():
    one, two = (mlp.start(seed, SIZES) for seed in (0, 1))
    assert torch.equal(mlp.mix(one, two, 1.0).flat, one.flat)
    assert torch.equal(mlp.mix(one, two, 0.0).flat, two.flat)


def test_accuracy_looks_at_the_classes_only():
    network = mlp.zeros((2, 3, 3, 11))
    network.layers[-1][1][10] = 9.0  # an auxiliary column, larger than all classes
    network.layers[-1][1][4] = 1.0
    assert mlp.accuracy(network, torch.zeros(4, 2), torch.tensor([4, 4, 4, 7])) == 0.75


def test_outputs_are_the_same_in_parts(monkeypatch):
    pixels, _ = images_and_targets()
    network = mlp.start(0, SIZES)
    whole = mlp.outputs(network, pixels, CLASSES)
    monkeypatch.setattr(mlp, "_ROWS_AT_ONCE", 7)
    torch.testing.assert_close(mlp.outputs(network, pixels, CLASSES), whole)


def test_epochs_are_told_as_they_end():
    pixels, targets = images_and_targets()
    told = []
    mlp.train(mlp.start(0, SIZES), pixels, targets, CLASSES, mlp.shuffles(0, "teacher", 20), RECIPE, told.append)
    assert told == [1, 2, 3]


@pytest.mark.parametrize(("dtype", "parameters"), [("bfloat16", "float32"), ("float64", "float64")])
def test_other_formats_train_nearly_the_same(dtype, parameters):
    pixels, targets = images_and_targets()
    form, wide = getattr(torch, dtype), getattr(torch, parameters)
    assert mlp.wide(form) == wide
    order = mlp.shuffles(0, "teacher", 20)
    exact, other = mlp.start(0, SIZES), mlp.start(0, SIZES, wide)
    mlp.train(exact, pixels, targets, CLASSES, order, RECIPE)
    mlp.train(other, pixels.to(form), targets.to(wide), CLASSES, order, RECIPE)
    assert other.flat.dtype == wide and mlp.outputs(other, pixels.to(form), CLASSES).dtype == wide
    assert (other.flat - exact.flat).abs().max() < 0.05 * exact.flat.abs().max()
    assert mlp.native_format() in (torch.bfloat16, torch.float32)
