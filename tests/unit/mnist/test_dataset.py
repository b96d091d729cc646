"""MNIST as shipped, the student inputs drawn from it, and the pairing of students with other models."""

import hashlib
import lzma
import math
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.mnist import dataset
from helpers.mnist.dataset import MnistError
from helpers.work.seeds import numpy_stream

# MD5 sums that independent projects publish for the uncompressed IDX files of the original distribution
PUBLISHED_MD5 = {
    "train": ("6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624"),
    "test": ("2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637"),
}


def idx_file(values):
    """Return an array of bytes as an IDX file, as MNIST was first distributed."""
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">i4").tobytes()
    return header + values.tobytes()


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_digits_are_the_published_ones(split):
    images, labels = dataset.load_mnist(split)
    sums = tuple(hashlib.md5(idx_file(values)).hexdigest() for values in (images, labels))
    assert sums == PUBLISHED_MD5[split]


@pytest.mark.parametrize(("split", "count"), [("train", 60_000), ("test", 10_000)])
def test_shapes_and_types(split, count):
    images, labels = dataset.load_mnist(split)
    assert images.shape == (count, 28, 28) and labels.shape == (count,)
    assert images.dtype == labels.dtype == np.uint8
    assert set(labels) == set(range(10))


def test_loading_is_quick_and_callers_own_what_they_get():
    dataset._content.cache_clear()
    began = time.process_time()
    images, _ = dataset.load_mnist("train")
    assert time.process_time() - began < 4  # half a second on a quiet machine
    images[0] = 0
    assert dataset.load_mnist("train")[0][0].any()


def test_unknown_split_is_named():
    with pytest.raises(MnistError, match="'train' or 'test', got 'validation'"):
        dataset.load_mnist("validation")


@pytest.fixture
def other_data_folder(tmp_path, monkeypatch):
    """Let the package look for its files in an empty folder."""
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(dataset.resources, "files", lambda package: tmp_path)
    dataset._content.cache_clear()
    yield tmp_path / "data"
    dataset._content.cache_clear()


def test_missing_file_is_one_error_with_the_cure(other_data_folder):
    with pytest.raises(MnistError, match=r"mnist-test\.xz .*reinstall the package"):
        dataset.load_mnist("test")


@pytest.mark.parametrize("damage", [lambda b: b[:-100], lambda b: b"no xz", lambda b: b[:5000] + b[5001:]])
def test_damaged_file_is_one_error_with_the_cure(other_data_folder, damage):
    whole = (Path(dataset.__file__).parent / "data" / "mnist-test.xz").read_bytes()
    (other_data_folder / "mnist-test.xz").write_bytes(damage(whole))
    with pytest.raises(MnistError, match="restore src/helpers/mnist/data/mnist-test.xz"):
        dataset.load_mnist("test")


def test_wrong_content_fails_its_checksum(other_data_folder):
    (other_data_folder / "mnist-test.xz").write_bytes(lzma.compress(bytes(7_850_024)))
    with pytest.raises(MnistError, match="is damaged .SHA-256"):
        dataset.load_mnist("test")


def test_pixels_lie_between_minus_one_and_one():
    images = np.array([[[0, 255], [51, 204]]], dtype=np.uint8).repeat(14, axis=1).repeat(14, axis=2)
    pixels = dataset.to_pixels(images)
    assert pixels.shape == (1, 784) and pixels.dtype == np.float32
    assert sorted(set(np.round(pixels[0], 6).tolist())) == pytest.approx([-1, -0.6, 0.6, 1])


@pytest.mark.parametrize("kind", dataset.INPUT_KINDS)
def test_inputs_repeat_and_more_inputs_begin_with_the_same(kind):
    digits = dataset.to_pixels(dataset.load_mnist("test")[0][:40])
    few, many = (dataset.make_inputs(kind, n, numpy_stream(0, "inputs"), digits) for n in (10, 40))
    assert few.shape == (10, 784) and few.dtype == np.float32
    np.testing.assert_array_equal(few, many[:10])


def test_noise_has_the_spread_it_claims():
    nothing = np.empty((0, 784), dtype=np.float32)
    for kind in ("uniform", "gaussian"):
        noise = dataset.make_inputs(kind, 500, numpy_stream(1, kind), nothing)
        assert noise.std() == pytest.approx(math.sqrt(1 / 3), rel=0.01)
        assert abs(noise.mean()) < 0.01
    assert abs(dataset.make_inputs("uniform", 500, numpy_stream(1, "uniform"), nothing)).max() <= 1


def test_shuffling_keeps_each_image_its_pixels_and_loses_their_places():
    digits = dataset.to_pixels(dataset.load_mnist("test")[0][:30])
    shuffled = dataset.make_inputs("shuffled", 30, numpy_stream(2, "inputs"), digits)
    np.testing.assert_array_equal(np.sort(shuffled, axis=1), np.sort(digits, axis=1))
    assert not (shuffled == digits).all(axis=1).any()
    ink = [np.flatnonzero(image > 0)[0] for image in shuffled]
    assert len(set(ink)) > 5  # each image has its own permutation


def test_too_few_digits_and_unknown_kinds_are_refused():
    digits = np.zeros((3, 784), dtype=np.float32)
    with pytest.raises(MnistError, match="need 4 digits, got 3"):
        dataset.make_inputs("shuffled", 4, numpy_stream(0), digits)
    with pytest.raises(MnistError, match="uniform, gaussian, shuffled, digits, got 'static'"):
        dataset.make_inputs("static", 4, numpy_stream(0), digits)


@given(count=st.integers(2, 60), seed=st.integers(0, 2**32))
def test_in_a_derangement_nobody_keeps_their_place(count, seed):
    drawn = dataset.derangement(count, numpy_stream(seed, "pairs"))
    assert sorted(drawn) == list(range(count))
    assert not np.any(drawn == np.arange(count))
    np.testing.assert_array_equal(drawn, dataset.derangement(count, numpy_stream(seed, "pairs")))


def test_all_derangements_are_equally_likely():
    # 9 derangements of 4; 9,000 draws, so a count strays by 160 (5 standard deviations) once in a million
    rng = numpy_stream(3, "pairs")
    found, counts = np.unique([dataset.derangement(4, rng) for _ in range(9000)], axis=0, return_counts=True)
    assert len(found) == 9
    assert abs(counts - 1000).max() < 160


def test_one_model_has_nobody_to_swap_with():
    with pytest.raises(MnistError, match="at least 2 members, got 1"):
        dataset.derangement(1, numpy_stream(0))
