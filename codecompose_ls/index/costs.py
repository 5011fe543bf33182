"""What the index of a folder costs: time to build, load, update and look up, size on disk and in memory."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np

from codecompose_ls.errors import InputError
from codecompose_ls.index.segment import Files
from codecompose_ls.index.store import Index
from codecompose_ls.index.upkeep import Upkeep

#: Files that are updated, places that are looked up; context that is given with them, in lexemes.
UPDATES, LOOKUPS, CONTEXT = 60, 200, 48
#: Places asked for at each look-up, as suggestions do.
MOST = 80

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Costs:
    """Times are of the wall in ms but where they say CPU; sizes are in bytes. None where the system does not tell."""

    files: int
    code_bytes: int
    lexemes: int
    build_ms: float
    build_cpu_ms: float | None
    rebuild_ms: float
    build_peak_bytes: int | None
    disk_bytes: int
    load_ms: float
    #: One file changed and what is known made ready for the next request: 95th of 100, and at most.
    update_p95_ms: float
    update_max_ms: float
    update_cpu_p95_ms: float
    lookup_p95_ms: float
    #: The same look-ups, by a plain scan of all lexemes.
    scan_p95_ms: float
    resident_bytes: int | None


def measure(root: Path) -> Costs:
    """Build and use an index of `root` in a cache of its own. Raises `InputError` when there is nothing to index."""
    with TemporaryDirectory() as cache, _cache(cache):
        build_ms, build_cpu_ms, peak = _build(root)
        rebuild_ms, _, _ = _build(root)
        before = _resident()
        upkeep = Upkeep(root)
        load_ms, _ = _timed(upkeep.load)
        index = upkeep.index
        if index is None or not index.stamps:
            raise InputError(f"{root} holds no source files that may be indexed; choose a folder with code")
        lookups, scans = _look_up(index)
        resident = _resident()
        updates, updates_cpu = _update(upkeep, root, index)
        return Costs(
            files=len(index.stamps),
            code_bytes=sum(size for _, size in index.stamps.values()),
            lexemes=len(index.segment.tokens),
            build_ms=build_ms,
            build_cpu_ms=build_cpu_ms,
            rebuild_ms=rebuild_ms,
            build_peak_bytes=peak,
            disk_bytes=index.size_bytes,
            load_ms=load_ms,
            update_p95_ms=_p95(updates),
            update_max_ms=max(updates),
            update_cpu_p95_ms=_p95(updates_cpu),
            lookup_p95_ms=_p95(lookups),
            scan_p95_ms=_p95(scans),
            resident_bytes=None if before is None or resident is None else resident - before,
        )


def _build(root: Path) -> tuple[float, float | None, int | None]:
    """Run the builder as the server does; return its time on the wall, on the processor, and its peak memory."""
    command = [sys.executable, "-m", "codecompose_ls.index.builder", str(root.resolve())]
    began, before = time.perf_counter(), os.times()
    # Its input stays open for as long as it runs.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = process.stderr.read().decode("utf-8", "replace").strip()
    if process.returncode:
        raise InputError(f"{root} cannot be indexed: {said or process.returncode}")
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return (time.perf_counter() - began) * 1000, spent * 1000 or None, _children_peak()


def _look_up(index: Index) -> tuple[list[float], list[float]]:
    """Time look-ups of contexts from all over the code, in the sorted order and by a scan."""
    segment = index.segment
    plain = Files(segment.tokens, segment.starts, segment.paths)
    places = random.Random(0).choices(range(1, len(segment.tokens)), k=LOOKUPS)
    contexts = [np.array(segment.tokens[max(0, place - CONTEXT) : place + 1]) for place in places]
    sorted_ms = [_timed(lambda context=context: segment.longest(context, most=MOST))[0] for context in contexts]  # type: ignore[misc]
    scan_ms = [_timed(lambda context=context: plain.longest(context, most=MOST))[0] for context in contexts]  # type: ignore[misc]
    return sorted_ms, scan_ms


def _update(upkeep: Upkeep, root: Path, index: Index) -> tuple[list[float], list[float]]:
    """Time changes of files spread over the folder, on the wall and computing; nothing is written to it."""
    updates, computing = [], []
    step = max(1, len(index.stamps) // UPDATES)
    for path in [*index.stamps][::step][:UPDATES]:
        text = (root / path).read_bytes().decode("utf-8", "replace")

        def update(path: str = path, text: str = text) -> None:
            upkeep.take(path, f"{text}\nnew_name = 1\n")
            upkeep.workspace.view()

        began = time.thread_time()
        updates.append(_timed(update)[0])
        computing.append((time.thread_time() - began) * 1000)
    return updates, computing


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    result = work()
    return (time.perf_counter() - began) * 1000, result


def _p95(samples: list[float]) -> float:
    return float(np.percentile(samples, 95))


def _resident() -> int | None:
    """Return the resident memory of this process."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def _children_peak() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@contextmanager
def _cache(folder: str) -> Iterator[None]:
    before = os.environ.get("CODECOMPOSE_CACHE")
    os.environ["CODECOMPOSE_CACHE"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["CODECOMPOSE_CACHE"]
        else:
            os.environ["CODECOMPOSE_CACHE"] = before
