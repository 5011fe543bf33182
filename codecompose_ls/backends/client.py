"""One HTTP client for one model server: time-outs, safe retries, a circuit breaker, and errors in one clear line.

Every failure is a `BackendError`. Leaving a stream early closes its connection, which is how a server learns to stop.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from codecompose_ls import __version__
from codecompose_ls.backends.address import is_loopback
from codecompose_ls.backends.api_key import VARIABLE, ApiKey
from codecompose_ls.backends.circuit import Circuit
from codecompose_ls.backends.events import ANSWER_BYTES, ENDED, Json, complaint, events, parsed
from codecompose_ls.errors import BackendError
from codecompose_ls.types import Piece

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

#: One request and one more try.
ATTEMPTS = 2
#: Before the second try where the server does not say when, and the longest that it may ask for.
BACK_OFF_S, LONGEST_WAIT_S = 0.1, 2.0
#: Characters of a server's own message that are shown, and bytes that are read to find it.
MESSAGE_CHARS, MESSAGE_BYTES = 200, 64 << 10
#: How long the end of an answer that is complete is waited for, so that its connection can serve again.
DRAIN_S = 0.05

TOO_MANY_REQUESTS, UNAVAILABLE = 429, 503


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that each step may take: `read` is the longest silence, `total` is for the whole answer."""

    connect: float = 1.0
    read: float = 3.0
    write: float = 3.0
    pool: float = 1.0
    total: float = 8.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: a path behind the server's address, and the JSON that is posted."""

    path: str
    body: Mapping[str, Any]
    #: Fields that a server may not know: what it refuses is left out (None) or goes by the other name.
    optional: Mapping[str, str | None] = field(default_factory=dict)


class Client:
    """Speaks with the server at `url` on one event loop. `transport`, `clock` (seconds) and `sleep` are for tests."""

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
        import httpx

        self.url = url
        self.circuit = Circuit(clock)
        #: Why the last request failed, in one line; empty again after a success.
        self.notice = ""
        self._key, self._patience = key, patience
        self._clock, self._sleep = clock, sleep
        #: Fields that this server has refused.
        self._refused: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._http = httpx.AsyncClient(
            headers={
                "User-Agent": f"codecompose-ls/{__version__}",
                # What arrives is what is counted: a small answer cannot unfold into a large one.
                "Accept-Encoding": "identity",
                **key.headers(),
            },
            limits=httpx.Limits(max_connections=8, max_keepalive_connections=4, keepalive_expiry=60),
            # A proxy has no business between us and this machine.
            trust_env=not is_loopback(url),
            transport=transport,
        )

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
                        raise BackendError(f"{self._server} says: {self._shown(message)}")
                    heard = True
                    piece = Piece("", finish="stop") if event is ENDED else read(event)
                    if piece is not None:
                        yield piece
                        if piece.finish:
                            await drain(answer)
                            return
                raise BackendError(f"{self._server} stopped in the midst of its answer")
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
        built = self._http.build_request("GET", self.url + path, timeout=self._timeout(self._patience))
        try:
            response = await self._within(deadline, self._http.send(built, stream=True))
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
            raise self._failure(error, self._patience) from error

    def close(self) -> None:
        """Close every connection; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(lambda: asyncio.ensure_future(self.aclose()))

    async def aclose(self) -> None:
        await self._http.aclose()

    # One request.

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
            raise self._failure(error, patience) from error

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
                failure, wait_s = self._failure(error, patience), BACK_OFF_S
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
        body = dict(request.body)
        for name in self._refused & request.optional.keys() & body.keys():
            value, other = body.pop(name), request.optional[name]
            if other is not None:
                body[other] = value
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
        return await asyncio.wait_for(work, max(0.0, deadline - self._clock()))

    # What is said of a failure.

    @property
    def _server(self) -> str:
        return f"the model server at {self.url}"

    def _shown(self, message: str) -> str:
        """Return a server's message on one line, not at any length, and without the key."""
        text = self._key.without(" ".join(message.split()))
        text = "".join(character for character in text if character.isprintable())
        return text if len(text) <= MESSAGE_CHARS else text[: MESSAGE_CHARS - 1] + "…"

    async def _refusal(self, response: httpx.Response, path: str) -> Refused:
        """Say why a server has not answered with 200; the response is closed."""
        status = response.status_code
        try:
            reading = _read(response.aiter_raw(), limit=MESSAGE_BYTES)
            message = self._shown(complaint(json.loads(await asyncio.wait_for(reading, self._patience.read))))
        except Exception:  # what it says beside the status may be anything
            message = ""
        finally:
            await response.aclose()
        said = f" ({message})" if message else ""
        if status in (TOO_MANY_REQUESTS, UNAVAILABLE):
            wait_s = _seconds(response.headers.get("retry-after", ""))
            asks = f", asks to wait {wait_s:.0f} s" if wait_s else ""
            return Busy(f"{self._server} is busy{asks}{said}", status, message, wait_s=wait_s)
        if status in (401, 403):
            what = "refuses the API key" if self._key else "wants an API key"
            text = f"{self._server} {what}{said}: set {VARIABLE} or the keyring"
        elif status == 404:
            text = f"{self._server} has no {path}, or not the model asked for{said}"
        elif any(word in message.lower() for word in ("suffix", "infill", "insert")):
            text = f"{self._server} cannot fill in itself{said}: set 'backend_template' to the model's family"
        else:
            text = f"{self._server} answers {status}{said}"
        return Refused(text, status, message)

    def _failure(self, error: Exception, patience: Patience) -> BackendError:
        """Say what went wrong on the way."""
        import httpx

        cause = str(error) or type(error).__name__
        if isinstance(error, asyncio.TimeoutError):
            said = f"was not done within {patience.total:g} s"
        elif isinstance(error, httpx.ConnectTimeout):
            said = f"cannot be reached within {patience.connect:g} s"
        elif isinstance(error, httpx.ConnectError):
            said = f"cannot be reached ({self._shown(cause)}): is it running?"
        elif isinstance(error, httpx.PoolTimeout):
            said = "has too many requests of ours to answer"
        elif isinstance(error, httpx.TimeoutException):
            said = f"has said nothing for {patience.read:g} s"
        elif isinstance(error, httpx.TransportError):
            said = f"broke off ({self._shown(cause)})"
        else:
            said = f"cannot be asked ({type(error).__name__})"
        return BackendError(f"{self._server} {said}")

    def _timeout(self, patience: Patience) -> httpx.Timeout:
        import httpx

        return httpx.Timeout(connect=patience.connect, read=patience.read, write=patience.write, pool=patience.pool)


class Refused(BackendError):
    """A server has answered, but not what was asked; `message` is its own."""

    def __init__(self, text: str, status: int, message: str) -> None:
        super().__init__(text)
        self.status, self.message = status, message


class Busy(Refused):
    """A server asks to be left alone for `wait_s` seconds; 0 when it does not say for how long."""

    def __init__(self, text: str, status: int, message: str, *, wait_s: float) -> None:
        super().__init__(text, status, message)
        self.wait_s = wait_s


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


def _seconds(retry_after: str) -> float:
    """Read Retry-After (RFC 9110 10.2.3) where it is a number; a date is for browsers."""
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        return 0.0
