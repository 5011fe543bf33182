"""The dashboard and the feedback by themselves, of a user's own database, for this machine only."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from codecompose_ls import __version__
from codecompose_ls.service import faults
from codecompose_ls.service.dashboard.router import PATH, router
from codecompose_ls.service.dashboard.source import LocalSource
from codecompose_ls.service.faults import Fault
from codecompose_ls.service.feedback import router as comments
from codecompose_ls.service.feedback.book import LocalBook


def create_app(database: Path, *, record: Path | None = None) -> FastAPI:
    """Return the application. It answers to the names of this machine alone, so that no page of another name (DNS
    rebinding) can read it."""
    app = FastAPI(title="CodeCompose LS", version=__version__, openapi_url=None)
    app.include_router(router(LocalSource(database), record=record, links=lambda request: {"Feedback": comments.PAGE}))
    app.include_router(comments.router(LocalBook(database), check=_check_site))

    @app.get("/")
    def home() -> RedirectResponse:
        return RedirectResponse(PATH)

    faults.install(app)
    app.add_middleware(faults.LastResort)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    return app


def _check_site(request: Request) -> None:
    """Raises `Fault` for a form that another site's page has sent (Fetch Metadata, W3C)."""
    if request.method == "POST" and request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise Fault(403, "this page takes nothing from others")
