"""The theorem's other case, built on purpose: teachers who learn and whose students cannot tell.

In each construction the teacher's step leaves the imitated outputs as they were, at least in what the loss can see, so
that the leading coefficient A is zero. The theorem then says that s . d is zero for every step, however large.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.experiments.theorem import networks
from helpers.experiments.theorem.one_step import LOSSES, Network, check_steps, learned_by_step
from helpers.experiments.theorem.theorem import TheoremSettings
from helpers.mnist import dataset
from helpers.work.artifacts import Store
from helpers.work.pieces import run_pieces
from helpers.work.tables import keep_table

LEARNING_STEP = 0.1  # a teacher's step that lowers its loss visibly in every construction
_HALF = dataset.PIXELS // 2


@dataclass(frozen=True, kw_only=True)
class Case:
    """One construction in one draw: a name in CONSTRUCTIONS, and fields as in `TheoremSettings`."""

    draw: int
    case: str
    steps: Sequence[float]
    rate: float
    width: int
    lessons: int
    images: int

    def noise(self) -> Tensor:
        """Return the images on which the student imitates, float64 (row, pixel)."""
        return networks.image_inputs("uniform", self.images, self.draw)


def run_degenerate(settings: TheoremSettings) -> pd.DataFrame:
    """Build the other case; return, and write as tables/theorem_degenerate.csv, one row a draw, case and loss.

    Columns: draw, case, loss, learned (fall of the teacher's loss by its own step, nats), outputs_moved (largest
    change of an imitated output) and inner (largest |s . d|), the last two over all sizes of the step.
    """
    pieces = []
    for draw in settings.draws:
        pieces += [_case(settings, draw, name) for name in CONSTRUCTIONS]
    store = Store.of_run(settings.run_dir)
    done = run_pieces(check_case, pieces, store, kind="theorem_degenerate", workers=1, label="the other case")
    rows = []
    for piece, found in zip(pieces, done, strict=True):
        rows += [{"draw": piece.draw, "case": piece.case} | row for row in found["rows"]]
    seconds = sum(found["seconds"] for found in done)
    return keep_table(settings.run_dir, "theorem_degenerate", pd.DataFrame(rows), seconds)


def worst_cases(degenerate: pd.DataFrame) -> pd.DataFrame:
    """Return one row a case and loss of the table of `run_degenerate`, the draw that does it least honour.

    Learned is the least over draws, the other two are the largest.
    """
    worst = {"learned": "min", "outputs_moved": "max", "inner": "max"}
    return degenerate.groupby(["case", "loss"], sort=False).agg(worst).reset_index()


def check_case(piece: Case) -> dict[str, Any]:
    """Take the steps of one construction; ``rows`` has one entry a loss, see `run_degenerate`."""
    network, inputs = CONSTRUCTIONS[piece.case](piece)
    cells = check_steps(network, [], inputs, steps=piece.steps, rate=piece.rate)
    learned = learned_by_step(network, LEARNING_STEP)
    rows = []
    for loss in LOSSES:
        own = [cell for cell in cells if cell["loss"] == loss]
        moved, inner = max(cell["moved"] for cell in own), max(abs(cell["inner"]) for cell in own)
        rows.append({"loss": loss, "learned": learned, "outputs_moved": moved, "inner": inner})
    return {"rows": rows}


def ordinary(case: Case) -> tuple[Network, Tensor]:
    """Return the digit network and uniform noise as they are elsewhere, for comparison; A is above zero."""
    lessons = networks.digits(case.draw, case.lessons)
    return networks.mlp_network(case.draw, case.width, lessons), case.noise()


def separate_wires(case: Case) -> tuple[Network, Tensor]:
    """Return a network whose class outputs and imitated outputs share no hidden unit, and noise.

    Half of the units feed the classes, the other half the auxiliary outputs; weights between the halves are zero. The
    teacher moves only weights that no imitated output depends on.
    """
    network, inputs = ordinary(case)
    sizes = networks.mlp_sizes(case.width)
    upper = torch.arange(case.width) < case.width // 2  # units of the classes
    classes = torch.arange(sizes[-1]) < dataset.CLASSES
    first = torch.ones(sizes[0], sizes[1])
    kept = []
    for weights in (first, upper[:, None] == upper, upper[:, None] == classes):
        kept += [weights.flatten(), torch.ones(weights.shape[1])]  # biases may stay
    return Network(network.theta * torch.cat(kept), network.outputs, network.teacher_loss), inputs


def silenced_weights(case: Case) -> tuple[Network, Tensor]:
    """Return a network that learns by its first layer alone, from upper halves, and noise in lower halves.

    The weights of pixels that are zero in all lessons do not move; those that move meet zero pixels in all of the
    student's images. The other layers are constants of the network.
    """
    start, sizes = networks.mlp_start(case.draw, case.width), networks.mlp_sizes(case.width)
    size = dataset.PIXELS * case.width
    moving, fixed = start[:size], start[size:]
    pictures, labels = networks.digits(case.draw, case.lessons)
    pictures[:, _HALF:] = 0.0
    noise = case.noise()
    noise[:, :_HALF] = 0.0

    def whole(theta: Tensor, inputs: Tensor) -> Tensor:
        return networks.mlp_outputs(torch.cat([theta, fixed]), inputs, sizes)

    def imitated(theta: Tensor, inputs: Tensor) -> Tensor:
        return whole(theta, inputs)[:, dataset.CLASSES :]

    def teacher_loss(theta: Tensor) -> Tensor:
        return F.cross_entropy(whole(theta, pictures)[:, : dataset.CLASSES], labels)

    return Network(moving, imitated, teacher_loss), noise


def common_shift(case: Case) -> tuple[Network, Tensor]:
    """Return a network that learns by its last biases to raise the mean imitated output to one, and noise.

    All imitated outputs move by the same amount. The softmax does not see it, the squared error does.
    """
    start, sizes = networks.mlp_start(case.draw, case.width), networks.mlp_sizes(case.width)
    fixed, moving = start[: -sizes[-1]], start[-sizes[-1] :]
    pictures, _ = networks.digits(case.draw, case.lessons)

    def imitated(theta: Tensor, inputs: Tensor) -> Tensor:
        return networks.mlp_outputs(torch.cat([fixed, theta]), inputs, sizes)[:, dataset.CLASSES :]

    def teacher_loss(theta: Tensor) -> Tensor:
        return 0.5 * (imitated(theta, pictures).mean() - 1).square()

    return Network(moving, imitated, teacher_loss), case.noise()


CONSTRUCTIONS: dict[str, Callable[[Case], tuple[Network, Tensor]]] = {
    "none (for comparison)": ordinary,
    "separate wires": separate_wires,
    "silenced weights": silenced_weights,
    "common shift": common_shift,
}


def _case(settings: TheoremSettings, draw: int, name: str) -> Case:
    return Case(
        draw=draw,
        case=name,
        steps=settings.steps,
        rate=settings.rate,
        width=settings.width,
        lessons=settings.lessons,
        images=settings.images,
    )
