"""The JSON objects of a streamed answer: server-sent events (WHATWG HTML 9.2) or JSON lines, told apart line by line.

A server's answer is data: every line and the whole are limited in size, and what is no JSON object is an error. The
parser works on bytes and decodes whole lines, so a chunk may end anywhere, in the midst of a character, too.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from typing import Any

from codecompose_ls.errors import BackendError

Json = dict[str, Any]

#: Bytes of one line and of an answer; a token's event has some hundred.
LINE_BYTES, ANSWER_BYTES = 1 << 20, 8 << 20
#: What ends a stream of OpenAI's kind, and the object that stands for it.
DONE = "[DONE]"
ENDED: Json = {}


async def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Json]:
    """Yield the objects in a body that comes in `chunks`; `ENDED` for `[DONE]`. Raises `BackendError`."""
    data: list[str] = []
    async for line in lines(chunks):
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif line.startswith("{"):
            yield parsed(line)
        elif not line and data:
            text, data = "\n".join(data), []
            if text.strip() == DONE:
                yield ENDED
                return
            yield parsed(text)
        # Comments and other fields (event, id, retry) say nothing that we need.
    if text := "\n".join(data):
        yield ENDED if text.strip() == DONE else parsed(text)


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Yield the lines of a body, ended by LF, CR LF or CR."""
    rest, size = b"", 0
    async for chunk in chunks:
        size += len(chunk)
        # A CR at the very end may be the first half of a CR LF.
        text = (rest + chunk).replace(b"\r\n", b"\n")
        text = text[:-1].replace(b"\r", b"\n") + text[-1:]
        *whole, rest = text.split(b"\n")
        if size > ANSWER_BYTES or len(rest) > LINE_BYTES or any(len(line) > LINE_BYTES for line in whole):
            raise BackendError("the model server says more than an answer can be; it is cut off")
        for line in whole:
            yield line.decode("utf-8", errors="replace")
    if rest:
        yield rest.rstrip(b"\r").decode("utf-8", errors="replace")


def parsed(text: str) -> Json:
    """Read one object. Raises `BackendError`, without quoting what was read."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BackendError("the model server answers nonsense: what it sends is not JSON") from error
    if not isinstance(value, dict):
        raise BackendError("the model server answers nonsense: what it sends is not a JSON object")
    return value


def dig(value: Any, *path: str | int) -> Any:
    """Return what stands at a path of keys and places in an answer; None where there is nothing or another kind."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def text_at(value: Any, *path: str | int) -> str:
    """Return the text at a path; empty where there is none."""
    found = dig(value, *path)
    return found if isinstance(found, str) else ""


def number_at(value: Any, *path: str | int) -> float:
    """Return the number at a path; zero where there is none that can be reckoned with."""
    found = dig(value, *path)
    if not isinstance(found, int | float) or isinstance(found, bool):
        return 0.0
    try:
        return float(found) if math.isfinite(found) else 0.0
    except OverflowError:  # JSON knows larger numbers than a processor
        return 0.0


def complaint(value: Any) -> str:
    """Return the message of an error object as the servers send them, else nothing.

    {"error": "..."}, {"error": {"message": "..."}}, {"object": "error", "message": "..."}, {"detail": "..."} and
    {"detail": [{"loc": [...], "msg": "..."}]}, whose `input` is left out: it quotes the request, which is code.
    """
    if dig(value, "object") == "error":
        return text_at(value, "message") or "an error"
    for key in ("error", "detail"):
        found = dig(value, key)
        field = text_at(found, 0, "loc", -1)
        listed = f"{field}: {text_at(found, 0, 'msg')}" if field else text_at(found, 0, "msg")
        message = text_at(found, "message") or listed or (found if isinstance(found, str) else "")
        if message or found:
            return message or "an error"
    return ""
