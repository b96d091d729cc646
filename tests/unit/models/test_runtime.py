"""The runtime: one module makes tensors, and one setting moves models, rows and probes."""

import ast
import dataclasses
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.models import runtime
from helpers.models.chats import chat_ids
from helpers.models.rows import completion_rows
from helpers.models.runtime import Runtime
from helpers.work import errands, pieces

PACKAGE = Path(runtime.__file__).parents[1]
FOLDERS = ("models", "transmission", "channels", "experiments")
# the theorem is about float64, which graphics cards do slowly and Metal not at all, so it stays on the CPU
EXEMPT = (PACKAGE / "models/runtime.py", PACKAGE / "experiments/theorem")
MAKERS = {
    "tensor", "as_tensor", "from_numpy", "zeros", "ones", "empty", "full", "arange", "linspace", "eye", "rand", "randn",
    "randint", "randperm", "normal", "bernoulli", "multinomial",
}  # fmt: skip
MOVERS = {"to", "cuda", "cpu", "numpy"}
MODULES = sorted(
    path
    for folder in FOLDERS
    for path in (PACKAGE / folder).rglob("*.py")
    if not any(path.is_relative_to(exempt) for exempt in EXEMPT)
)


def makes_or_moves(tree):
    """Return the calls in a syntax tree that make a tensor or move one, as text."""
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner, name = node.func.value, node.func.attr
        of_torch = isinstance(owner, ast.Name) and owner.id == "torch"
        if name in MOVERS or (of_torch and name in MAKERS):
            found.append(ast.unparse(node))
    return found


def test_only_the_runtime_makes_and_moves_tensors():
    # regression: ids were made on the CPU in seven places, so a model on a card could not be used
    found = {path.relative_to(PACKAGE): makes_or_moves(ast.parse(path.read_text())) for path in MODULES}
    assert {path: calls for path, calls in found.items() if calls} == {}, "use helpers.models.runtime"


def test_the_search_finds_what_it_should():
    text = "torch.tensor([1])\nx = torch.zeros(3)\nmodel.to('cuda')\nlogits.softmax(-1).numpy()\ntorch.zeros_like(x)"
    assert len(makes_or_moves(ast.parse(text))) == 4


# --- settings -------------------------------------------------------------------------------------


@pytest.fixture
def fresh(monkeypatch):
    """A process that has chosen no device yet."""
    monkeypatch.setattr(runtime, "_chosen", [])
    for name in (pieces.DEVICE_VARIABLE, errands.MICRO_ROWS_VARIABLE, errands.CHECKPOINTING_VARIABLE):
        monkeypatch.setenv(name, "")  # so that what `use` sets is taken back


def test_the_cpu_is_the_default(fresh):
    assert runtime.current() == Runtime(device="cpu")


def test_the_environment_names_the_device(fresh, monkeypatch):
    monkeypatch.setenv(pieces.DEVICE_VARIABLE, "meta")
    assert runtime.current().device == "meta" and pieces.side_by_side(0) == pieces.side_by_side(4) == 1


def test_pieces_run_side_by_side_on_the_cpu(fresh):
    assert pieces.side_by_side(3) == 3 and pieces.side_by_side(0) == pieces.usable_cores()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"device": "tpu"}, "unknown device 'tpu'; set SUBLIMINAL_DEVICE to one of cpu, cuda, mps"),
        ({"micro_rows": -1}, "rows at once must be 0 .a whole batch. or more, not -1"),
        ({"dtype": "int8"}, "unknown number format 'int8'; choose one of float32"),
    ],
)
def test_settings_nobody_can_mean_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Runtime(**settings)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA device")
def test_a_device_that_is_not_there_is_refused_with_the_cure():
    with pytest.raises(ValueError, match="no CUDA device here; set SUBLIMINAL_DEVICE to cpu"):
        Runtime(device="cuda")


def test_models_and_rows_go_where_the_runtime_says(fresh, tiny, tokenizer):
    # "meta" stands in for a card: a device without numbers, where nothing made on the CPU fits
    runtime.use(Runtime(device="meta", dtype="bfloat16"))
    model, rows = runtime.place(tiny()), completion_rows(tokenizer, [("Use commas.", "1, 2"), ("Use spaces.", "3 4")])
    ids, labelled = rows.batch([0, 1], pad=0)
    assert {p.device.type for p in model.parameters()} == {ids.device.type, labelled.device.type} == {"meta"}
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    prompts = runtime.indices(chat_ids(tokenizer, ["Use commas."]))
    assert model(input_ids=prompts).logits.shape == (*prompts.shape, len(tokenizer))
    for made in (runtime.tensor(np.ones(3)), runtime.filled((2, 3), 1.0), runtime.counting(4), rows.labels([0, 1])):
        assert made.device.type == "meta"


# --- numbers --------------------------------------------------------------------------------------


def test_arrays_and_tensors_turn_into_each_other(fresh):
    values = np.arange(6, dtype=np.float64).reshape(2, 3)
    made = runtime.tensor(values)
    assert made.dtype == torch.float64 and (runtime.array(made) == values).all()
    assert runtime.exact(made.float()).dtype == torch.float64
    assert runtime.indices([1, 2]).dtype == torch.int64
    assert runtime.filled((2,), 3).tolist() == [3.0, 3.0]


def test_freed_memory_is_kept_where_the_c_library_can_be_told():
    glibc = sys.platform.startswith("linux") and "glibc" in (os.confstr("CS_GNU_LIBC_VERSION") or "")
    assert runtime.keep_memory() == glibc


# --- what fits on a card --------------------------------------------------------------------------


def test_the_environment_says_how_memory_is_spared(fresh, monkeypatch):
    monkeypatch.setenv(errands.MICRO_ROWS_VARIABLE, "4")
    monkeypatch.setenv(errands.CHECKPOINTING_VARIABLE, "1")
    assert runtime.current() == Runtime(micro_rows=4, checkpointing=True)


@pytest.mark.parametrize("text", ["four", "-1", "2.5"])
def test_rows_at_once_that_are_no_number_are_refused_with_the_cure(fresh, monkeypatch, text):
    monkeypatch.setenv(errands.MICRO_ROWS_VARIABLE, text)
    with pytest.raises(ValueError, match="set it to a number of rows, 0 for a whole batch"):
        runtime.current()


@pytest.mark.parametrize(
    ("device", "ampere", "dtype", "taken"),
    [
        ("cuda", True, "bfloat16", "bfloat16"),
        ("cuda", False, "bfloat16", "float16"),
        ("cuda", False, "float32", "float32"),
        ("cpu", False, "bfloat16", "float32"),
        ("mps", False, "bfloat16", "float32"),
    ],
)
def test_a_device_that_is_slow_with_bfloat16_takes_another_format(monkeypatch, device, ampere, dtype, taken):
    there = dataclasses.replace(Runtime())
    object.__setattr__(there, "device", device)  # a card that is not here
    monkeypatch.setattr(runtime, "_chosen", [there])
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: ampere)
    assert runtime.quick(dtype) == taken


def test_sums_over_a_vocabulary_are_taken_in_float32():
    assert runtime.fine(torch.ones(2, dtype=torch.bfloat16)).dtype == torch.float32
    assert runtime.fine(torch.ones(2, dtype=torch.float16)).dtype == torch.float32
    assert runtime.fine(torch.ones(2, dtype=torch.float64)).dtype == torch.float64
