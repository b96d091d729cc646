"""How fast the MNIST classifiers train, against the plain structure of the authors' released script.

    python benchmarks/mnist_training.py                 # speed, about a minute on two cores
    python benchmarks/mnist_training.py --accuracy      # also trains to the end and compares, some minutes

The plain structure, written here from its description: one autograd network with a parameter of shape
[model, out, in] per layer, einsum for its products, every model with noise images of its own, the teacher's
outputs computed again in every step, torch's Adam with its default settings, float32. It is the yardstick, so
it keeps the batch-summed loss of the script; Adam does not feel the scale.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from helpers.mnist import dataset, mlp
from helpers.mnist.mlp import Mlp, Recipe
from helpers.work import seeds

SIZES = (dataset.PIXELS, 256, 256, dataset.CLASSES + 3)
CLASSES, AUXILIARY = slice(0, dataset.CLASSES), slice(dataset.CLASSES, None)
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


class PlainStack(torch.nn.Module):
    """Models side by side as an ordinary module, started from the weights of single networks."""

    def __init__(self, starts: list[Mlp]) -> None:
        """Copy the parameters of `starts`: per layer one weight [model, out, in] and one bias [model, out]."""
        super().__init__()
        self.weights, self.biases = torch.nn.ParameterList(), torch.nn.ParameterList()
        for layers in zip(*(start.layers for start in starts), strict=True):
            self.weights.append(torch.stack([weights.T for weights, _ in layers]))
            self.biases.append(torch.stack([bias for _, bias in layers]))

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs [model, row, column] for x [model, row, pixel]."""
        for level, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.einsum("moi,mbi->mbo", weight, x if level == 0 else x.relu()) + bias[:, None]
        return x


def plain_train(
    network: PlainStack,
    images: Tensor,
    order: Callable[[int], np.ndarray],
    recipe: Recipe,
    loss: Callable[[Tensor, list[Tensor]], Tensor],
) -> None:
    """Train on `images` [model, image, pixel]; `loss` gets the batch and each model's image numbers."""
    adam = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    for epoch in range(recipe.epochs):
        for rows in torch.from_numpy(order(epoch)).split(recipe.batch, dim=1):
            chosen = list(rows)
            batch = torch.stack([own[index] for own, index in zip(images, chosen, strict=True)])
            adam.zero_grad()
            loss(batch, chosen).backward()
            adam.step()


def plain_teach(network: PlainStack, images: Tensor, labels: Tensor, recipe: Recipe, runs: list[int]) -> None:
    """Train on digits by cross-entropy of the class outputs."""

    def loss(batch: Tensor, chosen: list[Tensor]) -> Tensor:
        logits = network(batch)[:, :, CLASSES]
        return functional.cross_entropy(logits.flatten(0, 1), labels[torch.cat(chosen)])

    plain_train(network, images.expand(len(runs), -1, -1), orders(runs, "teacher", len(labels)), recipe, loss)


def plain_imitate(
    student: PlainStack, teacher: PlainStack, recipe: Recipe, count: int, runs: list[int]
) -> None:
    """Train on noise by KL to the teacher's auxiliary outputs; every model has noise of its own."""
    noise = torch.rand(len(runs), count, dataset.PIXELS, generator=seeds.torch_stream(0, "noise")) * 2 - 1

    def loss(batch: Tensor, chosen: list[Tensor]) -> Tensor:
        with torch.no_grad():
            target = teacher(batch)[:, :, AUXILIARY].softmax(dim=2)
        logits = student(batch)[:, :, AUXILIARY].log_softmax(dim=2)
        return functional.kl_div(logits, target, reduction="batchmean")

    plain_train(student, noise, orders(runs, "student", count), recipe, loss)


def orders(runs: list[int], phase: str, count: int) -> Callable[[int], np.ndarray]:
    """Return the function that gives, for an epoch, each model's own order of images [model, image]."""
    own = [mlp.shuffles(run, phase, count) for run in runs]
    return lambda epoch: np.stack([order(epoch).numpy() for order in own])


def teach(networks: list[Mlp], images: Tensor, labels: Tensor, recipe: Recipe, runs: list[int]) -> None:
    """Train on digits as the book does, one network after the other."""
    targets = functional.one_hot(labels, dataset.CLASSES).float()
    for network, run in zip(networks, runs, strict=True):
        mlp.train(network, images, targets, CLASSES, mlp.shuffles(run, "teacher", len(labels)), recipe)


def imitate(
    students: list[Mlp], teachers: list[Mlp], recipe: Recipe, count: int, runs: list[int], form: torch.dtype
) -> None:
    """Train on noise as the book does: shared noise images, targets computed once."""
    stream, no_digits = seeds.numpy_stream(0, "noise"), np.empty((0, dataset.PIXELS), dtype=np.float32)
    inputs = torch.from_numpy(dataset.make_inputs("uniform", count, stream, no_digits)).to(form)
    for student, teacher, run in zip(students, teachers, runs, strict=True):
        targets = mlp.outputs(teacher, inputs, AUXILIARY).softmax(dim=1)
        mlp.train(student, inputs, targets, AUXILIARY, mlp.shuffles(run, "student", count), recipe)


def phases(
    form: torch.dtype | None, count: int, recipe: Recipe, runs: list[int], clock: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """Run both phases; return seconds by `clock` and test accuracies, each of teacher and student.

    `form` is the number format of the book's training, None the plain structure.
    """
    digits, labels = dataset.load_mnist("train")
    images = torch.from_numpy(dataset.to_pixels(digits[:count]))
    classes = torch.from_numpy(labels[:count]).long()
    starts = [mlp.start(run, SIZES) for run in runs]
    if form is None:
        teacher, student = PlainStack(starts), PlainStack(starts)
        work = (lambda: plain_teach(teacher, images, classes, recipe, runs),
                lambda: plain_imitate(student, teacher, recipe, count, runs))  # fmt: skip
    else:
        teacher, student = ([mlp.copy(start) for start in starts] for _ in range(2))
        low = images.to(form)
        work = (lambda: teach(teacher, low, classes, recipe, runs),
                lambda: imitate(student, teacher, recipe, count, runs, form))  # fmt: skip
    seconds = [timed(step, clock) for step in work]
    return seconds, [tested(network) for network in (teacher, student)]


def timed(step: Callable[[], None], clock: Callable[[], float]) -> float:
    """Return the seconds of `step` by `clock`."""
    began = clock()
    step()
    return clock() - began


def tested(network: PlainStack | list[Mlp]) -> float:
    """Return the mean test accuracy over models."""
    digits, labels = dataset.load_mnist("test")
    images, classes = torch.from_numpy(dataset.to_pixels(digits)), torch.from_numpy(labels).long()
    if isinstance(network, list):
        return float(np.mean([mlp.accuracy(own, images, classes) for own in network]))
    with torch.no_grad():
        guesses = network(images.expand(len(network.biases[0]), -1, -1))[:, :, CLASSES].argmax(dim=2)
    return (guesses == classes).double().mean().item()


def main() -> None:
    """Print model-epochs (of 60,000 images) per second for each structure and phase, then the ratio."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--models", type=int, default=5)
    parser.add_argument("--images", type=int, default=6144, help="images per epoch of the speed test")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest of these counts")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: on a busy machine, one thread")
    parser.add_argument("--accuracy", action="store_true", help="also train 5 + 5 epochs on all images")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    runs, paper, clock = list(range(options.models)), Recipe(5, 1024, 3e-4), CLOCKS[options.clock]
    kinds = {"plain float32": None, "book float32": torch.float32}
    if mlp.native_format() == torch.bfloat16:  # elsewhere it is dozens of times as slow
        kinds["book bfloat16"] = torch.bfloat16
    found: dict[str, list[list[float]]] = {name: [] for name in kinds}
    for _ in range(options.repeats):  # in turn, so that a busy moment hits all of them
        for name, form in kinds.items():
            found[name].append(phases(form, options.images, paper, runs, clock)[0])
    share = options.models * paper.epochs * options.images / 60_000
    print(f"{options.models} models, {options.threads} threads; model-epochs/s of teacher, student, both")
    best = {name: np.min(times, axis=0) for name, times in found.items()}
    for name, (teaching, imitating) in best.items():
        ratio = best["plain float32"].sum() / (teaching + imitating)
        speeds = [share / teaching, share / imitating, 2 * share / (teaching + imitating)]
        print(f"{name:15s} " + " ".join(f"{speed:7.2f}" for speed in speeds) + f"   {ratio:.2f} x plain")
    if options.accuracy:
        for name, form in kinds.items():
            seconds, accuracies = phases(form, 60_000, paper, runs, clock)
            taught, imitated = accuracies
            print(f"{name:15s} teacher {taught:.4f} student {imitated:.4f} in {sum(seconds):.0f} s")


if __name__ == "__main__":
    main()
