"""The tokenizer: byte-level BPE whose pieces suit completion, and the encoder training uses.

A newline with the indentation after it is a piece of its own, so a cursor at a line's first character and a stop at the
line's end fall between two tokens. There is no normaliser: decoding an encoding gives the same text back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from codecompose_ls.errors import InputError
from codecompose_ls.prompt.templates import CODECOMPOSE
from codecompose_ls.tuning.corpus import Corpus, Document

RESERVED = 10
SPECIALS = (*CODECOMPOSE.sentinels, *(f"<|reserved_{number}|>" for number in range(RESERVED)))

#: Alternatives in order: newlines with indentation; an identifier; up to three digits; punctuation; other white space,
#: of which the last character before a word or sign belongs to that.
PIECES = (
    r"\n+[ \t]*"
    r"| ?[\p{L}\p{M}_][\p{L}\p{M}\p{N}_]*"
    r"| ?\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{M}\p{N}_]+"
    r"|[^\S\n]+(?!\S)"
    r"|[^\S\n]"
)
#: Characters the merges are learned from, and the share of Python in them; the other languages share the rest.
SAMPLE_CHARACTERS = 60_000_000
PYTHON_SHARE = 0.5
MAX_TOKEN_CHARACTERS = 24


def train_tokenizer(corpus: Corpus, *, vocabulary: int, seed: int = 0, progress: bool = True) -> Tokenizer:
    """Learn a tokenizer of `vocabulary` entries, specials first, from a language-balanced sample of the corpus."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=MAX_TOKEN_CHARACTERS,
        show_progress=progress,
    )
    tokenizer.train_from_iterator(balanced_sample(corpus, seed=seed), trainer)
    return tokenizer


def balanced_sample(corpus: Corpus, *, seed: int, characters: int = SAMPLE_CHARACTERS) -> Iterator[str]:
    """Yield whole documents in random order until every language has its share of `characters` or is used up."""
    others = max(1, len(corpus.languages) - ("python" in corpus.languages))
    python = PYTHON_SHARE if len(corpus.languages) > 1 else 1.0
    left = {
        language: characters
        * (python if language == "python" else (1 - python) / others if "python" in corpus.languages else 1 / others)
        for language in corpus.languages
    }
    for number in np.random.default_rng(seed).permutation(len(corpus.documents)):
        document = corpus.documents[number]
        if left[document.language] > 0:
            left[document.language] -= len(document.text)
            yield document.text


def load_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizer.json. Raises InputError where it cannot be read or lacks our sentinels."""
    if not path.is_file():
        raise InputError(f"no such tokenizer: {path}")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        raise InputError(f"{path} is not a tokenizer.json ({error})") from error
    missing = [name for name in CODECOMPOSE.sentinels if tokenizer.token_to_id(name) is None]
    if missing:
        raise InputError(f"{path} was made for another model: it has no token {missing[0]}")
    return tokenizer


def tokenizer_hash(tokenizer: Tokenizer) -> str:
    """Return the SHA-256 of the tokenizer's serialised form, which is what tokenizer.json holds."""
    return hashlib.sha256(tokenizer.to_str(pretty=False).encode()).hexdigest()


class Encoder:
    """Text to token ids, with the sentinels' ids by name. Sentinels spelled out in text stay text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        # A copy: the switch below changes what its tokenizer does.
        self.tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self.tokenizer.encode_special_tokens = True
        ids = {name: self.tokenizer.token_to_id(name) for name in CODECOMPOSE.sentinels}
        self.sentinels: Mapping[str, int] = {name: number for name, number in ids.items() if number is not None}
        self.end = self.sentinels[CODECOMPOSE.stop[0]]

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`; no special token among them."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids`; sentinels are left out."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text


def characters_per_token(encoder: Encoder, documents: Sequence[Document], *, limit: int = 200) -> dict[str, float]:
    """Return characters per token by language, over at most `limit` documents of each, spread evenly."""
    rates: dict[str, float] = {}
    for language in sorted({document.language for document in documents}):
        texts = [document.text for document in documents if document.language == language]
        texts = texts[:: max(1, len(texts) // limit)]
        rates[language] = sum(map(len, texts)) / max(1, sum(len(encoder.encode(text)) for text in texts))
    return rates
