"""Team: everything the service does for a team beside its models, around one database."""

from __future__ import annotations

from functools import lru_cache, partial

from fastapi import APIRouter
from sqlalchemy import Engine

from codecompose_ls.service.access import OPEN_PATHS
from codecompose_ls.service.team import database, events


class Team:
    """What `create_app` adds for a team whose events are in the database `engine`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        #: Names hardly ever change, and the salt never does.
        self.user_of = lru_cache(maxsize=4096)(partial(database.user_of, engine))
        self.open_paths = set(OPEN_PATHS)

    def routers(self) -> list[APIRouter]:
        return [events.router(self.engine, self.user_of)]

    async def start(self) -> None:
        """Begin what is done without being asked."""

    async def close(self) -> None:
        self.engine.dispose()
