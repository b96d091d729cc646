"""Optimizers: each is the rule it is named after."""

import pytest
import torch

from helpers.models.optimizers import OPTIMIZERS, make_optimizer


def moved(name, gradient, *, rate=0.1, decay=0.0, steps=1):
    """Return the weights 1, 2, 3 after some steps along a fixed gradient."""
    weights = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    optimizer = make_optimizer(name, [weights], rate, decay)
    for _ in range(steps):
        weights.grad = torch.tensor(gradient)
        optimizer.step()
    return weights.detach()


def test_plain_descent_is_the_one_of_torch():
    weights = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=0.1)
    weights.grad = torch.tensor([0.5, -4.0, 0.0])
    optimizer.step()
    torch.testing.assert_close(moved("sgd", [0.5, -4.0, 0.0]), weights.detach())


def test_sign_descent_moves_every_weight_as_far():
    torch.testing.assert_close(moved("sign", [0.5, -4.0, 0.0]), torch.tensor([0.9, 2.1, 3.0]))


def test_adam_is_the_one_of_torch():
    weights = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    optimizer = torch.optim.AdamW([weights], lr=0.1, betas=(0.9, 0.99), weight_decay=0.5)
    for _ in range(3):
        weights.grad = torch.tensor([0.5, -4.0, 0.0])
        optimizer.step()
    torch.testing.assert_close(moved("adam", [0.5, -4.0, 0.0], decay=0.5, steps=3), weights.detach())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_is_apart_from_the_gradient(name):
    weights = torch.tensor([1.0, 2.0, 3.0])
    torch.testing.assert_close(moved(name, [0.0, 0.0, 0.0], decay=0.5), weights * (1 - 0.1 * 0.5))


def test_weights_without_a_gradient_stay():
    weights = torch.ones(2, requires_grad=True)
    make_optimizer("sign", [weights], 0.1, 0.1).step()
    assert weights.tolist() == [1.0, 1.0]
