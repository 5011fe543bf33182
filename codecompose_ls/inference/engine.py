"""One thread that owns the model: jobs wait in order of priority, stop between two steps, and stream to asyncio.

A job is a function that is given a stop flag and returns an iterator; the engine takes its items one by one. Knows
nothing about models or text.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, TypeVar

from codecompose_ls.errors import Cancelled, CodeComposeError, EngineError
from codecompose_ls.inference.scheduling import compute_in_batch
from codecompose_ls.types import Stop

T = TypeVar("T")
Work = Callable[[Stop], Iterator[T]]

_END = object()


class Engine:
    """Runs jobs, the lowest `priority` first, equal ones in their order.

    A job that waits stops a running one of a higher number.
    """

    def __init__(self) -> None:
        self._waiting: list[_Job] = []
        self._running: _Job | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._serve, name="codecompose-engine", daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether a job of priority 0 would start at once: what runs or waits gives way to it, or has been stopped."""
        jobs = [*self._waiting, self._running]
        return not any(job is not None and job.priority == 0 and not job.is_set() for job in jobs)

    async def run(self, work: Work[T], *, priority: int, stop: Stop) -> AsyncGenerator[T, None]:
        """Yield the items of `work` as they come; leaving early stops it.

        Raises `Cancelled` when `stop` was set or a job of a lower number took over, `EngineError` when the job failed.
        """
        job = _Job(work, priority, stop, self)
        self._submit(job)
        try:
            while (item := await job.results.get()) is not _END:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            job.left.set()

    def close(self) -> None:
        """Stop the running job, cancel those that wait, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def should_yield(self, job: _Job) -> bool:
        """Tell whether `job` must make room."""
        waiting = self._waiting
        return self._closed or (bool(waiting) and waiting[0].priority < job.priority)

    def _submit(self, job: _Job) -> None:
        with self._changed:
            if self._closed:
                raise EngineError("the engine is closed")
            heapq.heappush(self._waiting, job)
            self._changed.notify()

    def _serve(self) -> None:
        compute_in_batch()
        while (job := self._next()) is not None:
            job.run()
            job = None
        while self._waiting:
            heapq.heappop(self._waiting).send(Cancelled())

    def _next(self) -> _Job | None:
        with self._changed:
            self._running = None
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            self._running = heapq.heappop(self._waiting)
            return self._running


class _Job:
    """One call of `Engine.run`; it is the stop flag that its work sees."""

    _numbers = itertools.count()

    def __init__(self, work: Work[Any], priority: int, stop: Stop, engine: Engine) -> None:
        self.priority = priority
        self.results: asyncio.Queue[Any] = asyncio.Queue()
        self.left = threading.Event()
        self._number = next(self._numbers)
        self._work, self._stop, self._engine = work, stop, engine
        self._loop = asyncio.get_running_loop()

    def __lt__(self, other: _Job) -> bool:
        return (self.priority, self._number) < (other.priority, other._number)

    def is_set(self) -> bool:
        return self.left.is_set() or self._stop.is_set() or self._engine.should_yield(self)

    def run(self) -> None:
        """Do the work; whatever goes wrong reaches the caller of this job alone."""
        try:
            self._check()
            for item in self._work(self):
                self._check()
                self.send(item)
                self._check()
            self.send(_END)
        except (Cancelled, CodeComposeError) as error:
            self.send(error)
        except BaseException as error:  # a panic in a Rust library is no Exception, and this thread must live on
            failure = EngineError(f"the engine failed ({type(error).__name__}: {error}); the next request tries again")
            failure.__cause__ = error
            self.send(failure)

    def _check(self) -> None:
        if self.is_set():
            raise Cancelled

    def send(self, item: Any) -> None:
        if not self.left.is_set():
            try:
                self._loop.call_soon_threadsafe(self.results.put_nowait, item)
            except RuntimeError:  # its loop is closed: nobody waits
                self.left.set()
