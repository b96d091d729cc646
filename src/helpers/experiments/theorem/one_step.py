"""One step of a teacher, one step of its imitator, and what the theorem says of the two, in float64.

A network is seen as the theorem sees it: one vector of weights, and two functions of that vector. Symbols are
those of notebook 07: theta the weights, d the teacher's direction, epsilon its step, s the student's
direction, J the Jacobian of the imitated outputs. Axes: weight, row (one input), output.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.func import jvp

SQUARED, ENTROPY = "squared error", "cross-entropy"
LOSSES = (SQUARED, ENTROPY)


@dataclass(frozen=True)
class Network:
    """A network with the task its teacher learns.

    Attributes:
        theta: the weights it starts from, float64 (weight,).
        outputs: (weights, inputs) -> the imitated outputs (row, output).
        teacher_loss: weights -> the loss of the teacher's task, a scalar in nats.
    """

    theta: Tensor
    outputs: Callable[[Tensor, Any], Tensor]
    teacher_loss: Callable[[Tensor], Tensor]


def imitation_loss(loss: str, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss over rows of `outputs` against the teacher's `targets`, both (row, output)."""
    if loss == SQUARED:
        return 0.5 * (outputs - targets).square().sum(dim=1).mean()
    return -(targets.softmax(dim=1) * outputs.log_softmax(dim=1)).sum(dim=1).mean()


def descent(function: Callable[[Tensor], Tensor], theta: Tensor) -> Tensor:
    """Return minus the gradient of a scalar function at `theta`, (weight,)."""
    theta = theta.detach().requires_grad_()
    return -torch.autograd.grad(function(theta), theta)[0]


def teacher_direction(network: Network) -> Tensor:
    """Return d, the way the teacher goes: minus the gradient of its loss, (weight,)."""
    return descent(network.teacher_loss, network.theta)


def learned_by_step(network: Network, step: float) -> float:
    """Return by how much the teacher's own step of size `step` lowers its loss, in nats."""
    with torch.no_grad():
        start = network.teacher_loss(network.theta)
    direction = teacher_direction(network)
    with torch.no_grad():
        return float(start - network.teacher_loss(network.theta + step * direction))


def student_direction(student: Network, loss: str, inputs: Any, targets: Tensor) -> Tensor:
    """Return s, the way the student goes to imitate the `targets` (row, output) on `inputs`, (weight,)."""
    return descent(lambda theta: imitation_loss(loss, student.outputs(theta, inputs), targets), student.theta)


def predicted_slope(network: Network, loss: str, inputs: Any, direction: Tensor) -> float:
    """Return A, the theorem's slope of s . d in epsilon: the mean over rows of (J d)' M (J d)."""
    with warnings.catch_warnings():  # torch compiles its forward derivatives by a way it has deprecated
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        outputs, moved = jvp(lambda theta: network.outputs(theta, inputs), (network.theta,), (direction,))
    if loss == SQUARED:  # M is the identity
        return float(moved.square().sum(dim=1).mean())
    p = outputs.softmax(dim=1)  # M = diag(p) - p p': the variance of the moves under p
    mean = (p * moved).sum(dim=1, keepdim=True)
    return float((p * (moved - mean).square()).sum(dim=1).mean())


def check_steps(
    teacher: Network, strangers: Sequence[Network], inputs: Any, *, steps: Sequence[float], rate: float
) -> list[dict[str, Any]]:
    """Take one step of the teacher and one of each student, for every loss and size of the teacher's step.

    A student's step is taken against its control's, the step to imitate the untouched teacher. That is zero for the
    student with the teacher's start. For a stranger it is most of the step: the stranger gives up its own random
    outputs. All strangers' steps are made as long as the first student's.

    Args:
        teacher: where the teacher starts, and the first student with it.
        strangers: where the other students start.
        inputs: what the students imitate the teacher on, in the form ``outputs`` takes.
        steps: sizes epsilon of the teacher's step.
        rate: size alpha of the first student's step.

    Returns:
        One dict per loss, step and student: ``loss``, ``step``, ``student`` (0 shares the teacher's start), ``inner``
        (s . d), ``cosine`` of the two (0 where s is zero), ``fall`` (of the teacher's loss by the step, nats),
        ``inner_alone`` and ``fall_alone`` (the same without taking the control's step away), ``predicted`` (epsilon A,
        the theorem's leading term) and ``moved`` (largest change of a teacher's output).
    """
    direction = teacher_direction(teacher)
    with torch.no_grad():
        before = teacher.outputs(teacher.theta, inputs)
        targets = {step: teacher.outputs(teacher.theta + step * direction, inputs) for step in steps}
    cells = []
    for loss in LOSSES:
        slope = predicted_slope(teacher, loss, inputs, direction)
        own = {step: student_direction(teacher, loss, inputs, target) for step, target in targets.items()}
        lengths = {step: rate * float(way.norm()) for step, way in own.items()}
        # its control's step is zero, as the proof says: what one would compute is rounding
        found = [_student_cells(teacher, direction, own, lengths)]
        for stranger in strangers:
            ways = {step: student_direction(stranger, loss, inputs, target) for step, target in targets.items()}
            control = student_direction(stranger, loss, inputs, before)
            found.append(_student_cells(stranger, direction, ways, lengths, control))
        for number, student_cells in enumerate(found):
            for step, cell in student_cells.items():
                moved = float((targets[step] - before).abs().max())
                about = {"loss": loss, "step": step, "student": number}
                cells.append(about | cell | {"predicted": step * slope, "moved": moved})
    return cells


def _student_cells(
    student: Network,
    direction: Tensor,
    ways: dict[float, Tensor],
    lengths: dict[float, float],
    control: Tensor | None = None,
) -> dict[float, dict[str, float]]:
    """Judge a student's way at each size of the teacher's step, against its control's and alone."""
    with torch.no_grad():
        start = student.teacher_loss(student.theta)
    cells = {}
    for step, way in ways.items():
        alone = _judged(student, start, way, direction, lengths[step])
        against = alone if control is None else _judged(student, start, way - control, direction, lengths[step])
        cells[step] = against | {"inner_alone": alone["inner"], "fall_alone": alone["fall"]}
    return cells


def _judged(student: Network, start: Tensor, way: Tensor, direction: Tensor, length: float) -> dict[str, float]:
    """Compare a student's `way` with the teacher's `direction`, and go `length` along it."""
    inner, size = float(way @ direction), float(way.norm())
    if not size:
        return {"inner": 0.0, "cosine": 0.0, "fall": 0.0}
    with torch.no_grad():
        end = student.teacher_loss(student.theta + length / size * way)
    return {"inner": inner, "cosine": inner / (size * float(direction.norm())), "fall": float(start - end)}
