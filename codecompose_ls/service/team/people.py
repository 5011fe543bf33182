"""People: the figures by person, as CSV, for admins alone; and everything of a person deleted, by an admin or by them.

DELETE /v1/people/NAME  ->  {"deleted": 1234}, events and comments; their figures are gone from all sums
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

from fastapi import APIRouter, Request, Response

from codecompose_ls.service.access import Tokens
from codecompose_ls.service.dashboard.router import today
from codecompose_ls.service.dashboard.source import Source
from codecompose_ls.service.dashboard.table import harmless
from codecompose_ls.service.faults import Fault
from codecompose_ls.service.team.buckets import by_weeks
from codecompose_ls.service.team.database import answering
from codecompose_ls.telemetry.metrics import breakdown
from codecompose_ls.telemetry.rollup import rolled_up

PATH, PEOPLE = "/people.csv", "/v1/people"
#: The last so many days, if nobody says otherwise.
DAYS, MOST_DAYS = 28, 3_650

_FIGURES = (
    "requested", "shown", "accepted", "acceptance_rate", "percent_code_typed", "keystrokes_saved", "characters_retained"
)  # fmt: skip


def router(source: Source, tokens: Tokens, user_of: Callable[[str], str], *, erase: Callable[[str], int]) -> APIRouter:
    """Return the table of everyone in a source, and the way out; who has no token any more goes by their id."""
    routes = APIRouter()

    @routes.delete(PEOPLE + "/{name}")
    def leave(request: Request, name: str) -> dict[str, int]:
        if name != request.state.person.name:
            check_admin(request)
        with answering():
            return {"deleted": sum(erase(user) for user in (user_of(name), name))}

    @routes.get(PATH)
    def people(request: Request, days: int = DAYS) -> Response:
        check_admin(request)
        since = today() - timedelta(days=min(max(days, 1), MOST_DAYS) - 1)
        by_person = breakdown(rolled_up(by_weeks(source, since), keep=("user",)), by="user")
        names = {user_of(person.name): person.name for person in tokens.people}
        table = StringIO()
        rows = csv.writer(table)
        rows.writerow(("person", *_FIGURES))
        for user, figures in by_person.items():
            rows.writerow((harmless(names.get(user, user)), *(getattr(figures, name) for name in _FIGURES)))
        named = {"Content-Disposition": 'attachment; filename="people.csv"', "Cache-Control": "no-store"}
        return Response(table.getvalue(), headers=named, media_type="text/csv")

    return routes


def check_admin(request: Request) -> None:
    """Raises `Fault` for whoever is none."""
    if not request.state.person.is_admin:
        raise Fault(403, "only admins see this; a line of the token file makes one: TOKEN NAME admin", code="not_admin")
