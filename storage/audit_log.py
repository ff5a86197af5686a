"""The audit log: who did what, from where. Entries are added and, after their time, deleted.

An entry is written in the transaction of the change that it describes, so that there is no change
without its entry. No entry holds a password, a token or a digest of one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, get_args

from sqlalchemy import Connection, Engine, delete, func, insert, select

from storage.db.column_types import storable
from storage.db.database import reading, writing
from storage.db.schema import audit_log

#: How somebody was authenticated: by password or OIDC and then a `session`, by an API `token`, by a
#: `header` of a trusted proxy; `local`: by this machine, without accounts; `command`: by the
#: command line's right to the database; `program`: no person; `none`: not at all.
Via = Literal["session", "token", "header", "local", "command", "program", "none"]
Action = Literal[
    "login",
    "login_failed",
    "logout",
    "session_revoked",
    "token_made",
    "token_revoked",
    "account_added",
    "account_removed",
    "role_changed",
    "password_changed",
    "second_factor_on",
    "second_factor_off",
    "upload",
    "requeue",
    "review",
    "resolved",
    "baseline_accepted",
    "model_activated",
]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
#: Most characters of a subject or a detail; the rest is cut off.
LONGEST: Final = 500
#: Entries deleted in one transaction: it holds SQLite's write lock for some ten milliseconds.
BATCH: Final = 1000


@dataclass(frozen=True)
class Actor:
    """Who does something."""

    name: str  #: account, or user of the operating system for `command`
    via: Via
    address: str = ""  #: IP address of the request; '' without one


#: For what the program does by itself, such as activating the model that it was started with.
PROGRAM: Final = Actor("thermalwatch", "program")


@dataclass(frozen=True)
class Entry:
    """One thing that somebody did."""

    id: int
    at: float  #: Unix s
    actor: str
    via: Via
    address: str
    action: Action
    subject: str  #: what it was done to: an account, a camera, a file, a result
    detail: str


@dataclass(frozen=True)
class EntryQuery:
    """Conditions on entries; None sets none."""

    actor: str | None = None
    action: Action | None = None
    subject: str | None = None
    since: float | None = None  #: Unix s
    until: float | None = None  #: Unix s


def record(
    connection: Connection,
    actor: Actor,
    action: Action,
    subject: str,
    detail: str = "",
    *,
    now: float,
) -> None:
    """Add an entry in the transaction of the change that it describes. `now` is in Unix s."""
    record_all(connection, actor, action, [(subject, detail)], now=now)


def record_all(
    connection: Connection,
    actor: Actor,
    action: Action,
    changes: Iterable[tuple[str, str]],
    *,
    now: float,
) -> None:
    """Add an entry for each (subject, detail), like `record`."""
    rows = [
        {
            "at": now,
            "actor": storable(actor.name),
            "via": actor.via,
            "address": actor.address,
            "action": action,
            "subject": storable(subject)[:LONGEST],
            "detail": storable(detail)[:LONGEST],
        }
        for subject, detail in changes
    ]
    if rows:
        connection.execute(insert(audit_log), rows)


def record_alone(
    engine: Engine, actor: Actor, action: Action, subject: str, detail: str = "", *, now: float
) -> None:
    """Add an entry for something that changes nothing in the database."""
    with writing(engine) as connection:
        record(connection, actor, action, subject, detail, now=now)


def list_entries(
    engine: Engine, query: EntryQuery, *, before: int | None = None, limit: int
) -> list[Entry]:
    """Matching entries, latest first; only those with an id below `before`."""
    columns = audit_log.c
    found = select(audit_log).order_by(columns.id.desc()).limit(limit)
    for column, value in (
        (columns.actor, query.actor),
        (columns.action, query.action),
        (columns.subject, query.subject),
    ):
        if value is not None:
            found = found.where(column == storable(value))
    if query.since is not None:
        found = found.where(columns.at >= query.since)
    if query.until is not None:
        found = found.where(columns.at < query.until)
    if before is not None:
        found = found.where(columns.id < before)
    with reading(engine) as connection:
        return [Entry(**row) for row in connection.execute(found).mappings()]


def delete_before(engine: Engine, instant: float) -> int:
    """Delete entries made before `instant` (Unix s), in short transactions; return their number."""
    deleted = 0
    while True:
        due = select(audit_log.c.id).where(audit_log.c.at < instant)
        with writing(engine) as connection:
            last = connection.scalar(
                select(func.max(due.order_by(audit_log.c.at).limit(BATCH).subquery().c.id))
            )
            if last is None:
                return deleted
            gone = delete(audit_log).where(audit_log.c.id <= last, audit_log.c.at < instant)
            deleted += connection.execute(gone).rowcount
