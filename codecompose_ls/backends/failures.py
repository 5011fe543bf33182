"""What is said when a server cannot be asked: one clear line, never at any length, never with the key in it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from codecompose_ls.backends.api_key import VARIABLE, ApiKey
from codecompose_ls.backends.request import Patience
from codecompose_ls.connection import goes_by_proxy
from codecompose_ls.errors import BackendError

if TYPE_CHECKING:
    import httpx

#: Characters of a server's own message that are shown.
MESSAGE_CHARS = 200
TOO_MANY_REQUESTS, UNAVAILABLE = 429, 503


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


class Failures:
    """Words for the failures of the server at `url`."""

    def __init__(self, url: str, key: ApiKey) -> None:
        self._server, self._key = f"the model server at {url}", key
        self._url = url

    def complaint(self, message: str) -> BackendError:
        """A message of its own in the midst of an answer."""
        return BackendError(f"{self._server} says: {self._shown(message)}")

    def unfinished(self) -> BackendError:
        return BackendError(f"{self._server} stopped in the midst of its answer")

    def nonsense(self) -> BackendError:
        return BackendError(f"{self._server} answers nonsense: what it sends is no answer")

    def lifeless(self) -> BackendError:
        return BackendError(f"{self._server} says nothing and gives no sign of life")

    def refusal(self, response: httpx.Response, path: str, message: str) -> Refused:
        """Why it has not answered with 200."""
        status, message = response.status_code, self._shown(message)
        said = f" ({message})" if message else ""
        if status in (TOO_MANY_REQUESTS, UNAVAILABLE):
            wait_s = _seconds(response.headers.get("retry-after", ""))
            asks = f", asks to wait {wait_s:.0f} s" if wait_s else ""
            return Busy(f"{self._server} is busy{asks}{said}", status, message, wait_s=wait_s)
        if status in (401, 403):
            what = "refuses the API key" if self._key else "wants an API key"
            text = f"{self._server} {what}{said}: set {VARIABLE} or the keyring"
        elif 300 <= status < 400:
            text = f"{self._server} answers {status}: it sends us to another address{_address(response)}, which is not "
            text += "asked; if that is the right one, put it into the settings"
        elif status == 404:
            text = f"{self._server} has no {path}, or not the model asked for{said}"
        elif any(word in message.lower() for word in ("suffix", "infill", "insert")):
            text = f"{self._server} cannot fill in itself{said}: set 'backend_template' to the model's family"
        else:
            text = f"{self._server} answers {status}{said}"
        return Refused(text, status, message)

    def broken(self, error: Exception, patience: Patience) -> BackendError:
        """What went wrong on the way."""
        import httpx

        cause = self._shown(_reason(error)) or type(error).__name__
        if isinstance(error, asyncio.TimeoutError):
            said = f"was not done within {patience.total:g} s"
        elif isinstance(error, httpx.ConnectTimeout):
            said = f"cannot be reached within {patience.connect:g} s"
        elif isinstance(error, httpx.ProxyError):
            said = f"cannot be reached: the proxy in the environment says {cause}"
        elif isinstance(error, httpx.ConnectError) and goes_by_proxy(self._url):
            said = f"cannot be reached ({cause}): is it running, and the proxy in the environment?"
        elif isinstance(error, httpx.ConnectError):
            said = f"cannot be reached ({cause}): is it running?"
        elif isinstance(error, httpx.PoolTimeout):
            said = "has too many requests of ours to answer"
        elif isinstance(error, httpx.TimeoutException):
            said = f"has said nothing for {patience.read:g} s"
        elif isinstance(error, httpx.TransportError):
            said = f"broke off ({cause})"
        else:
            said = f"cannot be asked ({type(error).__name__})"
        return BackendError(f"{self._server} {said}")

    def _shown(self, message: str) -> str:
        """Return a server's message on one line, not at any length, and without the key."""
        text = self._key.without(" ".join(message.split()))
        text = "".join(character for character in text if character.isprintable())
        return text if len(text) <= MESSAGE_CHARS else text[: MESSAGE_CHARS - 1] + "…"


def _reason(error: BaseException) -> str:
    """Return what the operating system said, if it did: the libraries between say little."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionError) and cause.errno:
            return os.strerror(cause.errno)
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error)


def _address(response: httpx.Response) -> str:
    """Return where an answer leads, without what may be a secret in it."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(response.headers.get("location", ""))
        host = parts.hostname or ""
    except ValueError:
        return ""
    return f" ({parts.scheme}://{host})" if host and len(host) < 100 and host.isprintable() else ""


def _seconds(retry_after: str) -> float:
    """Read Retry-After (RFC 9110 10.2.3) where it is a number; a date is for browsers."""
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        return 0.0
