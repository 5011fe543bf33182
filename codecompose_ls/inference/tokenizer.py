"""Text to token ids and back, for byte-level BPE and SentencePiece. Sentinels spelled out in user text stay text."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain, product
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from codecompose_ls.errors import ModelError
from codecompose_ls.types import Opening

T = TypeVar("T")

#: Lines whose ids are remembered, and beginnings whose first id is; 0.5 KB and 0.1 KB each.
LINES, FIRSTS = 5_000, 30_000
#: A line, with the breaks before it.
_LINE = re.compile(r"\n+[^\n]*|[^\n]+")
#: Characters of every kind that patterns tell apart.
_KINDS = ("a", "\u00e9", "_", "7", ")", "'", " ", "  ", "\t", "\r", "\u4e2d", "\u0301", "\U0001f642")


class Tokenizer:
    """A tokenizer.json; not changed after it is loaded, so it may be used from any thread."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer as Library

        try:
            self._library = Library.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise ModelError(f"{path} is not a tokenizer.json ({error}); copy or export the model again") from error
        kinds = _kinds(self._library.decoder)
        if "ByteLevel" in kinds:
            self._bytes_of = _byte_level
        elif kinds & {"ByteFallback", "Metaspace"}:
            self._bytes_of = _sentence_piece
            described = _without_implicit_space(json.loads(self._library.to_str()))
            self._library = Library.from_str(json.dumps(described))
        else:
            raise ModelError(f"{path} is of a kind we cannot serve: we know byte-level BPE and SentencePiece")
        self._library.encode_special_tokens = True
        self._is_linewise = _is_linewise(self._library)
        self._lines: _Memory[list[int]] = _Memory(self._library, lambda encoded: list(encoded.ids), most=LINES)
        self._firsts = _Memory(self._library, lambda encoded: int(encoded.ids[0]), most=FIRSTS)
        added = self._library.get_added_tokens_decoder().items()
        self._added = {number: b"" if token.special else token.content.encode() for number, token in added}

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`, no special token among them."""
        text = _without_halves(text)
        if self._is_linewise:
            # While somebody types, all lines are remembered but one.
            return list(chain.from_iterable(self._lines.recall(_LINE.findall(text))))
        ids: list[int] = self._library.encode(text, add_special_tokens=False).ids
        return ids

    def firsts(self, texts: Iterable[str]) -> list[int]:
        """Return the first id of each text, all of which have one; remembered, so for what comes again and again."""
        return self._firsts.recall([_without_halves(text) for text in texts])

    def has_token(self, name: str) -> bool:
        return self._library.token_to_id(name) is not None

    def token_id(self, name: str) -> int:
        """Return the id of a sentinel. Raises `ModelError` if the tokenizer has none of that name."""
        number: int | None = self._library.token_to_id(name)
        if number is None:
            raise ModelError(f"the model's tokenizer has no token {name}: its codecompose.json names another family")
        return number

    def token_bytes(self, number: int) -> bytes:
        """Return the bytes a token stands for; none for a special token or an id beyond the vocabulary."""
        if number in self._added:
            return self._added[number]
        token: str | None = self._library.id_to_token(number)
        return self._bytes_of(token or "")

    def ruled_out(self, vocabulary: int) -> dict[Opening, NDArray[np.int64]]:
        """Return the ids below `vocabulary` that cannot be an answer's first token, for each way that it may begin.

        Tokens without text (sentinels, padding of the vocabulary) are ruled out always; those that begin with a line
        break, white space aside, from `SPACE` on, and all that are nothing but white space for `VISIBLE`.
        """
        # What each token begins with, spaces aside; None if it has no text at all.
        first = [text.lstrip(b" \t\v\f")[:1] if text else None for text in map(self.token_bytes, range(vocabulary))]

        def ids(*ruled_out: bytes | None) -> NDArray[np.int64]:
            return np.array([number for number, begins in enumerate(first) if begins in ruled_out], np.int64)

        return {
            Opening.NEW_LINE: ids(None),
            Opening.SPACE: ids(None, b"\r", b"\n"),
            Opening.VISIBLE: ids(None, b"\r", b"\n", b""),
        }

    def decoder(self) -> Decoder:
        return Decoder(self)


class _Memory(Generic[T]):
    """What is wanted of the encodings of texts; when there are too many, all are forgotten."""

    def __init__(self, library: Any, want: Callable[[Any], T], *, most: int) -> None:
        self._library, self._want, self._most = library, want, most
        self._known: dict[str, T] = {}

    def recall(self, texts: Sequence[str]) -> list[T]:
        """Return it for each text; those that are new are encoded together."""
        known = self._known
        if new := [text for text in dict.fromkeys(texts) if text not in known]:
            # The library lets other threads run Python meanwhile, as it does not for a single text.
            batch = self._library.encode_batch(new, add_special_tokens=False)
            if len(known) + len(new) > self._most:
                # Another dictionary, since another thread may be reading this one.
                known = self._known = {text: known[text] for text in texts if text in known}
            known.update(zip(new, map(self._want, batch), strict=True))
        return [known[text] for text in texts]


class Decoder:
    """Decodes one generation token by token; bytes of an unfinished character wait for the next token."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def decode(self, number: int) -> str:
        """Return the text that the token completes, possibly none."""
        return self._utf8.decode(self._tokenizer.token_bytes(number))

    @property
    def unfinished(self) -> bytes:
        """The bytes of a character that is not complete yet."""
        return self._utf8.getstate()[0]


def _kinds(decoder: Any) -> set[str]:
    """Return the names of a decoder and of those it is made of."""
    if decoder is None:
        return set()
    described = json.loads(decoder.__getstate__())
    return {one["type"] for one in (described, *described.get("decoders", ()))}


def _byte_level(token: str) -> bytes:
    return bytes(map(_byte_alphabet().__getitem__, token))


def _sentence_piece(token: str) -> bytes:
    """Return the bytes of a piece: U+2581 is a space, and <0x0A> the byte that no piece has."""
    byte = re.fullmatch(r"<0x([0-9A-F]{2})>", token)
    return bytes([int(byte[1], 16)]) if byte else token.replace("\u2581", " ").encode()


def _without_implicit_space(described: dict[str, Any]) -> dict[str, Any]:
    """Return a tokenizer.json that puts no space before a text: a prompt has several (Code Llama, section 3.1)."""
    normalizer, splitter = described.get("normalizer") or {}, described.get("pre_tokenizer") or {}
    if "normalizers" in normalizer:
        normalizer["normalizers"] = [one for one in normalizer["normalizers"] if one["type"] != "Prepend"]
    elif normalizer.get("type") == "Prepend":
        described["normalizer"] = None
    for one in (splitter, *splitter.get("pretokenizers", ())):
        if one.get("type") == "Metaspace":
            one["prepend_scheme"] = "never"
    return described


@lru_cache(maxsize=1)
def _byte_alphabet() -> dict[str, int]:
    """Return the byte behind each character of a byte-level token (`bytes_to_unicode` of GPT-2)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


def _without_halves(text: str) -> str:
    """Return a text of characters: an editor may cut a surrogate pair in two."""
    return text.encode(errors="replace").decode()


def _is_linewise(library: Any) -> bool:
    """Return whether a text's ids are those of its lines, one after the other.

    They are where the pattern that cuts a text before it is encoded always cuts before line breaks, whatever stands
    around them. GPT-2's does not (a space and the break after it are one piece); SentencePiece has none.
    """
    added = [token for token in library.get_added_tokens_decoder().values() if not token.special]
    reaching = any("\n" in token.content or token.lstrip or token.rstrip for token in added)
    if library.pre_tokenizer is None or library.normalizer is not None or reaching:
        return False

    def pieces(text: str) -> list[str]:
        return [piece for piece, _ in library.pre_tokenizer.pre_tokenize_str(text)]

    probe = "".join(f"x{left}{breaks}{right}" for left, breaks, right in product(_KINDS, ("\n", "\n\n"), _KINDS))
    return pieces(probe) == [piece for line in _LINE.findall(probe) for piece in pieces(line)]
