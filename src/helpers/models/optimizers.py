"""Optimizers by name, so that an experiment can ask whether the optimizer matters (follow-up work says it does).

"adam" is AdamW, "sgd" plain gradient descent without momentum, "sign" moves every weight by the learning rate
against the sign of its gradient. Weight decay is decoupled in all three: each step shrinks the weights by
learning rate times decay, apart from the gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

OPTIMIZERS = ("adam", "sgd", "sign")


class Descent(torch.optim.Optimizer):
    """Gradient descent, or descent by the gradient's sign, with decoupled weight decay."""

    def __init__(self, parameters: Iterable[Tensor], lr: float, weight_decay: float, *, signed: bool) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})
        self.signed = signed

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Move every weight once; ``closure`` is not used."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                direction = parameter.grad.sign() if self.signed else parameter.grad
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).sub_(direction, alpha=group["lr"])


def make_optimizer(
    name: str, parameters: Iterable[Tensor], learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Return the optimizer of this name, one of `OPTIMIZERS`."""
    if name == "adam":
        return torch.optim.AdamW(
            parameters, lr=learning_rate, betas=(0.9, 0.99), weight_decay=weight_decay, fused=True
        )
    return Descent(parameters, learning_rate, weight_decay, signed=name == "sign")
