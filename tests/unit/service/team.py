"""A team service without a socket: people with tokens of their own, and a database of SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("sqlalchemy")
pytest.importorskip("prometheus_client")

from codecompose_ls.service.access import Tokens
from codecompose_ls.service.app import create_app
from codecompose_ls.service.catalogue import Catalogue
from codecompose_ls.service.team import database
from codecompose_ls.service.team.team import Team
from codecompose_ls.telemetry.events import Event
from codecompose_ls.telemetry.wire import to_json
from tests.unit.service.conftest import Script

PEOPLE = ("ann", "ben", "cho", "dee", "eve", "fay")


def token(name: str) -> str:
    return f"a-token-that-is-of-{name}"


class Service:
    """An application and its team; everyone of `PEOPLE` has a token, and ann is the admin."""

    def __init__(self, folder: Path, *, url: str = "", **options: Any) -> None:
        self.engine = database.connect(url or f"sqlite:///{folder / 'team.sqlite3'}")
        lines = [f"{token(name)} {name}{' admin' if name == 'ann' else ''}" for name in PEOPLE]
        self.tokens = Tokens(lines)
        self.team = Team(self.engine, self.tokens, record=folder / "record.jsonl", **options)
        self.app = create_app(Catalogue(Script("a")), self.tokens, team=self.team)

    def client(self, name: str | None = None) -> httpx.AsyncClient:
        """Ask as a program of this person's, or as a browser that nobody knows yet."""
        headers = {"Authorization": f"Bearer {token(name)}"} if name else {}
        transport = httpx.ASGITransport(self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers, trust_env=False)

    async def post(self, name: str, events: Sequence[Event]) -> dict[str, Any]:
        async with self.client(name) as client:
            answer = await client.post("/v1/events", json={"events": [to_json(event) for event in events]})
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[Service]:
    """Run what the application does at its start and its end."""
    async with service.app.router.lifespan_context(service.app):
        yield service
