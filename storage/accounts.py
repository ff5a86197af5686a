"""Accounts, their sessions and API tokens. Secrets are stored as digests only.

Callers hash passwords before they pass them here. Session and token secrets are long and random,
so plain SHA-256 is enough for them: they cannot be guessed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

from sqlalchemy import Engine, delete, insert, select, update

from storage.db.database import reading, writing
from storage.db.schema import accounts, api_tokens, sessions
from storage.errors import AccountExists, NoSuchAccount

Role = Literal["viewer", "reviewer", "admin"]
#: Each role includes the rights of those before it.
ROLES: Final[tuple[Role, ...]] = get_args(Role)


@dataclass(frozen=True)
class Account:
    """An account without its secrets."""

    name: str
    role: Role
    created_at: float  #: Unix s


@dataclass(frozen=True)
class Session:
    """A login that has not expired."""

    name: str
    role: Role
    csrf_token: str


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def add_account(engine: Engine, name: str, role: Role, password_hash: str, *, now: float) -> None:
    """Add an account, created at `now` (Unix s). Raises `AccountExists`."""
    with writing(engine) as connection:
        if connection.scalar(select(accounts.c.name).where(accounts.c.name == name)):
            raise AccountExists(f"account {name!r} already exists")
        connection.execute(
            insert(accounts).values(
                name=name, role=role, password_hash=password_hash, created_at=now
            )
        )


def change_password(engine: Engine, name: str, password_hash: str) -> None:
    """Change the password and end all sessions of the account. Raises `NoSuchAccount`."""
    with writing(engine) as connection:
        changed = connection.execute(
            update(accounts).where(accounts.c.name == name).values(password_hash=password_hash)
        )
        _require(changed.rowcount, name)
        connection.execute(delete(sessions).where(sessions.c.account == name))


def remove_account(engine: Engine, name: str) -> None:
    """Remove an account with its sessions and tokens. Raises `NoSuchAccount`."""
    with writing(engine) as connection:
        _require(connection.execute(delete(accounts).where(accounts.c.name == name)).rowcount, name)


def list_accounts(engine: Engine) -> list[Account]:
    """All accounts, by name."""
    query = select(accounts.c.name, accounts.c.role, accounts.c.created_at)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(accounts.c.name))
        return [Account(row.name, cast(Role, row.role), row.created_at) for row in rows]


def any_accounts(engine: Engine) -> bool:
    """Whether there is at least one account."""
    with reading(engine) as connection:
        return connection.scalar(select(accounts.c.name).limit(1)) is not None


def password_hash(engine: Engine, name: str) -> str | None:
    """Stored hash of the account's password; None if the account does not exist."""
    with reading(engine) as connection:
        return connection.scalar(
            select(accounts.c.password_hash).where(accounts.c.name == _storable(name))
        )


def open_session(
    engine: Engine, name: str, secret: str, *, csrf_token: str, now: float, expires_at: float
) -> None:
    """Start a session that ends at `expires_at` (Unix s); delete all expired sessions."""
    with writing(engine) as connection:
        connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
        connection.execute(
            insert(sessions).values(
                digest=_digest(secret),
                account=name,
                csrf_token=csrf_token,
                created_at=now,
                expires_at=expires_at,
            )
        )


def find_session(engine: Engine, secret: str, *, now: float) -> Session | None:
    """The session with this secret; None if unknown or expired at `now` (Unix s)."""
    query = (
        select(accounts.c.name, accounts.c.role, sessions.c.csrf_token)
        .join(accounts, accounts.c.name == sessions.c.account)
        .where(sessions.c.digest == _digest(secret), sessions.c.expires_at > now)
    )
    with reading(engine) as connection:
        row = connection.execute(query).one_or_none()
    return Session(row.name, cast(Role, row.role), row.csrf_token) if row else None


def close_session(engine: Engine, secret: str) -> None:
    """End a session; does nothing if it does not exist."""
    with writing(engine) as connection:
        connection.execute(delete(sessions).where(sessions.c.digest == _digest(secret)))


def add_token(engine: Engine, name: str, token: str, *, now: float) -> None:
    """Store an API token that acts for an account. Raises `NoSuchAccount`."""
    with writing(engine) as connection:
        found = connection.scalar(select(accounts.c.name).where(accounts.c.name == name))
        _require(found is not None, name)
        connection.execute(
            insert(api_tokens).values(digest=_digest(token), account=name, created_at=now)
        )


def revoke_tokens(engine: Engine, name: str) -> int:
    """Revoke all API tokens of an account; return their number. Raises `NoSuchAccount`."""
    with writing(engine) as connection:
        found = connection.scalar(select(accounts.c.name).where(accounts.c.name == name))
        _require(found is not None, name)
        revoked = connection.execute(delete(api_tokens).where(api_tokens.c.account == name))
        return int(revoked.rowcount)


def find_token(engine: Engine, token: str) -> Account | None:
    """The account that an API token acts for; None if the token is unknown."""
    query = (
        select(accounts.c.name, accounts.c.role, accounts.c.created_at)
        .join(api_tokens, accounts.c.name == api_tokens.c.account)
        .where(api_tokens.c.digest == _digest(token))
    )
    with reading(engine) as connection:
        row = connection.execute(query).one_or_none()
    return Account(row.name, cast(Role, row.role), row.created_at) if row else None


def _require(found: object, name: str) -> None:
    if not found:
        raise NoSuchAccount(f"there is no account {name!r}; see `thermalwatch account list`")


def _storable(name: str) -> str:
    # a login may send any text; Postgres rejects NUL and lone surrogates
    return name.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
