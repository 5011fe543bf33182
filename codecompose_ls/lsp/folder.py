"""The index of one of the workspace's folders: loaded, built in the background, told what happens to its files."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from codecompose_ls.index.progress import Progress
from codecompose_ls.lsp.build import build

if TYPE_CHECKING:
    from codecompose_ls.index.upkeep import Upkeep
    from codecompose_ls.index.workspace import Workspace
    from codecompose_ls.lsp.progress import Bar

logger = logging.getLogger(__name__)

#: More files than this at once, as when a branch is switched, are left to a build.
MAX_AT_ONCE = 64

#: Patterns of what is not to be indexed, as in .gitignore.
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

    def take(self, path: str, text: str, *, first: str | None = None) -> None:
        """Take what the editor has of a file, and had at first."""
        self._do(lambda upkeep: upkeep.take(path, text, first=first))

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
