"""Who may ask: tokens, each of a named person, compared in constant time before anything of a request is read."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from codecompose_ls.errors import InputError
from codecompose_ls.service.faults import Fault

#: Environment variable with a token.
VARIABLE = "CODECOMPOSE_SERVE_TOKEN"
#: Shorter tokens can be guessed.
MIN_LENGTH = 16
#: Paths that answer anybody; they tell nothing.
OPEN_PATHS = frozenset({"/health"})

_ADMIN = "admin"
_NAME = re.compile(r"[\w.@+-]{1,80}")


@dataclass(frozen=True, slots=True)
class Person:
    """Whose token it is; one without a name goes by a hash of the token."""

    name: str
    is_admin: bool = False


class Tokens:
    """The tokens that open the service, one a line: `TOKEN` or `TOKEN NAME [admin]`; several may be of one person.

    Only hashes are kept. Raises `InputError` when there are none, or for a line that is no such line.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._people: dict[str, Person] = {}
        for number, line in enumerate(lines, start=1):
            token, person = _parsed(line, number)
            self._people[fingerprint(token)] = person
        if not self._people:
            raise InputError(_too_short())

    def admit(self, authorization: str) -> bool:
        """Tell whether a header's value carries one of the tokens."""
        return self.person(authorization) is not None

    def person(self, authorization: str) -> Person | None:
        """Return whose token a header's value carries; takes as long for a wrong one as for a right one."""
        scheme, _, given = authorization.partition(" ")
        found = self.owner(fingerprint(given.strip()))
        return found if scheme.lower() == "bearer" else None

    def owner(self, mark: str) -> Person | None:
        """Return whose token has this fingerprint."""
        matches = [person for known, person in self._people.items() if hmac.compare_digest(known, mark)]
        return matches[0] if matches else None

    @property
    def people(self) -> list[Person]:
        """Everyone who has a token."""
        return list(dict.fromkeys(self._people.values()))


def fingerprint(token: str) -> str:
    """Return a token's SHA-256; tokens are random, so that it needs no salt."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def generated() -> str:
    return secrets.token_urlsafe(24)


def read_tokens(file: Path | None) -> Tokens | None:
    """Return the tokens of a file (one a line, # for comments) or of the environment; None where neither is given.

    The environment's is the only one there is, and so an admin's.
    """
    if file is not None:
        try:
            # Windows' Notepad begins a file with a mark.
            lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise InputError(f"--token-file {file}: cannot be read ({reason})") from error
        return Tokens(line for line in lines if line and not line.startswith("#"))
    variable = os.environ.get(VARIABLE, "").strip()
    return only(variable) if variable else None


def only(token: str) -> Tokens:
    """Return the one token there is, of an admin called `everyone`."""
    return Tokens([f"{token} everyone {_ADMIN}"])


class Sessions(Protocol):
    """Knows who has logged in, by a browser's cookies."""

    def person(self, connection: HTTPConnection) -> Person | None: ...


class Access:
    """ASGI middleware: without a token there is a 401 for every path but the open ones; `request.state.person` asks.

    Where there are `sessions`, a browser that has logged in may have `pages` (a path, or what begins with it and a
    slash), and one that has not is sent to `login`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        tokens: Tokens,
        sessions: Sessions | None = None,
        pages: Collection[str] = (),
        open_paths: Collection[str] = OPEN_PATHS,
        login: str = "/login",
    ) -> None:
        self._app, self._tokens, self._sessions = app, tokens, sessions
        self._pages, self._open, self._login = pages, open_paths, login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._open:
            await self._app(scope, receive, send)
            return
        person = self._tokens.person(Headers(scope=scope).get("authorization", ""))
        if person is None and self._sessions is not None and self._is_page(scope["path"]):
            person = await run_in_threadpool(self._sessions.person, HTTPConnection(scope))
            if person is None and scope["method"] in ("GET", "HEAD"):
                await RedirectResponse(self._login, 303)(scope, receive, send)
                return
        if person is None:
            refusal = Fault(401, "send the service's token: Authorization: Bearer TOKEN", code="invalid_api_key")
            await refusal.response(scope, receive, send)
            return
        scope.setdefault("state", {})["person"] = person
        await self._app(scope, receive, send)

    def _is_page(self, path: str) -> bool:
        return any(path == page or (page != "/" and path.startswith(f"{page}/")) for page in self._pages)


def _parsed(line: str, number: int) -> tuple[str, Person]:
    """Read a line; messages never quote it."""
    token, *rest = line.split() or [""]
    if len(token) < MIN_LENGTH:
        raise InputError(_too_short())
    name, *more = rest or [f"token-{fingerprint(token)[:8]}"]
    if name == _ADMIN or more not in ([], [_ADMIN]) or not _NAME.fullmatch(name):
        raise InputError(f"token {number}: write TOKEN, TOKEN NAME, or TOKEN NAME {_ADMIN}")
    return token, Person(name, bool(more))


def _too_short() -> str:
    return f"a token needs at least {MIN_LENGTH} characters; one that is good: {generated()}"
