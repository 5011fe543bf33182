"""Who may ask: bearer tokens, compared in constant time, before anything of a request is read."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from codecompose_ls.errors import InputError
from codecompose_ls.service.faults import Fault

#: Environment variable with a token.
VARIABLE = "CODECOMPOSE_SERVE_TOKEN"
#: Shorter tokens can be guessed.
MIN_LENGTH = 16
#: Paths that answer anybody; they tell nothing.
OPEN_PATHS = frozenset({"/health"})


class Tokens:
    """The tokens that open the service; raises `InputError` when there are none, or one is too short."""

    def __init__(self, tokens: Iterable[str]) -> None:
        self._tokens = [token.encode() for token in tokens]
        if not self._tokens or any(len(token) < MIN_LENGTH for token in self._tokens):
            raise InputError(f"a token needs at least {MIN_LENGTH} characters; one that is good: {generated()}")

    def admit(self, authorization: str) -> bool:
        """Tell whether a header's value carries one of the tokens; takes as long for a wrong one as for a right one."""
        scheme, _, given = authorization.partition(" ")
        matches = [hmac.compare_digest(given.strip().encode(), token) for token in self._tokens]
        return scheme.lower() == "bearer" and any(matches)


def generated() -> str:
    return secrets.token_urlsafe(24)


def read_tokens(file: Path | None) -> Tokens | None:
    """Return the tokens of a file (one a line, # for comments) or of the environment; None where neither is given."""
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise InputError(f"--token-file {file}: cannot be read ({reason})") from error
        return Tokens(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    variable = os.environ.get(VARIABLE, "").strip()
    return Tokens([variable]) if variable else None


class Access:
    """ASGI middleware: without a token there is a 401 for every path but the open ones."""

    def __init__(self, app: ASGIApp, *, tokens: Tokens) -> None:
        self._app, self._tokens = app, tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or self._admits(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        refusal = Fault(401, "send the service's token: Authorization: Bearer TOKEN", code="invalid_api_key")
        await refusal.response(scope, receive, send)

    def _admits(self, headers: Headers) -> bool:
        return self._tokens.admit(headers.get("authorization", ""))
