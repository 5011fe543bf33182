"""The user's team service (setting `telemetry_url`): it is sent what is counted, and says what is rolled out.

All of it happens in the background; without the setting, or with `telemetry` off, none of it.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from codecompose_ls.errors import InputError
from codecompose_ls.settings import Settings

if TYPE_CHECKING:
    from codecompose_ls.lsp.server import Server
    from codecompose_ls.telemetry.spool import Service, Spool

logger = logging.getLogger(__name__)

#: How long whoever gives feedback waits to hear that it has arrived.
_PATIENCE_S = 5.0


class Team:
    """Follows the service that the settings name."""

    def __init__(self, ls: Server) -> None:
        self._ls = ls
        self._url = ""
        self._following: asyncio.Task[None] | None = None
        self._spool: Spool | None = None
        self._has_spool = asyncio.Event()

    def configure(self, settings: Settings) -> None:
        """Follow the service that these settings name from now on."""
        url = settings.telemetry_url if settings.telemetry else ""
        if self._following is not None and url == self._url:
            return
        self.close()
        before, self._url = self._url, url
        self._following = asyncio.ensure_future(self._follow(url) if url else self._leave(before))

    @property
    def url(self) -> str:
        """The address of the service that is followed, as the spool knows it; "" for none."""
        from codecompose_ls.backends import address

        try:
            return address.check(self._url) if self._url else ""
        except InputError:
            return ""

    async def send_feedback(self) -> None:
        """Send what has just been kept; a service that does not answer soon gets it later."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._send_feedback(), _PATIENCE_S)

    async def _send_feedback(self) -> None:
        await self._has_spool.wait()
        if self._spool is not None:
            await asyncio.to_thread(self._spool.send_feedback_now)

    def close(self) -> None:
        """Leave off; what is not sent yet is sent by the next server."""
        if self._following is not None:
            self._following.cancel()
        if self._spool is not None:
            self._spool.close()
            self._spool = None
            self._has_spool.clear()

    async def _follow(self, url: str) -> None:
        from codecompose_ls.lsp import rollout
        from codecompose_ls.telemetry.database import default_path
        from codecompose_ls.telemetry.spool import Spool

        try:
            service = await asyncio.to_thread(_service, url, default_path())
        except InputError as error:
            self._ls.configuration.tell_once(f"setting 'telemetry_url': {error}")
            return
        loop = asyncio.get_running_loop()

        def report(line: str) -> None:
            loop.call_soon_threadsafe(self._ls.configuration.tell_once, line)

        self._spool = Spool(default_path(), service, report=report)
        self._spool.start()
        self._has_spool.set()
        await rollout.follow(self._ls, service)

    async def _leave(self, url: str) -> None:
        """Send nothing, ever, of what is counted from now on, and have what everyone has."""
        from codecompose_ls.telemetry.database import default_path

        if url:
            from codecompose_ls.lsp import rollout

            rollout.leave(self._ls)
        try:
            await asyncio.to_thread(_unfollow, default_path())
        except (sqlite3.Error, OSError) as error:
            logger.warning("the team service that was named before is not forgotten: %s", error)


def _service(url: str, database: Path) -> Service:
    """Return what a service is reached by, and have its events begin here; the keyring and the disk may take their
    time. Raises `InputError`."""
    from codecompose_ls.backends import address, api_key
    from codecompose_ls.telemetry.database import connect
    from codecompose_ls.telemetry.spool import Service, follow

    checked = address.check(url)
    headers = api_key.find(address.host_of(checked)).headers()
    # A database in trouble is reported by whoever sends from it.
    with suppress(sqlite3.Error, OSError), closing(connect(database)) as connection:
        follow(database, connection, checked)
    return Service(checked, headers)


def _unfollow(path: Path) -> None:
    from codecompose_ls.telemetry.spool import unfollow

    unfollow(path)
