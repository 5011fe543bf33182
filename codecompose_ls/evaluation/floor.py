"""The n-gram floor: the longest match of lexical tokens in the file and its project, copied to the end of the line.

No neural model and nothing to fit: what a shipped model has to beat clearly. It sees the case's document on both sides
of the cursor, and the project's other files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codecompose_ls.evaluation.hidden_lines import Case
from codecompose_ls.evaluation.projects import Project
from codecompose_ls.evaluation.runner import Prediction

Tokens = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]

#: A line break with all the white space after it is one token, so that copied code may be indented otherwise.
_TOKEN = re.compile(r"\n\s*|[^\S\n]+|\w+|[^\w\s]")
#: Ids of what ends a suggestion: the end of a text, and a line break.
_END, _BREAK = 0, 1
_MOST_TOKENS = 200
#: Longer matches are no better evidence.
_LONGEST_MATCH = 100


class Vocabulary:
    """Lexical tokens and their ids."""

    def __init__(self) -> None:
        self._ids = {"": _END, "\n": _BREAK}
        self._texts = ["", "\n"]

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text; new tokens get new ids."""
        return [self._id(token) for token in _TOKEN.findall(text.replace("\r\n", "\n"))]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids."""
        return "".join(self._texts[id] for id in ids)

    def _id(self, token: str) -> int:
        if token[0] == "\n":
            return _BREAK
        found = self._ids.setdefault(token, len(self._texts))
        if found == len(self._texts):
            self._texts.append(token)
        return found


@dataclass(frozen=True, slots=True)
class Matches:
    """Places (indices into `tokens`) where the last `length` tokens before the cursor stand, too."""

    tokens: Tokens
    places: Places
    length: int


class ProjectIndex:
    """The tokens of a project's files, one after the other, and where each token stands."""

    def __init__(self, project: Project) -> None:
        self.vocabulary = Vocabulary()
        self._spans: dict[str, tuple[int, int]] = {}
        tokens: list[int] = []
        for path in project.files:
            start = len(tokens)
            tokens += [*_opened(self.vocabulary, _text(project, path)), _END]
            self._spans[path] = (start, len(tokens))
        self.tokens = np.array(tokens, dtype=np.int32)
        self._order = np.argsort(self.tokens, kind="stable")
        self._sorted = self.tokens[self._order]

    def places(self, token: int, *, without: str) -> Places:
        """Return where a token stands, one file left out."""
        first, last = np.searchsorted(self._sorted, [token, token + 1])
        places: Places = self._order[first:last]
        start, end = self._spans.get(without, (0, 0))
        return places[(places < start) | (places >= end)]


class Floor:
    """A predictor (see `evaluation.runner`); it keeps the index of one project at a time."""

    name = "floor"

    def __init__(self) -> None:
        self._indexed: tuple[Project, ProjectIndex] | None = None

    def prepare(self, case: Case) -> None:
        """Index the case's project, unless that is the last one indexed."""
        self._index(case.project)

    async def predict(self, case: Case) -> Prediction:
        """Copy what follows the longest match; silent when not even one token matches."""
        text = complete_line(case, self._index(case.project))
        return Prediction(text, "" if text is not None else "no match")

    async def score(self, case: Case) -> Sequence[float]:
        """Return nothing: the floor has no opinion on how likely a text is."""
        return ()

    def _index(self, project: Project) -> ProjectIndex:
        if self._indexed is None or self._indexed[0] != project:
            self._indexed = (project, ProjectIndex(project))
        return self._indexed[1]


def complete_line(case: Case, index: ProjectIndex) -> str | None:
    """Return the rest of the case's line as the longest matches have it, or None without any match.

    Where the file and the project match equally long, the file decides; among equals the majority, then the nearest.
    """
    before = _opened(index.vocabulary, case.text[: case.offset])
    after = index.vocabulary.encode(case.text[case.offset :])
    document = np.array([*before, _END, *after, _END], dtype=np.int32)
    context = document[: len(before)]
    inside = np.flatnonzero(document == context[-1])
    found = [
        _longest(document, inside[inside != len(before) - 1], context),
        _longest(index.tokens, index.places(int(context[-1]), without=case.path), context),
    ]
    best = max(found, key=lambda matches: matches.length)
    return index.vocabulary.decode(_copy(best, cursor=len(before))) if best.length else None


def _longest(tokens: Tokens, places: Places, context: Tokens) -> Matches:
    """Keep the places whose tokens agree with the context the furthest back, and that go on within the line."""
    places = places[tokens[places + 1] > _BREAK] if len(places) else places
    length = min(len(places), 1)
    while length and length < min(len(context), _LONGEST_MATCH):
        earlier = places[places >= length]
        earlier = earlier[tokens[earlier - length] == context[-1 - length]]
        if not len(earlier):
            break
        places, length = earlier, length + 1
    return Matches(tokens, places, length)


def _copy(matches: Matches, *, cursor: int) -> list[int]:
    """Follow the majority of the matches, token by token, to the end of the line."""
    tokens, places = matches.tokens, matches.places
    # Nearest first, so that a tie goes to the nearest; in another file any order is as good.
    places = places[np.argsort(np.abs(places - cursor), kind="stable")]
    line: list[int] = []
    while len(line) < _MOST_TOKENS:
        places = places + 1
        following = tokens[places]
        values, firsts, counts = np.unique(following, return_index=True, return_counts=True)
        most = counts == counts.max()
        chosen = int(values[most][np.argmin(firsts[most])])
        if chosen <= _BREAK:
            break
        line.append(chosen)
        places = places[following == chosen]
    return line


def _opened(vocabulary: Vocabulary, text: str) -> list[int]:
    """Encode a text as if a line break stood before it, so that its first line has something to match."""
    return vocabulary.encode("\n" + text)


def _text(project: Project, path: str) -> str:
    try:
        return project.read(path)
    except (OSError, UnicodeDecodeError):
        return ""
