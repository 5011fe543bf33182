"""Cuts fall where suggestions are asked for, pieces rejoin to the document, and layouts are the template's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.languages import TRIGGER_CHARACTERS
from codecompose_ls.tuning.corpus import Document
from codecompose_ls.tuning.objectives import (
    MAX_SPAN_CHARACTERS,
    Cut,
    Mixture,
    Pieces,
    arrange,
    block_cut,
    draw_header,
    example,
    line_cut,
    span_cut,
    window,
)
from codecompose_ls.tuning.tokenizer import Encoder

SOURCE = """import os


def total(prices, rate):
    result = 0
    for price in prices:
        result += price * rate

    return round(result, 2)


print(total([1, 2], rate=1.2))
"""
DOCUMENT = Document("shop", "shop/total.py", "python", SOURCE)

texts = st.text(alphabet=st.sampled_from("ab_(.,=[{: )]}\n\t"), min_size=1, max_size=300)
seeds = st.integers(0, 2**32).map(np.random.default_rng)


@given(text=texts, rng=seeds)
def test_a_line_cut_starts_at_a_trigger_and_stays_in_its_line(text: str, rng: np.random.Generator) -> None:
    if cut := line_cut(text, rng):
        middle, before = text[cut.start : cut.end], text[: cut.start]
        assert middle and "\n" not in middle and not middle[-1].isspace()
        line_before = before[before.rfind("\n") + 1 :]
        assert not line_before.strip() or line_before[-1] in TRIGGER_CHARACTERS


def test_a_line_cut_ends_with_its_line_or_before_closers() -> None:
    ends = set()
    for seed in range(300):
        cut = line_cut("print(total([1, 2], rate=1.2))", np.random.default_rng(seed))
        assert cut is not None
        ends.add("print(total([1, 2], rate=1.2))"[cut.end :])
    assert ends == {"", "))"}


def test_a_blank_line_has_no_cut() -> None:
    assert line_cut("\n   \n", np.random.default_rng(0)) is None
    assert block_cut("   \n", np.random.default_rng(0)) is None


def test_block_cuts_are_the_body_a_line_opens_or_the_rest_of_its_scope() -> None:
    cuts = {block_cut(SOURCE, np.random.default_rng(seed)) for seed in range(500)} - {None}
    middles = {SOURCE[cut.start : cut.end] for cut in cuts if cut}
    body = SOURCE[SOURCE.index("\n    result = 0") : SOURCE.index("\n\n\nprint")]
    assert body in middles
    assert "\n        result += price * rate" in middles
    assert "return round(result, 2)" in middles
    assert "result += price * rate" in middles


@given(text=texts, rng=seeds)
def test_every_cut_lies_in_the_text(text: str, rng: np.random.Generator) -> None:
    for cut in (line_cut(text, rng), block_cut(text, rng), span_cut(text, rng)):
        assert cut is None or 0 <= cut.start <= cut.end <= len(text)
    span = span_cut(text, rng)
    assert span.end - span.start <= MAX_SPAN_CHARACTERS


@given(text=texts, rng=seeds, characters=st.integers(0, 400), share=st.floats(0.1, 0.5))
def test_pieces_rejoin_to_a_slice_of_the_document(
    text: str, rng: np.random.Generator, characters: int, share: float
) -> None:
    cut = span_cut(text, rng)
    pieces = window(text, cut, characters=characters, suffix_share=share)
    assert pieces.middle == text[cut.start : cut.end]
    assert text[: cut.start].endswith(pieces.prefix)
    assert text[cut.end :].startswith(pieces.suffix)
    if characters >= len(text):
        assert pieces.prefix + pieces.middle + pieces.suffix == text


def test_a_window_begins_and_ends_with_whole_lines() -> None:
    start = SOURCE.index("price * rate")
    pieces = window(SOURCE, Cut(start, start + 12), characters=80, suffix_share=0.3)
    # 68 characters of room: 20 after, which end in the middle of "return", and 48 before, which begin in "result = 0".
    assert pieces.prefix == "    for price in prices:\n        result += "
    assert pieces.suffix == "\n"


def layout(encoder: Encoder, tokens: list[int]) -> str:
    names = {number: name for name, number in encoder.sentinels.items()}
    return "".join(names.get(token) or encoder.tokenizer.decode([token]) for token in tokens)


PIECES = Pieces("x = ", "1", "\ny = 2")


def test_suffix_first_is_laid_out_as_the_server_asks(encoder: Encoder) -> None:
    tokens = arrange(PIECES, encoder, head=[], length=100, spm=True).tokens
    assert layout(encoder, tokens) == "<|fim_prefix|><|fim_suffix|>\ny = 2<|fim_middle|>x = 1<|endoftext|>"


def test_prefix_first(encoder: Encoder) -> None:
    head = [encoder.sentinels["<|file_sep|>"], *encoder.encode("python a.py\n")]
    tokens = arrange(PIECES, encoder, head=head, length=100, spm=False).tokens
    assert layout(encoder, tokens) == (
        "<|file_sep|>python a.py\n<|fim_prefix|>x = <|fim_suffix|>\ny = 2<|fim_middle|>1<|endoftext|>"
    )


@given(length=st.integers(8, 60), spm=st.booleans())
def test_what_is_too_long_loses_the_far_ends_of_its_context(encoder: Encoder, length: int, spm: bool) -> None:
    pieces = Pieces("p = 0\n" * 40, "z", "\ns = 1" * 40)
    tokens = arrange(pieces, encoder, head=[], length=length, spm=spm).tokens
    assert len(tokens) <= length
    assert tokens[-1] == encoder.end
    assert encoder.tokenizer.decode(tokens, skip_special_tokens=False).count("z") == 1


@given(rng=seeds, length=st.integers(48, 400))
def test_an_example_is_never_longer_than_asked(encoder: Encoder, rng: np.random.Generator, length: int) -> None:
    tokens = example(DOCUMENT, encoder, length=length, rate=2.0, mixture=Mixture(), rng=rng).tokens
    assert 0 < len(tokens) <= length
    assert all(token < encoder.tokenizer.get_vocab_size() for token in tokens)


@given(rng=seeds)
def test_every_middle_is_followed_by_the_end_of_text(encoder: Encoder, rng: np.random.Generator) -> None:
    tokens = example(DOCUMENT, encoder, length=400, rate=2.0, mixture=Mixture(fim_rate=1.0), rng=rng).tokens
    if encoder.sentinels["<|fim_middle|>"] in tokens:
        assert tokens[-1] == encoder.end
        assert tokens.count(encoder.end) == 1


def test_headers_are_dropped_at_the_given_rates(encoder: Encoder) -> None:
    rng = np.random.default_rng(1)
    drawn = [layout(encoder, draw_header(DOCUMENT, encoder, mixture=Mixture(), rng=rng)) for _ in range(5000)]
    assert drawn.count("<|file_sep|>python shop/total.py\n") / 5000 == pytest.approx(0.8, abs=0.03)
    assert drawn.count("<|file_sep|>python\n") / 5000 == pytest.approx(0.1, abs=0.03)
    assert drawn.count("") / 5000 == pytest.approx(0.1, abs=0.03)


def test_objectives_are_drawn_at_the_given_rates(encoder: Encoder) -> None:
    rng = np.random.default_rng(2)
    suffix_first = plain = 0
    for _ in range(2000):
        tokens = example(DOCUMENT, encoder, length=1000, rate=2.0, mixture=Mixture(), rng=rng).tokens
        text = layout(encoder, tokens)
        plain += "<|fim_middle|>" not in text
        suffix_first += "<|fim_prefix|><|fim_suffix|>" in text
    # Blank lines have no line cut, and their examples are plain.
    assert plain / 2000 == pytest.approx(0.3, abs=0.15)
    assert suffix_first / (2000 - plain) == pytest.approx(0.7, abs=0.05)
