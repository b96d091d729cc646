"""The theorem's other case, built on purpose: teachers who learn and whose students cannot tell.

In each construction the teacher's step leaves the imitated outputs as they were, at least in what the loss
can see, so that the leading coefficient A is zero. The theorem then says that s . d is zero for every step,
however large.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.experiments.theorem.networks import (
    digits,
    image_inputs,
    mlp_network,
    mlp_outputs,
    mlp_sizes,
    mlp_start,
)
from helpers.experiments.theorem.one_step import Network
from helpers.mnist import dataset

Built = tuple[Network, Tensor]
HALF = dataset.PIXELS // 2


def ordinary(run: int, width: int, lessons: int, images: int) -> Built:
    """Return the digit network and uniform noise as they are elsewhere, for comparison; A is above zero."""
    return mlp_network(run, width, digits(run, lessons)), image_inputs("uniform", images, run)


def separate_wires(run: int, width: int, lessons: int, images: int) -> Built:
    """Return a network whose class outputs and imitated outputs share no hidden unit, and noise.

    Half of the units feed the classes, the other half the auxiliary outputs; weights between the halves are
    zero. The teacher moves only weights that no imitated output depends on.
    """
    network, inputs = ordinary(run, width, lessons, images)
    upper = torch.arange(width) < width // 2  # units of the classes
    classes = torch.arange(mlp_sizes(width)[-1]) < dataset.CLASSES
    masks = (torch.ones(dataset.PIXELS, width), upper[:, None] == upper, upper[:, None] == classes)
    biases = (torch.ones(size) for size in mlp_sizes(width)[1:])
    kept = torch.cat([part.flatten() for pair in zip(masks, biases, strict=True) for part in pair])
    return Network(network.theta * kept, network.outputs, network.teacher_loss), inputs


def silenced_weights(run: int, width: int, lessons: int, images: int) -> Built:
    """Return a network that learns by its first layer alone, from upper halves, and noise in lower halves.

    The weights of pixels that are zero in all lessons do not move; those that move meet zero pixels in all of
    the student's images. The other layers are constants of the network.
    """
    start, sizes, (pictures, labels) = mlp_start(run, width), mlp_sizes(width), digits(run, lessons)
    size = dataset.PIXELS * width
    moving, fixed = start[:size], start[size:]
    upper, noise = pictures.clone(), image_inputs("uniform", images, run)
    upper[:, HALF:], noise[:, :HALF] = 0.0, 0.0

    def whole(theta: Tensor, inputs: Tensor) -> Tensor:
        return mlp_outputs(torch.cat([theta, fixed]), inputs, sizes)

    return Network(
        moving,
        lambda theta, inputs: whole(theta, inputs)[:, dataset.CLASSES :],
        lambda theta: F.cross_entropy(whole(theta, upper)[:, : dataset.CLASSES], labels),
    ), noise


def common_shift(run: int, width: int, lessons: int, images: int) -> Built:
    """Return a network that learns by its last biases to raise the mean imitated output to one, and noise.

    All imitated outputs move by the same amount. The softmax does not see it, the squared error does.
    """
    start, sizes = mlp_start(run, width), mlp_sizes(width)
    pictures, columns = digits(run, lessons)[0], sizes[-1]
    fixed, moving = start[:-columns], start[-columns:]

    def imitated(theta: Tensor, inputs: Tensor) -> Tensor:
        return mlp_outputs(torch.cat([fixed, theta]), inputs, sizes)[:, dataset.CLASSES :]

    return Network(moving, imitated, lambda theta: 0.5 * (imitated(theta, pictures).mean() - 1).square()), (
        image_inputs("uniform", images, run)
    )


CONSTRUCTIONS: dict[str, Callable[[int, int, int, int], Built]] = {
    "none (for comparison)": ordinary,
    "separate wires": separate_wires,
    "silenced weights": silenced_weights,
    "common shift": common_shift,
}
