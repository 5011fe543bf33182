"""How it is with the servers that the settings name: reached, model listed, time to the first text. For `doctor`.

What is sent is a line of our own, never the user's code.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from codecompose_ls.backends.chat import Chat, RemoteChat
from codecompose_ls.backends.connect import LOCAL, connect_chat, connect_remote
from codecompose_ls.backends.dialect import Message
from codecompose_ls.backends.failures import Refused
from codecompose_ls.backends.remote import RemoteBackend
from codecompose_ls.connection import is_loopback
from codecompose_ls.errors import BackendError, CodeComposeError
from codecompose_ls.settings import Settings
from codecompose_ls.types import Context, Piece, Sampling

CONTEXT = Context("python", "main.py", "import sys\n\n\ndef main():\n    print(sys.argv[", "])\n\n\nmain()\n")
TALK = [Message("user", "Say hello.")]
ASK = Sampling(max_tokens=4)


@dataclass(frozen=True, slots=True)
class Checkup:
    """`mend` says what to do when it is not `good`."""

    good: bool
    detail: str
    mend: str = ""


async def check_backend(settings: Settings) -> Checkup | None:
    """Ask the server that completes for a few tokens; None where this machine does. Raises `InputError`."""
    if settings.backend == LOCAL:
        return None
    backend = connect_remote(settings)
    return await _check(backend, backend.stream(CONTEXT, ASK, stop=threading.Event()), setting="backend")


async def check_chat(settings: Settings) -> Checkup | None:
    """Ask who answers the assistants; None where the settings name nobody. Raises as `connect_chat`."""
    chat = connect_chat(settings)
    if chat is None:
        return None
    if not isinstance(chat, RemoteChat):
        return await _check_local(chat)
    return await _check(chat, chat.chat(TALK, ASK, stop=threading.Event()), setting="chat")


async def _check_local(chat: Chat) -> Checkup:
    try:
        first_ms = await _first_text(chat.chat(TALK, ASK, stop=threading.Event()))
    except CodeComposeError as error:
        return Checkup(False, f"{chat.model}: {error}", "mend the setting 'chat_model'")
    finally:
        chat.close()
    return Checkup(True, f"{chat.model}: loaded, and first text after {first_ms:.0f} ms")


async def _check(asked: RemoteBackend | RemoteChat, pieces: AsyncGenerator[Piece, None], *, setting: str) -> Checkup:
    try:
        if isinstance(asked, RemoteChat):
            # Its first text may take a minute; whether anybody is there at all shows sooner.
            await asked.look()
        reach_ms, names = await _listed(asked)
        first_ms = await _first_text(pieces)
    except BackendError as error:
        return Checkup(False, f"{asked.model}: {error}", f"start the server, or mend the settings '{setting}_...'")
    finally:
        await asked.client.aclose()
    wanted = {asked.asked_model, f"{asked.asked_model}:latest"}  # Ollama lists tags
    detail = f"{asked.model}: reached in {reach_ms:.0f} ms, first text after {first_ms:.0f} ms"
    if asked.client.sends_key and asked.client.url.startswith("http:") and not is_loopback(asked.client.url):
        return Checkup(False, f"{detail}; the API key travels unencrypted", f"set '{setting}_url' to an https address")
    if asked.asked_model and names and not wanted & set(names):
        listed = " or ".join(map(_shown, names[:5]))
        return Checkup(False, f"{detail}, but it does not list the model", f"set '{setting}_model' to {listed}")
    return Checkup(True, f"{detail}, {'lists the model' if asked.asked_model and names else 'lists no models'}")


def _shown(name: str) -> str:
    """Return a name that a server says as a terminal may show it."""
    return "".join(character for character in name[:80] if character.isprintable())


async def _listed(asked: RemoteBackend | RemoteChat) -> tuple[float, list[str]]:
    """Return the milliseconds that a listing takes, and the models in it; not every server has one."""
    began = time.perf_counter()
    try:
        names = await asked.probe()
    except Refused as error:
        if error.status in (401, 403):
            raise
        names = []
    return (time.perf_counter() - began) * 1000, names


async def _first_text(pieces: AsyncGenerator[Piece, None]) -> float:
    """Return the milliseconds until the first piece."""
    began = time.perf_counter()
    async with aclosing(pieces):
        await anext(pieces)
    return (time.perf_counter() - began) * 1000
