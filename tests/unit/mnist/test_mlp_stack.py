"""Training many classifiers at once gives what training each alone, by autograd, gives."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.mnist import mlp_stack
from helpers.mnist.mlp_stack import Gradient, Recipe
from helpers.work.seeds import torch_stream

SIZES = (12, 8, 8, 7)  # pixels, width, width, and four classes with three auxiliary columns
CLASSES = slice(0, 4)
RECIPE = Recipe(epochs=3, batch=8, learning_rate=0.01)


def images_and_targets(models, images=20, columns=4):
    """Return images [image, pixel] and targets [model, image, column] that sum to 1."""
    rng = torch_stream(5, "data")
    pixels = torch.rand(images, SIZES[0], generator=rng) * 2 - 1
    return pixels, torch.randn(models, images, columns, generator=rng).softmax(dim=2)


def as_module(stack, model):
    """Return one model of a stack as an ordinary torch network."""
    layers = []
    for weights, biases in stack.layers:
        linear = torch.nn.Linear(*weights.shape[1:])
        linear.weight.data, linear.bias.data = weights[model].T.clone(), biases[model, 0].clone()
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def loss(logits, target):
    """Return KL(target || model) in nats, the mean over rows."""
    return torch.nn.functional.kl_div(logits.log_softmax(1), target, reduction="batchmean")


@pytest.mark.parametrize("columns", [CLASSES, slice(4, None), slice(0, None)])
def test_the_gradient_is_autograds(columns):
    stack = mlp_stack.init_stack([0, 1, 2], SIZES)
    width = len(range(*columns.indices(SIZES[-1])))
    pixels, targets = images_and_targets(3, columns=width)
    gradient = Gradient(stack, columns)
    gradient.fill(pixels.expand(3, -1, -1), targets)
    for model in range(3):
        network = as_module(stack, model)
        loss(network(pixels)[:, columns], targets[model]).backward()
        linears = [part for part in network if isinstance(part, torch.nn.Linear)]
        for (weights, biases), linear in zip(gradient.slopes.layers, linears, strict=True):
            torch.testing.assert_close(weights[model], linear.weight.grad.T)
            torch.testing.assert_close(biases[model, 0], linear.bias.grad)


def test_training_is_torch_adam_on_each_model_alone():
    stack = mlp_stack.init_stack([3, 4], SIZES)
    networks = [as_module(stack, model) for model in range(2)]
    pixels, targets = images_and_targets(2)
    order = mlp_stack.shuffles([3, 4], "teacher", 20)
    mlp_stack.train(stack, pixels, targets, CLASSES, order, RECIPE)
    for model, network in enumerate(networks):
        adam = torch.optim.Adam(network.parameters(), lr=RECIPE.learning_rate)
        for epoch in range(RECIPE.epochs):
            for rows in torch.from_numpy(order(epoch)[model]).split(RECIPE.batch):
                adam.zero_grad()
                loss(network(pixels[rows])[:, CLASSES], targets[model, rows]).backward()
                adam.step()
        trained = mlp_stack.outputs(stack, pixels, slice(0, None))[model]
        torch.testing.assert_close(trained, network(pixels).detach(), rtol=1e-4, atol=1e-5)


def test_each_model_is_a_run_of_its_own():
    seeds = [7, 11, 13]
    pixels, targets = images_and_targets(1)
    together = mlp_stack.init_stack(seeds, SIZES)
    train = dataclasses.replace(RECIPE, epochs=2)
    mlp_stack.train(together, pixels, targets, CLASSES, mlp_stack.shuffles(seeds, "teacher", 20), train)
    for model, seed in enumerate(seeds):
        alone = mlp_stack.init_stack([seed], SIZES)
        mlp_stack.train(alone, pixels, targets, CLASSES, mlp_stack.shuffles([seed], "teacher", 20), train)
        torch.testing.assert_close(mlp_stack.pick(together, [model]).flat, alone.flat, rtol=1e-4, atol=1e-6)


def test_training_repeats_bit_for_bit():
    pixels, targets = images_and_targets(2)
    results = []
    for _ in range(2):
        stack = mlp_stack.init_stack([0, 1], SIZES)
        mlp_stack.train(stack, pixels, targets, CLASSES, mlp_stack.shuffles([0, 1], "student", 20), RECIPE)
        results.append(stack.flat)
    assert torch.equal(*results)


def test_runs_start_and_shuffle_differently():
    one, two = (mlp_stack.init_stack([seed], SIZES).flat for seed in (0, 1))
    weights = one != 0  # biases start at 0
    assert (one[weights] != two[weights]).all()
    order = mlp_stack.shuffles([0, 1], "teacher", 50)
    assert not np.array_equal(*order(0)) and not np.array_equal(order(0), order(1))
    assert not np.array_equal(order(0), mlp_stack.shuffles([0, 1], "student", 50)(0))
    assert (np.sort(order(3), axis=1) == np.arange(50)).all()


def test_untouched_columns_stay_as_they_began_so_one_teacher_serves_all():
    pixels, targets = images_and_targets(2)
    order = mlp_stack.shuffles([0, 1], "teacher", 20)
    full = mlp_stack.init_stack([0, 1], SIZES)
    mlp_stack.train(full, pixels, targets, CLASSES, order, RECIPE)
    bare = mlp_stack.init_stack([0, 1], (*SIZES[:-1], 4))
    mlp_stack.train(bare, pixels, targets, CLASSES, order, RECIPE)
    rebuilt = mlp_stack.with_trained(mlp_stack.init_stack([0, 1], SIZES), bare)
    torch.testing.assert_close(rebuilt.flat, full.flat)
    start = mlp_stack.init_stack([0, 1], SIZES).layers[-1][0]
    assert torch.equal(full.layers[-1][0][:, :, 4:], start[:, :, 4:])


def test_more_auxiliary_columns_leave_the_rest_of_the_start_alone():
    few, many = (mlp_stack.init_stack([5], (*SIZES[:-1], 4 + extra)) for extra in (1, 9))
    assert torch.equal(many.layers[-1][0][:, :, :5], few.layers[-1][0])
    assert torch.equal(many.layers[0][0], few.layers[0][0])


def test_the_start_has_the_papers_spread():
    stack = mlp_stack.init_stack(range(3), (784, 256, 256, 13))
    for weights, biases in stack.layers:
        assert weights.std().item() == pytest.approx(weights.shape[1] ** -0.5, rel=0.03)
        assert not biases.any()


@settings(deadline=None)
@given(overlap=st.floats(0, 1))
def test_mixing_two_starts_keeps_their_spread(overlap):
    one, two = (mlp_stack.init_stack([seed], (60, 40, 40, 13)) for seed in (0, 1))
    mixed = mlp_stack.mix(one, two, overlap).flat
    drawn = one.flat != 0
    assert mixed[drawn].std().item() == pytest.approx(one.flat[drawn].std().item(), rel=0.1)
    correlation = np.corrcoef(mixed[drawn], one.flat[drawn])[0, 1]
    assert correlation == pytest.approx(overlap, abs=0.1)


def test_the_ends_of_a_mix_are_the_starts_themselves():
    one, two = (mlp_stack.init_stack([seed], SIZES) for seed in (0, 1))
    assert torch.equal(mlp_stack.mix(one, two, 1.0).flat, one.flat)
    assert torch.equal(mlp_stack.mix(one, two, 0.0).flat, two.flat)


def test_accuracy_looks_at_the_classes_only():
    stack = mlp_stack.zero_stack(2, (2, 3, 3, 11))
    stack.layers[-1][1][0, 0, 10] = 9.0  # an auxiliary column, larger than all classes
    stack.layers[-1][1][:, 0, 4] = 1.0
    labels = torch.tensor([4, 4, 4, 7])
    assert mlp_stack.accuracy(stack, torch.zeros(4, 2), labels) == [0.75, 0.75]


def test_progress_counts_model_epochs():
    pixels, targets = images_and_targets(1)
    stack, ticks = mlp_stack.init_stack([0, 1], SIZES), []
    mlp_stack.train(
        stack, pixels, targets, CLASSES, mlp_stack.shuffles([0, 1], "teacher", 20), RECIPE, ticks.append
    )
    assert ticks == [2] * RECIPE.epochs


def test_bfloat16_products_train_float32_parameters():
    pixels, targets = images_and_targets(1)
    order = mlp_stack.shuffles([0], "teacher", 20)
    exact, quick = (mlp_stack.init_stack([0], SIZES) for _ in range(2))
    mlp_stack.train(exact, pixels, targets, CLASSES, order, RECIPE)
    mlp_stack.train(quick, pixels.bfloat16(), targets, CLASSES, order, RECIPE)
    assert quick.flat.dtype == torch.float32
    assert (quick.flat - exact.flat).abs().max() < 0.05 * exact.flat.abs().max()
    assert mlp_stack.native_format() in (torch.bfloat16, torch.float32)
