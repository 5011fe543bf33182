"""Rows of a tuning run: every document once an epoch, in windows that are cut anew each time, replay mixed in.

An epoch is a function of (seed, number) alone, so a resumed run repeats and skips nothing. Windows shorter than a row
are packed together; a row is padded on its right, where padding costs no loss and nothing attends to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from codecompose_ls.errors import InputError
from codecompose_ls.tuning.corpus import Document
from codecompose_ls.tuning.head_loss import IGNORED
from codecompose_ls.tuning.objectives import OBJECTIVES, Example, Mixture, example
from codecompose_ls.tuning.tokenizer import Encoder, characters_per_token
from codecompose_ls.tuning.tuning_recipe import TuningRecipe

#: Rows that are open for another example while an epoch is packed.
OPEN_ROWS = 32


@dataclass(frozen=True, slots=True)
class Batch:
    """Ids (rows, length) and the labels each predicts, IGNORED where no loss is taken.

    An encoder-decoder reads `source` (rows, source length) besides, where `source_mask` is 1.
    """

    tokens: Tensor
    labels: Tensor
    source: Tensor | None = None
    source_mask: Tensor | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def size(self) -> int:
        """Tokens in it, padding included."""
        return self.tokens.numel() + (0 if self.source is None else self.source.numel())

    @property
    def labelled(self) -> int:
        """Tokens that loss is taken on."""
        return int((self.labels != IGNORED).sum())

    def parts(self, *, tokens: int, device: torch.device) -> Iterator[Batch]:
        """Yield pieces of at most `tokens` tokens (one row at least), on a device."""
        rows = max(1, tokens // max(1, self.size // len(self)))
        for start in range(0, len(self), rows):
            fields = (self.tokens, self.labels, self.source, self.source_mask)
            yield Batch(*(None if f is None else f[start : start + rows].to(device) for f in fields))  # type: ignore[arg-type]


class TuningRows:
    """Makes the batches of a run from its documents."""

    def __init__(
        self,
        documents: Sequence[Document],
        encoder: Encoder,
        recipe: TuningRecipe,
        *,
        length: int,
        replay: Sequence[Document] = (),
        decoder_start: int | None = None,
    ) -> None:
        """`decoder_start` is an encoder-decoder's first token; None for a causal model.

        Raises InputError where the tokenizer lacks what the objective needs, or there is nothing to learn from.
        """
        self.documents = [document for document in documents if document.text.strip()]
        if not self.documents:
            raise InputError("no source code to learn from: the folder is empty, or every file was filtered out")
        if recipe.objective != "cm" and encoder.template is None:
            raise InputError(f"the base was never taught to fill in: use the objective cm, not {recipe.objective}")
        self.replay = [document for document in replay if document.text.strip()] if recipe.replay else []
        self.encoder, self.recipe, self.length, self.decoder_start = encoder, recipe, length, decoder_start
        self.rates = characters_per_token(encoder, [*self.documents, *self.replay])

    def epoch(self, number: int) -> list[Batch]:
        """Return the batches of one epoch, a step's each."""
        rng = np.random.default_rng((self.recipe.seed, number))
        examples = [made for document in self.documents for made in self._windows(document, rng)]
        if self.replay:
            tokens = sum(len(made.tokens) for made in examples) * self.recipe.replay / (1 - self.recipe.replay)
            examples += self._replayed(tokens, rng)
        return self._batches([examples[n] for n in rng.permutation(len(examples))], rng)

    def validation(self) -> list[Batch]:
        """Return batches that are the same for every run of the recipe, at most `validation_tokens` in all."""
        rng = np.random.default_rng((self.recipe.seed, 0, 1))
        examples = [made for document in self.documents for made in self._windows(document, rng)]
        rng.shuffle(examples)
        sizes = np.cumsum([len(made.tokens) for made in examples])
        kept = max(1, int(np.searchsorted(sizes, self.recipe.validation_tokens, side="right")))
        return self._batches(examples[:kept], rng)

    def _windows(self, document: Document, rng: Generator) -> Iterator[Example]:
        """Yield as many examples as the document fills rows, their cuts spread evenly over it."""
        head = len(self.encoder.header(document.language, document.path))
        size, rate = len(document.text), self.rates[document.language]
        count = max(1, round(size / rate / max(self.length - head, self.length // 2)))
        edges = [size * n // count for n in range(count + 1)]
        mixture = OBJECTIVES[self.recipe.objective]
        for start, stop in pairwise(edges):
            yield self._example(document, mixture, rng, where=range(start, max(stop, start + 1)))

    def _replayed(self, tokens: float, rng: Generator) -> list[Example]:
        """Return general code as the base learned it, all objectives mixed: what is not to be forgotten."""
        mixture = Mixture() if self.encoder.template and self.recipe.objective != "cm" else OBJECTIVES["cm"]
        weights = np.array([len(document.text) for document in self.replay], dtype=np.float64)
        examples: list[Example] = []
        while sum(len(made.tokens) for made in examples) < tokens:
            document = self.replay[int(rng.choice(len(self.replay), p=weights / weights.sum()))]
            examples.append(self._example(document, mixture, rng, where=None))
        return examples

    def _example(self, document: Document, mixture: Mixture, rng: Generator, *, where: range | None) -> Example:
        rate = self.rates[document.language]
        return example(document, self.encoder, length=self.length + 1, rate=rate, mixture=mixture, rng=rng, where=where)

    def _batches(self, examples: list[Example], rng: Generator) -> list[Batch]:
        if self.decoder_start is not None:
            return self._pairs(examples, rng)
        rows = self._pack(examples)
        count = max(1, self.recipe.tokens_per_step // self.length)
        return [self._causal(rows[start : start + count]) for start in range(0, len(rows), count)]

    def _pack(self, examples: list[Example]) -> list[list[Example]]:
        """Put examples together, first fit, so that no row has more than length + 1 tokens."""
        rows: list[list[Example]] = []
        room: list[int] = []
        for made in examples:
            first = max(0, len(rows) - OPEN_ROWS)
            fits = (n for n in range(first, len(rows)) if room[n] >= len(made.tokens))
            row = next(fits, None)
            if row is None:
                rows.append([])
                room.append(self.length + 1)
                row = -1
            rows[row].append(made)
            room[row] -= len(made.tokens)
        return rows

    def _causal(self, rows: list[list[Example]]) -> Batch:
        ids = np.full((len(rows), self.length + 1), self.encoder.end, dtype=np.int64)
        labels = np.full((len(rows), self.length + 1), IGNORED, dtype=np.int64)
        for row, examples in enumerate(rows):
            at = 0
            for made in examples:
                end = at + len(made.tokens)
                ids[row, at:end] = made.tokens
                # An example's first token follows from nothing: what stands before it is another's.
                start = at + max(1, made.middle if self.recipe.loss == "middle" else 0)
                labels[row, start:end] = ids[row, start:end]
                at = end
        return Batch(torch.from_numpy(ids[:, :-1].copy()), torch.from_numpy(labels[:, 1:].copy()))

    def _pairs(self, examples: list[Example], rng: Generator) -> list[Batch]:
        """Return pairs of what an encoder reads and a decoder writes, of like lengths together."""
        # Without a middle the second half is what follows from the first.
        pairs = [
            (made.tokens[:at], made.tokens[at:]) for made in examples if (at := made.middle or len(made.tokens) // 2)
        ]
        pairs.sort(key=lambda pair: len(pair[0]))
        count = max(1, self.recipe.tokens_per_step // self.length)
        batches = [self._encoder_decoder(pairs[start : start + count]) for start in range(0, len(pairs), count)]
        return [batches[n] for n in rng.permutation(len(batches))]

    def _encoder_decoder(self, pairs: list[tuple[list[int], list[int]]]) -> Batch:
        sources, targets = max(len(source) for source, _ in pairs), max(len(target) for _, target in pairs)
        source = np.full((len(pairs), sources), self.encoder.end, dtype=np.int64)
        mask = np.zeros((len(pairs), sources), dtype=np.int64)
        tokens = np.full((len(pairs), targets), self.encoder.end, dtype=np.int64)
        labels = np.full((len(pairs), targets), IGNORED, dtype=np.int64)
        for row, (read, written) in enumerate(pairs):
            source[row, : len(read)], mask[row, : len(read)] = read, 1
            tokens[row, : len(written)] = [self.decoder_start or 0, *written[:-1]]
            labels[row, : len(written)] = written
        return Batch(*map(torch.from_numpy, (tokens, labels, source, mask)))
