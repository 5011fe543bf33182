"""The application: one router a topic, and around them all what decides who may ask, how much, and what errors say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from codecompose_ls import __version__
from codecompose_ls.service import chat, completions, faults, listing
from codecompose_ls.service.access import Access, Tokens
from codecompose_ls.service.catalogue import Catalogue
from codecompose_ls.service.exchange import Exchange


def create_app(catalogue: Catalogue, tokens: Tokens, *, routers: Iterable[APIRouter] = ()) -> FastAPI:
    """Return the service; `routers` are further topics, under the same rules. It closes the catalogue in the end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await catalogue.close()

    # No pages about the API: they would be open to anybody, and load scripts from elsewhere.
    app = FastAPI(title="CodeCompose LS", version=__version__, openapi_url=None, lifespan=lifespan)
    for router in (completions.router(catalogue), chat.router(catalogue), listing.router(catalogue), *routers):
        app.include_router(router)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    faults.install(app)
    # The last one added is the first one asked.
    app.add_middleware(faults.LastResort)
    app.add_middleware(Exchange)
    app.add_middleware(Access, tokens=tokens)
    return app
