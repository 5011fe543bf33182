"""Snippets for a prompt: what other files of the workspace say of the names in use near a cursor.

First the lines that define those names, then the passages that use the most of them, by BM25 (Robertson et al. 1994)
over runs of lexemes. The index finds both; their text is read from where it lies and given only where it still is, line
by line, what the index holds: what must not be read is not in there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np

from codecompose_ls.index.candidates import Flags
from codecompose_ls.index.lexemes import BREAK, END, UNKNOWN, Ids
from codecompose_ls.index.prior import Locate
from codecompose_ls.index.segment import Files, Places, Segment
from codecompose_ls.index.workspace import Workspace
from codecompose_ls.types import Context, Snippet

#: Characters before and after the cursor whose names are looked for; how many names, the nearest first.
NEAR_BEFORE, NEAR_AFTER, NAMES = 1500, 400, 48
#: Definitions get this share of the room. A name that is defined in more places than these tells too little.
DEFINITIONS_SHARE, NAMESAKES = 0.5, 3
#: Lexemes of a definition at most; it ends with the line on which its brackets are closed.
SIGNATURE = 80
#: A passage is two steps of so many lexemes, about twelve lines; of a file there are so many at most.
STEP, PASSAGES_PER_FILE = 64, 2
#: Names that a passage has at least, and places of names that are looked at in all, the rarest names first.
FEWEST_NAMES, MOST_PLACES = 3, 8000
#: How soon the same name again counts less (k1 of BM25).
SATURATION = 1.2
#: Room for less than so many characters is none; passages that are tried whether they fit.
SHORTEST, TRIES = 40, 12

_SPACE = re.compile(r"\s*")
_OPENING, _CLOSING = frozenset("(["), frozenset(")]")
_NAME = re.compile(r"[^\W\d]\w{2,}")
_DEFINING = ("def", "class", "function", "func", "fn", "struct", "enum", "trait", "interface", "type", "protocol")
#: What may stand before them, each with a space.
_MODIFIERS = ("async", "export", "default", "pub", "public", "private", "protected", "static", "abstract", "final")
_DEFINED = re.compile(rf"\b(?:{'|'.join(_DEFINING)})\s+(\w+)")

#: Finds at most `limit` characters of snippets for a request; takes a few milliseconds, from any thread.
Find = Callable[[Context, int], tuple[Snippet, ...]]


def snippets_of(locate: Locate) -> Find:
    """Return a `Find` that looks into the workspace which `locate` finds; nothing is found where there is none."""

    def find(context: Context, limit: int) -> tuple[Snippet, ...]:
        found = locate(context)
        if found is None or limit <= 0:
            return ()
        workspace, path = found
        return snippets(workspace, path=path, before=context.before, after=context.after, limit=limit)

    return find


def snippets(workspace: Workspace, *, path: str, before: str, after: str, limit: int) -> tuple[Snippet, ...]:
    """Return what the files other than `path` say of the names near the cursor, one snippet a file, sorted by path."""
    names = near_names(before, after)
    own = {*_DEFINED.findall(before), *_DEFINED.findall(after)}
    search, shelf = _Search(workspace, path), _Shelf(workspace)
    room = int(limit * DEFINITIONS_SHARE)
    for passage in search.definitions(name for name in names if name not in own):
        room -= shelf.put(passage, room=room)
        if room < SHORTEST:
            break
    room += limit - int(limit * DEFINITIONS_SHARE)
    given: Counter[str] = Counter()
    for passage in search.passages(names):
        if room >= SHORTEST and given[passage.path] < PASSAGES_PER_FILE:
            size = shelf.put(passage, room=room)
            given[passage.path] += size > 0
            room -= size
    return shelf.snippets()


def near_names(before: str, after: str) -> list[str]:
    """Return the names around a cursor, the nearest before it first."""
    found = _NAME.findall(before[-NEAR_BEFORE:])[::-1] + _NAME.findall(after[:NEAR_AFTER])
    return list(islice(dict.fromkeys(found), NAMES))


@dataclass(frozen=True, slots=True)
class _Passage:
    """The lexemes of some lines of a file, one after the other, without the blank ones."""

    path: str
    lines: list[list[int]]


class _Search:
    """Finds passages by names in the files that a workspace has beside `path`."""

    def __init__(self, workspace: Workspace, path: str) -> None:
        view = workspace.view()
        self._vocabulary = workspace.vocabulary
        self._sources, self._rarity = view.without(path), view.rarity

    def definitions(self, names: Iterable[str]) -> Iterator[_Passage]:
        """Yield where names are defined."""
        keywords, openers = self._flags(_DEFINING), self._flags(_MODIFIERS)
        for name in self._ids(names):
            found: list[tuple[Files, int]] = []
            for files, hidden in self._sources:
                places = _places(files, int(name))
                # A line break, or a space after a word as `async`; the keyword, a space, the name.
                places = places[keywords[files.tokens[np.maximum(places - 2, 0)]]]
                # At a line's start, but for words as `async`.
                modified = openers[files.tokens[np.maximum(places - 4, 0)]]
                modified &= files.tokens[np.maximum(places - 5, 0)] == BREAK
                places = places[modified | (files.tokens[np.maximum(places - 3, 0)] == BREAK)]
                found += [(files, place) for place in _visible(files, places, hidden).tolist()]
            if len(found) <= NAMESAKES:
                yield from (self._signature(files, place) for files, place in found)

    def _signature(self, files: Files, place: int) -> _Passage:
        """Return the lines from a definition's first on, until its brackets are closed."""
        end = place + SIGNATURE
        depth = 0
        for at in range(place, min(end, len(files.tokens))):
            text = self._vocabulary.texts[files.tokens[at]]
            depth += (text in _OPENING) - (text in _CLOSING)
            if files.tokens[at] <= BREAK and depth <= 0:
                end = at
                break
        return _passage(files, place, end=end)

    def passages(self, names: Iterable[str]) -> Iterator[_Passage]:
        """Yield the passages with these names in them, the best first."""
        ids = self._ids(names)
        found: list[tuple[float, int, Files]] = []
        for files, hidden in self._sources:
            found += [(score, start, files) for score, start in self._scored(files, ids, hidden)]
        for _, start, files in sorted(found, key=lambda one: -one[0])[:TRIES]:
            yield _passage(files, start, end=start + 2 * STEP)

    def _scored(self, files: Files, ids: Ids, hidden: Flags) -> list[tuple[float, int]]:
        """Return the BM25 scores of the best passages, and where each starts."""
        known = sorted(((int(one), _places(files, int(one))) for one in ids), key=lambda one: len(one[1]))
        # Every file is cut into steps of its own, and at each of them a passage starts.
        heads = np.concatenate([[0], np.cumsum(np.diff(files.starts, append=len(files.tokens)) // STEP + 1)])
        room = MOST_PLACES
        keys = []
        for one, places in known:
            room -= len(places)
            if room < 0:
                break
            numbers = files.file_of(places)
            places, numbers = places[~hidden[numbers]], numbers[~hidden[numbers]]
            steps = (places - files.starts[numbers]) // STEP
            passages = one * heads[-1] + heads[numbers] + steps
            # What stands in one step is in the passage that starts there, and in the one before.
            keys += [passages, passages[steps > 0] - 1]
        if not keys:
            return []
        pairs, counts = np.unique(np.concatenate(keys), return_counts=True)
        names, passages = np.divmod(pairs, heads[-1])
        scores = np.bincount(passages, self._rarity[names] * counts * (SATURATION + 1) / (counts + SATURATION))
        best = np.flatnonzero(np.bincount(passages) >= FEWEST_NAMES)
        best = best[np.argsort(-scores[best], kind="stable")[:TRIES]]
        numbers = np.searchsorted(heads, best, side="right") - 1
        starts = files.starts[numbers] + (best - heads[numbers]) * STEP + 1
        return list(zip(scores[best].tolist(), starts.tolist(), strict=True))

    def _flags(self, names: Iterable[str]) -> Flags:
        """Return, for every id, whether it is one of these names."""
        flags = np.zeros(len(self._rarity), dtype=np.bool_)
        flags[self._ids(names)] = True
        return flags

    def _ids(self, names: Iterable[str]) -> Ids:
        ids = (number for name in names for number in self._vocabulary.lookup(name))
        return np.array([number for number in ids if number != UNKNOWN], dtype=np.uint32)


class _Shelf:
    """Passages that were put aside, read from where they lie."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._texts: dict[str, str] = {}
        #: Where they begin and end in the text of their file.
        self._held: dict[str, list[tuple[int, int]]] = {}

    def put(self, passage: _Passage, *, room: int) -> int:
        """Put a passage aside if it fits `room` characters and does not overlap another; return what it takes."""
        span = self._find(passage)
        held = self._held.setdefault(passage.path, [])
        if span is None or span[1] - span[0] >= room or any(span[0] < end and start < span[1] for start, end in held):
            return 0
        held.append(span)
        return span[1] - span[0] + 1

    def snippets(self) -> tuple[Snippet, ...]:
        """Return what was put aside, the passages of a file in their order."""
        return tuple(
            Snippet(path, "\n".join(self._texts[path][start:end] for start, end in sorted(spans)))
            for path, spans in sorted(self._held.items())
            if spans
        )

    def _find(self, passage: _Passage) -> tuple[int, int] | None:
        """Return where the text of a passage begins and ends; None where the file is another than was indexed."""
        path, decode = passage.path, self._workspace.vocabulary.decode
        if path not in self._texts:
            self._texts[path] = (self._workspace.text(path) or "").replace("\r\n", "\n")
        text, lines = self._texts[path], [decode(line) for line in passage.lines]
        at = text.find(lines[0]) if lines else -1
        while at >= 0:
            start, end = text.rfind("\n", 0, at) + 1, at
            for line in lines:
                end = _line_end(text, line, end)
            if end >= 0 and not text[start:at].strip():
                return start, end
            at = text.find(lines[0], at + 1)
        return None


def _passage(files: Files, start: int, *, end: int) -> _Passage:
    """Return the lines of one file from the one that `start` is in to the last before `end`."""
    breaks = files.breaks
    first = int(np.searchsorted(breaks, start, side="right")) - 1
    last = max(first + 1, int(np.searchsorted(breaks, end, side="right")) - 1)
    lines: list[list[int]] = []
    for at, to in pairwise(breaks[first : last + 1].tolist()):
        if files.tokens[at] == END and lines:
            break  # another file begins
        lines.append(files.tokens[at + 1 : to].tolist())
    return _Passage(files.paths[int(files.file_of(breaks[first : first + 1])[0])], [line for line in lines if line])


def _line_end(text: str, line: str, at: int) -> int:
    """Return where a line ends that is the next after a place, space aside; -1 if another one is."""
    space = _SPACE.match(text, at) if at >= 0 else None
    start = space.end() if space else at
    end = start + len(line)
    return end if space and text.startswith(line, start) and text[end : end + 1] in ("", "\n") else -1


def _places(files: Files, number: int) -> Places:
    """Return where a lexeme stands."""
    if not isinstance(files, Segment):
        return np.flatnonzero(files.tokens == number)
    if number + 1 >= len(files.heads):
        return np.zeros(0, dtype=np.int64)
    return files.order[files.heads[number] : files.heads[number + 1]].astype(np.int64)


def _visible(files: Files, places: Places, hidden: Flags) -> Places:
    """Return those of the places that are in files which count."""
    return places[~hidden[files.file_of(places)]]
