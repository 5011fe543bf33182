"""Rows of training tokens, each a function of (seed, step, row) alone: a resumed run repeats and skips nothing.

Documents are drawn by language weight, then in proportion to length; long files and large packages are held down.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codecompose_ls.tuning.corpus import Corpus, Document
from codecompose_ls.tuning.objectives import Mixture, example
from codecompose_ls.tuning.tokenizer import Encoder, characters_per_token

#: A file counts as at most this many characters, and a package's files together as at most so many.
FILE_CHARACTERS, PACKAGE_CHARACTERS = 40_000, 2_000_000
#: Example lengths in tokens, as shares of a row, with their probabilities.
EXAMPLE_SHARES, EXAMPLE_ODDS = (0.25, 0.5, 1.0), (0.3, 0.35, 0.35)
#: Below this many tokens left, a row is filled up with plain text.
MIN_EXAMPLE = 48

#: Language groups and their weights; what is not named shares REST by the square root of its size.
GROUPS: dict[str, str] = {
    "python": "python",
    "typescript": "web",
    "typescriptreact": "web",
    "javascript": "web",
    "javascriptreact": "web",
}
WEIGHTS, REST = {"python": 0.72, "web": 0.10}, 0.18


@dataclass(frozen=True, slots=True)
class RowKey:
    """Names one row: which step, which row of the step, and how many tokens long."""

    step: int
    row: int
    length: int


class RowSource:
    """Draws rows from a corpus; indexable by RowKey, so that a torch DataLoader takes it as a map-style data set."""

    def __init__(self, corpus: Corpus, encoder: Encoder, *, seed: int, mixture: Mixture | None = None) -> None:
        self.encoder, self.seed, self.mixture = encoder, seed, mixture or Mixture()
        self.documents = corpus.documents
        self.rates = characters_per_token(encoder, corpus.documents)
        self.languages, weights = language_weights(corpus)
        self._language_steps = np.cumsum(weights)
        self._by_language = {
            language: [n for n, document in enumerate(corpus.documents) if document.language == language]
            for language in self.languages
        }
        self._document_steps = document_steps(corpus, self._by_language)

    def draw(self, rng: np.random.Generator) -> Document:
        """Draw a document."""
        language = self.languages[_pick(self._language_steps, rng)]
        return self.documents[self._by_language[language][_pick(self._document_steps[language], rng)]]

    def __getitem__(self, key: RowKey) -> NDArray[np.int64]:
        """Return (length + 1,) tokens: inputs are all but the last, targets all but the first."""
        rng = np.random.default_rng((self.seed, key.step, key.row))
        tokens: list[int] = []
        while (left := key.length + 1 - len(tokens)) > 0:
            document = self.draw(rng)
            length = min(left, int(key.length * rng.choice(EXAMPLE_SHARES, p=EXAMPLE_ODDS)) + 1)
            if left - length < MIN_EXAMPLE:
                length = left
            mixture = (
                self.mixture if length >= MIN_EXAMPLE else Mixture(fim_rate=0.0, header_full=0.0, header_language=1.0)
            )
            rate = self.rates[document.language]
            tokens += example(document, self.encoder, length=length, rate=rate, mixture=mixture, rng=rng).tokens
        return np.asarray(tokens, dtype=np.int64)


def language_weights(corpus: Corpus) -> tuple[list[str], NDArray[np.float64]]:
    """Return the languages present and the share of rows each gets; shares sum to 1 whatever is missing."""
    sizes = {language: corpus.report.characters[language] ** 0.5 for language in corpus.languages}
    totals: dict[str, float] = defaultdict(float)
    for language, size in sizes.items():
        totals[GROUPS.get(language, "rest")] += size
    group_weight = {group: WEIGHTS.get(group, REST) for group in totals}
    weights = np.array(
        [group_weight[g := GROUPS.get(language, "rest")] * sizes[language] / totals[g] for language in sizes]
    )
    return list(sizes), weights / weights.sum()


def document_steps(corpus: Corpus, by_language: dict[str, list[int]]) -> dict[str, NDArray[np.float64]]:
    """Return, by language, the cumulated probabilities of its documents."""
    packages: dict[str, int] = defaultdict(int)
    sizes = [min(len(document.text), FILE_CHARACTERS) for document in corpus.documents]
    for document, size in zip(corpus.documents, sizes, strict=True):
        packages[document.package] += size
    steps = {}
    for language, numbers in by_language.items():
        weights = np.array(
            [sizes[n] * min(1.0, PACKAGE_CHARACTERS / packages[corpus.documents[n].package]) for n in numbers]
        )
        steps[language] = np.cumsum(weights / weights.sum())
    return steps


def _pick(steps: NDArray[np.float64], rng: np.random.Generator) -> int:
    return min(int(np.searchsorted(steps, rng.random(), side="right")), len(steps) - 1)
