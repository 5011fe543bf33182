"""The tokenizer: byte-level BPE whose pieces suit completion, and the encoder training uses.

A newline with the indentation after it is a piece of its own, so a cursor at a line's first character and a stop at the
line's end fall between two tokens. There is no normaliser: decoding an encoding gives the same text back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from codecompose_ls.errors import InputError
from codecompose_ls.prompt.templates import CODECOMPOSE, FimTemplate
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


#: A text's first token, in families that have one.
BEGINS = ("<s>", "<bos>", "<|endoftext|>")
#: A document's last token, by its names in the families we know.
ENDS = ("<|endoftext|>", "</s>", "<eos>", "<｜end▁of▁sentence｜>")


class Encoder:
    """Text to token ids, with the sentinels' ids by name. Sentinels spelled out in text stay text.

    Any family's tokenizer will do; `template` None is one that has never seen a middle. Raises InputError where a
    sentinel of the template is not a token of the tokenizer.
    """

    def __init__(self, tokenizer: Tokenizer, template: FimTemplate | None = CODECOMPOSE) -> None:
        self.template = template
        names = template.sentinels if template else ()
        self.tokenizer = _as_written(tokenizer, names)
        self.tokenizer.encode_special_tokens = True
        ids = {name: self.tokenizer.token_to_id(name) for name in names}
        if missing := [name for name, number in ids.items() if number is None]:
            raise InputError(f"the tokenizer was made for another model: it has no token {missing[0]}")
        self.sentinels: Mapping[str, int] = {name: number for name, number in ids.items() if number is not None}
        ends = [number for number in map(self.tokenizer.token_to_id, ENDS) if number is not None]
        if not (ends or template):
            raise InputError(f"the tokenizer has no end of text that we know ({', '.join(ENDS)})")
        #: What ends a middle; what ends a document, which may be another (CodeLlama's <EOT> and </s>).
        self.end: int = self.sentinels[template.stop[0]] if template else ends[0]
        known = [self.sentinels[name] for name in ENDS if name in self.sentinels]
        self.document_end: int = known[0] if known else self.end
        first = template.split(template.order)[0] if template else ""
        self.begin: list[int] = [self.sentinels[first]] if first in BEGINS else []

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`; no special token among them. What is no text, as in a path, becomes `?`."""
        ids: list[int] = self.tokenizer.encode(text.encode(errors="replace").decode(), add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids`; sentinels are left out."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def header(self, language: str, path: str | None) -> list[int]:
        """Return the ids of the metadata line, as `prompt.build` encodes it; none in families without one."""
        if self.template is None or not self.template.header:
            return []
        pattern = self.template.header if path is not None else self.template.header.replace(" {path}", "")
        parts = self.template.split(pattern)
        fields = {"{language}": language, "{path}": path or ""}
        text = "".join(fields.get(part, part) for part in parts if part not in self.sentinels)
        return [self.sentinels[part] for part in parts if part in self.sentinels] + self.encode(text)


def _as_written(tokenizer: Tokenizer, sentinels: Sequence[str]) -> Tokenizer:
    """Return a copy that encodes a text as it is: sentinels are all special, and no space is put before the text.

    Families made with SentencePiece (CodeLlama, Codestral) take every text for the beginning of a sentence; in the
    middle of a line that would be a space nobody wrote (`encode_infilling` of facebookresearch/codellama).
    """
    parts: dict[str, Any] = json.loads(tokenizer.to_str())
    for token in parts["added_tokens"]:
        token["special"] = token["special"] or token["content"] in sentinels
    for name in ("normalizer", "pre_tokenizer", "decoder"):
        parts[name] = _without_leading_space(parts[name])
    parts["truncation"] = parts["padding"] = None
    return Tokenizer.from_str(json.dumps(parts))


def _without_leading_space(part: dict[str, Any] | None) -> dict[str, Any] | None:
    if part is None or part["type"] in ("Prepend", "Strip"):
        return None
    for key in ("normalizers", "pretokenizers", "decoders"):
        if key in part:
            part[key] = [kept for kept in map(_without_leading_space, part[key]) if kept is not None]
    if part["type"] == "Metaspace":
        part["prepend_scheme"] = "never"
    return part


def characters_per_token(encoder: Encoder, documents: Sequence[Document], *, limit: int = 200) -> dict[str, float]:
    """Return characters per token by language, over at most `limit` documents of each, spread evenly."""
    rates: dict[str, float] = {}
    for language in sorted({document.language for document in documents}):
        texts = [document.text for document in documents if document.language == language]
        texts = texts[:: max(1, len(texts) // limit)]
        rates[language] = sum(map(len, texts)) / max(1, sum(len(encoder.encode(text)) for text in texts))
    return rates
