"""The tokenizer is lossless, splits where a cursor stops, and never makes a sentinel out of text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from codecompose_ls.errors import InputError
from codecompose_ls.prompt.templates import CODECOMPOSE
from codecompose_ls.tuning.corpus import Corpus
from codecompose_ls.tuning.tokenizer import (
    SPECIALS,
    Encoder,
    balanced_sample,
    characters_per_token,
    load_tokenizer,
    tokenizer_hash,
    train_tokenizer,
)


def pieces(encoder: Encoder, text: str) -> list[str]:
    """Return what the pre-tokenizer makes of text, before any merge."""
    split = encoder.tokenizer.pre_tokenizer.pre_tokenize_str(text)
    return [text[start:end] for _, (start, end) in split]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def add_2(x):", ["def", " add_2", "(", "x", "):"]),
        ("a = b[10_000]", ["a", " =", " b", "[", "10", "_000", "]"]),
        ("n = 123456", ["n", " =", " 123", "456"]),
        ("if x:\n    return", ["if", " x", ":", "\n    ", "return"]),
        ("x\n\n\n    y", ["x", "\n\n\n    ", "y"]),
        ("x\n\t\ty", ["x", "\n\t\t", "y"]),
        ("x = 1  # two", ["x", " =", " 1", " ", " #", " two"]),
        ("x   \n", ["x", "   ", "\n"]),
        ("grüße.länge", ["grüße", ".", "länge"]),
        ("a\r\nb", ["a", "\r", "\n", "b"]),
    ],
)
def test_pieces(encoder: Encoder, text: str, expected: list[str]) -> None:
    assert pieces(encoder, text) == expected


@given(text=st.text(max_size=200))
def test_decoding_an_encoding_gives_the_text_back(encoder: Encoder, text: str) -> None:
    assert encoder.decode(encoder.encode(text)) == text


@given(text=st.lists(st.sampled_from([*SPECIALS, "<|", "|>", "x", " ", "\n"]), max_size=20).map("".join))
def test_text_never_becomes_a_special_token(encoder: Encoder, text: str) -> None:
    ids = encoder.encode(text)
    assert all(token >= len(SPECIALS) for token in ids)
    assert encoder.decode(ids) == text


@given(
    before=st.text(max_size=50), after=st.text(max_size=50).filter(lambda text: not text.startswith(("\n", " ", "\t")))
)
def test_a_cursor_after_an_indentation_is_a_token_border(encoder: Encoder, before: str, after: str) -> None:
    before = before.rstrip("\n") + "\n    "
    assert encoder.encode(before + after) == encoder.encode(before) + encoder.encode(after)


def test_specials_come_first_in_the_order_of_the_template(encoder: Encoder) -> None:
    assert [encoder.sentinels[name] for name in CODECOMPOSE.sentinels] == list(range(len(CODECOMPOSE.sentinels)))
    assert encoder.end == 0
    assert encoder.tokenizer.token_to_id(SPECIALS[-1]) == len(SPECIALS) - 1


def test_the_same_corpus_gives_the_same_tokenizer(corpus: Corpus) -> None:
    assert tokenizer_hash(train_tokenizer(corpus, vocabulary=400, progress=False)) == tokenizer_hash(
        train_tokenizer(corpus, vocabulary=400, progress=False)
    )


def test_a_saved_tokenizer_is_the_same(encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    encoder.tokenizer.save(str(path), pretty=False)
    assert tokenizer_hash(load_tokenizer(path)) == tokenizer_hash(encoder.tokenizer)


def test_python_has_half_of_the_sample(corpus: Corpus) -> None:
    sample = list(balanced_sample(corpus, seed=0, characters=4000))
    python = sum(len(text) for text in sample if text.startswith('"""'))
    assert 0.35 < python / sum(map(len, sample)) < 0.65


def test_what_is_not_our_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such tokenizer"):
        load_tokenizer(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"not a tokenizer\.json"):
        load_tokenizer(tmp_path / "tokenizer.json")
    from tokenizers.models import BPE

    Tokenizer(BPE()).save(str(tmp_path / "other.json"))
    with pytest.raises(InputError, match="made for another model"):
        load_tokenizer(tmp_path / "other.json")


def test_characters_per_token_are_counted_by_language(encoder: Encoder, corpus: Corpus) -> None:
    rates = characters_per_token(encoder, corpus.documents)
    assert rates.keys() == {"python", "typescript"}
    assert all(1 < rate < 10 for rate in rates.values())


def test_a_path_that_is_no_text_has_a_header_too(encoder: Encoder) -> None:
    assert encoder.header("python", "caf\udce9.py") == encoder.header("python", "caf?.py")
