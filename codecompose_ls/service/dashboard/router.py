"""Router: the page under /dashboard, a CSV for each panel, and the page's files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timezone
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from codecompose_ls.errors import CodeComposeError, InputError
from codecompose_ls.rollout.record import Entry, Record
from codecompose_ls.service.dashboard.filters import Filters
from codecompose_ls.service.dashboard.page import FOLDER, render, render_problem
from codecompose_ls.service.dashboard.panels import PANELS
from codecompose_ls.service.dashboard.source import Source
from codecompose_ls.service.dashboard.view import View
from codecompose_ls.service.faults import Fault, fault_of
from codecompose_ls.service.headers import OWN_FILES

PATH = "/dashboard"
_FILES = ("page.css", "page.js", "icon.svg")


def today() -> date:
    return datetime.now(timezone.utc).date()


def router(
    source: Source,
    *,
    record: Path | None = None,
    smallest_group: int | Callable[[Request], int] = 1,
    today: Callable[[], date] = today,
    links: Callable[[Request], Mapping[str, str]] = lambda request: {},
    logout: str = "",
) -> APIRouter:
    """Return the dashboard of a source.

    `record` is the file of the roll-out's record, which need not exist. Figures of fewer users than `smallest_group`,
    which may depend on who asks, are not shown. `today` is the day in UTC. `links` are where else this reader may go,
    by name, and `logout` is where a form posted to logs them out.
    """
    routes = APIRouter(prefix=PATH)

    def view(request: Request) -> View:
        filters = Filters.read(request.query_params, today=today())
        buckets = source(since=filters.first, until=filters.until, tell_positions=filters.by == "position")
        group = smallest_group(request) if callable(smallest_group) else smallest_group
        return View(buckets, filters, _entries(record) if record else (), group)

    def drawn(request: Request) -> str:
        return render(view(request), today=today(), links=links(request), logout=logout)

    @routes.get("")
    def page(request: Request) -> Response:
        try:
            return HTMLResponse(drawn(request), headers=OWN_FILES)
        except CodeComposeError as error:
            return HTMLResponse(render_problem(str(error)), fault_of(error).status, headers=OWN_FILES)

    @routes.get("/csv/{panel}.csv")
    def csv(request: Request, panel: str) -> Response:
        if panel not in PANELS:
            raise Fault(404, f"there is no such panel: {', '.join(PANELS)}")
        named = {"Content-Disposition": f'attachment; filename="{panel}.csv"'}
        return Response(PANELS[panel](view(request)).csv, headers=OWN_FILES | named, media_type="text/csv")

    @routes.get("/{name}")
    def file(name: str) -> Response:
        if name not in _FILES:
            raise Fault(404, "there is no such file")
        return FileResponse(FOLDER / name, headers=OWN_FILES)

    return routes


def _entries(record: Path) -> list[Entry] | str:
    """Return what a record says, or one line on why it cannot be read: the other panels do not depend on it."""
    try:
        return Record(record).entries()
    except OSError as error:
        return f"{record} cannot be read ({error.strerror})"
    except InputError as error:
        return str(error)
