"""The indexes of the workspace's folders, and which of them is told what happens on disk and in the editor.

The loop only says what has happened. One thread reads and lexes, in order, and a child process sorts; a request takes a
folder's `Workspace` as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from codecompose_ls.inference.scheduling import compute_in_batch
from codecompose_ls.lsp.documents import Workspace as Documents
from codecompose_ls.lsp.documents import path_of, relative_path
from codecompose_ls.lsp.folder import Folder, Ignore

if TYPE_CHECKING:
    from codecompose_ls.index.workspace import Workspace
    from codecompose_ls.lsp.progress import Bar
    from codecompose_ls.types import Context

#: What is typed is in other documents' index after this much rest, or once another document is typed in.
PAUSE_S = 1.0


class Indexes:
    """One index for each folder, and for a document outside of all, one of what is open beside it in its repository.

    `bar` makes a progress bar for a folder's name.
    """

    def __init__(
        self,
        documents: Callable[[], Documents],
        *,
        bar: Callable[[str], Bar],
        ready: Callable[[], Awaitable[object]],
        changed: Callable[[], None],
    ) -> None:
        self._documents, self._bar, self._ready, self._changed = documents, bar, ready, changed
        self._worker = ThreadPoolExecutor(1, "index", initializer=compute_in_batch)
        #: None for a folder that must not be indexed. Replaced, never changed: other threads read it.
        self._folders: Mapping[Path, Folder | None] = {}
        #: The patterns for documents outside of all folders.
        self._outside: Ignore | None = None
        self._open: set[str] = set()
        self._edited: set[str] = set()
        #: What opened documents held, as long as their folders do not know.
        self._first: dict[str, str] = {}
        self._timer: asyncio.TimerHandle | None = None

    def locate(self, context: Context) -> tuple[Workspace, str] | None:
        """Return the workspace that a document belongs to, and its path there; from any thread."""
        folder, path = self._find(context.uri)
        workspace = folder.workspace if folder else None
        return (workspace, path) if workspace else None

    @property
    def status(self) -> str:
        """What the status line should say besides, if anything."""
        folders = self._folders.values()
        building = [folder.progress for folder in folders if folder and folder.progress]
        if building:
            return f"indexing {sum(one.done for one in building)}/{sum(one.all for one in building)}"
        fault = next((folder.fault for folder in folders if folder and folder.fault), "")
        return f"no index ({fault})" if fault else "index off" if None in folders else ""

    def configure(self, wanted: Mapping[Path, Ignore | None], *, outside: Ignore | None) -> None:
        """Index these folders by these patterns, or, where there are none, do not."""
        before = self._folders
        self._outside = outside
        self._folders = {root: self._configured(root, ignore) for root, ignore in wanted.items()}
        kept = {id(folder) for folder in self._folders.values()}
        for folder in before.values():
            if folder and id(folder) not in kept:
                folder.close()
        if kept - {id(folder) for folder in before.values()}:
            # New ones have heard of nothing.
            self._edited |= self._open
            self._flush()
        self._changed()

    def opened(self, uri: str) -> None:
        """A document that may be read is open."""
        self._open.add(uri)
        # A folder of its own, should it need one, has to be there for its first suggestion.
        self._find(uri, make=True)
        document = self._documents().opened(uri)
        if document:
            self._first[uri] = document.source
        self.edited(uri)

    def edited(self, uri: str) -> None:
        """A document has changed; while somebody types is no moment to do anything about it."""
        self._flush(but=uri)
        self._edited.add(uri)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(PAUSE_S, self._flush)

    def saved(self, uri: str) -> None:
        """Disk and editor agree."""
        folder, path = self._find(uri)
        if folder and folder.is_built:
            self._edited.discard(uri)
            folder.release(path)
            self.changed_on_disk([uri])

    def closed(self, uri: str) -> None:
        """Only what is on disk counts."""
        self._open.discard(uri)
        self._edited.discard(uri)
        self._first.pop(uri, None)
        folder, path = self._find(uri)
        if folder:
            folder.release(path)

    def changed_on_disk(self, uris: Iterable[str]) -> None:
        """Files were written, made or deleted."""
        from codecompose_ls.index.ignore import IGNORE_FILES

        paths: dict[Folder, list[str]] = {}
        for uri in uris:
            folder, path = self._find(uri)
            if folder:
                paths.setdefault(folder, []).append(path)
        for folder, changed in paths.items():
            if any(path.rpartition("/")[2] in IGNORE_FILES for path in changed):
                folder.rules_changed()
            else:
                folder.refresh(changed)

    async def settled(self) -> None:
        """Wait until all that has happened is known to the workspaces."""
        self._flush()
        for folder in [*self._folders.values()]:
            if folder:
                await folder.settled()

    def close(self) -> None:
        """Stop everything under way."""
        if self._timer is not None:
            self._timer.cancel()
        for folder in self._folders.values():
            if folder:
                folder.close()
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _flush(self, *, but: str = "") -> None:
        """Hand over what was typed, but for one document."""
        uris, self._edited = self._edited - {but}, self._edited & {but}
        for uri in uris:
            document = self._documents().opened(uri)
            folder, path = self._find(uri, make=True)
            if folder and document:
                folder.take(path, document.source, first=self._first.pop(uri, None))

    def _find(self, uri: str, *, make: bool = False) -> tuple[Folder | None, str]:
        """Return the folder that a document belongs to, None for what no folder takes, and its path there."""
        path, folders = path_of(uri), self._folders
        if path is None:
            return None, ""
        holding = [root for root in folders if path.is_relative_to(root)]
        root = max(holding, key=lambda one: len(one.parts), default=None)
        if root is None and make:
            root = self._documents().root_of(path)
            self._folders = {**folders, root: self._make(root, self._outside, built=False)}
        folder = None if root is None else self._folders[root]
        return folder, relative_path(path, root) if root else ""

    def _configured(self, root: Path, ignore: Ignore | None) -> Folder | None:
        known = self._folders.get(root)
        same = known is not None and known.is_built and known.ignore == ignore
        return known if same else self._make(root, ignore, built=True)

    def _make(self, root: Path, ignore: Ignore | None, *, built: bool) -> Folder | None:
        if ignore is None:
            return None
        return Folder(
            root,
            ignore,
            built=built,
            worker=self._worker,
            bar=self._bar(root.name),
            ready=self._ready,
            changed=self._changed,
        )
