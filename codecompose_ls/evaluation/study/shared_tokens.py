"""What projects have in common: the share of one project's distinct tokens that another one has, too (P-01)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from codecompose_ls.evaluation.metrics import percentile
from codecompose_ls.evaluation.study.syntax import keywords, without_comments
from codecompose_ls.tuning.corpus import Document

#: What `gensim.utils.tokenize` finds: runs of letters and underscores, digits nowhere.
_TOKEN = re.compile(r"(?:(?!\d)\w)+")


@dataclass(frozen=True, slots=True)
class SharedTokens:
    """`ratios[i][j]` = tokens of both i and j / tokens of i; projects in ascending order of their distinct tokens."""

    projects: tuple[str, ...]
    sizes: tuple[int, ...]
    ratios: tuple[tuple[float, ...], ...]

    @property
    def median(self) -> float:
        """The middle of the ratios of different projects."""
        return percentile(self._off_diagonal(), 0.5)

    @property
    def third_quartile(self) -> float:
        return percentile(self._off_diagonal(), 0.75)

    def _off_diagonal(self) -> list[float]:
        return [ratio for i, row in enumerate(self.ratios) for j, ratio in enumerate(row) if i != j]


def token_set(documents: Iterable[Document]) -> frozenset[str]:
    """Return the distinct tokens of a project, in lower case, without comments and the languages' keywords."""
    tokens: set[str] = set()
    for document in documents:
        text = without_comments(document.text, language=document.language)
        tokens |= {token.lower() for token in _TOKEN.findall(text)} - keywords(document.language)
    return frozenset(tokens)


def shared(tokens: Mapping[str, frozenset[str]]) -> SharedTokens:
    """Compare the token sets of projects, by name."""
    names = sorted((name for name in tokens if tokens[name]), key=lambda name: (len(tokens[name]), name))
    ratios = tuple(tuple(len(tokens[i] & tokens[j]) / len(tokens[i]) for j in names) for i in names)
    return SharedTokens(tuple(names), tuple(len(tokens[name]) for name in names), ratios)
