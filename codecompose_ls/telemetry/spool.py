"""Spool: sends what is new in the local database to the user's team service, at least once, off a request's road.

The database is the spool: it remembers the number of the last event that each service has answered for (`sent`), and
which feedback it still is to get (feedback.py). What cannot be sent now is sent later, by this server or the next. Only
what is recorded after a service was named goes there. A service in trouble costs the user nothing and is reported once.
"""

from __future__ import annotations

import json
import logging
import random
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING

from codecompose_ls.connection import connection
from codecompose_ls.errors import InputError
from codecompose_ls.telemetry import entries, feedback
from codecompose_ls.telemetry.database import Transaction, connect
from codecompose_ls.telemetry.wire import to_json

if TYPE_CHECKING:
    import httpx

#: Between two looks for new events.
PERIOD_S = 30.0
#: After a failure: doubled each time, and a random part of it so that a team does not come back all at once.
BACK_OFF_S, LONGEST_S = 5.0, 900.0
#: The events of one batch.
MOST_EVENTS = 500
PATH, FEEDBACK_PATH = "/v1/events", "/v1/feedback"

_CONNECT_S, _READ_S = 5.0, 30.0

logger = logging.getLogger(__name__)


class Refusal(Exception):
    """The service did not take a batch. `wait_s` is how long it asks to be left alone; `is_final`: it never will."""

    def __init__(self, message: str, *, wait_s: float = 0.0, is_final: bool = False) -> None:
        super().__init__(message)
        self.wait_s, self.is_final = wait_s, is_final


@dataclass(frozen=True, slots=True)
class Service:
    """Where events go: the address of a team service, without a slash at its end, and the headers with its key."""

    url: str
    headers: Mapping[str, str]

    def client(self, *, transport: httpx.BaseTransport | None = None) -> httpx.Client:
        """Return a client for it, as `connection` does."""
        import httpx

        timeout = httpx.Timeout(_READ_S, connect=_CONNECT_S)
        return connection(httpx.Client, self.url, timeout=timeout, transport=transport)


class Spool:
    """Sends from a thread of its own from now until `close`. `report` gets the one line when that fails.

    `transport` and `back_off_s` are for tests.
    """

    def __init__(
        self,
        path: Path,
        service: Service,
        *,
        report: Callable[[str], object] = logger.warning,
        transport: httpx.BaseTransport | None = None,
        back_off_s: float = BACK_OFF_S,
    ) -> None:
        self._path, self._service, self._report, self._transport = path, service, report, transport
        self._back_off_s = back_off_s
        self._is_closed, self._has_reported, self._failures, self._limit = Flag(), False, 0, MOST_EVENTS
        self._thread = Thread(target=self._work, name="telemetry-spool", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Send no more; does not wait for a batch that is under way, which will be sent again."""
        self._is_closed.set()

    def send(self, client: httpx.Client) -> int:
        """Send what is new, batch by batch, and return how many events that was.

        Raises `Refusal` where the service does not take a batch, httpx.HTTPError where there is none.
        """
        from filelock import FileLock, Timeout

        count = 0
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Servers of several windows share the database; one of them is enough.
        with (
            suppress(Timeout),
            FileLock(self._path.with_suffix(".sending"), timeout=0),
            closing(connect(self._path)) as connection,
        ):
            sent = follow(self._path, connection, self._service.url)
            while not self._is_closed.is_set():
                batch = entries.after(connection, sent, limit=self._limit)
                if not batch:
                    break
                try:
                    self._post(client, PATH, {"events": [to_json(event) for _, event in batch]})
                except Refusal as refusal:
                    if not refusal.is_final:
                        raise
                    if len(batch) > 1:
                        # One of them is at fault, or all are too much.
                        self._limit = max(1, len(batch) // 8)
                        continue
                    logger.warning("an event was refused and is left out: %s", refusal)
                count, sent = count + len(batch), batch[-1][0]
                self._limit = min(MOST_EVENTS, 2 * self._limit)
                _remember(connection, self._service.url, sent)
        self.send_feedback(client)
        return count

    def send_feedback(self, client: httpx.Client) -> None:
        """Send the feedback that the service is still to get; raises as `send` does."""
        with closing(connect(self._path)) as connection:
            for said in feedback.owed(connection, self._service.url):
                if self._is_closed.is_set():
                    break
                is_taken = True
                try:
                    self._post(client, FEEDBACK_PATH, feedback.for_team(said))
                except Refusal as refusal:
                    if not refusal.is_final:
                        raise
                    is_taken = False
                    logger.warning("feedback was refused and stays on this machine: %s", refusal)
                feedback.settle(connection, said.id, sent=is_taken)

    def send_feedback_now(self) -> None:
        """Send feedback on the thread of whoever has just given it; what cannot be sent now is sent with the events."""
        with suppress(InputError, *_troubles()), self._service.client(transport=self._transport) as client:
            self.send_feedback(client)

    def _post(self, client: httpx.Client, path: str, body: dict[str, object]) -> None:
        content = json.dumps(body, separators=(",", ":"))
        headers = {"Content-Type": "application/json", **self._service.headers}
        response = client.post(self._service.url + path, content=content, headers=headers)
        if response.status_code == 200:
            _log_refused(response)
            return
        seconds = response.headers.get("retry-after", "")
        raise Refusal(
            {401: "it does not know the key", 404: "it is no team service"}.get(
                response.status_code, f"it answers {response.status_code}"
            ),
            wait_s=float(seconds) if seconds.isascii() and seconds.isdigit() else 0.0,
            is_final=response.status_code in (400, 413, 422),
        )

    def _work(self) -> None:
        try:
            client = self._service.client(transport=self._transport)
        except InputError as error:
            self._report(f"events do not reach the team service at {self._service.url}: {error}")
            return
        with client:
            wait_s = 0.0
            while not self._is_closed.wait(wait_s):
                try:
                    self.send(client)
                    self._failures, wait_s = 0, PERIOD_S
                except _troubles() as error:
                    wait_s = self._back_off(error)

    def _back_off(self, error: Exception) -> float:
        """Return how long to leave the service alone; the user hears of it once."""
        if not self._has_reported:
            self._has_reported = True
            reason = str(error) if isinstance(error, Refusal | sqlite3.Error) else type(error).__name__
            self._report(
                f"events do not reach the team service at {self._service.url} ({reason}); they are kept and sent later"
            )
        longest = min(LONGEST_S, self._back_off_s * 2 ** min(self._failures, 10))
        self._failures += 1
        asked = error.wait_s if isinstance(error, Refusal) else 0.0
        return max(min(asked, LONGEST_S), random.uniform(longest / 2, longest))


def follow(path: Path, connection: sqlite3.Connection, url: str) -> int:
    """Return the number of the last event that a service has; a service that is new here gets none of what there is."""
    with Transaction(connection):
        _left(path).unlink(missing_ok=True)
        latest = "coalesce((SELECT max(number) FROM event), 0)"
        connection.execute(f"INSERT OR IGNORE INTO sent VALUES (?, {latest})", (url,))
        return int(connection.execute("SELECT number FROM sent WHERE url = ?", (url,)).fetchone()[0])


def unfollow(path: Path) -> None:
    """Forget all services: what is recorded while none is named is never sent. Raises sqlite3.Error and OSError.

    Opens the database only where a service may be followed.
    """
    if _left(path).exists() or not path.exists():
        return
    with closing(connect(path)) as connection:
        connection.execute("DELETE FROM sent")
        connection.execute("UPDATE feedback SET service = '' WHERE NOT sent")
        # Nobody follows another one while this is written.
        with Transaction(connection):
            if not connection.execute("SELECT 1 FROM sent").fetchone():
                _left(path).touch()


def _log_refused(response: httpx.Response) -> None:
    """Say which events of a batch that was taken were not: a service of an older version does not know all of ours."""
    with suppress(ValueError, TypeError, AttributeError):
        told = response.json()
        if told.get("refused"):
            logger.warning("the team service left out %d events: %s", told["refused"], told.get("problem"))


def _left(path: Path) -> Path:
    """Return the file that says that no service is followed; without it nothing is known."""
    return path.with_suffix(".left")


def _troubles() -> tuple[type[Exception], ...]:
    """Return what sending may raise."""
    import httpx

    return (Refusal, httpx.HTTPError, httpx.InvalidURL, sqlite3.Error, OSError, ValueError)


def _remember(connection: sqlite3.Connection, url: str, number: int) -> None:
    with Transaction(connection):
        # Who has purged the database, or named no service since, has forgotten this one.
        connection.execute("UPDATE sent SET number = ? WHERE url = ?", (number, url))
