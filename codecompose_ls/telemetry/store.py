"""Store: writes events to the database from a thread of its own, off the road of a request.

What goes wrong is reported once, in one line, and costs the user nothing but the count.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from uuid import uuid4

from codecompose_ls.telemetry import entries
from codecompose_ls.telemetry.database import Transaction, connect, shrink
from codecompose_ls.telemetry.events import Event
from codecompose_ls.telemetry.wire import MOST_CHARACTERS

#: Events that wait for a database in trouble; the newest are dropped beyond it.
MAX_WAITING = 10_000

logger = logging.getLogger(__name__)


class Store:
    """The writing end of the database at `path`; many servers may write one file.

    `report` gets the one line when events cannot be written; it is called on the writing thread. `now` is Unix time.
    `tell` gets every event as it is stored, on the thread that records it.
    """

    def __init__(
        self,
        path: Path,
        *,
        report: Callable[[str], object] = logger.warning,
        now: Callable[[], float] = time.time,
        tell: Callable[[Event], object] = lambda _: None,
    ) -> None:
        self._path = path
        self._report = report
        self._now = now
        self._tell = tell
        self._has_reported = False
        #: Ids are made unreadable by a salt that dies with the process.
        self._salt = secrets.token_bytes(16)
        self._sequence = count()
        self._queue: SimpleQueue[Event | None] = SimpleQueue()
        self._thread = Thread(target=self._write, name="telemetry", daemon=True)
        self._thread.start()

    def record(self, event: Event) -> None:
        """Stamp an event and queue it; never blocks, never raises."""
        stamped = self._stamped(event)
        if self._queue.qsize() < MAX_WAITING:
            self._queue.put(stamped)
        self._tell(stamped)

    def close(self, *, timeout_s: float = 1.0) -> None:
        """Write what is queued, for as long as the timeout allows."""
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _stamped(self, event: Event) -> Event:
        suggestion = event.suggestion
        if suggestion is not None:
            digest = blake2b(suggestion.encode("utf-8", "replace"), key=self._salt, digest_size=12)
            suggestion = digest.hexdigest()
        return replace(
            event,
            id=uuid4().hex,
            at=self._now(),
            sequence=next(self._sequence),
            suggestion=suggestion,
            language=_readable(event.language),
            model=_readable(event.model),
            source=None if event.source is None else _readable(event.source),
            reason=None if event.reason is None else _readable(event.reason),
        )

    def _write(self) -> None:
        connection: sqlite3.Connection | None = None
        waiting: list[Event] = []
        is_open = True
        while is_open:
            is_open = self._collect(waiting)
            try:
                if connection is None:
                    connection = connect(self._path)
                with Transaction(connection):
                    entries.enter(connection, waiting)
                    entries.forget(connection, now=self._now())
                waiting.clear()
                shrink(connection)
            except (sqlite3.Error, OSError, ValueError) as error:
                self._complain(error)
                # What is in the file and makes no sense will make none the next time.
                del waiting[0 if isinstance(error, ValueError) else MAX_WAITING :]
                if connection is not None:
                    connection.close()
                    connection = None
        if connection is not None:
            connection.close()

    def _collect(self, waiting: list[Event]) -> bool:
        """Add what is queued, waiting for the first; return whether more can come."""
        event = self._queue.get()
        while event is not None:
            waiting.append(event)
            try:
                event = self._queue.get_nowait()
            except Empty:
                return True
        return False

    def _complain(self, error: Exception) -> None:
        if self._has_reported:
            return
        self._has_reported = True
        if isinstance(error, sqlite3.DatabaseError | ValueError) and not isinstance(error, sqlite3.OperationalError):
            advice = "'codecompose-ls telemetry purge' starts a new one"
        else:
            advice = "free or unlock it, or set 'telemetry' to false"
        self._report(f"suggestions are not counted: {self._path} cannot be written ({error}); {advice}")


def _readable(name: str) -> str:
    """Return what a client, a file or a folder is called in a form that every encoding and the wire can carry."""
    return name.encode("utf-8", "replace").decode()[:MOST_CHARACTERS]
