"""The latency budgets of the design, measured at the client's end: from request written to answer read.

`ROWS` is the table: name, budget, how to measure. A row without a budget is a peer's, to compare the row before with.
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

from pygls.exceptions import JsonRpcException

from codecompose_ls.lsp.client.typist import ghost_of
from codecompose_ls.types import Document

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
#: Where keys are typed, and how many in each.
_TYPED_IN = _MODULES[::3]
_KEYS = 20
_PAUSE_S = 0.12
#: The peer is asked at every fourth of these keys: it takes its time.
_PEER_STEP = 4
#: Keys typed into one generation: few, so that most are sent before it ends.
_KEYS_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: `measure` returns samples in `unit` (ms or MB); `budget` is what their p95 may be."""

    name: str
    budget: float | None
    measure: Callable[[Bench], Awaitable[list[float]]]
    unit: str = "ms"
    #: The row that this one, a peer's, is to be compared with.
    peer_of: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What came of a row."""

    row: Row
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
    def holds(self) -> bool | None:
        """Whether the budget is kept; None where there is none."""
        return None if self.row.budget is None else self.p95 <= self.row.budget

    def times(self, other: Measurement) -> float:
        """Return how many times as long as `other` this takes, by the medians."""
        return self.p50 / other.p50


@dataclass(frozen=True, slots=True)
class Bench:
    """How to start a server; every row starts its own so that none profits from another.

    `folder` is an empty one of its own: where Python keeps its library, files may be ignored and so never completed.
    """

    start: Callable[[], Session]
    folder: Path
    #: The folder of the model that is measured.
    model: Path

    async def known(self) -> list[float]:
        """Keys that type a suggestion through, and the same position asked twice (cache)."""
        samples: list[float] = []
        async with self.start() as session:
            for name in _MODULES:
                uri, _, cursor = await self.open(session, name)
                items, _ = await ask(session, uri, cursor)
                for _ in range(2 if items else 0):
                    samples.append((await ask(session, uri, cursor))[1])
                ghost, _ = ghost_of(items)
                for typed, key in enumerate(ghost[:-1]):
                    session.change(uri, cursor + typed, cursor + typed, key)
                    samples.append((await ask(session, uri, cursor + typed + 1))[1])
        return samples

    async def key(self) -> list[float]:
        """A new suggestion at every key of several lines, typed at a person's pace, each told to be shown."""
        samples: list[float] = []
        async with self.start() as session:
            for name in _TYPED_IN:
                samples += await self._typed(session, name)
        return samples

    async def _typed(self, session: Session, name: str) -> list[float]:
        samples: list[float] = []
        uri, hidden, cursor = await self.open(session, name, hide=_KEYS)
        await ask(session, uri, cursor)
        last = ""
        for typed, key in enumerate(hidden):
            began = time.perf_counter()
            session.change(uri, cursor + typed, cursor + typed, key)
            items, latency_ms = await ask(session, uri, cursor + typed + 1)
            _, current = ghost_of(items)
            if not current or current != last:  # the same id is the same suggestion, typed through
                samples.append(latency_ms)
                for item in items[:1]:
                    await session.show(item)  # and the server looks ahead, which the next key must not pay for
            last = current
            await asyncio.sleep(max(0.0, _PAUSE_S - (time.perf_counter() - began)))
        return samples

    async def peer_key(self) -> list[float]:
        """The same model at the same cursors as `key`, prefix first and prefilled anew each time."""
        from codecompose_ls.lsp.client.peer import Peer

        peer, samples = Peer(self.model), []
        for name in _TYPED_IN:
            before, hidden, after = _split(name, hide=_KEYS)
            for typed in range(0, len(hidden), _PEER_STEP):
                head = before + hidden[: typed + 1]
                document = Document((self.folder / f"{name}.py").as_uri(), f"{name}.py", "python", head + after)
                began = time.perf_counter()
                peer.complete(document, len(head))
                samples.append((time.perf_counter() - began) * 1000)
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
                uri, _, cursor = await self.open(session, name)
                await ask(session, uri, cursor)
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
                uri, _, cursor = await self.open(session, "argparse")
                await ask(session, uri, cursor)
                samples.append((time.perf_counter() - began) * 1000)
        return samples

    async def change_while_generating(self) -> list[float]:
        """A didChange sent during a generation, until an (unknown) request sent right behind it is answered.

        What opening the file costs belongs to `open_file`: the first key waits until the request before it is under
        way, and keys sent after the generation has ended do not count.
        """
        samples: list[float] = []
        async with self.start() as session:
            await session.ready()
            for name in _MODULES:
                uri, hidden, cursor = await self.open(session, name, hide=_KEYS_AT_ONCE)
                asked = asyncio.ensure_future(ask(session, uri, cursor))
                await _round_trip(session)
                for typed, key in enumerate(hidden[:_KEYS_AT_ONCE]):
                    await asyncio.sleep(0.01)
                    if asked.done():
                        break
                    began = time.perf_counter()
                    session.change(uri, cursor + typed, cursor + typed, key)
                    await _round_trip(session)
                    samples.append((time.perf_counter() - began) * 1000)
                await asked
        return samples

    async def swap(self) -> list[float]:
        """From the promotion of new weights to their first suggestion."""
        from codecompose_ls.lsp.client.swap import swap

        return await swap(self)

    async def memory(self) -> list[float]:
        """Resident memory of the server, in MB, after completing in ten files."""
        async with self.start() as session:
            for name in _MODULES:
                uri, _, cursor = await self.open(session, name)
                await ask(session, uri, cursor)
            return [session.rss_bytes() / 1e6]

    async def open(self, session: Session, module: str, *, hide: int = 1) -> tuple[str, str, int]:
        """Open a library module without `hide` characters and the rest of the line; return uri, hidden text, cursor."""
        before, hidden, after = _split(module, hide=hide)
        uri = (self.folder / f"{module}.py").as_uri()
        await session.open(uri, before + after, "python")
        return uri, hidden, len(before)


ROWS = (
    Row("typed through, or cached", 5, Bench.known),
    Row("a key while typing, one line", 50, Bench.key),
    Row(
        "a key while typing, by a peer: no KV kept, prefix first",
        None,
        Bench.peer_key,
        peer_of="a key while typing, one line",
    ),
    Row("the same with a core kept busy", 150, Bench.key_on_a_busy_machine),
    Row("first suggestion after opening a file", 400, Bench.open_file),
    Row("start to initialize answered", 600, Bench.initialize),
    Row("start to the first suggestion", 2000, Bench.first_suggestion),
    Row("didChange while generating", 5, Bench.change_while_generating),
    Row("promotion to the first suggestion by the new weights", None, Bench.swap),
    Row("memory of the server with the model", 350, Bench.memory, unit="MB"),
)


def _split(module: str, *, hide: int) -> tuple[str, str, str]:
    """Cut a library module in its middle, behind ` = `: before, at least `hide` characters to a line's end, after."""
    text = (Path(asyncio.__file__).parents[1] / f"{module}.py").read_text(encoding="utf-8")
    cursor = text.find(" = ", len(text) // 2) + 3
    end = text.find("\n", cursor + hide)
    return text[:cursor], text[cursor:end], text[end:]


async def _round_trip(session: Session) -> None:
    """Wait until the server has come to all that was sent before: it refuses what it does not know at once."""
    with suppress(JsonRpcException):
        await session.raw_request("codecompose/unknown", {})


async def ask(session: Session, uri: str, cursor: int) -> tuple[list[lsp.InlineCompletionItem], float]:
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
