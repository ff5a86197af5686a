"""Accounts and their roles. Sessions and API tokens of accounts are beside this module.

Callers hash passwords before they pass them here. Whatever changes what an account may do, or who
knows its password, ends its sessions and tokens in the same transaction.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    delete,
    func,
    insert,
    select,
    update,
)

from storage.audit_log import PROGRAM, Actor, record
from storage.db.database import reading, writing
from storage.db.schema import accounts, api_tokens, sessions
from storage.errors import AccountExists, NoSuchAccount

Role = Literal["viewer", "reviewer", "admin"]
#: Each role includes the rights of those before it.
ROLES: Final[tuple[Role, ...]] = get_args(Role)

#: Hexadecimal digits of its digest that identify a session or token to people.
ID_DIGITS: Final = 16


@dataclass(frozen=True)
class Account:
    """An account without its secrets."""

    name: str
    role: Role
    created_at: float  #: Unix s


def digest_of(secret: str) -> str:
    """What is stored of a session's or token's secret.

    Such secrets are long and random, so plain SHA-256 is enough: they cannot be guessed.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def has_id(column: Column[str], login_id: str) -> ColumnElement[bool]:
    """Whether the digest in `column` is that of the session or token with this id."""
    return func.substr(column, 1, ID_DIGITS) == login_id


def add_account(
    engine: Engine, name: str, role: Role, password_hash: str, *, now: float, by: Actor = PROGRAM
) -> None:
    """Add an account, created at `now` (Unix s). Raises `AccountExists`."""
    with writing(engine) as connection:
        if connection.scalar(select(accounts.c.name).where(accounts.c.name == name)):
            raise AccountExists(f"account {name!r} already exists")
        connection.execute(
            insert(accounts).values(
                name=name, role=role, password_hash=password_hash, created_at=now
            )
        )
        record(connection, by, "account_added", name, role, now=now)


def change_password(
    engine: Engine,
    name: str,
    password_hash: str,
    *,
    now: float,
    by: Actor = PROGRAM,
    keep: str | None = None,
) -> None:
    """Change the password and end the account's tokens and sessions but that with digest `keep`.

    Raises:
        NoSuchAccount: there is no such account.
    """
    with writing(engine) as connection:
        changed = connection.execute(
            update(accounts).where(accounts.c.name == name).values(password_hash=password_hash)
        )
        require(changed.rowcount, name)
        _end_logins(connection, name, keep=keep)
        record(connection, by, "password_changed", name, now=now)


def change_role(engine: Engine, name: str, role: Role, *, now: float, by: Actor = PROGRAM) -> None:
    """Change the role and end all sessions and tokens of the account. Raises `NoSuchAccount`."""
    with writing(engine) as connection:
        named = accounts.c.name == name
        before = connection.scalar(select(accounts.c.role).where(named).with_for_update())
        require(before, name)
        if before == role:
            return
        connection.execute(update(accounts).where(named).values(role=role))
        _end_logins(connection, name)
        record(connection, by, "role_changed", name, f"{before} to {role}", now=now)


def account_of_identity(
    engine: Engine, identity: str, name: str, role: Role, *, now: float, by: Actor
) -> str:
    """The name of the account that belongs to an identity at an OpenID provider.

    The first time, an account called `name` is added, without a password. If its role differs, it
    is changed, which ends the other sessions and the tokens.

    Raises:
        AccountExists: `name` is taken by an account of somebody else.
    """
    with writing(engine) as connection:
        chosen = accounts.c.identity == identity
        known = connection.execute(
            select(accounts.c.name, accounts.c.role).where(chosen).with_for_update()
        ).one_or_none()
        if known is None:
            if connection.scalar(select(accounts.c.name).where(accounts.c.name == name)):
                raise AccountExists(
                    f"there is another account called {name!r}; an administrator must remove it "
                    "before its owner can log in with OpenID"
                )
            connection.execute(
                insert(accounts).values(
                    name=name, role=role, password_hash="", created_at=now, identity=identity
                )
            )
            record(connection, by, "account_added", name, f"{role}, OpenID", now=now)
            return name
        if known.role != role:
            connection.execute(update(accounts).where(chosen).values(role=role))
            _end_logins(connection, known.name)
            changed = f"{known.role} to {role}"
            record(connection, by, "role_changed", known.name, changed, now=now)
        return str(known.name)


def remove_account(engine: Engine, name: str, *, now: float, by: Actor = PROGRAM) -> None:
    """Remove an account with its sessions and tokens. Raises `NoSuchAccount`."""
    with writing(engine) as connection:
        require(connection.execute(delete(accounts).where(accounts.c.name == name)).rowcount, name)
        record(connection, by, "account_removed", name, now=now)


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
        return connection.scalar(select(accounts.c.password_hash).where(accounts.c.name == name))


def role_of(engine: Engine, name: str) -> Role | None:
    """Role of the account; None if it does not exist."""
    with reading(engine) as connection:
        found = connection.scalar(select(accounts.c.role).where(accounts.c.name == name))
    return cast(Role, found) if found else None


def require(found: object, name: str) -> None:
    """Raise `NoSuchAccount` unless a statement found the account."""
    if not found:
        raise NoSuchAccount(f"there is no account {name!r}; see `thermalwatch account list`")


def _end_logins(connection: Connection, name: str, *, keep: str | None = None) -> None:
    connection.execute(delete(api_tokens).where(api_tokens.c.account == name))
    ended = delete(sessions).where(sessions.c.account == name)
    connection.execute(ended if keep is None else ended.where(sessions.c.digest != keep))
