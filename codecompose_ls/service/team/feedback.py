"""Feedback: thumbs up or down with a comment, and a page where admins read, tag and export it.

    POST /v1/feedback  {"id": 32 hexadecimal digits, "rating": "up" | "down", "comment": "...", "themes": ["latency"]}

Tags are the themes of a thematic analysis (as in CodeCompose, Murali et al. 2024): whoever reads comments names them.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import Engine, desc, insert, select, update

from codecompose_ls.service.faults import Fault
from codecompose_ls.service.team.allowance import Allowance
from codecompose_ls.service.team.database import feedback, lock, now, reading
from codecompose_ls.service.team.login import HEADERS
from codecompose_ls.service.team.people import check_admin

PATH, PAGE, TABLE = "/v1/feedback", "/feedback", "/feedback.csv"
#: Of one person: a burst, and so many a second in the long run.
MOST_AT_ONCE, A_SECOND = 60.0, 0.1
#: The page shows the latest of them; the export has all.
MOST_ROWS = 500
MOST_THEMES = 8

_COLUMNS = ("day", "rating", "comment", "themes", "about", "assistant", "language", "model", "editor", "cohort")


def _storable(text: str) -> str:
    """Return a text as PostgreSQL and UTF-8 can hold it."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _theme(text: str) -> str:
    return " ".join(_storable(text).replace(",", " ").lower().split())


Name = Annotated[str, Field(max_length=120), AfterValidator(_storable)]
Theme = Annotated[str, Field(max_length=40), AfterValidator(_theme)]


class Feedback(BaseModel):
    """The body of POST /v1/feedback."""

    id: str = Field(pattern="^[0-9a-f]{32}$")
    rating: Literal["up", "down"]
    about: Literal["suggestion", "assistant", "server"] = "suggestion"
    assistant: Name = ""
    comment: Annotated[str, Field(max_length=4_000), AfterValidator(_storable)] = ""
    themes: list[Theme] = Field([], max_length=MOST_THEMES)
    language: Name = ""
    model: Name = ""
    editor: Name = ""
    cohort: Name = ""


def router(engine: Engine, user_of: Callable[[str], str], *, clock: Callable[[], float] = now) -> APIRouter:
    """Return the way in for everyone, the page and its export for admins."""
    routes = APIRouter()
    limits = Allowance(rate=A_SECOND, burst=MOST_AT_ONCE)

    @routes.post(PATH)
    def take(request: Request, said: Feedback) -> dict[str, int]:
        name = request.state.person.name
        if wait_s := limits.take(name, 1):
            raise Fault(429, "too much at once; the rest later", code="rate_limit", retry_after_s=int(wait_s) + 1)
        return {"stored": _store(engine, user_of(name), said, at=clock())}

    @routes.get(PAGE)
    def page(request: Request, theme: str = "") -> Response:
        check_admin(request)
        rows = _rows(engine)
        themes = Counter((one, row["rating"]) for row in rows for one in row["themes"] or ["untagged"])
        counts = sorted({one: (themes[one, "up"], themes[one, "down"]) for one, _ in themes}.items())
        chosen = [row for row in rows if not theme or theme in (row["themes"] or ["untagged"])][:MOST_ROWS]
        html = _template().render(rows=chosen, counts=counts, theme=theme, action=PAGE)
        return HTMLResponse(html, headers=HEADERS)

    @routes.post(PAGE + "/{id}")
    async def tag(request: Request, id: str) -> Response:
        check_admin(request)
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        given = (_theme(one)[:40] for one in form.get("themes", [""])[0].split(","))
        await run_in_threadpool(_tag, engine, id, [one for one in dict.fromkeys(given) if one][:MOST_THEMES])
        shown = form.get("theme", [""])[0]
        return RedirectResponse(f"{PAGE}?{urlencode({'theme': shown})}" if shown else PAGE, 303)

    @routes.get(TABLE)
    def table(request: Request) -> Response:
        check_admin(request)
        named = {"Content-Disposition": 'attachment; filename="feedback.csv"', "Cache-Control": "no-store"}
        return Response(_csv(_rows(engine)), headers=named, media_type="text/csv")

    return routes


def _store(engine: Engine, user: str, said: Feedback, *, at: float) -> int:
    """Store feedback unless it is there, and return how much that was: one that comes again changes nothing."""
    with engine.begin() as connection:
        lock(connection, user)
        if connection.execute(select(feedback.c.id).where(feedback.c.id == said.id)).first():
            return 0
        row = said.model_dump() | {"user": user, "received": at, "themes": json.dumps(said.themes)}
        connection.execute(insert(feedback).values(row))
    return 1


def _tag(engine: Engine, id: str, themes: Sequence[str]) -> None:
    with engine.begin() as connection:
        connection.execute(update(feedback).where(feedback.c.id == id).values(themes=json.dumps(themes)))


def _rows(engine: Engine) -> list[dict[str, Any]]:
    """Return all feedback, the latest first; nobody is told whose it is."""
    with reading(engine) as connection:
        found = connection.execute(select(feedback).order_by(desc(feedback.c.received), feedback.c.id)).mappings().all()
    return [
        {
            **{name: row[name] for name in ("id", *_COLUMNS) if name not in ("day", "themes")},
            "day": datetime.fromtimestamp(row["received"], timezone.utc).date().isoformat(),
            "themes": json.loads(row["themes"]),
        }
        for row in found
    ]


def _csv(rows: Iterable[dict[str, Any]]) -> str:
    text = StringIO()
    lines = csv.writer(text)
    lines.writerow(_COLUMNS)
    for row in rows:
        values = row | {"themes": ", ".join(row["themes"])}
        lines.writerow(_inert(str(values[name])) for name in _COLUMNS)
    return text.getvalue()


def _inert(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("feedback.html")
