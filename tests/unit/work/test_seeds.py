"""Streams: stable for ever, different by name, valid for numpy and torch."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.work.seeds import borrowed_global_stream, child_stream, derive, numpy_stream, torch_stream

NAMES = st.lists(st.text(max_size=5) | st.integers(-9, 9), max_size=4)


def test_the_rule_is_sha256_of_the_path():
    digest = hashlib.sha256(json.dumps([3, "student", 1]).encode()).digest()
    assert derive(3, "student", 1) == int.from_bytes(digest[:8], "big") // 2


@given(st.integers(), NAMES, st.integers(), NAMES)
def test_equal_paths_and_only_equal_paths_share_a_stream(seed, names, other_seed, others):
    same = (seed, names) == (other_seed, others)
    assert (derive(seed, *names) == derive(other_seed, *others)) is same
    assert 0 <= derive(seed, *names) < 2**63


def test_names_do_not_run_together():
    seeds = {derive(0, "a", "b"), derive(0, "ab"), derive(0, "a,b"), derive(0, 1), derive(0, "1"), derive(0)}
    assert len(seeds) == 6


def test_numpy_integers_count_as_integers():
    assert derive(np.int64(4), np.int32(2)) == derive(4, 2)


@pytest.mark.parametrize("path", [(1.0,), ("1",), (True,), (1, 2.5), (1, None), (None,)])
def test_anything_else_is_refused(path):
    with pytest.raises(TypeError, match="must be an integer"):
        derive(*path)


def test_streams_repeat_and_differ():
    draw = numpy_stream(7, "rows").integers(1000, size=20)
    assert np.array_equal(draw, numpy_stream(7, "rows").integers(1000, size=20))
    assert not np.array_equal(draw, numpy_stream(7, "other").integers(1000, size=20))


def test_torch_streams_repeat_and_leave_the_global_generator_alone():
    torch = pytest.importorskip("torch")
    before = torch.get_rng_state()
    first = torch.rand(8, generator=torch_stream(7, "init"))
    assert torch.equal(first, torch.rand(8, generator=torch_stream(7, "init")))
    assert not torch.equal(first, torch.rand(8, generator=torch_stream(8, "init")))
    assert torch.equal(before, torch.get_rng_state())


def test_the_global_generator_can_be_borrowed_and_is_given_back():
    torch = pytest.importorskip("torch")
    before = torch.get_rng_state()
    with borrowed_global_stream(7, "adapter"):
        drawn = torch.rand(4)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(drawn, torch.rand(4, generator=torch_stream(7, "adapter")))
    with pytest.raises(ValueError), borrowed_global_stream(7, "adapter"):
        raise ValueError
    assert torch.equal(before, torch.get_rng_state())


def test_children_of_equal_streams_are_equal_and_siblings_are_not():
    pytest.importorskip("torch")
    one, again = torch_stream(7, "texts"), torch_stream(7, "texts")
    first, second = (child_stream(one).random(8) for _ in range(2))
    assert np.array_equal(first, child_stream(again).random(8)) and not np.array_equal(first, second)


def test_what_a_child_draws_does_not_shift_its_siblings():
    pytest.importorskip("torch")
    idle, busy = torch_stream(7, "texts"), torch_stream(7, "texts")
    child_stream(idle)
    child_stream(busy).random(1000)
    assert np.array_equal(child_stream(idle).random(8), child_stream(busy).random(8))
