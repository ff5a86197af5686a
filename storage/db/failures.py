"""Tells outages of a database from values that it refuses and from statements that are wrong.

::

    outage    it is down, full, locked, read-only or somebody else's: wait, then try again
    refusal   it works, but not with a value that was sent: set that value aside
    the rest  an error of this program
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from storage.errors import DatabaseUnavailable, RefusedByDatabase, StorageError

_RIGHTS = "grant the account SELECT, INSERT, UPDATE and DELETE on all tables, USAGE on the schema"
_TABLES = "the URL or its search_path may name another database, or somebody changed the tables"
_POOLER = "a connection pooler has exchanged the server's session"
#: What to do, by SQLSTATE (PostgreSQL's manual, appendix A). Errors of these codes are outages,
#: though psycopg reports them as errors of the statement.
_ADVICE: Final = {
    "0A000": "a table was changed meanwhile",  # cached plan must not change result type
    "26000": _POOLER,  # invalid_sql_statement_name
    "3F000": _TABLES,  # invalid_schema_name
    "42501": _RIGHTS,  # insufficient_privilege
    "42703": _TABLES,  # undefined_column
    "42P01": _TABLES,  # undefined_table
    "42P05": _POOLER,  # duplicate_prepared_statement
}
#: Classes of values that cannot be stored: data exception, integrity, program limit (such as an
#: index entry that is too long).
_REFUSED_CLASSES: Final = ("22", "23", "54")


def storage_error(error: DBAPIError | PoolTimeout, masked: str) -> StorageError | None:
    """The error of ours for one of SQLAlchemy; None if the statement is wrong.

    `masked` is the database's URL without its password.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(cause, "sqlstate", None) or ""
    text = str(cause).strip()
    if state[:2] in _REFUSED_CLASSES or isinstance(error, DataError | IntegrityError):
        return RefusedByDatabase(f"the database {masked} refuses a value: {text}")
    if state in _ADVICE:
        return DatabaseUnavailable(
            f"the database {masked} cannot be used: {text} ({_ADVICE[state]})"
        )
    if isinstance(error, ProgrammingError | NotSupportedError):
        return None
    return DatabaseUnavailable(f"the database {masked} cannot be used: {text}")
