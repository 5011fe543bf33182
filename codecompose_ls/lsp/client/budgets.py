"""The latency budgets of the design, measured at the client's end: from request written to answer read.

Each measurement returns samples in milliseconds; `ROWS` is the table: name, budget, how to measure.
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codecompose_ls.lsp.client.typist import ghost_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lsprotocol import types as lsp

    from codecompose_ls.lsp.client.session import Session

#: Real files that stand on every machine, long enough to fill the prompt on both sides of a cursor in the middle.
_MODULES = (
    "argparse",
    "ast",
    "calendar",
    "configparser",
    "difflib",
    "ftplib",
    "inspect",
    "shutil",
    "tarfile",
    "zipfile",
)
_KEYS = 60
_PAUSE_S = 0.12


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row of the table. `unit` is ms or MB; `figure` is the p95 (n > 1) or the one value."""

    name: str
    budget: float
    unit: str
    samples: tuple[float, ...]

    @property
    def p50(self) -> float:
        return statistics.median(self.samples) if self.samples else math.nan

    @property
    def p95(self) -> float:
        if len(self.samples) > 1:
            return statistics.quantiles(self.samples, n=20, method="inclusive")[-1]
        return self.p50

    @property
    def holds(self) -> bool:
        return self.p95 <= self.budget


@dataclass(frozen=True, slots=True)
class Bench:
    """How to start a server; every row starts its own so that none profits from another.

    `folder` is an empty one of its own: where Python keeps its library, files may be ignored and so never completed.
    """

    start: Callable[[], Session]
    folder: Path

    async def known(self) -> list[float]:
        """Keys that type a suggestion through, and the same position asked twice (cache)."""
        samples: list[float] = []
        async with self.start() as session:
            for name in _MODULES:
                uri, _, cursor = await self._open(session, name)
                items, _ = await _ask(session, uri, cursor)
                for _ in range(2 if items else 0):
                    samples.append((await _ask(session, uri, cursor))[1])
                ghost, _ = ghost_of(items)
                for typed, key in enumerate(ghost[:-1]):
                    session.change(uri, cursor + typed, cursor + typed, key)
                    samples.append((await _ask(session, uri, cursor + typed + 1))[1])
        return samples

    async def key(self) -> list[float]:
        """A new suggestion at every key of several lines, typed at a person's pace."""
        samples: list[float] = []
        async with self.start() as session:
            uri, hidden, cursor = await self._open(session, "argparse", hide=_KEYS)
            await _ask(session, uri, cursor)
            last = ""
            for typed, key in enumerate(hidden):
                began = time.perf_counter()
                session.change(uri, cursor + typed, cursor + typed, key)
                items, latency_ms = await _ask(session, uri, cursor + typed + 1)
                _, current = ghost_of(items)
                if not current or current != last:  # the same id is the same suggestion, typed through
                    samples.append(latency_ms)
                last = current
                await asyncio.sleep(max(0.0, _PAUSE_S - (time.perf_counter() - began)))
        return samples

    async def key_on_a_busy_machine(self) -> list[float]:
        """The same while another process keeps a core busy."""
        with _busy_core():
            return await self.key()

    async def open_file(self) -> list[float]:
        """From didOpen of a file never seen to the first answer in its middle; the engine is up, its KV is cold."""
        samples: list[float] = []
        async with self.start() as session:
            await session.ready()
            for name in _MODULES:
                began = time.perf_counter()
                uri, _, cursor = await self._open(session, name)
                await _ask(session, uri, cursor)
                samples.append((time.perf_counter() - began) * 1000)
        return samples

    async def initialize(self) -> list[float]:
        """From the start of the process to the answer of `initialize`."""
        samples: list[float] = []
        for _ in range(5):
            began = time.perf_counter()
            async with self.start():
                samples.append((time.perf_counter() - began) * 1000)
        return samples

    async def first_suggestion(self) -> list[float]:
        """From the start of the process to the first suggestion."""
        samples: list[float] = []
        for _ in range(5):
            began = time.perf_counter()
            async with self.start() as session:
                uri, _, cursor = await self._open(session, "argparse")
                await _ask(session, uri, cursor)
                samples.append((time.perf_counter() - began) * 1000)
        return samples

    async def change_while_generating(self) -> list[float]:
        """A didChange sent during a generation, until an (unknown) request sent right behind it is answered."""
        samples: list[float] = []
        async with self.start() as session:
            await session.ready()
            for name in _MODULES:
                uri, _, cursor = await self._open(session, name)
                asked = asyncio.ensure_future(_ask(session, uri, cursor))
                await asyncio.sleep(0.01)
                for typed in range(3):
                    began = time.perf_counter()
                    session.change(uri, cursor + typed, cursor + typed, " ")
                    with suppress(Exception):
                        await session.raw_request("codecompose/unknown", {})
                    samples.append((time.perf_counter() - began) * 1000)
                await asked
        return samples

    async def memory(self) -> list[float]:
        """Resident memory of the server, in MB, after completing in ten files."""
        async with self.start() as session:
            for name in _MODULES:
                uri, _, cursor = await self._open(session, name)
                await _ask(session, uri, cursor)
            return [session.rss_bytes() / 1e6]

    async def _open(self, session: Session, module: str, *, hide: int = 1) -> tuple[str, str, int]:
        """Open a library module without `hide` characters and the rest of the line; return uri, hidden text, cursor."""
        text = (Path(asyncio.__file__).parents[1] / f"{module}.py").read_text(encoding="utf-8")
        cursor = text.find(" = ", len(text) // 2) + 3
        end = text.find("\n", cursor + hide)
        uri = (self.folder / f"{module}.py").as_uri()
        await session.open(uri, text[:cursor] + text[end:], "python")
        return uri, text[cursor:end], cursor


ROWS: tuple[tuple[str, float, str, Callable[[Bench], Awaitable[list[float]]]], ...] = (
    ("typed through, or cached", 5, "ms", Bench.known),
    ("a key while typing, one line", 50, "ms", Bench.key),
    ("the same with a core kept busy", 150, "ms", Bench.key_on_a_busy_machine),
    ("first suggestion after opening a file", 400, "ms", Bench.open_file),
    ("start to initialize answered", 600, "ms", Bench.initialize),
    ("start to the first suggestion", 2000, "ms", Bench.first_suggestion),
    ("didChange while generating", 5, "ms", Bench.change_while_generating),
    ("memory of the server with the model", 350, "MB", Bench.memory),
)


async def _ask(session: Session, uri: str, cursor: int) -> tuple[list[lsp.InlineCompletionItem], float]:
    began = time.perf_counter()
    items = await session.inline(uri, cursor, trigger="invoked")
    return items, (time.perf_counter() - began) * 1000


def _spin() -> None:
    while True:
        pass


@contextmanager
def _busy_core() -> Iterator[None]:
    process = multiprocessing.get_context("spawn").Process(target=_spin, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()
