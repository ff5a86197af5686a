"""Authentication: sessions and tokens to users, and what a user may do."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import Engine

from storage import accounts
from storage.accounts import ROLES, Role

#: Name of the cookie with the session's secret.
COOKIE: Final = "thermalwatch_session"
#: Seconds after which a login expires.
SESSION_S: Final = 7 * 86_400.0
#: Seconds for which it is cached whether there are accounts.
ACCOUNTS_S: Final = 1.0
#: Most password hashes computed at a time; each takes 64 MiB and a core.
HASHES_AT_ONCE: Final = 2
#: Prefix of API tokens, by which scanners for leaked secrets recognize them.
TOKEN_PREFIX: Final = "tw_"  # noqa: S105 (no password)


@dataclass(frozen=True)
class User:
    """Who makes a request, and how they authenticated."""

    name: str
    role: Role
    via: Literal["local", "session", "token"]
    #: Token that unsafe requests of a session must carry; empty without a session.
    csrf_token: str = ""

    def may(self, role: Role) -> bool:
        """Whether this user has the rights of `role`."""
        return ROLES.index(self.role) >= ROLES.index(role)


#: The user of all requests to a loopback server while there are no accounts.
LOCAL: Final = User("local", "admin", "local")

_hasher = PasswordHasher()  # argon2id with RFC 9106's second recommended parameters
_hashing = threading.Semaphore(HASHES_AT_ONCE)


def hash_password(password: str) -> str:
    """Hash a password for storage (argon2id)."""
    with _hashing:
        return _hasher.hash(password)


@cache
def _nobodys_hash() -> str:
    """Hash to verify against if the account does not exist, so that it takes the same time."""
    return _hasher.hash(secrets.token_urlsafe(16))


def verify_password(stored: str | None, password: str) -> bool:
    """Whether the password matches. Takes the same time without a `stored` hash."""
    with _hashing:
        try:
            return _hasher.verify(stored or _nobodys_hash(), password) and stored is not None
        except (VerifyMismatchError, InvalidHashError):
            return False


class Access:
    """Authenticates requests. `loopback` means that only this machine can reach the server.

    All methods raise `DatabaseUnavailable`.
    """

    def __init__(
        self, engine: Engine, *, loopback: bool, clock: Callable[[], float] = time.time
    ) -> None:
        self.engine = engine
        self.loopback = loopback
        self.clock = clock
        self._asked_at = float("-inf")
        self._any_accounts = True

    def login_required(self) -> bool:
        """Whether requests without credentials are rejected."""
        if not self.loopback:
            return True
        now = time.monotonic()
        if now - self._asked_at > ACCOUNTS_S:
            self._any_accounts = accounts.any_accounts(self.engine)
            self._asked_at = now
        return self._any_accounts

    def by_token(self, token: str) -> User | None:
        """The user of an API token; None if it is unknown."""
        found = accounts.find_token(self.engine, token)
        return User(found.name, found.role, "token") if found else None

    def by_session(self, secret: str) -> User | None:
        """The user of a session; None if it is unknown or expired."""
        found = accounts.find_session(self.engine, secret, now=self.clock())
        return User(found.name, found.role, "session", found.csrf_token) if found else None

    def login(self, name: str, password: str) -> str | None:
        """Begin a session and return its secret; None if the name or password is wrong."""
        if not verify_password(accounts.password_hash(self.engine, name), password):
            return None
        secret = secrets.token_urlsafe(32)
        now = self.clock()
        accounts.open_session(
            self.engine,
            name,
            secret,
            csrf_token=secrets.token_urlsafe(32),
            now=now,
            expires_at=now + SESSION_S,
        )
        return secret

    def logout(self, secret: str) -> None:
        """End a session."""
        accounts.close_session(self.engine, secret)
