"""Router: the page of feedback by theme, its form for tags, and all of it as CSV.

Tags are the themes of a thematic analysis (as in CodeCompose, Murali et al. 2024): whoever reads comments names them.
Nobody is told whose a comment is.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse

from codecompose_ls.service.dashboard.table import harmless
from codecompose_ls.service.feedback.book import Book
from codecompose_ls.service.headers import OWN_FILES
from codecompose_ls.telemetry.feedback import Feedback

PAGE, TABLE = "/feedback", "/feedback.csv"
#: The page shows the latest of them; the export has all.
MOST_ROWS = 500
MOST_THEMES = 8
#: Longest theme, in characters.
MOST_OF_A_THEME = 40

_UNTAGGED = "untagged"
_COLUMNS = ("day", "rating", "comment", "themes", "about", "assistant", "language", "model", "editor", "cohort")


def router(book: Book, *, check: Callable[[Request], None]) -> APIRouter:
    """Return the page and its export; `check` raises for whoever may not have them."""
    routes = APIRouter()

    @routes.get(PAGE)
    def page(request: Request, theme: str = "") -> Response:
        check(request)
        found = book.all()
        themes = Counter((theme, said.rating) for said in found for theme in _themes(said))
        counts = sorted({theme: (themes[theme, "up"], themes[theme, "down"]) for theme, _ in themes}.items())
        chosen = [said for said in found if not theme or theme in _themes(said)][:MOST_ROWS]
        html = _template().render(rows=chosen, day=_day, counts=counts, theme=theme, action=PAGE)
        return HTMLResponse(html, headers={**OWN_FILES, "Cache-Control": "no-store"})

    @routes.post(PAGE + "/{id}")
    async def tag(request: Request, id: str) -> Response:
        check(request)
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        await run_in_threadpool(book.tag, id, themes(form.get("themes", [""])[0].split(",")))
        shown = form.get("theme", [""])[0]
        return RedirectResponse(f"{PAGE}?{urlencode({'theme': shown})}" if shown else PAGE, 303)

    @routes.get(TABLE)
    def table(request: Request) -> Response:
        check(request)
        named = {"Content-Disposition": 'attachment; filename="feedback.csv"', "Cache-Control": "no-store"}
        return Response(_csv(book.all()), headers=named, media_type="text/csv")

    return routes


def themes(names: Iterable[str]) -> list[str]:
    """Return names of themes as they are stored: each once, in lower case, and no more than there may be."""
    found = (theme_of(name)[:MOST_OF_A_THEME] for name in names)
    return [one for one in dict.fromkeys(found) if one][:MOST_THEMES]


def theme_of(name: str) -> str:
    """Return a theme's name without commas, in lower case, with single spaces, as PostgreSQL can hold it."""
    plain = name.replace("\0", "").encode("utf-8", "replace").decode()
    return " ".join(plain.replace(",", " ").lower().split())


def _themes(said: Feedback) -> Sequence[str]:
    return said.themes or (_UNTAGGED,)


def _day(said: Feedback) -> str:
    return datetime.fromtimestamp(said.at, timezone.utc).date().isoformat()


def _csv(found: Iterable[Feedback]) -> str:
    text = StringIO()
    lines = csv.writer(text)
    lines.writerow(_COLUMNS)
    for said in found:
        special = {"day": _day(said), "themes": ", ".join(said.themes)}
        lines.writerow(harmless(special.get(name) or str(getattr(said, name, ""))) for name in _COLUMNS)
    return text.getvalue()


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("feedback.html")
