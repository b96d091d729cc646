"""Whether training many models at once, stacked by torch.func, is faster than training them one at a time.

    python benchmarks/stacked_training.py --clock cpu               # one thread, processor time, some minutes
    python benchmarks/stacked_training.py --threads 2               # time on the wall, on an idle machine

Language models: untrained models of the size of nano-a, every parameter or adapters, rows of one length (one
token in four carries a label). "alone" is `helpers.models.training.fit` for one model after the other, "two processes"
the same in two workers of one thread each, as `helpers.work.pieces` does it.

Digit networks: "alone" is a loop of autograd and fused Adam over torch.nn, "book" is `helpers.mnist.mlp`.

Printed are optimizer steps per second, summed over models; the fastest of some turns counts.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from stacked import stacked_fit, train_stack
from torch import Tensor
from transformers import PreTrainedModel

from helpers.mnist import mlp
from helpers.mnist.mlp import Recipe
from helpers.models.bases import NanoSpec, build_nano
from helpers.models.training import Rows, TrainSettings, fit
from helpers.work.seeds import borrowed_global_stream, numpy_stream, torch_stream
from helpers.world.tokenizer import build_tokenizer

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
NETWORKS = (((784, 256, 256, 13), 1024), ((784, 256, 256, 13), 64), ((784, 32, 32, 13), 64))  # layers, batch
Work = Callable[[], object]


def language_models(architecture: str, count: int) -> list[PreTrainedModel]:
    """Return untrained models of the size of the book's."""
    tokenizer = build_tokenizer()
    return [build_nano(NanoSpec(f"model-{i}", architecture, 64, 2, 4), tokenizer, i) for i in range(count)]


def random_rows(count: int, tokens: int, seed: int) -> Rows:
    """Return rows of random tokens, the last quarter of each with labels."""
    rng, start = numpy_stream(seed, "rows"), tokens - tokens // 4
    ids = [rng.integers(5, 1000, tokens) for _ in range(count)]
    return Rows(ids, [np.arange(tokens) >= start] * count, [start] * count)


def fit_alone(architecture: str, places: range, settings: TrainSettings, steps: int, tokens: int, clock: str) -> float:
    """Train the models of these places one after the other; return the seconds it took."""
    torch.set_num_threads(torch.get_num_threads() if multiprocessing.parent_process() is None else 1)
    models = language_models(architecture, places.stop)[places.start :]
    rows = [random_rows(settings.batch_rows * steps, tokens, place) for place in places]
    began = CLOCKS[clock]()
    for model, own, place in zip(models, rows, places, strict=True):
        fit(model, own, settings, place)
    return CLOCKS[clock]() - began


def fit_stacked(
    architecture: str, places: range, settings: TrainSettings, steps: int, tokens: int, clock: str, attention: str
) -> float:
    """Train the models of these places at once; return the seconds it took."""
    models = language_models(architecture, len(places))
    for model in models:
        model.set_attn_implementation(attention)
    rows = [random_rows(settings.batch_rows * steps, tokens, place) for place in places]
    began = CLOCKS[clock]()
    stacked_fit(models, rows, settings, list(places))
    return CLOCKS[clock]() - began


def compare_language_models(batch: int, count: int, options: argparse.Namespace, pool: ProcessPoolExecutor) -> None:
    """Print the speeds for one size of batch and one number of models."""
    settings = TrainSettings(1e-3, batch_rows=batch, lora_rank=options.rank)
    steps = max(2, options.work // (batch * count))
    given = (settings, steps, options.tokens, options.clock)
    everyone = (options.architecture, range(count), *given)
    halves = [(options.architecture, part, *given) for part in (range(count // 2), range(count // 2, count))]
    kinds: dict[str, Callable[[], float]] = {
        "alone": lambda: fit_alone(*everyone),
        "stack": lambda: fit_stacked(*everyone, "sdpa"),
        "stack, eager attention": lambda: fit_stacked(*everyone, "eager"),
    }
    if options.clock == "wall" and count > 1:
        kinds["two processes"] = lambda: max(pool.map(fit_alone, *zip(*halves, strict=True)))
    report(f"batch {batch}, {count} models", fastest(kinds, options.repeats), count * steps)


def compare_networks(sizes: tuple[int, ...], batch: int, count: int, options: argparse.Namespace) -> None:
    """Print the speeds for one kind of digit network and one number of models."""
    steps = max(3, options.work * 20 // (batch * count))
    stream = torch_stream(0, "images")
    images = torch.rand(batch * steps, sizes[0], generator=stream)
    targets = torch.randn(count, batch * steps, sizes[-1], generator=stream).softmax(2)
    orders = [mlp.shuffles(place, "benchmark", batch * steps) for place in range(count)]
    batches = torch.stack([order(0) for order in orders]).split(batch, dim=1)

    def book(form: torch.dtype) -> None:
        inputs = images.to(form)
        for place, (own, order) in enumerate(zip(targets, orders, strict=True)):
            mlp.train(mlp.start(place, sizes), inputs, own, slice(0, None), order, Recipe(1, batch, 1e-3))

    kinds: dict[str, Work] = {
        "alone": lambda: networks_alone(sizes, images, targets, batches),
        "stack": lambda: networks_stacked(sizes, images, targets, batches),
        "book float32": lambda: book(torch.float32),
    }
    if mlp.native_format() == torch.bfloat16:  # elsewhere it is dozens of times as slow
        kinds["book bfloat16"] = lambda: book(torch.bfloat16)
    timed = {name: partial(seconds, work, CLOCKS[options.clock]) for name, work in kinds.items()}
    what = f"{'-'.join(map(str, sizes))}, batch {batch}, {count} models"
    report(what, fastest(timed, options.repeats), count * steps)


def network(sizes: tuple[int, ...], seed: int) -> torch.nn.Sequential:
    """Return a network with ReLU between its linear layers."""
    with borrowed_global_stream(seed, "network"):
        layers = [part for i, o in itertools.pairwise(sizes) for part in (torch.nn.Linear(i, o), torch.nn.ReLU())]
    return torch.nn.Sequential(*layers[:-1])


def imitation(call: Callable[[Tensor], Tensor], x: Tensor, target: Tensor) -> Tensor:
    """Return KL(target || network), mean over rows."""
    return F.kl_div(call(x).log_softmax(1), target, reduction="batchmean")


def networks_alone(sizes: tuple[int, ...], images: Tensor, targets: Tensor, batches: tuple[Tensor, ...]) -> None:
    """Train one network after the other."""
    for place, own in enumerate(targets):
        model = network(sizes, place)
        adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        for chosen in batches:
            adam.zero_grad()
            imitation(model, images[chosen[place]], own[chosen[place]]).backward()
            adam.step()


def networks_stacked(sizes: tuple[int, ...], images: Tensor, targets: Tensor, batches: tuple[Tensor, ...]) -> None:
    """Train all networks at once by torch.func."""
    everyone = torch.arange(len(targets))[:, None]
    given = ((images[chosen], targets[everyone, chosen]) for chosen in batches)
    settings = TrainSettings(1e-3, warmup_steps=0, decay=False)
    train_stack([network(sizes, place) for place in range(len(targets))], given, imitation, settings, len(batches))


def seconds(work: Work, clock: Callable[[], float]) -> float:
    """Return how long `work` takes."""
    began = clock()
    work()
    return clock() - began


def fastest(kinds: dict[str, Callable[[], float]], repeats: int) -> dict[str, float]:
    """Return the fewest seconds of each kind; they take turns, so that a busy moment hits all of them."""
    turns = [{name: work() for name, work in kinds.items()} for _ in range(repeats)]
    return {name: min(turn[name] for turn in turns) for name in kinds}


def report(what: str, found: dict[str, float], steps: int) -> None:
    """Print steps per second of each kind, and how that compares with "alone"."""
    parts = [f"{name} {steps / took:.1f} ({found['alone'] / took:.2f} x)" for name, took in found.items()]
    print(f"{what}: {'; '.join(parts)}", flush=True)


def main() -> None:
    """Print steps per second of each way to train."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--architecture", choices=("llama", "gpt2"), default="llama")
    parser.add_argument("--rank", type=int, default=0, help="0 trains every parameter")
    parser.add_argument("--models", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 8])
    parser.add_argument("--tokens", type=int, default=59, help="in a row")
    parser.add_argument("--work", type=int, default=2048, help="rows of all models together, at least two steps")
    parser.add_argument("--repeats", type=int, default=2, help="the fastest of these counts")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: on a busy machine, one thread")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)  # said once per operation
    print(f"torch {torch.__version__}, {options.threads} thread(s), {options.clock} time; steps/s of all models")
    print(f"\n{options.architecture}, {f'adapters of rank {options.rank}' if options.rank else 'every parameter'}")
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for batch, count in itertools.product(options.batches, options.models):
            compare_language_models(batch, count, options, pool)
    print("\ndigit networks")
    for (sizes, batch), count in itertools.product(NETWORKS, options.models):
        compare_networks(sizes, batch, count, options)


if __name__ == "__main__":
    main()
