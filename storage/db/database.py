"""Connections to the database: SQLite for one machine, Postgres for several, with the same code.

::

    engine = connect("sqlite:////var/lib/thermalwatch/thermalwatch.db")
    migrate(engine)
    with writing(engine) as connection:
        connection.execute(...)      # committed at the end, rolled back on an error
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
    inspect,
    literal,
    make_url,
    select,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from storage.db.failures import storage_error
from storage.db.schema import metadata
from storage.errors import SchemaError, UnsupportedDatabase
from storage.redaction import redact

#: Seconds that a SQLite connection waits for a write of another process.
SQLITE_BUSY_S = 30
#: Seconds after which an attempt to connect to Postgres fails.
POSTGRES_CONNECT_S = 10
#: Milliseconds without an answer after which a Postgres connection counts as lost. TCP's default
#: would block a worker for about 15 minutes when the server disappears.
POSTGRES_SILENCE_MS = 30_000
#: Seconds that a Postgres transaction waits for a lock. Less than a job may go without progress, so
#: that a table locked for maintenance is treated as an outage, not as a hanging batch.
POSTGRES_LOCK_S = 25.0

T = TypeVar("T")

_WRITES = "thermalwatch_writes"  # execution option of connections that write
_MIGRATIONS = Path(__file__).parent / "migrations"


def connect(url: str) -> Engine:
    """Create the engine for `url`; it connects at the first statement.

    `url` is ``sqlite:///relative/path``, ``sqlite:////absolute/path`` or
    ``postgresql://user:password@host/database``.

    Raises:
        UnsupportedDatabase: the URL is invalid or names another kind of database.
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
            "an in-memory SQLite database ends with its process; name a file: sqlite:///file.db"
        )
    engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_S}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def configure(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # we send BEGIN ourselves (below), also before DDL
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = FULL")  # a commit returns once it is on disk
        _use_write_ahead_log(cursor)
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and then writes fails immediately if another one wrote in
        # between; BEGIN IMMEDIATE takes the write lock at the start and waits for it.
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _use_write_ahead_log(cursor: DBAPICursor) -> None:
    # In WAL mode readers and the writer don't block each other. SQLite's timeout does not apply to
    # this statement, so retry while other processes open the same new file.
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
    fixed: dict[str, Any] = {
        "client_encoding": "utf8",
        # Behind a pooler, the next transaction may run in another session of the server: nothing of
        # a session may be relied on, prepared statements and settings included.
        "prepare_threshold": None,
    }
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={k: v for k, v in defaults.items() if k not in url.query} | fixed,
        isolation_level="READ COMMITTED",  # whatever the database's default is
        pool_pre_ping=True,  # replace connections that died while idle
        hide_parameters=True,  # they may be hashes of passwords and tokens
    )

    @event.listens_for(engine, "connect")
    def refuse_other_encodings(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        encoding = connection.info.parameter_status("server_encoding")
        if encoding not in (None, "UTF8"):
            raise UnsupportedDatabase(
                f"the database {masked_url(url)} has the encoding {encoding} and cannot hold every "
                "file name; create one with: createdb --encoding=UTF8 --template=template0 "
                f"{url.database or 'thermalwatch'}"
            )

    @event.listens_for(engine, "begin")
    def limit_waits(connection: Connection) -> None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {POSTGRES_LOCK_S * 1000:.0f}")

    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a read-only transaction.

    Raises:
        DatabaseUnavailable: the database cannot be reached or does not work.
    """
    with _translated(engine), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that writes: committed at the end, rolled back on any error.

    Raises:
        DatabaseUnavailable: the database cannot be reached or does not work; nothing was written,
            unless the connection was lost during the commit itself.
        RefusedByDatabase: it refuses a value; nothing was written.
    """
    with (
        _translated(engine),
        engine.connect().execution_options(**{_WRITES: True}) as connection,
        connection.begin(),
    ):
        yield connection


def take_turns(connection: Connection, name: str) -> None:
    """Hold the lock called `name` until the transaction ends. SQLite has a single writer anyway."""
    if connection.dialect.name == "postgresql":
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        number = int.from_bytes(digest, signed=True)  # Postgres identifies advisory locks by number
        connection.execute(sql("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Build an INSERT that supports ON CONFLICT, in the connection's dialect."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def sent_rows(
    connection: Connection, rows: Sequence[Mapping[str, object]], columns: Sequence[Column[Any]]
) -> Subquery:
    """Send rows of strings and integers to the database, as a subquery that keeps their order.

    They are sent as one JSON value, which is many times faster for Postgres than one parameter
    per value. Floats are not supported, because SQLite's JSON may change their last bit.
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
    """Split `ids` so that each part fits into a statement; SQLite allows 32,766 parameters."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def masked_url(url: URL) -> str:
    """The URL with passwords replaced by ``***``, for messages and logs."""
    return redact(url.render_as_string(hide_password=False))


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        found = storage_error(error, masked_url(engine.url))
        if found is None:
            raise  # the statement is wrong, the database works
        raise found from error


def migrate(engine: Engine) -> None:
    """Migrate the tables to this release's schema, if they are older.

    Several processes may call it at once: one migrates, the others wait. All is done in one
    transaction, so an interrupted migration changes nothing.

    Raises:
        SchemaError: the tables were created by a newer release, or by another program.
        DatabaseUnavailable: the database cannot be reached or does not work.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sql("SET LOCAL lock_timeout = 0"))  # migrations may take long
        take_turns(connection, "thermalwatch migrate")
        found = set(MigrationContext.configure(connection).get_current_heads())
        if not found <= known:
            raise SchemaError(
                f"the tables in {masked_url(engine.url)} have the unknown revision "
                f"{', '.join(sorted(found - known))}: they were created by a newer thermalwatch; "
                "install that release or a later one"
            )
        taken = set(inspect(connection).get_table_names()) & set(metadata.tables)
        if taken and not found:
            raise SchemaError(
                f"the tables {', '.join(sorted(taken))} in {masked_url(engine.url)} belong to "
                "another program; use a database of its own for thermalwatch, or a schema of its "
                "own (postgresql://…?options=-csearch_path%3Dthermalwatch)"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
