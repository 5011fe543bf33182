"""Database: the SQLite file of events, suggestions' states, sums and feedback, its schema and how it came about.

The schema is a list of named migrations that only grows; each is applied once, and the file remembers which. Events
that an older version wrote, before the migration or beside a newer one, are entered when the file is opened next.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from codecompose_ls import folders
from codecompose_ls.errors import InputError
from codecompose_ls.telemetry import entries
from codecompose_ls.telemetry.ledger import without_position

Migration = Callable[[sqlite3.Connection], object]
MIGRATIONS: dict[str, Migration] = {}

#: How long one server waits for another's write.
_BUSY_S = 20.0
#: 1 MB: milliseconds of work.
_FEW_PAGES = 256
_RETRY_S = 0.01
_GIVE_BACK = "PRAGMA auto_vacuum = INCREMENTAL"


def migration(apply: Migration) -> Migration:
    MIGRATIONS[apply.__name__] = apply
    return apply


@migration
def m001_event(connection: sqlite3.Connection) -> None:
    connection.execute(
        """
        CREATE TABLE event (
            id INTEGER PRIMARY KEY,
            at REAL NOT NULL,
            kind TEXT NOT NULL,
            language TEXT NOT NULL,
            model TEXT NOT NULL,
            suggestion TEXT,
            source TEXT,
            "trigger" TEXT,
            position TEXT,
            latency_ms REAL,
            reason TEXT,
            characters INTEGER,
            after_s INTEGER,
            similarity REAL
        )
        """
    )
    connection.execute("CREATE INDEX event_at ON event (at)")
    connection.execute("CREATE INDEX event_suggestion ON event (suggestion) WHERE suggestion IS NOT NULL")


@migration
def m002_ledger(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE event RENAME COLUMN id TO number")
    # No id: not entered yet.
    connection.execute("ALTER TABLE event ADD COLUMN id TEXT")
    connection.execute("ALTER TABLE event ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0")
    connection.execute("ALTER TABLE event ADD COLUMN decision_ms REAL")
    for name in ("editor", "cohort", "user"):
        connection.execute(f"ALTER TABLE event ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")
    connection.execute("CREATE UNIQUE INDEX event_id ON event (id)")
    connection.execute("CREATE TABLE suggestion (id TEXT PRIMARY KEY, at REAL NOT NULL, state TEXT NOT NULL)")
    connection.execute("CREATE INDEX suggestion_at ON suggestion (at)")
    connection.execute(
        """
        CREATE TABLE bucket (
            day TEXT, language TEXT, model TEXT, position TEXT, editor TEXT, cohort TEXT, user TEXT,
            counters TEXT NOT NULL,
            PRIMARY KEY (day, language, model, position, editor, cohort, user)
        ) WITHOUT ROWID
        """
    )


@migration
def m003_sent(connection: sqlite3.Connection) -> None:
    # The number of the last event that a team service has answered for (spool.py).
    connection.execute("CREATE TABLE sent (url TEXT PRIMARY KEY, number INTEGER NOT NULL)")


@migration
def m004_feedback(connection: sqlite3.Connection) -> None:
    # `service` is the address that is to get it, "" for none; `themes` is a JSON list (feedback.py).
    connection.execute(
        """
        CREATE TABLE feedback (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            at REAL NOT NULL,
            rating TEXT NOT NULL,
            comment TEXT NOT NULL,
            about TEXT NOT NULL,
            assistant TEXT NOT NULL,
            language TEXT NOT NULL,
            model TEXT NOT NULL,
            editor TEXT NOT NULL,
            cohort TEXT NOT NULL,
            themes TEXT NOT NULL,
            service TEXT NOT NULL,
            sent INTEGER NOT NULL DEFAULT 0
        )
        """
    )


@migration
def m005_total(connection: sqlite3.Connection) -> None:
    # The same sums for all positions together, which is what the dashboard reads. With row numbers: a row without them
    # that has more than 1,000 bytes takes a page of its own.
    connection.execute(
        """
        CREATE TABLE total (
            day TEXT, language TEXT, model TEXT, position TEXT, editor TEXT, cohort TEXT, user TEXT,
            counters TEXT NOT NULL,
            PRIMARY KEY (day, language, model, position, editor, cohort, user)
        )
        """
    )
    sums = {bucket.key: bucket.counters for bucket in entries.read(connection, "bucket", {})}
    for key, counters in without_position(sums).items():
        entries.add(connection, "total", key, counters)


def default_path() -> Path:
    """Return where the user's database is."""
    return folders.data() / "telemetry.sqlite3"


def connect(path: Path) -> sqlite3.Connection:
    """Open the database for reading and writing, made and brought up to date as needed.

    Only its owner may read the file. Raises sqlite3.Error and OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        # Closing a file that is there would drop the locks of this process's other connections (fcntl), and the next
        # process to leave would delete their log.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    try:
        _write_ahead(connection, is_new=path.stat().st_size == 0)
        # In WAL mode this keeps the file whole through a crash; a power cut may cost the last batches.
        connection.execute("PRAGMA synchronous = NORMAL")
        migrate(connection)
        catch_up(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _write_ahead(connection: sqlite3.Connection, *, is_new: bool) -> None:
    """Switch to WAL mode, and a new file to giving its pages back a few at a time.

    SQLite does not wait here for others who are opening the same new file, so we do.
    """
    until = time.monotonic() + _BUSY_S
    while True:
        try:
            if is_new:
                connection.execute(_GIVE_BACK)
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= until:
                raise
            time.sleep(_RETRY_S)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Do something with a database for a user. Raises InputError, which says what goes wrong and what to do."""
    try:
        yield
    except (sqlite3.Error, OSError, ValueError) as error:
        if _is_damage(error):
            advice = "'codecompose-ls telemetry purge' deletes a damaged one"
        elif "locked" in str(error):
            advice = "another program is writing to it: try again"
        elif "full" in str(error):
            advice = "make room on its disk"
        else:
            advice = "it must be a file that you may read and write, in a folder where you may"
        raise InputError(f"{path} cannot be read ({error}); {advice}") from error


def migrate(connection: sqlite3.Connection) -> None:
    """Apply what the file does not remember; two servers that start at once take turns."""
    if _applied(connection) >= MIGRATIONS.keys():
        return
    with Transaction(connection):
        connection.execute("CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY)")
        for name in [name for name in MIGRATIONS if name not in _applied(connection)]:
            MIGRATIONS[name](connection)
            connection.execute("INSERT INTO migration VALUES (?)", (name,))


def catch_up(connection: sqlite3.Connection) -> None:
    """Enter the events that an older version left, in steps, so that nobody waits for all of them."""
    while connection.execute("SELECT 1 FROM event WHERE id IS NULL LIMIT 1").fetchone():
        with Transaction(connection):
            entries.enter_left(connection)


def purge(path: Path) -> int | None:
    """Delete all events, sums and feedback; return how many events there were, None for a file that was damaged.

    A server that runs goes on counting, from nothing. Raises sqlite3.Error and OSError.
    """
    if not path.exists():
        return 0
    try:
        with closing(connect(path)) as connection:
            count = int(connection.execute("SELECT count(*) FROM event").fetchone()[0])
            with Transaction(connection):
                for table in ("event", "suggestion", "bucket", "total", "sent", "feedback"):
                    connection.execute(f"DELETE FROM {table}")
            connection.execute(_GIVE_BACK)
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return count
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            raise
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return None


def shrink(connection: sqlite3.Connection) -> None:
    """Give a few free pages back to the disk, where more than a tenth of the file is free; nobody waits for long.

    A file of the first version keeps its size and uses its free pages again, until a purge.
    """
    pages, free = (int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count"))
    if free > max(_FEW_PAGES, pages // 10):
        with suppress(sqlite3.OperationalError):  # Somebody else writes: there will be another time.
            # Python's execute() would stop after one page.
            connection.executescript(f"PRAGMA incremental_vacuum({_FEW_PAGES})")


class Transaction:
    """BEGIN IMMEDIATE, then COMMIT, or ROLLBACK when the block fails."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is None:
            self._connection.execute("COMMIT")
        elif self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _is_damage(error: Exception) -> bool:
    """Tell an error of what is in the file from one of reaching it."""
    if isinstance(error, sqlite3.OperationalError):
        return "no such" in str(error)
    return not isinstance(error, OSError)


def _applied(connection: sqlite3.Connection) -> set[str]:
    with closing(connection.cursor()) as cursor:
        if not cursor.execute("SELECT 1 FROM sqlite_master WHERE name = 'migration'").fetchone():
            return set()
        return {name for (name,) in cursor.execute("SELECT name FROM migration")}
