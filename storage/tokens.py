"""API tokens: with a name, a scope and an expiry, for programs that act for an account."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Literal, cast, get_args

from sqlalchemy import ColumnElement, Engine, Row, and_, delete, insert, or_, select, update

from storage.accounts import ID_DIGITS, ROLES, Role, digest_of, has_id, require
from storage.audit_log import Actor, record
from storage.db.column_types import storable
from storage.db.database import reading, writing
from storage.db.schema import accounts, api_tokens
from storage.errors import NoSuchLogin, ScopeAboveRole

#: What a token allows: what the role allows, or only to upload images.
Scope = Literal["upload", "viewer", "reviewer", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)


@dataclass(frozen=True)
class Token:
    """An API token that has not ended, without its secret."""

    digest: str  #: of its secret
    account: str
    account_role: Role
    name: str
    scope: Scope
    created_at: float  #: Unix s
    expires_at: float | None  #: Unix s; None: never, for tokens made before there were expiries
    last_used_at: float | None  #: Unix s

    @property
    def id(self) -> str:
        """Identifies the token, but does not open anything."""
        return self.digest[:ID_DIGITS]

    @property
    def role(self) -> Role:
        """The role that requests with this token have."""
        return min(_needed(self.scope), self.account_role, key=ROLES.index)


def _needed(scope: Scope) -> Role:
    return "reviewer" if scope == "upload" else scope


def add_token(
    engine: Engine,
    account: str,
    secret: str,
    *,
    name: str,
    scope: Scope | None,
    expires_at: float | None,
    now: float,
    by: Actor,
) -> Token:
    """Store a token for an account; without `scope`, it allows what the account's role allows.

    Raises:
        NoSuchAccount: there is no such account.
        ScopeAboveRole: the role of the account does not allow what `scope` allows.
    """
    with writing(engine) as connection:
        found = connection.scalar(select(accounts.c.role).where(accounts.c.name == account))
        require(found, account)
        role = cast(Role, found)
        chosen = scope or role
        if ROLES.index(_needed(chosen)) > ROLES.index(role):
            raise ScopeAboveRole(
                f"{account} has the role {role}, which does not allow the scope {chosen}"
            )
        token = Token(
            digest_of(secret), account, role, storable(name), chosen, now, expires_at, None
        )
        connection.execute(
            insert(api_tokens).values(
                digest=token.digest,
                account=account,
                name=token.name,
                scope=chosen,
                created_at=now,
                expires_at=expires_at,
            )
        )
        record(connection, by, "token_made", account, f"{name}, scope {chosen}", now=now)
    return token


def find_token(engine: Engine, secret: str, *, now: float) -> Token | None:
    """The token with this secret; None if it is unknown or has expired at `now` (Unix s)."""
    found = _find(engine, and_(api_tokens.c.digest == digest_of(secret), _valid(now)))
    return found[0] if found else None


def list_tokens(engine: Engine, account: str, *, now: float) -> list[Token]:
    """The tokens of an account that have not expired, oldest first."""
    return _find(engine, and_(api_tokens.c.account == account, _valid(now)))


def note_use(engine: Engine, digest: str, *, now: float) -> None:
    """Remember that a token was used at `now` (Unix s)."""
    with writing(engine) as connection:
        used = update(api_tokens).where(api_tokens.c.digest == digest)
        connection.execute(used.values(last_used_at=now))


def valid_digests(engine: Engine, digests: Collection[str], *, now: float) -> set[str]:
    """Those of `digests` whose tokens have not ended."""
    query = select(api_tokens.c.digest).where(api_tokens.c.digest.in_(digests), _valid(now))
    with reading(engine) as connection:
        return set(connection.scalars(query))


def revoke_token(
    engine: Engine, token_id: str, *, account: str | None, now: float, by: Actor
) -> None:
    """Revoke the token with this id; with `account`, only if it belongs to that account.

    Raises:
        NoSuchLogin: there is none.
    """
    chosen = has_id(api_tokens.c.digest, token_id)
    if account is not None:
        chosen = and_(chosen, api_tokens.c.account == account)
    with writing(engine) as connection:
        revoked = delete(api_tokens).where(chosen)
        row = connection.execute(revoked.returning(api_tokens.c.account, api_tokens.c.name)).first()
        if row is None:
            raise NoSuchLogin(f"there is no token {token_id}; it may have been revoked")
        record(connection, by, "token_revoked", row.account, row.name, now=now)


def revoke_tokens(engine: Engine, account: str, *, now: float, by: Actor) -> int:
    """Revoke all API tokens of an account; return their number. Raises `NoSuchAccount`."""
    with writing(engine) as connection:
        found = connection.scalar(select(accounts.c.name).where(accounts.c.name == account))
        require(found, account)
        revoked = connection.execute(delete(api_tokens).where(api_tokens.c.account == account))
        if revoked.rowcount:
            detail = f"all {revoked.rowcount} tokens"
            record(connection, by, "token_revoked", account, detail, now=now)
        return int(revoked.rowcount)


def _valid(now: float) -> ColumnElement[bool]:
    return or_(api_tokens.c.expires_at.is_(None), api_tokens.c.expires_at > now)


def _find(engine: Engine, condition: ColumnElement[bool]) -> list[Token]:
    query = select(api_tokens, accounts.c.role).join(accounts).where(condition)
    with reading(engine) as connection:
        return [_token(row) for row in connection.execute(query.order_by(api_tokens.c.created_at))]


def _token(row: Row[Any]) -> Token:
    return Token(
        digest=row.digest,
        account=row.account,
        account_role=cast(Role, row.role),
        name=row.name,
        scope=cast(Scope, row.scope),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
