"""Cuts fall where suggestions are asked for, pieces rejoin to the document, and layouts are the template's."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from codecompose_ls.errors import InputError
from codecompose_ls.languages import TRIGGER_CHARACTERS
from codecompose_ls.prompt.build import build_prompt
from codecompose_ls.prompt.families import BART
from codecompose_ls.prompt.templates import FAMILIES, FimTemplate
from codecompose_ls.tuning.corpus import Document
from codecompose_ls.tuning.objectives import (
    MAX_SPAN_CHARACTERS,
    OBJECTIVES,
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
from codecompose_ls.types import Context

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


EVERY_TEMPLATE = {**FAMILIES, "bart": BART}


def family_encoder(template: FimTemplate) -> Encoder:
    """Return an encoder of the family: SentencePiece's kind for those that have it, bytes for the others."""
    is_sentence_piece = template.family in ("codellama", "codestral", "codegemma")
    tokenizer = Tokenizer(models.BPE(byte_fallback=is_sentence_piece, unk_token="<unk>" if is_sentence_piece else None))
    if is_sentence_piece:
        # Llama's: every text begins with a space that nobody wrote.
        prepend = [] if template.family == "codegemma" else [normalizers.Prepend("▁")]
        tokenizer.normalizer = normalizers.Sequence([*prepend, normalizers.Replace(" ", "▁")])
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
        alphabet = [f"<0x{byte:02X}>" for byte in range(256)]
        specials = ["<unk>", *template.sentinels, *alphabet]
        trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=specials, show_progress=False)
        tokenizer.train_from_iterator([SOURCE], trainer)
        # The bytes are the vocabulary's, not marks of their own.
        parts = json.loads(tokenizer.to_str())
        parts["added_tokens"] = [token for token in parts["added_tokens"] if token["content"] not in alphabet]
        return Encoder(Tokenizer.from_str(json.dumps(parts)), template)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([SOURCE], trainer)
    # Not all families call their sentinels special (Qwen2.5-Coder does not).
    tokenizer.add_tokens(list(template.sentinels))
    return Encoder(tokenizer, template)


ENCODERS = {name: family_encoder(template) for name, template in EVERY_TEMPLATE.items()}
families = st.sampled_from(sorted(EVERY_TEMPLATE))


@pytest.mark.parametrize("family", EVERY_TEMPLATE)
def test_every_sentinel_is_a_single_id_and_never_text(family: str) -> None:
    encoder, template = ENCODERS[family], EVERY_TEMPLATE[family]
    assert len(set(encoder.sentinels.values())) == len(template.sentinels)
    for name in template.sentinels:
        ids = encoder.encode(f"x = {name!r}")
        assert not set(ids) & set(encoder.sentinels.values())
        # To SentencePiece U+2581 is a space.
        written = f"x = {name!r}".replace("▁", " ")
        assert encoder.tokenizer.decode(ids, skip_special_tokens=False).replace("▁", " ") == written


@given(family=families, text=st.text(max_size=40).filter(lambda text: "\x00" not in text and "▁" not in text))
def test_text_is_encoded_as_it_is_written(family: str, text: str) -> None:
    encoder = ENCODERS[family]
    assert encoder.tokenizer.decode(encoder.encode(text), skip_special_tokens=False) == text


@given(family=families, rng=seeds, spm=st.booleans())
def test_the_pieces_in_every_familys_layout_are_the_document(family: str, rng: np.random.Generator, spm: bool) -> None:
    encoder, template = ENCODERS[family], EVERY_TEMPLATE[family]
    cut = span_cut(SOURCE, rng)
    pieces = Pieces(SOURCE[: cut.start], SOURCE[cut.start : cut.end], SOURCE[cut.end :])
    made = arrange(pieces, encoder, head=[], length=1000, spm=spm)
    parts, order = [""], template.split((template.spm if spm else template.psm) or template.order)
    ids: list[int] = []
    for token in [*made.tokens[: made.middle], encoder.end]:
        if token in encoder.sentinels.values():
            parts[-1] = encoder.tokenizer.decode(ids)
            parts.append("")
            ids = []
        else:
            ids.append(token)
    texts = iter(part for part in parts if part)
    asked = [name for name in order if name in ("{prefix}", "{suffix}") and getattr(pieces, name[1:-1])]
    found = dict(zip(asked, texts, strict=True))
    middle = encoder.tokenizer.decode(made.tokens[made.middle : -1], skip_special_tokens=False)
    assert made.tokens[-1] == encoder.end
    assert found.get("{prefix}", "") + middle + found.get("{suffix}", "") == SOURCE


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_is_trained_as_it_is_asked(family: str) -> None:
    encoder, template = ENCODERS[family], FAMILIES[family]
    context = Context(language="python", path="a.py", prefix="x = ", suffix="\ny = 2")
    asked = build_prompt(
        context, template=template, encode=encoder.encode, token_id=encoder.sentinels.__getitem__, budget=200
    )
    made = arrange(PIECES, encoder, head=encoder.header("python", "a.py"), length=200, spm=template.spm is not None)
    assert made.tokens[: made.middle] == list(asked.token_ids)


@given(family=families, rng=seeds, objective=st.sampled_from(sorted(OBJECTIVES)), length=st.integers(40, 200))
def test_an_example_of_any_family_and_objective_fits(
    family: str, rng: np.random.Generator, objective: str, length: int
) -> None:
    made = example(
        DOCUMENT, ENCODERS[family], length=length, rate=2.0, mixture=OBJECTIVES[objective], rng=rng, where=range(9, 60)
    )
    assert 0 < len(made.tokens) <= length
    assert 0 <= made.middle < len(made.tokens)
    if objective == "cm":
        assert made.middle == 0


@given(rng=seeds, start=st.integers(0, len(SOURCE) - 2))
def test_a_cut_is_made_where_it_is_asked_for(rng: np.random.Generator, start: int) -> None:
    where = range(start, start + 1)
    line = SOURCE.count("\n", 0, start)
    for cut in (line_cut(SOURCE, rng, where=where), block_cut(SOURCE, rng, where=where)):
        assert cut is None or line <= SOURCE.count("\n", 0, cut.start) <= line + 1
    assert span_cut(SOURCE, rng, where=where).start == start


def test_lcm_keeps_seventy_percent_before_the_line_and_thirty_after(encoder: Encoder) -> None:
    document = Document("shop", "a.py", "python", "".join(f"value_{n} = {n}\n" for n in range(300)))
    rng = np.random.default_rng(0)
    rate = len(document.text) / len(encoder.encode(document.text))
    shares = []
    for _ in range(50):
        made = example(
            document, encoder, length=400, rate=rate, mixture=OBJECTIVES["lcm"], rng=rng, where=range(1500, 2500)
        )
        if made.middle:
            suffix = made.tokens.index(encoder.sentinels["<|fim_suffix|>"])
            prefix = made.tokens.index(encoder.sentinels["<|fim_middle|>"])
            shares.append((made.middle - prefix) / (made.middle - suffix))
    assert np.mean(shares) == pytest.approx(0.7, abs=0.03)
    assert np.std(shares) < 0.03


def test_a_tokenizer_of_another_model_is_refused(encoder: Encoder) -> None:
    with pytest.raises(InputError, match=r"made for another model: it has no token <fim_prefix>"):
        Encoder(encoder.tokenizer, FAMILIES["starcoder"])
