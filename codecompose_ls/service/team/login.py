"""Login: a browser gives its person's token once and gets a cookie for the pages; the token itself is not kept there.

The cookie is a random number whose hash is in the database, so that all servers know it. It opens pages, nothing under
/v1, and only while its token opens the service.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import HTTPConnection

from codecompose_ls.service.access import Person, Tokens, fingerprint
from codecompose_ls.service.faults import Unavailable
from codecompose_ls.service.headers import NO_SCRIPT
from codecompose_ls.service.team.database import answering, now, reading, session

logger = logging.getLogger(__name__)

LOGIN, LOGOUT = "/login", "/logout"
COOKIE = "codecompose"
#: Whoever comes back after so long gives their token again.
KEEP_S = 30 * 86_400

_PAGE = (Path(__file__).parent / "login.html").read_text(encoding="utf-8")


class DatabaseSessions:
    """Implements `Sessions` with the team's database."""

    def __init__(self, engine: Engine, tokens: Tokens, *, clock: Callable[[], float] = now) -> None:
        self._engine, self._tokens, self._clock = engine, tokens, clock

    def begin(self, token: str) -> str | None:
        """Return a new cookie for the person with this token; None if there is none. Raises `Unavailable`."""
        if self._tokens.owner(fingerprint(token)) is None:
            return None
        cookie = secrets.token_urlsafe(32)
        row = {"id": fingerprint(cookie), "token": fingerprint(token), "until": self._clock() + KEEP_S}
        with answering(), self._engine.begin() as connection:
            connection.execute(insert(session).values(row))
        return cookie

    def person(self, connection: HTTPConnection) -> Person | None:
        """Return who has logged in."""
        cookie = connection.cookies.get(COOKIE)
        if not cookie:
            return None
        wanted = select(session.c.token).where(session.c.id == fingerprint(cookie), session.c.until > self._clock())
        try:
            with reading(self._engine) as database:
                token = database.scalars(wanted).first()
        except SQLAlchemyError as error:
            logger.error("nobody is known by a cookie: %s", type(error).__name__)
            return None
        return self._tokens.owner(token) if token else None

    def end(self, cookie: str) -> None:
        """Forget a cookie."""
        with answering(), self._engine.begin() as connection:
            connection.execute(delete(session).where(session.c.id == fingerprint(cookie)))


def router(sessions: DatabaseSessions, *, home: str) -> APIRouter:
    """Return the way in, to the page `home`, and out."""
    routes = APIRouter()

    @routes.get(LOGIN)
    def page() -> Response:
        return _page("")

    @routes.post(LOGIN)
    async def login(request: Request) -> Response:
        given = parse_qs((await request.body()).decode("utf-8", "replace")).get("token", [""])[0].strip()
        try:
            cookie = await run_in_threadpool(sessions.begin, given)
        except Unavailable as error:
            return _page(f"Nobody can log in now: {error}.", status=503)
        if cookie is None:
            return _page("This token does not open the service.", status=403)
        answer = RedirectResponse(home, 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, cookie, max_age=KEEP_S, secure=secure, httponly=True, samesite="strict")
        return answer

    @routes.post(LOGOUT)
    def logout(request: Request) -> Response:
        sessions.end(request.cookies.get(COOKIE, ""))
        answer = RedirectResponse(LOGIN, 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    return routes


def _page(problem: str, *, status: int = 200) -> Response:
    said = f'<p role="alert">{problem}</p>' if problem else ""
    return HTMLResponse(_PAGE.replace("{problem}", said), status, headers=NO_SCRIPT)
