"""Team: everything the service does for a team beside its models, around one database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from codecompose_ls.service import dashboard
from codecompose_ls.service.access import OPEN_PATHS, Tokens
from codecompose_ls.service.dashboard.router import PATH as DASHBOARD
from codecompose_ls.service.dashboard.router import today
from codecompose_ls.service.feedback import router as comments
from codecompose_ls.service.team import closing, database, entries, events, feedback, login, people, prometheus, rollout
from codecompose_ls.service.team.allowance import Allowance
from codecompose_ls.service.team.buckets import TeamSource
from codecompose_ls.service.team.login import LOGIN, LOGOUT, DatabaseSessions
from codecompose_ls.service.team.observer import Observer
from codecompose_ls.service.team.opentelemetry import OpenTelemetry, is_wanted
from codecompose_ls.service.team.prometheus import Prometheus
from codecompose_ls.service.team.rollout import RollOut
from codecompose_ls.telemetry.ledger import Change

#: Figures of fewer people are not shown but to admins.
SMALLEST_GROUP = 5
#: Between two looks at the roll-out, and two times of tidying up.
EVERY_S = 86_400.0
#: What has failed is tried again after so long: a broken version must not be out for another day.
AGAIN_S = 300.0

logger = logging.getLogger(__name__)


class Team:
    """What `create_app` adds for a team whose events are in the database `engine`.

    `rollout_file` is the lead's, `record` the file of the roll-out's record. With `open_metrics` nobody needs a token
    for /metrics. `allowance` is how much one person may send (`events.router`).
    """

    def __init__(
        self,
        engine: Engine,
        tokens: Tokens,
        *,
        smallest_group: int = SMALLEST_GROUP,
        rollout_file: Path | None = None,
        record: Path | None = None,
        open_metrics: bool = False,
        allowance: Allowance | None = None,
    ) -> None:
        self.engine, self._tokens, self._smallest_group = engine, tokens, smallest_group
        self._record = record or rollout.default_record()
        self._allowance = allowance
        self.rollout = RollOut(engine, file=rollout_file, record=self._record)
        self.sessions = DatabaseSessions(engine, tokens)
        #: Names hardly ever change, and the salt never does.
        self.user_of: Callable[[str], str] = lru_cache(maxsize=4096)(partial(database.user_of, engine))
        self.open_paths = {*OPEN_PATHS, LOGIN, *((prometheus.PATH,) if open_metrics else ())}
        #: What a browser that has logged in may have.
        self.pages = ("/", DASHBOARD, people.PATH, comments.PAGE, comments.TABLE, LOGOUT)
        self._source = TeamSource(engine, tell_people=False)
        self._prometheus = Prometheus(self._source, smallest_group=smallest_group)
        self._opentelemetry = OpenTelemetry() if is_wanted() else None
        self._daily: asyncio.Task[None] | None = None

    @property
    def observers(self) -> Sequence[Observer]:
        return [one for one in (self._prometheus, self._opentelemetry) if one is not None]

    def routers(self) -> list[APIRouter]:
        home = APIRouter()
        home.add_api_route("/", lambda: RedirectResponse(DASHBOARD), methods=["GET"])
        return [
            events.router(self.engine, self.user_of, allowance=self._allowance, entered=self._entered),
            rollout.router(self.rollout),
            login.router(self.sessions, home=DASHBOARD),
            feedback.router(self.engine, self.user_of),
            comments.router(feedback.TeamBook(self.engine), check=people.check_admin),
            people.router(
                TeamSource(self.engine), self._tokens, self.user_of, erase=partial(entries.erase, self.engine)
            ),
            self._prometheus.router(),
            dashboard.router(
                self._source, record=self._record, smallest_group=self._group, links=_links, logout=LOGOUT
            ),
            home,
        ]

    async def start(self) -> None:
        """Begin what is done without being asked."""
        self._daily = asyncio.ensure_future(self._every_day())

    async def close(self) -> None:
        if self._daily is not None:
            self._daily.cancel()
        if self._opentelemetry is not None:
            await run_in_threadpool(self._opentelemetry.close)
        self.engine.dispose()

    async def _every_day(self) -> None:
        while True:
            is_done = await run_in_threadpool(self._tidy)
            await asyncio.sleep(EVERY_S if is_done else AGAIN_S)

    def _tidy(self) -> bool:
        """Return whether all of it was done; nothing may end what is done every day."""
        is_done = False
        try:
            is_done = self.rollout.look_if_there_is_one()
            with database.answering():
                entries.forget(self.engine, at=database.now())
                closing.close_days(self.engine, today=today())
        except Exception as error:
            logger.error("not all was done that is done every day (%s); it is tried again", type(error).__name__)
            is_done = False
        return is_done

    def _entered(self, change: Change) -> None:
        for observer in self.observers:
            observer.entered(change)

    def _group(self, request: Request) -> int:
        return 1 if request.state.person.is_admin else self._smallest_group


def _links(request: Request) -> dict[str, str]:
    """Return what else on the service a person may read."""
    return {"Feedback": comments.PAGE, "People as CSV": people.PATH} if request.state.person.is_admin else {}
