"""Database: the team's tables in SQLite or PostgreSQL, by SQLAlchemy Core, and how they came about.

All that events change belongs to one person, so a transaction that holds that person's row (`lock`) has nobody beside
it, in this server or in another one. SQLite has one writer at a time anyway.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Engine,
    Index,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from codecompose_ls import folders
from codecompose_ls.errors import InputError, MissingExtraError
from codecompose_ls.service.faults import Unavailable
from codecompose_ls.telemetry.ledger import Key, without_position

#: How long a writer of SQLite waits for another one; seconds to connect to PostgreSQL.
_BUSY_S, _CONNECT_S = 20.0, 10
#: PostgreSQL's advisory lock for whoever makes or migrates the tables (any number of our own).
_MIGRATING = 0x636F6465
_BYTES = 12

logger = logging.getLogger(__name__)

metadata = MetaData()

#: What the team's servers have to agree on.
setting = Table("setting", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))
person = Table("person", metadata, Column("id", Text, primary_key=True))
events = Table(
    "event",
    metadata,
    Column("user", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("received", Double, nullable=False, index=True),
    Column("at", Double, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    *(Column(name, Text, nullable=False) for name in ("language", "model", "editor", "cohort")),
    *(Column(name, Text) for name in ("suggestion", "source", "trigger", "position", "reason")),
    *(Column(name, BigInteger) for name in ("characters", "after_s")),
    *(Column(name, Double) for name in ("latency_ms", "similarity", "decision_ms")),
)
suggestion = Table(
    "suggestion",
    metadata,
    Column("user", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("received", Double, nullable=False, index=True),
    Column("state", Text, nullable=False),
)


def _sums(table: str) -> Table:
    return Table(
        table,
        metadata,
        *(Column(name, Text, primary_key=True) for name in ("user", "day", "language", "model")),
        *(Column(name, Text, primary_key=True) for name in ("position", "editor", "cohort")),
        Column("counters", Text, nullable=False),
        Index(f"{table}_day", "day"),
    )


bucket = _sums("bucket")
#: The same sums for all positions together: what the pages read.
total = _sums("total")


def _closed_sums(table: str) -> Table:
    return Table(
        table,
        metadata,
        *(Column(name, Text, primary_key=True) for name in ("day", "language", "model")),
        *(Column(name, Text, primary_key=True) for name in ("position", "editor", "cohort")),
        Column("users", Text, nullable=False),
        Column("counters", Text, nullable=False),
    )


#: Sums of everyone together, of days that are over, with a JSON list of whose they are; the same by week, under its
#: Monday; and closed days that have changed since (closing.py).
closed_bucket, closed_total = _closed_sums("closed_bucket"), _closed_sums("closed_total")
closed_bucket_week, closed_total_week = _closed_sums("closed_bucket_week"), _closed_sums("closed_total_week")
reopened = Table("reopened", metadata, Column("day", Text, primary_key=True))
#: Who has logged in: hashes of a cookie and of the token that was given for it.
session = Table(
    "session",
    metadata,
    Column("id", Text, primary_key=True),
    Column("token", Text, nullable=False),
    Column("until", Double, nullable=False),
)
#: Thumbs up or down; `themes` is a JSON list.
feedback = Table(
    "feedback",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user", Text, nullable=False),
    Column("received", Double, nullable=False, index=True),
    *(Column(name, Text, nullable=False) for name in ("rating", "comment", "themes")),
    *(Column(name, Text, nullable=False) for name in ("language", "model", "editor", "cohort")),
    *(Column(name, Text, nullable=False, server_default="") for name in ("about", "assistant")),
)
migration = Table("migration", metadata, Column("name", Text, primary_key=True))

Migration = Callable[[Connection], object]


def m001_tables(connection: Connection) -> None:
    metadata.create_all(connection)
    connection.execute(insert(setting).values(name="salt", value=secrets.token_hex(16)))


def m002_feedback(connection: Connection) -> None:
    feedback.create(connection, checkfirst=True)


def m003_subject(connection: Connection) -> None:
    there = {column["name"] for column in inspect(connection).get_columns("feedback")}
    for name in ("about", "assistant"):
        if name not in there:
            connection.execute(text(f"ALTER TABLE feedback ADD COLUMN {name} TEXT NOT NULL DEFAULT ''"))


def m004_total(connection: Connection) -> None:
    total.create(connection, checkfirst=True)
    columns = [bucket.c[name] for name in Key._fields]
    rows = connection.execute(select(*columns, bucket.c.counters)).all()
    sums = without_position({Key(*row[:-1]): Counter(json.loads(row[-1])) for row in rows})
    if found := [{**key._asdict(), "counters": json.dumps(counters)} for key, counters in sums.items()]:
        connection.execute(insert(total), found)


def m005_closed(connection: Connection) -> None:
    for table in (closed_bucket, closed_total, closed_bucket_week, closed_total_week, reopened):
        table.create(connection, checkfirst=True)


#: Only ever added to; each is applied once, and the database remembers which.
MIGRATIONS: tuple[Migration, ...] = (m001_tables, m002_feedback, m003_subject, m004_total, m005_closed)


def default_url() -> str:
    """Return where a team's database is if nobody says otherwise: a file of SQLite."""
    return f"sqlite:///{folders.data() / 'team.sqlite3'}"


def connect(url: str) -> Engine:
    """Open a database, its tables made or brought up to date. Raises `InputError`, which shows no password."""
    try:
        address = make_url(url)
        if address.get_backend_name() not in ("sqlite", "postgresql", "postgres"):
            raise InputError("--database: give sqlite:///FILE or postgresql://USER@HOST/NAME")
        if address.drivername in ("postgres", "postgresql"):
            address = address.set(drivername="postgresql+psycopg")
        engine = _sqlite(address) if address.get_backend_name() == "sqlite" else _postgresql(address)
        migrate(engine)
        return engine
    except (ArgumentError, NoSuchModuleError) as error:
        raise InputError("--database: give sqlite:///FILE or postgresql://USER@HOST/NAME") from error
    except ModuleNotFoundError as error:
        raise MissingExtraError("serve", error.name or "psycopg") from error
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        raise InputError(f"--database {address.render_as_string(hide_password=True)}: {reason}") from error


def migrate(engine: Engine) -> None:
    """Apply what the database does not remember; servers that start at once take turns."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _MIGRATING})
        applied: set[str] = set()
        if inspect(connection).has_table("migration"):
            applied = set(connection.scalars(select(migration.c.name)))
        for apply in MIGRATIONS:
            if apply.__name__ not in applied:
                apply(connection)
                connection.execute(insert(migration).values(name=apply.__name__))


@contextmanager
def answering() -> Iterator[None]:
    """Do something with the database. Raises `Unavailable` for all that goes wrong with it, whose kind is logged."""
    try:
        yield
    except SQLAlchemyError as error:
        logger.error("the team's database does not answer: %s", type(error).__name__)
        raise Unavailable("the team's database does not answer; try again soon") from error


def reading(engine: Engine) -> Connection:
    """Return a connection that only reads, and waits for no writer."""
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def user_of(engine: Engine, name: str) -> str:
    """Return the id that stands for a person's name, the same in all servers of this database."""
    with answering(), reading(engine) as connection:
        salt = connection.scalars(select(setting.c.value).where(setting.c.name == "salt")).one()
    return blake2b(name.encode(), key=bytes.fromhex(salt), digest_size=_BYTES).hexdigest()


def lock(connection: Connection, user: str) -> None:
    """Keep everybody else from a person's rows until the transaction ends."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as upsert

        connection.execute(upsert(person).values(id=user).on_conflict_do_nothing())
        connection.execute(select(person.c.id).where(person.c.id == user).with_for_update())
    elif not connection.execute(select(person.c.id).where(person.c.id == user)).first():
        connection.execute(insert(person).values(id=user))


def now() -> float:
    return time.time()


def _sqlite(address: Any) -> Engine:
    if address.database:
        Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(address, connect_args={"timeout": _BUSY_S})

    @event.listens_for(engine, "connect")
    def opened(connection: Any, _: object) -> None:
        # SQLAlchemy says when a transaction begins.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        # What has been answered for is on disk, also after a power cut.
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def began(connection: Connection) -> None:
        # One that only reads waits for nobody.
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgresql(address: Any) -> Engine:
    return create_engine(
        address, pool_pre_ping=True, pool_size=8, max_overflow=8, connect_args={"connect_timeout": _CONNECT_S}
    )
