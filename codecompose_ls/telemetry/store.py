"""Store: writes events to the database from a thread of its own, off the road of a request.

What goes wrong is reported once, in one line, and costs the user nothing but the count.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields
from hashlib import blake2b
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from codecompose_ls.telemetry.database import Transaction, connect
from codecompose_ls.telemetry.events import Event

#: Older events are deleted when a server starts; a busy year would fill a gigabyte.
KEEP_DAYS = 90
#: Events that wait for a database in trouble; the newest are dropped beyond it.
MAX_WAITING = 10_000

_COLUMNS = tuple(field.name for field in fields(Event))
_INSERT = 'INSERT INTO event (at, "{}") VALUES (?{})'.format('", "'.join(_COLUMNS), ", ?" * len(_COLUMNS))
Row = tuple[Any, ...]

logger = logging.getLogger(__name__)


class Store:
    """The writing end of the database at `path`; many servers may write one file.

    `report` gets the one line when events cannot be written; it is called on the writing thread. `now` is Unix time.
    """

    def __init__(
        self, path: Path, *, report: Callable[[str], object] = logger.warning, now: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._report = report
        self._now = now
        self._has_reported = False
        #: Ids are made unreadable by a salt that dies with the process.
        self._salt = secrets.token_bytes(16)
        self._queue: SimpleQueue[Row | None] = SimpleQueue()
        self._thread = Thread(target=self._write, name="telemetry", daemon=True)
        self._thread.start()

    def record(self, event: Event) -> None:
        """Queue an event; never blocks, never raises."""
        if self._queue.qsize() < MAX_WAITING:
            self._queue.put(self._row(event))

    def close(self, *, timeout_s: float = 1.0) -> None:
        """Write what is queued, for as long as the timeout allows."""
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _row(self, event: Event) -> Row:
        values = (getattr(event, name) for name in _COLUMNS)
        row = [value.encode("utf-8", "replace").decode() if isinstance(value, str) else value for value in values]
        if event.suggestion is not None:
            digest = blake2b(event.suggestion.encode("utf-8", "replace"), key=self._salt, digest_size=12)
            row[_COLUMNS.index("suggestion")] = digest.hexdigest()
        return (self._now(), *row)

    def _write(self) -> None:
        connection: sqlite3.Connection | None = None
        waiting: list[Row] = []
        is_open = True
        while is_open:
            is_open = self._collect(waiting)
            try:
                if connection is None:
                    connection = connect(self._path)
                    self._forget_old(connection)
                with Transaction(connection):
                    connection.executemany(_INSERT, waiting)
                waiting.clear()
            except (sqlite3.Error, OSError) as error:
                self._complain(error)
                del waiting[MAX_WAITING:]
                if connection is not None:
                    connection.close()
                    connection = None
        if connection is not None:
            connection.close()

    def _collect(self, waiting: list[Row]) -> bool:
        """Add what is queued, waiting for the first; return whether more can come."""
        row = self._queue.get()
        while row is not None:
            waiting.append(row)
            try:
                row = self._queue.get_nowait()
            except Empty:
                return True
        return False

    def _forget_old(self, connection: sqlite3.Connection) -> None:
        with closing(connection.cursor()) as cursor:
            cursor.execute("DELETE FROM event WHERE at < ?", (self._now() - KEEP_DAYS * 86_400,))

    def _complain(self, error: Exception) -> None:
        if self._has_reported:
            return
        self._has_reported = True
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            advice = "'codecompose-ls telemetry purge' starts a new one"
        else:
            advice = "free or unlock it, or set 'telemetry' to false"
        self._report(f"suggestions are not counted: {self._path} cannot be written ({error}); {advice}")
