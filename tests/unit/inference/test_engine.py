"""One thread for all jobs: order, preemption, cancellation, failures. Jobs here step when the test says so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from codecompose_ls.errors import Cancelled, EngineError, ModelError
from codecompose_ls.inference.engine import Engine
from codecompose_ls.types import Stop

NEVER = threading.Event()


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


class Panic(BaseException):
    """What a library written in Rust raises when it fails an assertion."""


class Steps:
    """A job that yields 0, 1, 2, ...: each after `step`, and says in `started` and `ended` what becomes of it."""

    def __init__(self) -> None:
        self.started, self.ended = threading.Event(), threading.Event()
        self._steps = threading.Semaphore(0)
        self.made = 0

    def step(self, count: int = 1) -> None:
        self._steps.release(count)

    def __call__(self, stop: Stop) -> Iterator[int]:
        self.started.set()
        try:
            while self._steps.acquire(timeout=30):
                self.made += 1
                yield self.made - 1
        finally:
            self.ended.set()


def items(*values: int) -> Iterator[int]:
    return iter(values)


async def collect(stream: AsyncIterator[int]) -> list[int]:
    return [item async for item in stream]


def start(engine: Engine, steps: Steps, *, priority: int = 0, stop: Stop = NEVER) -> asyncio.Task[list[int]]:
    return asyncio.create_task(collect(engine.run(steps, priority=priority, stop=stop)))


async def abandon(task: asyncio.Task[list[int]]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def reached(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 30)


async def test_items_come_in_their_order(engine: Engine) -> None:
    assert await collect(engine.run(lambda stop: items(1, 2, 3), priority=0, stop=NEVER)) == [1, 2, 3]


async def test_items_come_as_they_are_made(engine: Engine) -> None:
    steps = Steps()
    stream = engine.run(steps, priority=0, stop=NEVER)
    for expected in range(3):
        steps.step()
        assert await anext(stream) == expected
    assert steps.made == 3
    await stream.aclose()
    steps.step()
    await reached(steps.ended)


async def test_it_is_idle_when_an_urgent_job_would_start_at_once(engine: Engine) -> None:
    assert engine.idle
    lazy = start(engine, steps := Steps(), priority=1)
    await reached(steps.started)
    assert engine.idle
    await abandon(lazy)
    steps.step()
    steps = Steps()
    task = start(engine, steps)
    await reached(steps.started)
    assert not engine.idle
    await abandon(task)
    # It has not noticed yet, but it will at its next step.
    assert not steps.ended.is_set()
    assert engine.idle
    steps.step()


async def test_a_set_stop_ends_the_job_before_its_next_item(engine: Engine) -> None:
    steps, stop = Steps(), threading.Event()
    task = start(engine, steps, stop=stop)
    await reached(steps.started)
    stop.set()
    steps.step(5)
    with pytest.raises(Cancelled):
        await task
    assert steps.made == 1


async def test_a_consumer_that_leaves_stops_the_job(engine: Engine) -> None:
    steps = Steps()
    stream = engine.run(steps, priority=0, stop=NEVER)
    steps.step()
    assert await anext(stream) == 0
    await stream.aclose()
    steps.step(5)
    await reached(steps.ended)
    assert steps.made <= 2


async def test_a_job_that_is_stopped_while_it_waits_never_starts(engine: Engine) -> None:
    first, second, stop = Steps(), Steps(), threading.Event()
    blocking = start(engine, first)
    await reached(first.started)
    waiting = start(engine, second, stop=stop)
    await asyncio.sleep(0)
    stop.set()
    await abandon(blocking)
    first.step()
    with pytest.raises(Cancelled):
        await waiting
    assert not second.started.is_set()


async def test_a_more_urgent_job_takes_over_at_the_next_step(engine: Engine) -> None:
    slow, urgent = Steps(), Steps()
    lazy = start(engine, slow, priority=2)
    await reached(slow.started)
    task = start(engine, urgent, priority=0)
    await asyncio.sleep(0)
    slow.step(5)
    with pytest.raises(Cancelled):
        await lazy
    assert slow.made == 1
    await reached(urgent.started)
    await abandon(task)
    urgent.step()


async def test_an_equally_urgent_job_waits_its_turn(engine: Engine) -> None:
    order: list[str] = []

    def note(name: str) -> Iterator[int]:
        order.append(name)
        return items(1)

    blocker = Steps()
    blocking = start(engine, blocker, priority=1)
    await reached(blocker.started)
    named = [("c", 2), ("a", 1), ("d", 2), ("b", 1)]
    tasks = [
        asyncio.create_task(collect(engine.run(lambda stop, name=name: note(name), priority=priority, stop=NEVER)))
        for name, priority in named
    ]
    await asyncio.sleep(0)
    await abandon(blocking)
    blocker.step()
    assert await asyncio.gather(*tasks) == [[1]] * 4
    assert order == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("failure", "expected", "message"),
    [
        (ValueError("odd"), EngineError, "ValueError: odd"),
        (MemoryError(), EngineError, "MemoryError"),
        (Panic("index out of bounds"), EngineError, "Panic: index out of bounds"),
        (ModelError("the model is gone"), ModelError, "the model is gone"),
    ],
)
async def test_a_failure_reaches_its_own_job_alone(
    engine: Engine, failure: BaseException, expected: type[Exception], message: str
) -> None:
    def fail(stop: Stop) -> Iterator[int]:
        yield 1
        raise failure

    stream = engine.run(fail, priority=0, stop=NEVER)
    assert await anext(stream) == 1
    with pytest.raises(expected, match=message):
        await anext(stream)
    assert await collect(engine.run(lambda stop: items(7), priority=0, stop=NEVER)) == [7]


async def test_closing_cancels_what_runs_and_what_waits() -> None:
    engine = Engine()
    running, waiting = Steps(), Steps()
    tasks = [start(engine, running), start(engine, waiting)]
    await reached(running.started)
    closing = asyncio.create_task(asyncio.to_thread(engine.close))
    await asyncio.sleep(0)
    running.step(1_000_000)  # enough to go on until it is told
    await closing
    for task in tasks:
        with pytest.raises(Cancelled):
            await task
    assert not waiting.started.is_set()


async def test_a_closed_engine_says_so() -> None:
    engine = Engine()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        await collect(engine.run(lambda stop: items(1), priority=0, stop=NEVER))
    engine.close()


def test_a_loop_that_has_gone_harms_nobody(engine: Engine) -> None:
    steps = Steps()

    async def leave() -> None:
        stream = engine.run(steps, priority=0, stop=NEVER)
        waiting = asyncio.ensure_future(anext(stream))
        await reached(steps.started)
        assert not waiting.done()

    asyncio.run(leave())
    steps.step(2)
    assert steps.ended.wait(30)
    assert asyncio.run(collect(engine.run(lambda stop: items(1), priority=0, stop=NEVER))) == [1]
