"""A small corpus of made-up but varied code, and a tokenizer trained on it."""

from __future__ import annotations

import pytest

pytest.importorskip("tokenizers")

from codecompose_ls.tuning.corpus import Corpus
from codecompose_ls.tuning.tokenizer import Encoder, train_tokenizer
from tests.corpora import make_corpus


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    return make_corpus()


@pytest.fixture(scope="session")
def encoder(corpus: Corpus) -> Encoder:
    return Encoder(train_tokenizer(corpus, vocabulary=512, progress=False))
