"""Sessions of people who logged in. They end when unused, at a fixed age, or when revoked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Engine, Row, Select, and_, delete, insert, select, update

from storage.accounts import ID_DIGITS, Role, digest_of, has_id
from storage.audit_log import Actor, record
from storage.db.database import reading, writing
from storage.db.schema import accounts, sessions
from storage.errors import NoSuchLogin

#: Most characters kept of a browser's name for itself.
LONGEST_AGENT: Final = 120


@dataclass(frozen=True)
class SessionLimits:
    """When sessions end by themselves."""

    idle_s: float  #: seconds without a request
    absolute_s: float  #: seconds since the login


@dataclass(frozen=True)
class Session:
    """A login that has not ended."""

    digest: str  #: of its secret
    name: str
    role: Role
    csrf_token: str
    created_at: float  #: Unix s
    last_used_at: float  #: Unix s
    expires_at: float  #: Unix s; at the latest
    address: str
    user_agent: str

    @property
    def id(self) -> str:
        """Identifies the session, but does not open it."""
        return self.digest[:ID_DIGITS]


def open_session(
    engine: Engine,
    name: str,
    secret: str,
    *,
    csrf_token: str,
    password_hash: str,
    user_agent: str,
    limits: SessionLimits,
    now: float,
    by: Actor,
) -> bool:
    """Start a session; delete all that have ended. `now` is in Unix s.

    Returns False, without a session, if the account was removed or has got another password than
    that with `password_hash`, which was checked.
    """
    named = and_(accounts.c.name == name, accounts.c.password_hash == password_hash)
    with writing(engine) as connection:
        if not connection.scalar(select(accounts.c.name).where(named).with_for_update()):
            return False
        connection.execute(delete(sessions).where(~_open(now, limits.idle_s)))
        connection.execute(
            insert(sessions).values(
                digest=digest_of(secret),
                account=name,
                csrf_token=csrf_token,
                created_at=now,
                expires_at=now + limits.absolute_s,
                last_used_at=now,
                address=by.address,
                user_agent=user_agent[:LONGEST_AGENT],
            )
        )
        record(connection, by, "login", name, user_agent[:LONGEST_AGENT], now=now)
    return True


def find_session(engine: Engine, secret: str, *, now: float, idle_s: float) -> Session | None:
    """The session with this secret; None if it is unknown or has ended at `now` (Unix s)."""
    query = _sessions(_open(now, idle_s)).where(sessions.c.digest == digest_of(secret))
    with reading(engine) as connection:
        row = connection.execute(query).one_or_none()
    return _session(row) if row else None


def list_sessions(engine: Engine, account: str, *, now: float, idle_s: float) -> list[Session]:
    """The sessions of an account, latest use first."""
    query = _sessions(_open(now, idle_s)).where(sessions.c.account == account)
    with reading(engine) as connection:
        found = connection.execute(query.order_by(sessions.c.last_used_at.desc()))
        return [_session(row) for row in found]


def note_use(engine: Engine, *digests: str, now: float) -> None:
    """Remember that sessions were used at `now` (Unix s)."""
    with writing(engine) as connection:
        used = update(sessions).where(sessions.c.digest.in_(digests), sessions.c.last_used_at < now)
        connection.execute(used.values(last_used_at=now))


def open_digests(
    engine: Engine, digests: Collection[str], *, now: float, idle_s: float
) -> set[str]:
    """Those of `digests` whose sessions have not ended."""
    query = select(sessions.c.digest).where(sessions.c.digest.in_(digests), _open(now, idle_s))
    with reading(engine) as connection:
        return set(connection.scalars(query))


def close_session(engine: Engine, digest: str, *, now: float, by: Actor) -> None:
    """Log out; does nothing if the session has ended."""
    with writing(engine) as connection:
        ended = connection.execute(delete(sessions).where(sessions.c.digest == digest))
        if ended.rowcount:
            record(connection, by, "logout", by.name, now=now)


def revoke_session(
    engine: Engine, session_id: str, *, account: str | None, now: float, by: Actor
) -> None:
    """End the session with this id; with `account`, only if it belongs to that account.

    Raises:
        NoSuchLogin: there is none.
    """
    chosen = has_id(sessions.c.digest, session_id)
    if account is not None:
        chosen = and_(chosen, sessions.c.account == account)
    with writing(engine) as connection:
        owner = connection.scalar(delete(sessions).where(chosen).returning(sessions.c.account))
        if owner is None:
            raise NoSuchLogin(f"there is no session {session_id}; it may have ended")
        record(connection, by, "session_revoked", owner, now=now)


def _open(now: float, idle_s: float) -> ColumnElement[bool]:
    return and_(sessions.c.expires_at > now, sessions.c.last_used_at > now - idle_s)


def _sessions(condition: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    joined = select(sessions, accounts.c.role).join(accounts)
    return joined.where(condition)


def _session(row: Row[Any]) -> Session:
    return Session(
        digest=row.digest,
        name=row.account,
        role=cast(Role, row.role),
        csrf_token=row.csrf_token,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        address=row.address,
        user_agent=row.user_agent,
    )
