"""A service that is told to stop, as by SIGTERM, while it answers: everybody is told, and no traceback is logged."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from starlette.types import Message

from codecompose_ls.service.exchange import Exchange
from codecompose_ls.types import Prompt
from tests.unit.service.conftest import HEADERS, Script, serving


class Endless(Script):
    """Counts who has asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Semaphore(0)

    def written(self, text: str) -> Prompt:
        self.asked.release()
        return super().written(text)


def ask(address: str, *, stream: bool) -> httpx.Response:
    body = {"model": "script", "prompt": "p", "max_tokens": 4000, "stream": stream}
    return httpx.post(f"{address}/v1/completions", json=body, headers=HEADERS, timeout=60, trust_env=False)


def test_whoever_is_being_answered_is_told(caplog: pytest.LogCaptureFixture) -> None:
    script = Endless()
    with ThreadPoolExecutor() as threads, caplog.at_level(logging.INFO):
        with serving(script) as address:
            streamed = threads.submit(ask, address, stream=True)
            assert script.began.wait(30)
            whole = threads.submit(ask, address, stream=False)
            assert script.asked.acquire(timeout=30) and script.asked.acquire(timeout=30)
        begun, refused = streamed.result(), whole.result()
    assert (begun.status_code, refused.status_code, refused.headers["retry-after"]) == (200, 503, "5")
    *_, last = begun.text.strip().split("\n\n")
    for said in (refused.json(), json.loads(last.removeprefix("data: "))):
        assert said["error"]["code"] == "stopping" and "is being stopped" in said["error"]["message"]
    assert "Traceback" not in caplog.text and "Exception in ASGI" not in caplog.text


async def test_whoever_has_not_said_all_is_told_too() -> None:
    sent: list[Message] = []
    waits = asyncio.Event()

    async def receive() -> Message:
        waits.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    exchange = Exchange(lambda *_: pytest.fail("nothing has been asked"))
    serving = asyncio.create_task(exchange({"type": "http", "headers": []}, receive, send))
    await waits.wait()
    serving.cancel()
    await serving
    assert [message.get("status") for message in sent] == [503, None]
