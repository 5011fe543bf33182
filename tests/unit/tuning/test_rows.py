"""Rows depend on seed, step and row alone, and are drawn by language weight."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from codecompose_ls.tuning.corpus import Corpus, Document, FilterReport
from codecompose_ls.tuning.rows import FILE_CHARACTERS, RowKey, RowSource, document_steps, language_weights
from codecompose_ls.tuning.tokenizer import Encoder


@pytest.mark.parametrize("length", [32, 64, 128, 512])
def test_a_row_has_one_token_more_than_its_length(corpus: Corpus, encoder: Encoder, length: int) -> None:
    rows = RowSource(corpus, encoder, seed=1)
    assert all(rows[RowKey(0, number, length)].shape == (length + 1,) for number in range(20))


def test_a_row_is_the_same_whenever_it_is_drawn(corpus: Corpus, encoder: Encoder) -> None:
    first, second = RowSource(corpus, encoder, seed=1), RowSource(corpus, encoder, seed=1)
    late = second[RowKey(7, 3, 128)]
    assert np.array_equal(first[RowKey(7, 3, 128)], late)
    assert not np.array_equal(late, second[RowKey(7, 4, 128)])
    assert not np.array_equal(late, RowSource(corpus, encoder, seed=2)[RowKey(7, 3, 128)])


def test_languages_are_drawn_by_weight(corpus: Corpus, encoder: Encoder) -> None:
    rows = RowSource(corpus, encoder, seed=1)
    rng = np.random.default_rng(0)
    drawn = Counter(rows.draw(rng).language for _ in range(4000))
    # Of the groups only python (0.72) and web (0.10) are there.
    assert drawn["python"] / 4000 == pytest.approx(0.72 / 0.82, abs=0.03)


def make(sizes: dict[tuple[str, str], int]) -> Corpus:
    report = FilterReport()
    documents = [Document(package, "a", language, "x" * size) for (package, language), size in sizes.items()]
    for document in documents:
        report.keep(document)
    return Corpus(tuple(documents), report)


def test_weights_of_all_groups() -> None:
    languages, weights = language_weights(
        make({("a", "python"): 900, ("a", "typescript"): 100, ("a", "go"): 400, ("a", "rust"): 100})
    )
    assert dict(zip(languages, weights, strict=True)) == pytest.approx(
        {"python": 0.72, "typescript": 0.10, "go": 0.12, "rust": 0.06}
    )


def test_long_files_are_held_down() -> None:
    corpus = make({("a", "python"): 10 * FILE_CHARACTERS, ("b", "python"): FILE_CHARACTERS})
    assert document_steps(corpus, {"python": [0, 1]})["python"] == pytest.approx([0.5, 1.0])


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_workers_make_the_same_rows(corpus: Corpus, encoder: Encoder) -> None:
    torch = pytest.importorskip("torch")
    from codecompose_ls.tuning.batches import batches
    from codecompose_ls.tuning.machine import Machine
    from codecompose_ls.tuning.recipe import Recipe

    rows, recipe = RowSource(corpus, encoder, seed=1), Recipe(size="tiny", tokens_per_step=256)
    here = list(islice(batches(rows, recipe, Machine(workers=0), first_step=3), 12))
    there = list(islice(batches(rows, recipe, Machine(workers=2), first_step=3), 12))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(here, there, strict=True))
    assert {batch.shape for batch in here} <= {(8, 33), (4, 65), (2, 129)}
