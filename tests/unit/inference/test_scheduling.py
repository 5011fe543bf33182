"""Threads that compute wait their turn; nobody else's scheduling changes."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from codecompose_ls.inference.engine import Engine
from codecompose_ls.inference.scheduling import TURN_S, compute_in_batch, take_short_turns
from codecompose_ls.inference.session import Session
from codecompose_ls.models.model import load_model
from codecompose_ls.types import Stop

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads have a scheduling policy on Linux alone")

THREADS = Path("/proc/self/task")


def policies() -> dict[int, int]:
    return {int(thread.name): os.sched_getscheduler(int(thread.name)) for thread in THREADS.iterdir()}


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="on one core the runtime starts no threads")
def test_the_runtime_s_own_threads_are_of_the_batch_class_and_the_caller_is_not(tiny: Path) -> None:
    importlib.import_module("onnxruntime")  # which starts a thread of its own
    model, before = load_model(tiny), policies()
    session = Session(model, threads=2)
    started = {thread: policy for thread, policy in policies().items() if thread not in before}
    assert set(started.values()) == {os.SCHED_BATCH}
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    assert session.capacity


async def test_the_engine_s_thread_is_of_the_batch_class() -> None:
    def work(_: Stop) -> Iterator[int]:
        yield os.sched_getscheduler(0)

    engine = Engine()
    assert [policy async for policy in engine.run(work, priority=0, stop=threading.Event())] == [os.SCHED_BATCH]
    await asyncio.to_thread(engine.close)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_a_thread_that_was_made_idle_stays_idle() -> None:
    found: list[int] = []

    def idle() -> None:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        compute_in_batch()
        found.append(os.sched_getscheduler(0))

    thread = threading.Thread(target=idle)
    thread.start()
    thread.join()
    assert found == [os.SCHED_IDLE]


def test_turns_at_python_are_short() -> None:
    before = sys.getswitchinterval()
    take_short_turns()
    assert sys.getswitchinterval() == pytest.approx(TURN_S, abs=1e-6)
    sys.setswitchinterval(before)
