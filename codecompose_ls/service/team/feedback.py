"""Feedback: the way in for everyone's thumbs and comments, and the team's book of them, which admins read.

POST /v1/feedback  {"id": 32 hexadecimal digits, "rating": "up" | "down", "comment": "...", "themes": ["latency"]}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import Engine, desc, insert, select, update

from codecompose_ls.service.faults import Fault
from codecompose_ls.service.feedback.router import MOST_OF_A_THEME, MOST_THEMES, theme_of
from codecompose_ls.service.team.allowance import Allowance
from codecompose_ls.service.team.database import answering, feedback, lock, now, reading
from codecompose_ls.telemetry.feedback import MOST_CHARACTERS
from codecompose_ls.telemetry.feedback import Feedback as Said
from codecompose_ls.telemetry.wire import MOST_CHARACTERS as MOST_OF_A_NAME

PATH = "/v1/feedback"
#: Of one person: a burst, and so many a second in the long run.
MOST_AT_ONCE, A_SECOND = 60.0, 0.1

_COLUMNS = ("id", "rating", "comment", "about", "assistant", "language", "model", "editor", "cohort")


def _storable(text: str) -> str:
    """Return a text as PostgreSQL and UTF-8 can hold it."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


Name = Annotated[str, Field(max_length=MOST_OF_A_NAME), AfterValidator(_storable)]
Theme = Annotated[str, Field(max_length=MOST_OF_A_THEME), AfterValidator(theme_of)]


class Feedback(BaseModel):
    """The body of POST /v1/feedback."""

    id: str = Field(pattern="^[0-9a-f]{32}$")
    rating: Literal["up", "down"]
    about: Literal["suggestion", "assistant", "server"] = "suggestion"
    assistant: Name = ""
    comment: Annotated[str, Field(max_length=MOST_CHARACTERS), AfterValidator(_storable)] = ""
    themes: list[Theme] = Field([], max_length=MOST_THEMES)
    language: Name = ""
    model: Name = ""
    editor: Name = ""
    cohort: Name = ""


@dataclass(frozen=True, slots=True)
class TeamBook:
    """Implements `Book` with the team's database; whose a comment is stays there."""

    engine: Engine

    def all(self) -> list[Said]:
        wanted = select(feedback).order_by(desc(feedback.c.received), feedback.c.id)
        with answering(), reading(self.engine) as connection:
            found = connection.execute(wanted).mappings().all()
        return [
            Said(**{name: row[name] for name in _COLUMNS}, at=row["received"], themes=tuple(json.loads(row["themes"])))
            for row in found
        ]

    def tag(self, id: str, themes: Sequence[str]) -> None:
        with answering(), self.engine.begin() as connection:
            connection.execute(update(feedback).where(feedback.c.id == id).values(themes=json.dumps(themes)))


def router(engine: Engine, user_of: Callable[[str], str], *, clock: Callable[[], float] = now) -> APIRouter:
    """Return the way in."""
    routes = APIRouter()
    limits = Allowance(rate=A_SECOND, burst=MOST_AT_ONCE)

    @routes.post(PATH)
    def take(request: Request, said: Feedback) -> dict[str, int]:
        name = request.state.person.name
        if wait_s := limits.take(name, 1):
            raise Fault(429, "too much at once; the rest later", code="rate_limit", retry_after_s=int(wait_s) + 1)
        with answering():
            return {"stored": _store(engine, user_of(name), said, at=clock())}

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
