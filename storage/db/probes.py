"""Checks whether a database really works: it may answer queries and yet refuse a write."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, delete, false, insert, select, update
from sqlalchemy import text as sql

from storage.db.database import writing
from storage.db.schema import metadata
from storage.errors import DatabaseUnavailable

#: Bytes of SQLite's write-ahead log above which a reader is likely to hold it open: without one it
#: stays at a few MB, because every checkpoint starts it again.
LARGE_LOG_BYTES: Final = 16 * 1024 * 1024
#: Seconds for which a reader must keep the log, so that an ordinary query is not blamed.
HELD_S: Final = 5.0


def check_writes(engine: Engine) -> None:
    """Check that the database accepts writes to every table.

    Rewrites the schema's version with its own value; the other tables are asked to change no row,
    which takes the same rights.

    Raises:
        DatabaseUnavailable: the database does not accept writes now.
    """
    with writing(engine) as connection:
        connection.execute(sql("UPDATE alembic_version SET version_num = version_num"))
        for table in metadata.sorted_tables:
            _change_nothing(connection, table)


def refused_tables(engine: Engine) -> dict[str, str]:
    """The tables that do not accept writes, each with the database's message.

    Raises:
        DatabaseUnavailable: the database does not accept any write.
    """
    refused = {}
    with writing(engine) as connection:
        connection.execute(sql("UPDATE alembic_version SET version_num = version_num"))
    for table in metadata.sorted_tables:
        try:
            with writing(engine) as connection:
                _change_nothing(connection, table)
        except DatabaseUnavailable as error:
            refused[table.name] = str(error)
    return refused


def _change_nothing(connection: Connection, table: Table) -> None:
    columns: list[Any] = list(table.columns)
    key = next(iter(table.primary_key.columns))
    nothing = select(*columns).where(false())
    connection.execute(insert(table).from_select(columns, nothing))
    connection.execute(update(table).where(false()).values({key: key}))
    connection.execute(delete(table).where(false()))


@dataclass(frozen=True)
class WriteAheadLog:
    """SQLite's write-ahead log."""

    path: Path
    size: int  #: bytes
    held: bool  #: whether a reader keeps it from being emptied


def write_ahead_log(engine: Engine) -> WriteAheadLog | None:
    """The state of SQLite's write-ahead log; None if there is none or the database is Postgres.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    if engine.dialect.name != "sqlite":
        return None
    path = Path(f"{engine.url.database}-wal")
    if not path.exists():
        return None
    size = path.stat().st_size
    if size <= LARGE_LOG_BYTES:
        return WriteAheadLog(path, size, held=False)
    with engine.connect() as connection:
        cursor = connection.connection.cursor()  # a checkpoint cannot run in a transaction
        held = _is_held(lambda: cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone())
        cursor.close()
    return WriteAheadLog(path, size, held=held)


def _is_held(checkpoint: Callable[[], tuple[int, int, int]]) -> bool:
    """Whether what is in the log now cannot be copied into the database for `HELD_S`.

    `checkpoint` returns whether another one was running, the pages in the log, and how many of
    them are copied. Later pages may always be missing: the writers write on.
    """
    deadline = time.monotonic() + HELD_S
    _busy, there, _copied = checkpoint()
    while True:
        busy, pages, copied = checkpoint()
        if not busy and (copied >= there or pages < there):  # fewer: the log was begun again
            return False
        if time.monotonic() > deadline:
            return True
        time.sleep(HELD_S / 20)
