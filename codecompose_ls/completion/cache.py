"""What has been generated, by what the model saw: file, language, model, prefix window, suffix window.

An entry answers its own cursor and, while its text begins with what has been typed since, every cursor after it.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from uuid import uuid4

from cachetools import LRUCache

from codecompose_ls.completion.confidence import Features, remaining
from codecompose_ls.types import Piece

CAPACITY = 250
#: How far back along the line an entry is looked for.
LOOK_BACK = 64


@dataclass(frozen=True, slots=True)
class Key:
    """All that a generation depends on."""

    uri: str
    language: str
    model: str
    prefix: str
    suffix: str

    def earlier(self, lengths: Container[int]) -> Iterator[tuple[Key, str]]:
        """Yield this key and those of the cursors before it on the line, with what was typed since; nearest first.

        Only those whose prefix has one of the `lengths`: keys are long, and take their time to look up.
        """
        line = len(self.prefix) - (self.prefix.rfind("\n") + 1)
        for end in range(len(self.prefix), len(self.prefix) - min(line, LOOK_BACK) - 1, -1):
            if end in lengths:
                yield replace(self, prefix=self.prefix[:end]), self.prefix[end:]


@dataclass(frozen=True, slots=True)
class Entry:
    """A generated text from its own cursor on, or why there is none; `id` is the suggestion's as long as it lives."""

    id: str
    text: str
    model: str
    #: What the text came in, for the confidence in it.
    pieces: tuple[Piece, ...] = ()
    reason: str = ""
    #: Whether it has been an answer: then it is one again, however sure it is.
    is_given: bool = False

    @property
    def features(self) -> Features:
        """What the confidence in it is made of."""
        return Features.of(self.text, self.pieces)

    def after(self, typed: str) -> Entry:
        """Return what is left of it once its beginning is typed."""
        return replace(self, text=self.text[len(typed) :], pieces=remaining(self.pieces, len(typed)))


class Cache:
    """Entries by key; the least recently used goes first."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._entries: LRUCache[Key, Entry] = LRUCache(capacity)
        #: Where each id was put; what has gone since is cleared away now and then.
        self._keys: dict[str, Key] = {}

    def put(self, key: Key, entry: Entry) -> None:
        self._entries[key] = entry
        if len(self._keys) > 2 * self._entries.maxsize:
            self._keys = {entry.id: key for key, entry in self._entries.items()}
        self._keys[entry.id] = key

    def get(self, key: Key) -> Entry | None:
        return self._entries.get(key)

    def find(self, key: Key) -> tuple[Entry, str] | None:
        """Return the entry for `key`, or an earlier one that agrees with what was typed since, and that text."""
        lengths = {len(known.prefix) for known in self._entries if known.uri == key.uri}
        for earlier, typed in key.earlier(lengths):
            entry = self._entries.get(earlier)
            if entry and (not typed or (len(entry.text) > len(typed) and entry.text.startswith(typed))):
                return entry, typed
        return None

    def evict(self, id: str) -> None:
        """Forget a suggestion."""
        if known := self._known(id):
            del self._entries[known[0]]

    def renew(self, id: str) -> None:
        """Give a suggestion that typing has left behind a new id, for the case that it is drawn again."""
        if known := self._known(id):
            self.put(known[0], replace(known[1], id=uuid4().hex))

    def give(self, id: str) -> None:
        """Take note that a suggestion is an answer now."""
        if known := self._known(id):
            self.put(known[0], replace(known[1], is_given=True))

    def _known(self, id: str) -> tuple[Key, Entry] | None:
        key = self._keys.get(id)
        entry = self._entries.get(key) if key else None
        return (key, entry) if key and entry and entry.id == id else None

    def forget(self, uri: str) -> None:
        """Forget a document."""
        for key in [key for key in self._entries if key.uri == uri]:
            del self._entries[key]

    def clear(self) -> None:
        self._entries.clear()
        self._keys.clear()

    def __len__(self) -> int:
        return len(self._entries)
