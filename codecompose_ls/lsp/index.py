"""The indexes of the workspace's folders: loaded, built in the background, told what happens on disk and in the editor.

The loop only says what has happened. One thread reads and lexes, in order, and a child process sorts; a request takes a
folder's `Workspace` as it is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from pygls.uris import to_fs_path

from codecompose_ls.index.progress import Progress
from codecompose_ls.inference.scheduling import compute_in_batch
from codecompose_ls.lsp.build import build
from codecompose_ls.lsp.documents import Workspace as Documents
from codecompose_ls.lsp.documents import relative_path

if TYPE_CHECKING:
    from codecompose_ls.index.upkeep import Upkeep
    from codecompose_ls.index.workspace import Workspace
    from codecompose_ls.lsp.progress import Bar
    from codecompose_ls.types import Context

logger = logging.getLogger(__name__)

#: What is typed is in other documents' index after this much rest, or once another document is typed in.
PAUSE_S = 1.0
#: More files than this at once, as when a branch is switched, are left to a build.
MAX_AT_ONCE = 64

Ignore = tuple[str, ...]


class Folder:
    """The index of one folder; of a folder that is not to be `built`, of the documents that are open in it.

    `changed` is called when `progress` or `fault` changes, `ready` waited for before a build.
    """

    def __init__(
        self,
        root: Path,
        ignore: Ignore,
        *,
        built: bool,
        worker: ThreadPoolExecutor,
        bar: Bar,
        ready: Callable[[], Awaitable[object]],
        changed: Callable[[], None],
    ) -> None:
        self.root, self.ignore, self.is_built = root, ignore, built
        #: How far the build under way is, once it turns out to take a while.
        self.progress: Progress | None = None
        #: Why there is no index.
        self.fault = ""
        self._worker, self._bar, self._ready, self._changed = worker, bar, ready, changed
        self._loop = asyncio.get_running_loop()
        self._upkeep: Upkeep | None = None
        self._do(lambda upkeep: upkeep.load())
        self._due = False
        self._work: asyncio.Task[None] | None = None
        self.rebuild()

    @property
    def workspace(self) -> Workspace | None:
        """What is known; None in the first moment."""
        return self._upkeep.workspace if self._upkeep else None

    def take(self, path: str, text: str) -> None:
        """Take what the editor has of a file."""
        self._do(lambda upkeep: upkeep.take(path, text))

    def release(self, path: str) -> None:
        """Take what is on disk, since the editor has nothing else any more."""
        self._do(lambda upkeep: upkeep.release(path))

    def refresh(self, paths: Iterable[str]) -> None:
        """Take what is on disk of files that have changed there."""
        changed = list(paths)
        if len(changed) > MAX_AT_ONCE:
            self.rebuild()
        else:
            self._do(lambda upkeep: upkeep.refresh(changed))

    def rules_changed(self) -> None:
        """Know nothing but what is open until it is certain what may be read."""
        self._do(lambda upkeep: upkeep.start_over())
        self.rebuild()

    def rebuild(self) -> None:
        """Build anew, once more if a build is under way."""
        self._due = self.is_built
        if self._due and (self._work is None or self._work.done()):
            self._work = asyncio.ensure_future(self._keep_built())

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        while self._work is not None and not self._work.done():
            await asyncio.wait({self._work})
        await self._do(lambda upkeep: None)

    def close(self) -> None:
        """Stop everything under way."""
        if self._work is not None:
            self._work.cancel()
        self._bar.end()

    async def _keep_built(self) -> None:
        self.fault = ""
        try:
            while self._due:
                await self._ready()
                self._due = False
                async with aclosing(build(self.root, self.ignore)) as steps:
                    async for progress in steps:
                        self._tell(progress)
                await self._do(lambda upkeep: upkeep.load())
        except Exception as error:
            # It is not tried again before something happens: what failed once is likely to fail again.
            self.fault = str(error) or type(error).__name__
            logger.error("no index of %s: %s", self.root, self.fault)
        self.progress = None
        self._bar.end()
        self._changed()

    def _tell(self, progress: Progress) -> None:
        if progress.phase == "done" and progress.left_out:
            logger.warning("%s: %d files have no room in the index", self.root, progress.left_out)
        # A build that has little to read is over before anybody could look.
        if self.progress or progress.phase == "reading":
            self.progress = progress
            self._bar.show(share=progress.done / progress.all, message=f"{progress.done}/{progress.all} files")
            self._changed()

    def _do(self, step: Callable[[Upkeep], None]) -> asyncio.Future[None]:
        """Have the worker do something; what goes wrong costs no more than this one step."""

        def work() -> None:
            try:
                upkeep = self._upkeep or self._start()
                step(upkeep)
                if upkeep.is_due:
                    self._loop.call_soon_threadsafe(self.rebuild)
            except Exception:
                logger.exception("the index of %s misses a change", self.root)

        return self._loop.run_in_executor(self._worker, work)

    def _start(self) -> Upkeep:
        # Here, since the import takes its time.
        from codecompose_ls.index.upkeep import Upkeep

        self._upkeep = Upkeep(self.root, self.ignore, stored=self.is_built)
        return self._upkeep


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
        self._edited.add(uri)
        self._flush()

    def edited(self, uri: str) -> None:
        """A document has changed; while somebody types is no moment to do anything about it."""
        if self._edited - {uri}:
            self._flush()
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

    def _flush(self) -> None:
        """Hand over what was typed."""
        uris, self._edited = self._edited, set()
        for uri in uris:
            document = self._documents().opened(uri)
            folder, path = self._find(uri, make=True)
            if folder and document:
                folder.take(path, document.source)

    def _find(self, uri: str, *, make: bool = False) -> tuple[Folder | None, str]:
        """Return the folder that a document belongs to, None for what no folder takes, and its path there."""
        place, folders = to_fs_path(uri), self._folders
        if place is None:
            return None, ""
        path = Path(place)
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
