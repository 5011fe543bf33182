"""One thread that owns a network and answers many requests at once, a token each in every step.

Requests join the running batch and leave it between two steps, so none waits for another to end, and a stop is seen
after one step at most. Streams to asyncio as `inference.engine` does. Knows nothing about text.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from codecompose_ls.errors import Cancelled, CodeComposeError, EngineError
from codecompose_ls.inference.decoding import Prior, RuledOut, Token, bans_of
from codecompose_ls.inference.scheduling import compute_in_batch
from codecompose_ls.inference.torch.adapters import Adapters, Attached
from codecompose_ls.inference.torch.batch import Batch, Row
from codecompose_ls.inference.torch.network import Network
from codecompose_ls.inference.torch.sampling import Choice, choose
from codecompose_ls.types import Prompt, Sampling, Stop

#: Requests answered at once; more wait in their order.
MAX_ROWS = 32

_END = object()


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: as `decoding.generate`, with the folder of the adapter that answers, if any.

    With `forced` the answer is given, and its log probabilities are what is asked.
    """

    prompt: Prompt
    sampling: Sampling
    adapter: Path | None = None
    prior: Prior | None = None
    ruled_out: RuledOut = field(default_factory=dict)
    forced: tuple[int, ...] = ()


class TorchEngine:
    """Answers requests on one network. Of those that wait, the lowest `priority` joins first, and equal ones in order.

    A request that waits stops those of a higher number.
    """

    def __init__(self, network: Network, *, threads: int = 2) -> None:
        self.network = network
        self._adapters = Adapters(network)
        self._threads = threads
        self._waiting: list[_Job] = []
        #: The one whose prompt is being read, and those that have begun to answer, in the order of the batch's rows.
        self._filling: _Job | None = None
        self._jobs: list[_Job] = []
        self._batch = Batch()
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._serve, name="codecompose-torch", daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether no request of priority 0 is being answered or waits."""
        jobs = [*self._waiting, *self._jobs, *filter(None, [self._filling])]
        return not any(job.priority == 0 and not job.stopped for job in jobs)

    @property
    def rows(self) -> int:
        """How many requests are being answered together."""
        return len(self._jobs)

    async def run(self, request: Request, *, priority: int = 0, stop: Stop) -> AsyncGenerator[Token, None]:
        """Yield the tokens of an answer as they come; leaving early stops it.

        Raises `Cancelled` when `stop` was set or a request of a lower number came, `EngineError` when the network
        failed, `ModelError` for an adapter that cannot be used.
        """
        job = _Job(request, priority, stop)
        self._submit(job)
        try:
            while (item := await job.results.get()) is not _END:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            job.left.set()

    def close(self) -> None:
        """Cancel all requests and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _submit(self, job: _Job) -> None:
        with self._changed:
            if self._closed:
                raise EngineError("the engine is closed")
            heapq.heappush(self._waiting, job)
            self._changed.notify()

    def _serve(self) -> None:
        compute_in_batch()
        if self.network.device.type == "cpu":
            torch.set_num_threads(self._threads)
        while self._await_work():
            try:
                with torch.inference_mode():
                    self._turn()
            except BaseException as error:  # whatever a library raises, this thread must live on
                self._fail(self._jobs, error)
                self._jobs, self._batch = [], Batch()
        self._fail([*self._waiting, *self._jobs, *filter(None, [self._filling])], Cancelled())

    def _await_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting or self._filling or self._jobs)
            return not self._closed

    def _turn(self) -> None:
        """Let go who is to go, read a piece of one prompt, and give every row a token."""
        self._dismiss()
        if self._filling is None and len(self._jobs) < MAX_ROWS:
            self._filling = self._admit()
        if self._filling is not None:
            self._fill(self._filling)
        if self._jobs:
            logits = self._batch.step(self._adapters)
            self._answer(self._jobs, logits)
            self._leave([job for job in self._jobs if job.ended])

    def _dismiss(self) -> None:
        """End those that are stopped, and those that give way to one that waits."""
        with self._changed:
            first = self._waiting[0].priority if self._waiting else None
            gone = [job for job in self._waiting if job.stopped]
            self._waiting = [job for job in self._waiting if not job.stopped]
            heapq.heapify(self._waiting)

        def goes(job: _Job) -> bool:
            return job.stopped or (first is not None and first < job.priority)

        leaving = [job for job in self._jobs if goes(job)]
        self._leave(leaving)
        if self._filling is not None and goes(self._filling):
            leaving.append(self._filling)
            self._filling = None
        self._fail([*gone, *leaving], Cancelled())

    def _admit(self) -> _Job | None:
        """Take the next request that can be begun."""
        while True:
            with self._changed:
                if not self._waiting:
                    return None
                job = heapq.heappop(self._waiting)
            try:
                used = [job.row.adapter for job in self._jobs]
                job.begin(self._adapters.attach(job.request.adapter, in_use=used), capacity=self.network.capacity)
                return job
            except Exception as error:
                self._fail([job], error)

    def _fill(self, job: _Job) -> None:
        """Read a piece of a prompt; after the last one the row has its first token and joins the others."""
        try:
            logits = job.row.prefill(self._adapters)
            if logits is None:
                return
            self._answer([job], logits)
            if not job.ended:
                self._batch.join(job.row)
                self._jobs.append(job)
        except Exception as error:
            self._fail([job], error)
        self._filling = None

    def _answer(self, jobs: list[_Job], logits: torch.Tensor) -> None:
        picked = choose(logits, [job.choice() for job in jobs])
        for job, (number, logprob) in zip(jobs, picked, strict=True):
            job.append(number, logprob)

    def _leave(self, jobs: list[_Job]) -> None:
        self._batch.leave([job.row for job in jobs])
        self._jobs = [job for job in self._jobs if job not in jobs]

    def _fail(self, jobs: Iterable[_Job], error: BaseException) -> None:
        if not isinstance(error, Cancelled | CodeComposeError):
            failure = EngineError(f"the engine failed ({type(error).__name__}: {error}); the next request tries again")
            failure.__cause__ = error
            error = failure
        for job in jobs:
            job.send(error)


class _Job:
    """One call of `TorchEngine.run`: what is asked, how far the answer has come, and who is told of it."""

    _numbers = itertools.count()

    row: Row

    def __init__(self, request: Request, priority: int, stop: Stop) -> None:
        self.request, self.priority = request, priority
        self.results: asyncio.Queue[Any] = asyncio.Queue()
        self.left = threading.Event()
        self.ended = False
        self._number = next(self._numbers)
        self._stop = stop
        self._loop = asyncio.get_running_loop()
        self._tokens = list(request.prompt.token_ids)
        self._bans = bans_of(request.sampling, request.prompt, request.ruled_out)
        self._random = np.random.default_rng(request.sampling.seed)
        self._remaining = request.sampling.max_tokens

    def __lt__(self, other: _Job) -> bool:
        return (self.priority, self._number) < (other.priority, other._number)

    @property
    def stopped(self) -> bool:
        return self.left.is_set() or self._stop.is_set()

    def begin(self, adapter: Attached, *, capacity: int) -> None:
        """Make the row. Raises `EngineError` where there is no room for an answer."""
        room = capacity - adapter.virtual_tokens
        if not 0 < len(self._tokens) < room:
            raise EngineError(f"cannot answer a prompt of {len(self._tokens)} tokens: the limit is {room - 1}")
        self._remaining = min(self._remaining, room - len(self._tokens))
        self.row = Row(self._tokens, adapter)

    def choice(self) -> Choice:
        """Say how the next token is to be chosen."""
        sampling, prior = self.request.sampling, self.request.prior
        draw = self._random.random() if sampling.temperature > 0 else 0.0
        opinion = prior.next(self._tokens) if prior is not None else None
        place = len(self._tokens) - len(self.request.prompt.token_ids)
        forced = self.request.forced[place] if self.request.forced else None
        return Choice(sampling, draw, opinion, self._bans[0] if self._bans else None, forced)

    def append(self, number: int, logprob: float) -> None:
        """Take the next token and tell of it."""
        if self._bans:
            self._bans = (self._bans[1:] or self._bans) if number in self._bans[-1] else []
        self._tokens.append(number)
        self.row.last = number
        self._remaining -= 1
        finish = "stop" if number in self.request.prompt.stop_ids else None if self._remaining else "length"
        self.send(Token(number, logprob, finish))
        if finish:
            self.ended = True
            self.send(_END)

    def send(self, item: Any) -> None:
        if not self.left.is_set():
            try:
                self._loop.call_soon_threadsafe(self.results.put_nowait, item)
            except RuntimeError:  # its loop is closed: nobody waits
                self.left.set()
