"""A model server beside a test, which says what the test wants: ghost text, or an answer, known to the letter."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Thread

from tests.editors.polling import until
from tests.http_server import HttpServer, Step


class ModelServer:
    """Runs in a thread: whoever drives a browser has an event loop of its own."""

    def __init__(self) -> None:
        self._http, self._loop = HttpServer(), asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)

    @property
    def url(self) -> str:
        return self._http.url

    def will_answer(self, *answers: Sequence[Step]) -> None:
        """Say these, one a request."""
        self._http.answers.extend(answers)

    def asked(self) -> int:
        """How many answers have been asked for."""
        return sum(asked.method == "POST" for asked in self._http.asked)

    def until_asked(self, times: int) -> None:
        until(lambda: self.asked() >= times, f"the model to be asked {times} times")

    def until_left(self) -> None:
        """Wait until somebody hangs up in the midst of an answer."""
        until(self._http.left.is_set, "the client to hang up")

    def go_on(self, step: asyncio.Event) -> None:
        """Let the answer go on that waits at this step."""
        self._loop.call_soon_threadsafe(step.set)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._http.start(), self._loop).result()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._http.stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def model_server() -> Iterator[ModelServer]:
    server = ModelServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
