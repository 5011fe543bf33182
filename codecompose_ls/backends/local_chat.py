"""A chat model on this machine, in a process of its own that is started when it is first asked and ended when idle.

So torch is never loaded where suggestions are made, its threads give way to theirs, and the memory comes back whole.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import codecompose_ls
from codecompose_ls.backends.dialect import Message, spread
from codecompose_ls.errors import Cancelled, EngineError, ModelError
from codecompose_ls.types import Piece, Sampling, Stop

#: A model that nobody has talked to for so long is let go.
IDLE_S = 600.0
#: Modules of the workspace must not pass for Python's own: the child starts where our package is.
_PLACE = Path(codecompose_ls.__file__).parents[1]
#: Threads that wait for one another sleep, so that the processor is free for suggestions.
_ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE"}


class LocalChat:
    """Implements `Chat` for a model or an adapter in `folder`.

    Raises `ModelError` where it cannot be loaded, `EngineError` where an answer fails.
    """

    def __init__(self, folder: Path, *, context: int, threads: int = 2, idle_s: float = IDLE_S) -> None:
        self.model, self.context = folder.name, context
        self._folder, self._threads, self._idle_s = folder, threads, idle_s
        self._process: ChatProcess | None = None
        self._talks = 0
        self._leaving: asyncio.TimerHandle | None = None

    @property
    def is_loaded(self) -> bool:
        """Whether a process is there to answer, or on its way."""
        return self._process is not None and not self._process.has_ended

    async def chat(self, messages: Sequence[Message], sampling: Sampling, *, stop: Stop) -> AsyncGenerator[Piece, None]:
        if self._process is None or self._process.has_ended:
            self._process = ChatProcess(self._folder, threads=self._threads)
        self._stay()
        self._talks += 1
        try:
            async with aclosing(self._process.talk(messages, sampling)) as pieces:
                async for piece in pieces:
                    if stop.is_set():
                        raise Cancelled
                    yield piece
        finally:
            self._talks -= 1
            if not self._talks:
                self._stay()
                self._leaving = asyncio.get_running_loop().call_later(self._idle_s, self.close)

    async def look(self) -> None:
        """There is nothing to see: if the process ends, whoever it answers is told so at once."""

    def close(self) -> None:
        self._stay()
        if self._process is not None:
            self._process.close()

    def _stay(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None


class ChatProcess:
    """The other end of `chat_process`; several may talk at once, from any event loop."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        command = [sys.executable, "-m", "codecompose_ls.backends.chat_process", str(folder), f"--threads={threads}"]
        self.has_ended = False
        self._name = folder.name
        self._process = subprocess.Popen(
            command,
            cwd=_PLACE,
            env={**_ENVIRONMENT, **os.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._numbers = itertools.count()
        self._waiting: dict[int, tuple[asyncio.AbstractEventLoop, asyncio.Queue[Any]]] = {}
        self._changing, self._writing = threading.Lock(), threading.Lock()
        self._is_closed = False
        #: What those get who wait when it ends.
        self._fault: Exception | None = None
        threading.Thread(target=self._listen, name="chat-process", daemon=True).start()

    async def talk(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Yield the next turn as it comes; leaving early stops it."""
        number, said = next(self._numbers), asyncio.Queue[Any]()
        with self._changing:
            if self.has_ended:
                raise self._end()
            self._waiting[number] = asyncio.get_running_loop(), said
        try:
            # A long talk fills the pipe while the model is being loaded.
            await asyncio.to_thread(
                self._tell, {"id": number, "messages": spread(messages), "sampling": _plain(sampling)}
            )
            while True:
                item = await said.get()
                if isinstance(item, Exception):
                    raise item
                if "error" in item:
                    raise EngineError(item["error"])
                yield Piece(item["text"], finish=item["finish"], model=self._name)
                if item["finish"]:
                    return
        finally:
            if self._waiting.pop(number, None) and not self.has_ended:
                self._tell({"id": number})

    def close(self) -> None:
        """End the process at once; those who wait are told so."""
        self._is_closed = True
        self._process.kill()

    def _tell(self, message: dict[str, Any]) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        # Whoever does not listen any more has said why, or will have ended.
        with self._writing, suppress(OSError, ValueError):
            stdin.write(json.dumps(message).encode() + b"\n")
            stdin.flush()

    def _listen(self) -> None:
        stdout, stdin = self._process.stdout, self._process.stdin
        assert stdout is not None and stdin is not None
        with stdout:
            for line in stdout:
                self._take(json.loads(line))
        self._process.wait()
        with self._changing:
            self.has_ended = True
            waiting = list(self._waiting)
        for number in waiting:
            self._give(number, self._end())
        with suppress(OSError):
            stdin.close()

    def _take(self, said: dict[str, Any]) -> None:
        if "id" in said:
            self._give(said["id"], said)
        elif "error" in said:
            self._fault = ModelError(said["error"])

    def _give(self, number: int, item: Any) -> None:
        loop, said = self._waiting.get(number, (None, None))
        if loop is not None and said is not None:
            with suppress(RuntimeError):  # its loop is closed: nobody waits
                loop.call_soon_threadsafe(said.put_nowait, item)

    def _end(self) -> Exception:
        if self._is_closed:
            return Cancelled()
        status = self._process.returncode
        return self._fault or EngineError(
            f"the chat model '{self._name}' has ended by itself (exit status {status}): is there enough memory? "
            "The next request starts it again"
        )


def _plain(sampling: Sampling) -> dict[str, Any]:
    return {name: getattr(sampling, name) for name in ("max_tokens", "temperature", "top_k", "top_p", "seed")}
