"""A chat model in a process of its own: `python -m codecompose_ls.backends.chat_process FOLDER [--threads N]`.

Lines of JSON both ways. On stdin {"id", "messages", "sampling"} asks for the next turn and {"id"} alone stops it; on
stdout come {"ready": true} once the model is loaded, {"id", "text", "finish"} for each piece, {"id", "error"} where an
answer fails, and {"error"} where the model cannot be loaded. It ends when its stdin does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codecompose_ls.backends import on_disk
from codecompose_ls.backends.dialect import Message
from codecompose_ls.errors import CodeComposeError
from codecompose_ls.types import Sampling

if TYPE_CHECKING:
    from codecompose_ls.backends.torch import TorchBackend

Json = dict[str, Any]
Tell = Callable[[Json], None]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args(arguments)
    if hasattr(os, "nice"):
        os.nice(10)  # whoever waits for a suggestion comes first
    asyncio.run(_serve(asked.folder, threads=asked.threads, tell=_teller()))
    sys.stdout.flush()
    # A thread that waits for stdin must not keep the process alive.
    os._exit(0)


async def _serve(folder: Path, *, threads: int, tell: Tell) -> None:
    loop = asyncio.get_running_loop()
    inbox: asyncio.Queue[Json] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin.buffer:
            loop.call_soon_threadsafe(inbox.put_nowait, json.loads(line))
        os._exit(0)  # nobody listens any more, even if the model is still being loaded

    threading.Thread(target=read, name="stdin", daemon=True).start()
    try:
        backend = await asyncio.to_thread(on_disk.load_chat, folder, threads=threads)
    except Exception as error:
        tell({"error": _said(error)})
        return
    tell({"ready": True})
    answers: dict[int, asyncio.Task[None]] = {}
    while True:
        request = await inbox.get()
        number = int(request["id"])
        if "messages" in request:
            answers[number] = asyncio.create_task(_answer(backend, request, tell))
            answers[number].add_done_callback(lambda _, number=number: answers.pop(number))  # type: ignore[misc]
        elif number in answers:
            answers[number].cancel()


async def _answer(backend: TorchBackend, request: Json, tell: Tell) -> None:
    messages = [Message(message["role"], message["content"]) for message in request["messages"]]
    try:
        pieces = backend.chat(messages, Sampling(**request["sampling"]), stop=threading.Event())
        async with aclosing(pieces):
            async for piece in pieces:
                if piece.text or piece.finish:
                    tell({"id": request["id"], "text": piece.text, "finish": piece.finish})
    except Exception as error:
        tell({"id": request["id"], "error": _said(error)})


def _teller() -> Tell:
    """Take stdout for our lines alone; what a library prints goes to stderr."""
    writer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(said: Json) -> None:
        writer.write(json.dumps(said) + "\n")
        writer.flush()

    return tell


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, CodeComposeError) else f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.exit(main())
