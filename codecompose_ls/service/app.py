"""The application: one router a topic, and around them all what decides who may ask, how much, and what errors say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI

from codecompose_ls import __version__
from codecompose_ls.service import chat, completions, faults, listing
from codecompose_ls.service.access import Access, Tokens
from codecompose_ls.service.catalogue import Catalogue
from codecompose_ls.service.exchange import Exchange
from codecompose_ls.service.team.observer import Observed

if TYPE_CHECKING:
    from codecompose_ls.service.team.team import Team


def create_app(
    catalogue: Catalogue, tokens: Tokens, *, team: Team | None = None, routers: Iterable[APIRouter] = ()
) -> FastAPI:
    """Return the service; `routers` are further topics, under the same rules. It closes the catalogue and the team's
    database in the end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if team is not None:
            await team.start()
        yield
        if team is not None:
            await team.close()
        await catalogue.close()

    # No pages about the API: they would be open to anybody, and load scripts from elsewhere.
    app = FastAPI(title="CodeCompose LS", version=__version__, openapi_url=None, lifespan=lifespan)
    topics = [completions.router(catalogue), chat.router(catalogue), listing.router(catalogue), *routers]
    for router in (*topics, *(team.routers() if team is not None else ())):
        app.include_router(router)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    faults.install(app)
    # The last one added is the first one asked.
    app.add_middleware(faults.LastResort)
    app.add_middleware(Exchange)
    if team is None:
        app.add_middleware(Access, tokens=tokens)
    else:
        app.add_middleware(Access, tokens=tokens, sessions=team.sessions, pages=team.pages, open_paths=team.open_paths)
        app.add_middleware(Observed, observers=team.observers)
    return app
