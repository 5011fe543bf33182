"""The cells of a study, done side by side as far as cores and memory go, with a bar that says how far they are."""

from __future__ import annotations

import os
import queue
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any

from codecompose_ls.evaluation.study.cell import CellResult
from codecompose_ls.evaluation.study.journal import Task
from codecompose_ls.evaluation.study.worker import run_cell

#: Weights, gradients and both of AdamW's moments in float32 to a byte of a model on disk (bf16), and as much again for
#: what a step computes; torch itself and a batch take this much beside.
MEMORY_PER_BYTE = 16
MEMORY_OF_TORCH = 1_000_000_000
#: Told of a cell, by its place among the tasks, how far it is (0 to 1).
Report = Callable[[int, float], None]
#: Threads that wait for work must not keep a core busy.
_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"}


def run_all(tasks: Sequence[Task], *, workers: int, fresh: bool = False) -> list[CellResult]:
    """Return the results in the order of the tasks. Whatever a cell raises ends the study; what is done is kept."""
    with _bar(tasks) as report:
        if workers == 1:
            found = []
            for place, task in enumerate(tasks):
                found.append(run_cell(task, fresh=fresh, watch=partial(report, place)))
                report(place, 1.0)
            return found
        return _side_by_side(tasks, workers, report, fresh=fresh)


def workers_for(base: Path, *, cores: int, memory: int) -> int:
    """Return how many cells can be tuned at a time on so many cores and free bytes; one at least."""
    weights = sum(path.stat().st_size for path in base.glob("*.safetensors"))
    return max(1, min(cores, memory // (MEMORY_PER_BYTE * weights + MEMORY_OF_TORCH)))


def free_memory() -> int:
    """Return the bytes that can be had without swapping; a guess of 4 GB where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 4_000_000_000


def _side_by_side(tasks: Sequence[Task], workers: int, report: Report, *, fresh: bool) -> list[CellResult]:
    context = get_context("spawn")
    told = context.Queue()
    threads = max(1, (os.cpu_count() or 2) // workers)
    os.environ.update({**_THREADS, "OMP_NUM_THREADS": str(threads)})
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_enter, initargs=(told,))
    futures: dict[Future[CellResult], int] = {}
    try:
        futures = {pool.submit(_run, place, task, fresh): place for place, task in enumerate(tasks)}
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            for place, share in _drain(told):
                report(place, share)
            for future in done:
                future.result()
                report(futures[future], 1.0)
        return [future.result() for future in futures]
    except BaseException:
        # Nobody waits for what is half done: the journals have it up to here.
        for process in list(getattr(pool, "_processes", {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_told: Any = None


def _enter(told: Any) -> None:
    """Begin a worker: it ends with the study, however that ends, so that no two ever work on one cell."""
    global _told
    _told = told
    Thread(target=_end_with, args=(parent_process(),), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _run(place: int, task: Task, fresh: bool) -> CellResult:
    return run_cell(task, fresh=fresh, watch=lambda done: _told.put((place, done)))


def _drain(told: Any) -> Iterator[tuple[int, float]]:
    while True:
        try:
            yield told.get_nowait()
        except queue.Empty:
            return


@contextmanager
def _bar(tasks: Sequence[Task]) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[cells]}"))
    shares = [0.0] * len(tasks)
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(file=sys.stderr), transient=True
    ) as progress:
        bar = progress.add_task("study", total=len(tasks), cells=f"0/{len(tasks)} cells")

        def report(place: int, done: float) -> None:
            shares[place] = max(shares[place], done)
            finished = sum(share >= 1 for share in shares)
            progress.update(
                bar,
                completed=sum(shares),
                cells=f"{finished}/{len(tasks)} cells",
                description=str(tasks[place].cell) if done < 1 else "study",
            )

        yield report
