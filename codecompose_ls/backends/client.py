"""One HTTP client for one model server: time-outs, safe retries, a circuit breaker, and errors in one clear line.

Every failure is a `BackendError`. Leaving a stream early closes its connection, which is how a server learns to stop.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, TypeVar

from codecompose_ls import __version__
from codecompose_ls.backends.api_key import ApiKey
from codecompose_ls.backends.circuit import Circuit
from codecompose_ls.backends.events import ANSWER_BYTES, ENDED, Json, complaint, events, parsed
from codecompose_ls.backends.failures import Busy, Failures, Refused
from codecompose_ls.backends.request import Patience, Request
from codecompose_ls.connection import connection
from codecompose_ls.errors import BackendError
from codecompose_ls.types import Piece

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

#: One request and one more try.
ATTEMPTS = 2
#: Before the second try where the server does not say when, and the longest that it may ask for.
BACK_OFF_S, LONGEST_WAIT_S = 0.1, 2.0
#: Bytes that are read to find a server's own message.
MESSAGE_BYTES = 64 << 10
#: How long the end of an answer that is complete is waited for, so that its connection can serve again.
DRAIN_S = 0.05


class Client:
    """Speaks with the server at `url` on one event loop. `transport`, `clock` (seconds) and `sleep` are for tests.

    Raises `InputError` as `connection` does.
    """

    def __init__(
        self,
        url: str,
        *,
        key: ApiKey,
        patience: Patience,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.url, self.sends_key = url, bool(key)
        self.circuit = Circuit(clock)
        #: Why the last request failed, in one line; empty again after a success.
        self.notice = ""
        self._patience, self._failures = patience, Failures(url, key)
        self._clock, self._sleep = clock, sleep
        #: Fields that this server has refused.
        self._refused: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        headers = {
            "User-Agent": f"codecompose-ls/{__version__}",
            # What arrives is what is counted: a small answer cannot unfold into a large one.
            "Accept-Encoding": "identity",
            **key.headers(),
        }
        import httpx

        limits = httpx.Limits(max_connections=8, max_keepalive_connections=4, keepalive_expiry=60)
        self._http = connection(httpx.AsyncClient, url, headers=headers, limits=limits, transport=transport)

    async def stream(
        self, request: Request, read: Callable[[Json], Piece | None], *, patience: Patience | None = None
    ) -> AsyncGenerator[Piece, None]:
        """Post a request and yield what `read` makes of the answer's objects as they come, up to the last piece.

        Raises `BackendError`, also where the answer has no end.
        """
        if not self.circuit.admits():
            raise BackendError(f"{self.notice}; it is left alone for {self.circuit.wait_s:.0f} s")
        heard = False
        try:
            async with aclosing(self._answer(request, patience or self._patience)) as answer:
                async for event in answer:
                    if message := complaint(event):
                        raise self._failures.complaint(message)
                    heard = True
                    piece = Piece("", finish="stop") if event is ENDED else read(event)
                    if piece is not None:
                        yield piece
                        if piece.finish:
                            await drain(answer)
                            return
                raise self._failures.unfinished() if heard else self._failures.nonsense()
        except BackendError as error:
            heard = False
            self.notice = str(error)
            self.circuit.failed(hold_s=error.wait_s if isinstance(error, Busy) else 0.0)
            raise
        finally:
            # A caller that leaves early has got what it wanted.
            if heard:
                self.notice = ""
                self.circuit.succeeded()
            else:
                self.circuit.abandoned()

    async def get(self, path: str) -> Json:
        """Return what the server has at a path; the circuit is not asked. Raises `BackendError`."""
        deadline = self._clock() + self._patience.total
        try:
            response = await self._get(path, self._patience, deadline)
            try:
                if response.status_code != 200:
                    raise await self._refusal(response, path)
                body = await self._within(deadline, _read(response.aiter_raw(), limit=ANSWER_BYTES))
                return parsed(body.decode("utf-8", errors="replace"))
            finally:
                await response.aclose()
        except BackendError:
            raise
        except Exception as error:
            raise self._failures.broken(error, self._patience) from error

    async def look(self, path: str, patience: Patience) -> None:
        """See whether the server answers at all, whatever it says; the circuit counts it where it does not.

        Raises `BackendError`.
        """
        import httpx

        try:
            response = await self._get(path, patience, self._clock() + patience.total)
        except Exception as error:
            unreached = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            failure = self._failures.broken(error, patience) if unreached else self._failures.lifeless()
            self.notice = str(failure)
            self.circuit.failed()
            raise failure from error
        await response.aclose()

    def close(self) -> None:
        """Close every connection; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(lambda: asyncio.ensure_future(self.aclose()))

    async def aclose(self) -> None:
        await self._http.aclose()

    # One request.

    async def _get(self, path: str, patience: Patience, deadline: float) -> httpx.Response:
        built = self._http.build_request("GET", self.url + path, timeout=self._timeout(patience))
        return await self._within(deadline, self._http.send(built, stream=True))

    async def _answer(self, request: Request, patience: Patience) -> AsyncGenerator[Json, None]:
        self._loop = asyncio.get_running_loop()
        deadline = self._clock() + patience.total
        try:
            response = await self._open(request, patience, deadline)
            try:
                async with aclosing(self._chunks(response, deadline)) as chunks:
                    if "application/json" in response.headers.get("content-type", ""):
                        # A server that does not stream, however kindly it is asked.
                        body = await _read(chunks, limit=ANSWER_BYTES)
                        yield parsed(body.decode("utf-8", errors="replace"))
                    else:
                        async for event in events(chunks):
                            yield event
                        await drain(chunks)
            finally:
                await response.aclose()
        except BackendError:
            raise
        except Exception as error:
            raise self._failures.broken(error, patience) from error

    async def _chunks(self, response: httpx.Response, deadline: float) -> AsyncGenerator[bytes, None]:
        async with aclosing(response.aiter_raw()) as chunks:  # type: ignore[type-var]
            while True:
                try:
                    yield await self._within(deadline, anext(chunks))
                except StopAsyncIteration:
                    return

    async def _open(self, request: Request, patience: Patience, deadline: float) -> httpx.Response:
        """Send a request until its answer begins; a try more where nothing has been answered yet."""
        import httpx

        attempt = 1
        while True:
            wait_s: float | None = None
            try:
                response = await self._within(deadline, self._send(request, patience))
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.RemoteProtocolError, httpx.ReadError) as error:
                # Nothing came back: the server is starting, or has just closed a connection that had been idle.
                failure, wait_s = self._failures.broken(error, patience), BACK_OFF_S
            else:
                if response.status_code == 200:
                    return response
                failure = await self._refusal(response, request.path)
                if self._adapt(request, failure):
                    continue
                if isinstance(failure, Busy):
                    wait_s = failure.wait_s
            if attempt == ATTEMPTS or not wait_s or wait_s > min(LONGEST_WAIT_S, deadline - self._clock()):
                raise failure
            attempt += 1
            await self._sleep(wait_s)

    async def _send(self, request: Request, patience: Patience) -> httpx.Response:
        body = request.without(self._refused)
        built = self._http.build_request("POST", self.url + request.path, json=body, timeout=self._timeout(patience))
        return await self._http.send(built, stream=True)

    def _adapt(self, request: Request, failure: Refused) -> bool:
        """Return whether the request can be sent again without a field that the server has refused by name."""
        if failure.status not in (400, 422):
            return False
        known = request.optional.keys() & request.body.keys()
        named = {name for name in known - self._refused if name in failure.message}
        self._refused |= named
        return bool(named)

    async def _within(self, deadline: float, work: Awaitable[T]) -> T:
        """Return what comes of some work, in time. `asyncio.wait_for` may lose a cancel before Python 3.12."""
        doing = asyncio.ensure_future(work)
        try:
            await asyncio.wait({doing}, timeout=max(0.0, deadline - self._clock()))
            if not doing.done():
                raise asyncio.TimeoutError
            return doing.result()
        finally:
            if doing.cancel():
                await asyncio.wait({doing})

    async def _refusal(self, response: httpx.Response, path: str) -> Refused:
        """Read why a server has not answered with 200, and hang up."""
        try:
            reading = _read(response.aiter_raw(), limit=MESSAGE_BYTES)
            message = complaint(json.loads(await asyncio.wait_for(reading, self._patience.read)))
        except Exception:  # what it says beside the status may be anything
            message = ""
        finally:
            await response.aclose()
        return self._failures.refusal(response, path, message)

    def _timeout(self, patience: Patience) -> httpx.Timeout:
        import httpx

        return httpx.Timeout(connect=patience.connect, read=patience.read, write=patience.write, pool=patience.pool)


async def drain(stream: AsyncIterator[object]) -> None:
    """Read what is left of an answer that is complete, so that its connection can serve again; not for long."""

    async def exhaust() -> None:
        async for _ in stream:
            pass

    with suppress(asyncio.TimeoutError, BackendError):
        await asyncio.wait_for(exhaust(), DRAIN_S)


async def _read(chunks: AsyncIterator[bytes], *, limit: int) -> bytes:
    """Return a body that is to be small. Raises `BackendError` where it is not."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            raise BackendError("the model server says more than an answer can be; it is cut off")
    return bytes(body)
