"""Near-duplicates are found whatever their layout, and different files are kept."""

from __future__ import annotations

import numpy as np
import pytest

from codecompose_ls.tuning.duplicates import BANDS, ROWS, DuplicateIndex, signature, similarity


def lines(numbers: range) -> str:
    return "".join(f"value_{n} = compute_{n}(first_{n}, second_{n})\n" for n in numbers)


def test_the_estimate_is_near_the_true_jaccard_similarity() -> None:
    # Lines are independent but for shingles across line ends: 80 shared of 120 lines, Jaccard 0.67.
    estimate = similarity(signature(lines(range(100))), signature(lines(range(20, 120))))
    assert estimate == pytest.approx(0.67, abs=0.12)


def test_layout_does_not_count() -> None:
    text = lines(range(10))
    assert similarity(signature(text), signature(text.replace("\n", "\n\n    "))) == 1.0


def test_the_first_of_near_equal_files_is_kept() -> None:
    index = DuplicateIndex()
    assert index.add(signature(lines(range(100))))
    assert not index.add(signature(lines(range(100)) + "# one line more\n"))
    assert index.add(signature(lines(range(200, 300))))
    assert not index.add(signature(lines(range(203, 300))))


@pytest.mark.parametrize("text", ["", "x", "a b c d", "\n"])
def test_texts_shorter_than_a_shingle_have_signatures(text: str) -> None:
    assert signature(text).shape == (BANDS * ROWS,)
    assert np.array_equal(signature(text), signature(text))


def test_short_different_texts_differ() -> None:
    assert similarity(signature("a b c"), signature("a b d")) < 0.2
