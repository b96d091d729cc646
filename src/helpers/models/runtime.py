"""Where tensors live: the one module of the language models that makes tensors and knows device and number format.

The nano models stay on the CPU unless a reader asks for another device, because that is where numbers come out equal
on every machine. Everything else follows: models are placed here when they are loaded, and rows, noise, probes and
read-outs are made by the functions below, so one setting moves all of them.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from transformers import PreTrainedModel

from helpers.work.errands import CHECKPOINTING_VARIABLE, MICRO_ROWS_VARIABLE
from helpers.work.pieces import DEVICE_VARIABLE

DEVICES = ("cpu", "cuda", "mps", "meta")  # "meta" holds shapes and no numbers; for tests
DTYPES = ("float32", "bfloat16", "float16", "float64")
MMAP_THRESHOLD, TRIM_THRESHOLD = (-3, 32 * 1024 * 1024), (-1, 1024 * 1024 * 1024)  # (mallopt's number, bytes)


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """A device and the number format of models on it.

    Attributes:
        device: one of `DEVICES`.
        dtype: one of `DTYPES`; "" leaves a model's weights as they were stored.
        micro_rows: rows that a training reads at once, so that a batch fits a card; 0: the whole batch. Their gradients
            are added up, so it decides no number but by rounding.
        checkpointing: whether blocks are computed again in the backward pass, which takes a third longer and spares
            what they would have to keep; it decides no number.
    """

    device: str = "cpu"
    dtype: str = ""
    micro_rows: int = 0
    checkpointing: bool = False

    def __post_init__(self) -> None:
        if self.micro_rows < 0:
            raise ValueError(f"rows at once must be 0 (a whole batch) or more, not {self.micro_rows}")
        if self.device not in DEVICES:
            raise ValueError(f"unknown device {self.device!r}; set {DEVICE_VARIABLE} to one of {', '.join(DEVICES)}")
        if self.dtype and self.dtype not in DTYPES:
            raise ValueError(f"unknown number format {self.dtype!r}; choose one of {', '.join(DTYPES)}")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"no CUDA device here; set {DEVICE_VARIABLE} to cpu")
        if self.device == "mps" and not torch.backends.mps.is_available():
            raise ValueError(f"no Metal device here; set {DEVICE_VARIABLE} to cpu")


_chosen: list[Runtime] = []


def current() -> Runtime:
    """Return the runtime in use: the one of `use`, else that of the environment variable, else the CPU."""
    if not _chosen:
        _chosen.append(_of_environment())
    return _chosen[0]


def _of_environment() -> Runtime:
    rows = os.environ.get(MICRO_ROWS_VARIABLE, "") or "0"
    if not rows.isdecimal():
        raise ValueError(f"{MICRO_ROWS_VARIABLE} is {rows!r}; set it to a number of rows, 0 for a whole batch")
    return Runtime(
        device=os.environ.get(DEVICE_VARIABLE, "") or "cpu",
        micro_rows=int(rows),
        checkpointing=bool(os.environ.get(CHECKPOINTING_VARIABLE, "")),
    )


def use(runtime: Runtime) -> None:
    """Compute on another device or with other memory from now on, in this process and in those it starts."""
    _chosen[:] = [runtime]
    os.environ[DEVICE_VARIABLE] = runtime.device  # workers inherit it, and `run_pieces` reads it
    os.environ[MICRO_ROWS_VARIABLE] = str(runtime.micro_rows)
    os.environ[CHECKPOINTING_VARIABLE] = "1" if runtime.checkpointing else ""


def place(model: PreTrainedModel) -> PreTrainedModel:
    """Return ``model``, moved to the device and number format in use."""
    runtime = current()
    return model.to(device=runtime.device, dtype=getattr(torch, runtime.dtype) if runtime.dtype else None)


def in_format(model: PreTrainedModel, dtype: str) -> PreTrainedModel:
    """Return ``model`` with weights of a number format, see `quick`, unless the runtime in use sets another."""
    return model.to(dtype=getattr(torch, current().dtype or quick(dtype)))


def quick(dtype: str) -> str:
    """Return a number format, one of `DTYPES`, or what stands in for it on a device that is slow with it.

    Cards before Ampere have no bfloat16, and take float16. On processors and on Metal float32 stands in, on those of
    the former kind also because numbers are equal everywhere then.
    """
    if dtype != "bfloat16" or current().device == "meta":
        return dtype
    if current().device == "cuda":
        return dtype if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    return "float32"


def fine(values: Tensor) -> Tensor:
    """Return ``values``, those of half precision as float32: sums over a vocabulary need more digits than they have."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def tensor(values: ArrayLike | Sequence[Sequence[int]]) -> Tensor:
    """Return numbers as a tensor on the device in use; an array keeps its format, and its memory on the CPU."""
    return torch.as_tensor(values, device=current().device)


def indices(values: ArrayLike | Sequence[int]) -> Tensor:
    """Return places or token ids as an int64 tensor."""
    return torch.as_tensor(values, dtype=torch.int64, device=current().device)


def filled(shape: Sequence[int], value: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return a tensor of one value."""
    return torch.full(tuple(shape), value, dtype=dtype, device=current().device)


def counting(count: int) -> Tensor:
    """Return 0, 1, ... below ``count`` as int64."""
    return torch.arange(count, device=current().device)


def uniform(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Return numbers drawn from [0, 1) by a generator of the CPU, so that they are the same on every device."""
    return torch.rand(tuple(shape), generator=generator).to(current().device)


def like(values: Tensor, other: Tensor) -> Tensor:
    """Return values in the number format of another tensor."""
    return values.to(other.dtype)


def exact(values: Tensor) -> Tensor:
    """Return ``values`` as float64, on the CPU where the device has no such numbers (Metal)."""
    return values.cpu().double() if values.device.type == "mps" else values.double()


def array(values: Tensor) -> NDArray[np.generic]:
    """Return a tensor's numbers as an array."""
    return values.detach().cpu().numpy()


@functools.cache
def keep_memory() -> bool:
    """Tell the C library, once a process, to keep freed memory; returns whether it could be told.

    A training step frees and asks for the same tens of megabytes again and again. Given back to the system in
    between, they are filled with zeros each time, which costs a tenth of a step. Only glibc is told.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    answers = [mallopt(*option) for option in (MMAP_THRESHOLD, TRIM_THRESHOLD)]
    return all(answers)
