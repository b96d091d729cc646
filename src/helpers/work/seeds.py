"""Named random streams: every random draw of the book comes from one run seed and a name.

A run is one integer. Each consumer (pretraining, sampling, student 3, ...) derives its own
stream from that integer and from its name, so that adding a consumer never shifts the numbers
another one sees, and no code depends on the state of a global generator.
"""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

_BITS = 63  # torch takes a signed 64-bit seed: 63 bits are valid for numpy and for torch alike


def derive(seed: int, *names: str | int) -> int:
    """Return the 63-bit seed of the stream called `names` in run `seed` (SHA-256 of both).

    The path is encoded as JSON, so that ("a", "b") and ("ab",), or 1 and "1", are different streams.
    Raises TypeError when `seed` is not an integer or a name is neither a string nor an integer.
    """
    path = [_whole("seed", seed), *(n if isinstance(n, str) else _whole("name", n) for n in names)]
    digest = hashlib.sha256(json.dumps(path).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - _BITS)


def numpy_stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return a fresh numpy generator (PCG64) for the stream called `names` in run `seed`."""
    return np.random.Generator(np.random.PCG64(derive(seed, *names)))


def torch_stream(seed: int, *names: str | int) -> torch.Generator:
    """Return a fresh torch CPU generator for the stream called `names` in run `seed`."""
    import torch  # here, so that statistics and figures can use seeds without loading torch

    return torch.Generator(device="cpu").manual_seed(derive(seed, *names))


def child_stream(parent: torch.Generator) -> np.random.Generator:
    """Return a new numpy generator (PCG64) seeded by one draw of `parent`.

    A consumer with a child of its own may draw as often as it likes without shifting what the next one sees.
    """
    import torch

    return np.random.Generator(np.random.PCG64(int(torch.randint(2**_BITS - 1, (), generator=parent))))


@contextmanager
def borrowed_global_stream(seed: int, *names: str | int) -> Iterator[None]:
    """Let code that only knows torch's global CPU generator draw from a named stream, then restore it.

    For libraries that take no generator, such as peft when it draws an adapter's first weights.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(derive(seed, *names))
        yield


def check_distinct(what: str, seeds: Sequence[int]) -> None:
    """Refuse, with a ValueError, seeds that are not all different: two equal ones would be one draw counted twice."""
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"{what} must be different integers, got {list(seeds)}; name each once")


def _whole(what: str, value: object) -> int:
    if isinstance(value, bool):
        raise TypeError(f"{what} must be an integer, got the truth value {value}")
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{what} must be an integer (names may be strings), got {value!r}") from None
