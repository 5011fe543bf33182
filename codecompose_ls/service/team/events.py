"""POST /v1/events: events in batches, as often as a client likes; what is answered with 200 is on disk, once.

    {"events": [{"id": ..., "kind": ..., ...}, ...]}  ->  {"stored": 2, "known": 1, "refused": 0, "problem": ""}

An event is a line of `codecompose-ls telemetry export`. One that no client of ours sends is refused by itself, so that
it cannot hold up the others; `problem` says what is wrong with the first. Whose it is the token says, not the event.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from codecompose_ls.errors import InputError
from codecompose_ls.service.faults import Fault
from codecompose_ls.service.team.allowance import Allowance
from codecompose_ls.service.team.entries import enter
from codecompose_ls.telemetry.events import Event
from codecompose_ls.telemetry.ledger import Change
from codecompose_ls.telemetry.wire import from_json

PATH = "/v1/events"
#: Of one batch.
MOST_EVENTS = 1_000
#: Of one person; a busy typist makes two events a second, and whoever has been away for a month some 100,000.
EVENTS_A_SECOND, MOST_AT_ONCE = 500.0, 100_000.0

logger = logging.getLogger(__name__)


def router(
    engine: Engine,
    user_of: Callable[[str], str],
    *,
    allowance: Allowance | None = None,
    entered: Callable[[Change], object] = lambda _: None,
) -> APIRouter:
    """Return the way in. `user_of` gives the id that stands for a name, `entered` is told what each batch changed."""
    routes = APIRouter()
    limits = allowance or Allowance(rate=EVENTS_A_SECOND, burst=MOST_AT_ONCE)

    @routes.post(PATH)
    async def post(request: Request) -> dict[str, Any]:
        said, person = _events(await request.body()), request.state.person
        if wait_s := limits.take(person.name, len(said)):
            raise Fault(429, "too many events; the rest later", code="rate_limit", retry_after_s=math.ceil(wait_s))
        return await run_in_threadpool(store, person.name, said)

    def store(name: str, said: list[Any]) -> dict[str, Any]:
        good, problems = _read(said)
        try:
            change = enter(engine, user_of(name), good)
        except SQLAlchemyError as error:
            logger.error("events are not stored: %s", type(error).__name__)
            raise Fault(
                503, "the database does not answer; send them again", code="database", retry_after_s=30
            ) from None
        entered(change)
        stored = len(change.events)
        return {
            "stored": stored,
            "known": len(good) - stored,
            "refused": len(problems),
            "problem": problems[0] if problems else "",
        }

    return routes


def _events(body: bytes) -> list[Any]:
    try:
        said = json.loads(body)
        events = said["events"]
    except (ValueError, TypeError, KeyError, RecursionError):
        events = None
    if not isinstance(events, list):
        raise Fault(400, 'the body must be {"events": [...]}', param="events")
    if len(events) > MOST_EVENTS:
        raise Fault(413, f"send at most {MOST_EVENTS} events at once", code="body_too_large", param="events")
    return events


def _read(said: list[Any]) -> tuple[list[Event], list[str]]:
    """Return what are events, and what is wrong with the others."""
    good: list[Event] = []
    problems: list[str] = []
    for values in said:
        try:
            if not isinstance(values, dict):
                raise InputError("event: it must be an object")
            good.append(from_json(values))
        except InputError as error:
            problems.append(str(error))
    return good, problems
