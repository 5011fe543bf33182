"""The roll-out as the server lives by it: asked for in the background, at the start and every hour.

What was handed out last holds from the first moment. An arm's model or settings lie beneath whatever the user has set,
and every event carries the cohort. Whoever does not have a model in their registry keeps the weights they have; their
events say so (`EXPERIMENT/missing`, in whichever arm they would be), and the log.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from codecompose_ls.errors import CodeComposeError, InputError, ModelError
from codecompose_ls.lsp import configuration
from codecompose_ls.rollout import client
from codecompose_ls.rollout.assignment import Allotment

if TYPE_CHECKING:
    from codecompose_ls.lsp.server import Server
    from codecompose_ls.telemetry.spool import Service

PATH = "/v1/rollout"
#: Between two questions; a halt reaches everybody who is online within it.
EVERY_S = 3600.0
#: More than any roll-out file needs.
MOST_BYTES = 1 << 20

logger = logging.getLogger(__name__)


async def follow(ls: Server, service: Service) -> None:
    """Live by what a service rolls out, until cancelled."""
    _live(ls, await asyncio.to_thread(_current))
    while True:
        await asyncio.to_thread(fetch, service)
        _live(ls, await asyncio.to_thread(_current))
        await asyncio.sleep(EVERY_S)


def leave(ls: Server) -> None:
    """Have what everyone has."""
    _live(ls, Allotment())


def fetch(service: Service) -> None:
    """Ask a service once, and keep what it hands out; a service that does not answer changes nothing. Blocks."""
    import httpx

    try:
        with service.client() as http:
            response = http.get(service.url + PATH, headers=dict(service.headers))
        if response.status_code == 404:
            client.forget()
        elif response.status_code == 200 and len(response.content) <= MOST_BYTES:
            client.receive(response.text)
        else:
            logger.warning("the team service says %d when asked for its roll-out", response.status_code)
    except httpx.HTTPError as error:
        logger.warning("the team service does not say what it rolls out (%s)", type(error).__name__)
    except InputError as error:
        logger.warning("%s", error)


def _current() -> Allotment:
    """Return what this user gets and can have."""
    try:
        return client.current(lacks=_lacks)
    except CodeComposeError as error:
        logger.warning("%s", error)
        return Allotment()


def _lacks(model: str) -> bool:
    from codecompose_ls.models import registry

    try:
        fault = registry.entry(model).fault
    except ModelError as error:
        fault = str(error)
    if fault:
        logger.warning("the team rolls out the model '%s', and nothing changes here: %s", model, fault)
    return bool(fault)


def _live(ls: Server, allotment: Allotment) -> None:
    ls.life.cohort = allotment.cohort
    changes: dict[str, Any] = dict(allotment.settings)
    if allotment.model is not None:
        changes["model"] = allotment.model
    if ls.configuration.roll_out(changes):
        configuration.apply(ls)
