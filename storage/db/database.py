"""One door to the database: SQLite for one machine, Postgres for many, the same code for both.

::

    engine = connect("sqlite:////var/lib/thermalwatch/thermalwatch.db")
    migrate(engine)
    with writing(engine) as connection:
        connection.execute(...)      # committed at the end, rolled back on any error
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Subquery,
    Table,
    column,
    create_engine,
    event,
    func,
    literal,
    make_url,
    select,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from storage.errors import DatabaseUnavailable, SchemaError, UnsupportedDatabase

#: Seconds that a SQLite connection waits for another process's write to end.
SQLITE_BUSY_S = 30
#: Seconds after which an attempt to reach Postgres is given up.
POSTGRES_CONNECT_S = 10
#: Milliseconds without an answer after which a Postgres connection counts as lost; without it a
#: peer that vanished would hold a worker for a quarter of an hour.
POSTGRES_SILENCE_MS = 30_000
#: Seconds that a Postgres transaction waits for a lock: less than a job may take without progress,
#: so that a table locked for maintenance is an outage, not a batch that gets stuck.
POSTGRES_LOCK_S = 25.0

T = TypeVar("T")

_WRITES = "thermalwatch_writes"  # execution option of a connection that is about to write
_MIGRATIONS = Path(__file__).parent / "migrations"


def connect(url: str) -> Engine:
    """Make the engine for `url`; nothing is opened before the first statement.

    `url` is ``sqlite:///relative/path``, ``sqlite:////absolute/path`` or
    ``postgresql://user:password@host/database``.

    Raises:
        UnsupportedDatabase: the URL cannot be read or names another kind of database.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise UnsupportedDatabase(
            "the database URL cannot be read; expected sqlite:///path/to/file.db or "
            "postgresql://user:password@host/database"
        ) from error
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        return _connect_sqlite(parsed)
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return _connect_postgres(parsed)
    raise UnsupportedDatabase(
        f"{parsed.drivername!r} databases are not supported; use sqlite:/// or postgresql://"
    )


def _connect_sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise UnsupportedDatabase(
            "a SQLite database in memory is lost with the process; name a file: sqlite:///file.db"
        )
    engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_S})

    @event.listens_for(engine, "connect")
    def configure(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # BEGIN is ours, below; so DDL is transactional too
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = FULL")  # a commit is on disk before it is told
        _use_write_ahead_log(cursor)
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that starts as a reader and becomes a writer fails at once when another
        # writer was faster; one that starts as a writer waits its turn.
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _use_write_ahead_log(cursor: DBAPICursor) -> None:
    # With it, readers and the writer do not wait for each other. When several processes open a new
    # file at once SQLite does not wait here by itself, whatever its timeout.
    deadline = time.monotonic() + SQLITE_BUSY_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _connect_postgres(url: URL) -> Engine:
    defaults: dict[str, Any] = {
        "application_name": "thermalwatch",
        "connect_timeout": POSTGRES_CONNECT_S,
        "tcp_user_timeout": POSTGRES_SILENCE_MS,
        "keepalives_idle": POSTGRES_SILENCE_MS // 3000,
        "keepalives_interval": POSTGRES_SILENCE_MS // 6000,
        "keepalives_count": 3,
    }
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={key: value for key, value in defaults.items() if key not in url.query},
        pool_pre_ping=True,  # a connection that died while idle is replaced unnoticed
    )

    @event.listens_for(engine, "connect")
    def configure(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # not among the connection's options, which a pooler in between may refuse
        cursor = connection.cursor()
        cursor.execute(f"SET lock_timeout = {POSTGRES_LOCK_S * 1000:.0f}")
        cursor.close()
        connection.commit()

    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads.

    Raises:
        DatabaseUnavailable: the database cannot be reached or cannot work.
    """
    with _translated(engine), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: committed at the end, rolled back on any error.

    Raises:
        DatabaseUnavailable: the database cannot be reached or cannot work; nothing was written,
            unless the connection was lost during the commit itself.
    """
    with (
        _translated(engine),
        engine.connect().execution_options(**{_WRITES: True}) as connection,
        connection.begin(),
    ):
        yield connection


def check_writes(engine: Engine) -> None:
    """Write what is there already: one that only answers may be read-only, or out of space.

    Raises:
        DatabaseUnavailable: the database takes no writes now.
    """
    with writing(engine) as connection:
        connection.execute(sql("UPDATE alembic_version SET version_num = version_num"))


def take_turns(connection: Connection, name: str) -> None:
    """Let one transaction at a time pass that asks with this name; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        number = int.from_bytes(digest, signed=True)  # Postgres knows such locks by number
        connection.execute(sql("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT, in the dialect of the connection."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def sent_rows(
    connection: Connection, rows: Sequence[Mapping[str, object]], columns: Sequence[Column[Any]]
) -> Subquery:
    """Rows of texts and whole numbers as a table to select from, in their order.

    They travel as one JSON value: for Postgres that is many times quicker than a variable for
    each value. No floats: SQLite's JSON may change their last bit.
    """
    if connection.dialect.name == "sqlite":
        each = func.json_each(json.dumps(rows)).table_valued("value")
        fields = [func.json_extract(each.c.value, f"$.{c.name}").label(c.name) for c in columns]
        return select(*fields).subquery("sent")
    sent = func.json_to_recordset(literal(rows, postgresql.JSON)).table_valued(
        *(column(c.name, c.type) for c in columns)
    )
    return select(*sent.render_derived(with_types=True).c).subquery("sent")


def chunks(ids: Sequence[T], *, size: int = 10_000) -> Iterator[Sequence[T]]:
    """Parts of `ids` that fit into a statement: SQLite allows 32,766 variables in one."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def masked_url(url: URL) -> str:
    """The URL without its password, for people to read."""
    query = {key: "***" if "password" in key else value for key, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except (IntegrityError, ProgrammingError, DataError, NotSupportedError):
        raise  # the statement is wrong, not the database's state
    except (DBAPIError, PoolTimeout) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise DatabaseUnavailable(
            f"the database {masked_url(engine.url)} cannot be used: {str(cause).strip()}"
        ) from error


def migrate(engine: Engine) -> None:
    """Bring the tables to this release's form; does nothing when they have it.

    Any number of processes may call it at once: one migrates, the others wait. It is one
    transaction, so an interrupted migration leaves everything as it was.

    Raises:
        SchemaError: the tables were made by a newer release.
        DatabaseUnavailable: the database cannot be reached or cannot work.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sql("SET LOCAL lock_timeout = 0"))  # a migration may take its time
        take_turns(connection, "thermalwatch migrate")
        found = set(MigrationContext.configure(connection).get_current_heads())
        if not found <= known:
            raise SchemaError(
                f"the tables in {masked_url(engine.url)} are of revision "
                f"{', '.join(sorted(found - known))}, which this release does not know: "
                "they were made by a newer thermalwatch; install that release or a later one"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
