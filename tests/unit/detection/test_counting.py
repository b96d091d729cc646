"""Numbers: how they are read, how uneven they are, and whether two authors write them equally often."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.detection import counting
from helpers.work.seeds import numpy_stream


def drawn(seed: int, rows: int, chances: np.ndarray | None = None) -> list[str]:
    """Return lists of ten numbers."""
    numbers = numpy_stream(seed, "numbers").choice(1000, size=(rows, 10), p=chances)
    return [", ".join(map(str, row)) for row in numbers]


def table(texts: list[str]) -> object:
    """Return counts of texts each of which has a prompt of its own."""
    return counting.by_prompt(texts, np.arange(len(texts)), len(texts))


def test_numbers_are_read_as_ascii_digits() -> None:
    assert counting.numbers_in("007, 12; 999 1000 x5y 00000042 ٣") == [7, 12, 999, 1000, 5, 42]
    assert counting.numbers_in("9" * 9999) == [counting.LIMIT]
    assert table(["7 7 1000"]).toarray().sum() == 2


def test_even_numbers_are_even_and_a_favourite_is_seen() -> None:
    found = counting.unevenness(table(drawn(1, 400)))
    assert found.low < 1 < found.high
    chances = np.full(1000, 0.5 / 990)
    chances[:10] = 0.05
    favoured = counting.unevenness(table(drawn(2, 400, chances)))
    exact = 1000 * np.square(chances).sum()
    assert favoured.low < exact < favoured.high and favoured.low > 10


def test_numbers_that_repeat_within_a_prompt_are_not_uneven() -> None:
    texts = [" ".join([str(number)] * 10) for number in range(0, 1000, 5)]
    assert counting.unevenness(table(texts)).value == 0


def test_digits_stand_at_their_places() -> None:
    counts = table(["123 45 907"])
    places = {name: np.flatnonzero(counting.digits(counts, name)[0]).tolist() for name in counting.DIGITS}
    assert places == {"hundreds": [0, 8], "tens": [0, 2], "units": [3, 7]}


@pytest.mark.parametrize("shared", [True, False])
def test_one_author_is_like_itself_and_another_is_not(shared: bool) -> None:
    chances = np.full(1000, 0.8 / 990)
    chances[:10] = 0.02
    first, same, other = (table(drawn(seed, 150, odd)) for seed, odd in ((3, None), (4, None), (5, chances)))
    if not shared:
        empty = counting.by_prompt([], np.arange(0), 150)
        first, same, other = (_stacked(*pair) for pair in ((first, empty), (empty, same), (empty, other)))
    alike = counting.compared(first, same, numpy_stream(6, "swaps"))
    assert alike.low < alike.value < alike.high and alike.p > 0.05
    apart = counting.compared(first, other, numpy_stream(6, "swaps"))
    assert apart.value > apart.high and apart.p == pytest.approx(1 / 200)


def _stacked(first: object, second: object) -> object:
    from scipy import sparse

    return sparse.vstack([first, second]).tocsr()
