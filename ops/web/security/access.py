"""Who asks: accounts, sessions and tokens turned into a `User`, and what a user may do."""

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

#: Name of the cookie that holds a session's secret.
COOKIE: Final = "thermalwatch_session"
#: Seconds that a login lasts.
SESSION_S: Final = 7 * 86_400.0
#: Seconds for which the answer to "are there accounts?" holds.
ACCOUNTS_S: Final = 1.0
#: Password hashes that are computed at a time: each takes 64 MiB and most of a core.
HASHES_AT_ONCE: Final = 2
#: How API tokens begin, so that scanners for leaked secrets know them.
TOKEN_PREFIX: Final = "tw_"  # noqa: S105 (no password)


@dataclass(frozen=True)
class User:
    """Who asks, and how that is known."""

    name: str
    role: Role
    via: Literal["local", "session", "token"]
    #: What an unsafe request must carry beside the cookie; empty where no cookie is involved.
    csrf_token: str = ""

    def may(self, role: Role) -> bool:
        """Whether this user has the rights of `role`."""
        return ROLES.index(self.role) >= ROLES.index(role)


#: Everybody who reaches a server on loopback while there are no accounts.
LOCAL: Final = User("local", "admin", "local")

_hasher = PasswordHasher()  # argon2id with RFC 9106's second recommended parameters
_hashing = threading.Semaphore(HASHES_AT_ONCE)


def hash_password(password: str) -> str:
    """The password as it is stored."""
    with _hashing:
        return _hasher.hash(password)


@cache
def _nobodys_hash() -> str:
    """What a password is compared with when its account does not exist: takes the same time."""
    return _hasher.hash(secrets.token_urlsafe(16))


def verify_password(stored: str | None, password: str) -> bool:
    """Whether the password is the one stored; takes as long for an account that is not there."""
    with _hashing:
        try:
            return _hasher.verify(stored or _nobodys_hash(), password) and stored is not None
        except (VerifyMismatchError, InvalidHashError):
            return False


class Access:
    """Answers who asks. `loopback` says that nobody but this machine can reach the server."""

    def __init__(
        self, engine: Engine, *, loopback: bool, clock: Callable[[], float] = time.time
    ) -> None:
        self.engine = engine
        self.loopback = loopback
        self.clock = clock
        self._asked_at = float("-inf")
        self._any_accounts = True

    def login_required(self) -> bool:
        """Whether a request without credentials is refused."""
        if not self.loopback:
            return True
        now = time.monotonic()
        if now - self._asked_at > ACCOUNTS_S:
            self._any_accounts = accounts.any_accounts(self.engine)
            self._asked_at = now
        return self._any_accounts

    def by_token(self, token: str) -> User | None:
        """The user of an API token."""
        found = accounts.find_token(self.engine, token)
        return User(found.name, found.role, "token") if found else None

    def by_session(self, secret: str) -> User | None:
        """The user of a session that is not over."""
        found = accounts.find_session(self.engine, secret, now=self.clock())
        return User(found.name, found.role, "session", found.csrf_token) if found else None

    def login(self, name: str, password: str) -> str | None:
        """Begin a session; the secret for its cookie, None if name or password are wrong."""
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
