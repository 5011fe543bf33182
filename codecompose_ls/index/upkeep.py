"""Keeps the workspace of one folder up to date: with the stored index, with the disk, and with the editor."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from codecompose_ls.index.reading import Reader, hold
from codecompose_ls.index.recent import Recent
from codecompose_ls.index.store import Index, Store
from codecompose_ls.index.workspace import MAX_OVERLAY, Workspace


class Upkeep:
    """Paths are relative to `root`. `workspace` may be taken by any thread; all else is for one thread alone.

    A folder that is not `stored` is known only as far as the editor has its documents open.
    """

    def __init__(self, root: Path, ignore: tuple[str, ...] = (), *, stored: bool = True) -> None:
        self._recent = Recent()
        self.workspace = Workspace(recent=self._recent)
        self._root, self._reader, self._stored = root, Reader(root, ignore), stored
        self._store = Store(root, ignore)
        #: The stored index in place, if there is one.
        self.index: Index | None = None
        #: What the editor has of files that it changed and did not save.
        self._texts: dict[str, str] = {}

    @property
    def is_due(self) -> bool:
        """Whether so much has changed that the index should be built anew."""
        return self._stored and self.workspace.overlay > MAX_OVERLAY

    def load(self) -> None:
        """Put the newest stored index in place, with what has changed since on top."""
        newest = self._store.newest() if self._stored else None
        if newest is None or (self.index and self.index.folder == newest):
            return
        index = self._store.load()
        # One that goes by other rules may hold what is not to be read; the builder makes a new one.
        if index is None or not hold(index.rules):
            return
        changed = self.workspace.changed.union(self._texts)
        segment = index.segment if index.stamps else None
        fresh, self.index = Workspace(index.vocabulary, segment, root=self._root, recent=self._recent), index
        for path in changed:
            self._bring(fresh, path)
        self.workspace = fresh

    def start_over(self) -> None:
        """Know nothing but what the editor has: the rules of what may be read have changed."""
        self.index, self.workspace = None, Workspace(recent=self._recent)
        for path, text in [*self._texts.items()]:
            self.take(path, text)

    def take(self, path: str, text: str, *, first: str | None = None) -> None:
        """Take what the editor has of a file; what it had at `first`, if that was something else, was not typed."""
        self._texts.pop(path, None)
        if not self._reader.admits(path, text):
            self.workspace.remove(path)
            return
        self._recent.saw(path, text if first is None else first)
        if not (self._stored and self._is_on_disk(path, text)):
            self._texts[path] = text
        self._bring(self.workspace, path)

    def refresh(self, paths: Iterable[str]) -> None:
        """Take what is on disk; what the editor has goes before."""
        for path in paths:
            self._bring(self.workspace, path)

    def release(self, path: str) -> None:
        """Take what is on disk, whatever the editor had."""
        self._texts.pop(path, None)
        self._bring(self.workspace, path)

    def _is_on_disk(self, path: str, text: str) -> bool:
        stamp = self._reader.stamp(path)
        same_size = stamp is not None and stamp[1] == len(text.encode("utf-8", "replace"))
        return same_size and self._reader.text(path) == text

    def _bring(self, workspace: Workspace, path: str) -> None:
        text, stamp = self._texts.get(path), self._reader.stamp(path)
        if text is None and stamp and self.index and self.index.stamps.get(path) == stamp:
            workspace.revert(path)
            return
        if text is None and stamp and self._stored:
            text = self._reader.text(path)
        if text is not None:
            workspace.update(path, text)
        elif not self._reader.is_folder(path):
            workspace.remove(path)
