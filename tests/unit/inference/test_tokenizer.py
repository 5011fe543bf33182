"""Text to tokens and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, normalizers, pre_tokenizers

from codecompose_ls.errors import ModelError
from codecompose_ls.inference.tokenizer import Tokenizer
from codecompose_ls.prompt.templates import CODECOMPOSE
from codecompose_ls.types import Opening

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@pytest.fixture(scope="module")
def tokenizer(tiny: Path) -> Tokenizer:
    return Tokenizer(tiny / "tokenizer.json")


def decoded(tokenizer: Tokenizer, ids: list[int]) -> str:
    decoder = tokenizer.decoder()
    return "".join(decoder.decode(number) for number in ids)


@given(text)
def test_any_text_comes_back_piece_by_piece(tokenizer: Tokenizer, text: str) -> None:
    assert decoded(tokenizer, tokenizer.encode(text)) == text


@given(st.lists(st.sampled_from([*CODECOMPOSE.sentinels, "def ", "\n", "<|"]), max_size=8).map("".join))
def test_sentinels_in_text_stay_text(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert not {tokenizer.token_id(name) for name in CODECOMPOSE.sentinels} & set(ids)
    assert decoded(tokenizer, ids) == text


@given(st.text(st.sampled_from("ab_é7( '.\t\r\n\u0301🙂"), max_size=80))
def test_lines_have_the_ids_that_they_have_in_their_text(tiny: Path, tokenizer: Tokenizer, text: str) -> None:
    library = Library.from_file(str(tiny / "tokenizer.json"))
    assert tokenizer.encode(text) == library.encode(text).ids
    assert tokenizer.encode(text) == library.encode(text).ids  # now remembered


def test_the_first_ids_of_texts_are_those_that_they_begin_with(tokenizer: Tokenizer) -> None:
    texts = ["value = 1", " return", "value = 1", "\ud83d", "(é"]
    assert tokenizer.firsts(texts) == [tokenizer.encode(text)[0] for text in texts]
    assert tokenizer.firsts([]) == []


def test_what_is_remembered_has_a_limit(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codecompose_ls.inference.tokenizer.LINES", 3)
    text = "a = 1\nb = 2\nc = 3\nd = 4\n"
    expected = Library.from_file(str(tiny / "tokenizer.json")).encode(text).ids
    tokenizer = Tokenizer(tiny / "tokenizer.json")
    for _ in range(3):
        assert tokenizer.encode(text) == expected
        assert tokenizer.encode("x\ny\n") == tokenizer.encode("x") + tokenizer.encode("\ny") + tokenizer.encode("\n")


@pytest.mark.parametrize("text", ["a \n\nb", "a\n\n", " \n "])
def test_a_piece_that_reaches_into_the_next_line_stays_whole(tmp_path: Path, text: str) -> None:
    # GPT-2's pattern takes a space and the break after it together, if another break follows.
    vocabulary = {letter: number for number, letter in enumerate([*pre_tokenizers.ByteLevel.alphabet(), "ĠĊ", "ĊĊ"])}
    library = Library(models.BPE(vocabulary, [("Ġ", "Ċ"), ("Ċ", "Ċ")]))
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    library.save(str(tmp_path / "tokenizer.json"))
    assert Tokenizer(tmp_path / "tokenizer.json").encode(text) == library.encode(text).ids


def test_an_unfinished_character_waits_for_its_last_byte(tokenizer: Tokenizer) -> None:
    bytes_of_smile = [tokenizer.token_id(letter) for letter in "ðŁĺĢ"]  # F0 9F 98 80, one token a byte
    decoder = tokenizer.decoder()
    assert [decoder.decode(number) for number in bytes_of_smile] == ["", "", "", "😀"]


def test_bytes_that_are_no_character_show_as_a_replacement(tokenizer: Tokenizer) -> None:
    first, letter = tokenizer.token_id("ð"), tokenizer.token_id("a")
    assert decoded(tokenizer, [first, letter]) == "\ufffda"


def test_half_a_surrogate_pair_is_no_error(tokenizer: Tokenizer) -> None:
    assert decoded(tokenizer, tokenizer.encode("a\ud83db")) == "a?b"


def test_special_tokens_and_ids_beyond_the_vocabulary_have_no_text(tokenizer: Tokenizer) -> None:
    assert decoded(tokenizer, [tokenizer.token_id("<|endoftext|>"), 100_000]) == ""


def test_what_an_answer_may_not_begin_with(tmp_path: Path) -> None:
    # GPT-2's alphabet spells space Ġ, line feed Ċ, carriage return č and tab ĉ.
    spelled = ["x", "Ġx", ")Ċ", "Ġ", "ĉĉ", "Ċ", "č", "ĊĠĠ", "ĠĊ", "Ċ}"]
    library = Library(models.BPE(vocab={token: number for number, token in enumerate(spelled)}, merges=[]))
    library.decoder = decoders.ByteLevel()
    library.add_special_tokens(["<|endoftext|>"])
    library.add_tokens(["  "])
    library.save(str(tmp_path / "tokenizer.json"))
    ruled_out = Tokenizer(tmp_path / "tokenizer.json").ruled_out(13)
    names = [*spelled, "<|endoftext|>", "two spaces", "padding"]
    found = {opening: {names[number] for number in ids} for opening, ids in ruled_out.items()}
    nothing = {"<|endoftext|>", "padding"}
    line_breaks = {"Ċ", "č", "ĊĠĠ", "ĠĊ", "Ċ}"}
    assert found == {
        Opening.NEW_LINE: nothing,
        Opening.SPACE: nothing | line_breaks,
        Opening.VISIBLE: nothing | line_breaks | {"Ġ", "ĉĉ", "two spaces"},
    }


def test_each_token_that_is_ruled_out_shows_nothing_first(tokenizer: Tokenizer) -> None:
    ruled_out = tokenizer.ruled_out(600)
    for number in range(600):
        text = tokenizer.token_bytes(number)
        assert (number in ruled_out[Opening.NEW_LINE]) == (not text)
        assert (number in ruled_out[Opening.VISIBLE]) == (not text.strip() or text.strip(b" \t")[:1] == b"\n")


def test_a_missing_sentinel_is_named(tokenizer: Tokenizer) -> None:
    with pytest.raises(ModelError, match="has no token <fim_prefix>"):
        tokenizer.token_id("<fim_prefix>")


def test_what_is_no_tokenizer(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(ModelError, match=r"is not a tokenizer\.json"):
        Tokenizer(path)


def test_a_tokenizer_of_another_kind(tmp_path: Path) -> None:
    library = Library(models.BPE())
    library.decoder = decoders.WordPiece()
    library.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ModelError, match="we know byte-level BPE and SentencePiece"):
        Tokenizer(tmp_path / "tokenizer.json")


@pytest.fixture(params=["normalizer", "metaspace"])
def sentence_piece(request: pytest.FixtureRequest, tmp_path: Path) -> Tokenizer:
    """A tokenizer as Code Llama's: U+2581 for spaces, one before each text, and bytes for what has no piece."""
    pieces = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", "a", "b", "\u2581a"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    library = Library(models.BPE(vocabulary, [("\u2581", "a")], unk_token="<unk>", byte_fallback=True))
    strip = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    library.decoder = decoders.Sequence(strip)
    if request.param == "normalizer":
        spaces = [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
        library.normalizer = normalizers.Sequence(spaces)
    else:
        library.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    library.add_special_tokens(["<s>"])
    library.save(str(tmp_path / "tokenizer.json"))
    assert library.encode("a", add_special_tokens=False).ids == [vocabulary["\u2581a"]]
    return Tokenizer(tmp_path / "tokenizer.json")


@pytest.mark.parametrize("text", ["a", " a", "b a", "\n  a", "größer 日本語 🙂", "", "<s>"])
def test_sentence_pieces_are_bytes_and_no_space_is_put_before_them(sentence_piece: Tokenizer, text: str) -> None:
    ids, decoder = sentence_piece.encode(text), sentence_piece.decoder()
    assert "".join(map(decoder.decode, ids)) == text
    assert sentence_piece.token_id("<s>") not in ids


def test_sentence_pieces_that_show_nothing_are_ruled_out(sentence_piece: Tokenizer) -> None:
    ruled_out = sentence_piece.ruled_out(262)[Opening.VISIBLE].tolist()
    space, line_break, letter = map(sentence_piece.token_id, ("\u2581", "<0x0A>", "\u2581a"))
    assert space in ruled_out and line_break in ruled_out and letter not in ruled_out
