"""Authentication: sessions and tokens to users, and what a user may do."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from anyio import to_thread
from sqlalchemy import Engine

from ops.web.security import one_time_codes
from ops.web.security.hashing import hash_password, verify_password
from ops.web.security.oidc import Identity
from ops.web.security.passwords import check_password
from storage import accounts, sessions, tokens
from storage.accounts import ROLES, Role
from storage.audit_log import Actor, Via, record_alone
from storage.db.column_types import storable
from storage.errors import StorageError
from storage.sessions import SessionLimits

#: Name of the cookie with the session's secret.
COOKIE: Final = "thermalwatch_session"
#: Begins the cookie's name over https: browsers then accept it only as this very server set it.
HOST_ONLY: Final = "__Host-"
#: Seconds between two notes of when a session or token was used.
NOTE_S: Final = 60.0
#: Seconds for which it is cached whether there are accounts.
ACCOUNTS_S: Final = 1.0


@dataclass(frozen=True)
class User:
    """Who makes a request, and how they authenticated."""

    name: str
    role: Role
    via: Via
    #: Token that unsafe requests of a session must carry; empty without a session.
    csrf_token: str = ""
    #: Digest of the session's or API token's secret; empty without one.
    digest: str = ""
    #: Whether an API token allows nothing but uploads.
    upload_only: bool = False

    def may(self, role: Role) -> bool:
        """Whether this user has the rights of `role`."""
        return ROLES.index(self.role) >= ROLES.index(role)


#: The user of all requests to a loopback server while there are no accounts.
LOCAL: Final = User("local", "admin", "local")


def cookie_name(scheme: str) -> str:
    """Name of the session's cookie over `scheme`."""
    return HOST_ONLY + COOKIE if scheme == "https" else COOKIE


class Access:
    """Authenticates requests. `loopback` means that only this machine can reach the server.

    All methods raise `DatabaseUnavailable`.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        loopback: bool,
        limits: SessionLimits,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.engine = engine
        self.limits = limits
        self.clock = clock
        self._csrf_key = secrets.token_bytes(32)  # of users whom a proxy authenticates
        self._asked_at = float("-inf")
        self._noted_at = float("-inf")  # when the use of sessions by open pages was noted
        # Once required, a login stays so until the server is restarted: nobody expects that
        # removing an account opens the server to everybody.
        self._login_required = not loopback

    def login_required(self) -> bool:
        """Whether requests without credentials are rejected."""
        now = time.monotonic()
        if not self._login_required and now - self._asked_at > ACCOUNTS_S:
            self._login_required = accounts.any_accounts(self.engine)
            self._asked_at = now
        return self._login_required

    async def is_login_required(self) -> bool:
        """The same, without waiting for a thread if no query is needed."""
        return self._login_required or await to_thread.run_sync(self.login_required)

    def by_token(self, secret: str) -> User | None:
        """The user of an API token; None if it is unknown or has expired."""
        now = self.clock()
        token = tokens.find_token(self.engine, secret, now=now)
        if token is None:
            return None
        if now - (token.last_used_at or 0.0) >= NOTE_S:
            with suppress(
                StorageError
            ):  # requests that only read go on while nothing can be written
                tokens.note_use(self.engine, token.digest, now=now)
        return User(
            token.account,
            token.role,
            "token",
            digest=token.digest,
            upload_only=token.scope == "upload",
        )

    def by_session(self, secret: str) -> User | None:
        """The user of a session; None if it is unknown or has ended."""
        now = self.clock()
        found = sessions.find_session(self.engine, secret, now=now, idle_s=self.limits.idle_s)
        if found is None:
            return None
        if now - found.last_used_at >= NOTE_S:
            with suppress(StorageError):  # as above
                sessions.note_use(self.engine, found.digest, now=now)
        return User(found.name, found.role, "session", found.csrf_token, found.digest)

    def by_header(self, name: str) -> User | None:
        """The user whom a trusted proxy has authenticated; None if there is no such account."""
        role = accounts.role_of(self.engine, storable(name))
        if role is None:
            return None
        csrf_token = hmac.digest(self._csrf_key, name.encode("utf-8", "replace"), "sha256").hex()
        return User(name, role, "header", csrf_token)

    def ended(self, users: Collection[User]) -> set[User]:
        """Those of `users` whose session or token has ended, or who must log in by now.

        `users` have open pages, which use their sessions.
        """
        now = self.clock()
        by_session = {user.digest for user in users if user.via == "session"}
        by_token = {user.digest for user in users if user.via == "token"}
        open_: set[str] = set()
        if by_session:
            idle_s = self.limits.idle_s
            open_ |= sessions.open_digests(self.engine, by_session, now=now, idle_s=idle_s)
            self._note_watching(open_, now)
        if by_token:
            open_ |= tokens.valid_digests(self.engine, by_token, now=now)
        found = {user for user in users if user.digest and user.digest not in open_}
        for user in users:
            if user.via == "header" and accounts.role_of(self.engine, user.name) != user.role:
                found.add(user)
        if LOCAL in users and self.login_required():
            found.add(LOCAL)
        return found

    def _note_watching(self, digests: Collection[str], now: float) -> None:
        """Somebody may watch a wall for days without a click: that uses a session too."""
        if digests and now - self._noted_at >= NOTE_S:
            with suppress(StorageError):  # as above
                sessions.note_use(self.engine, *digests, now=now)
                self._noted_at = now

    def login(
        self, name: str, password: str, code: str = "", *, address: str, user_agent: str
    ) -> str | None:
        """Begin a session and return its secret; None if the name, password or code is wrong."""
        name = storable(name)
        stored = accounts.password_hash(self.engine, name)
        if not verify_password(stored, password) or stored is None:
            detail = "unknown account" if stored is None else "wrong password"
            self.note_failure(name if stored else "", address, detail)
            return None
        if not one_time_codes.accept(self.engine, name, code, self.clock()):
            self.note_failure(name, address, "wrong one-time code")
            return None
        return self._open_session(name, stored, address, user_agent)

    def login_identity(self, identity: Identity, *, address: str, user_agent: str) -> str | None:
        """Begin a session of who logged in with OpenID; adds their account the first time.

        Raises:
            AccountExists: somebody else's account has the name.
        """
        name, now = storable(identity.name), self.clock()
        by = Actor(name, "none", address)
        name = accounts.account_of_identity(
            self.engine, identity.key, name, identity.role, now=now, by=by
        )
        stored = accounts.password_hash(self.engine, name) or ""
        return self._open_session(name, stored, address, user_agent)

    def _open_session(self, name: str, stored: str, address: str, user_agent: str) -> str | None:
        secret = secrets.token_urlsafe(32)
        begun = sessions.open_session(
            self.engine,
            name,
            secret,
            csrf_token=secrets.token_urlsafe(32),
            password_hash=stored,
            user_agent=user_agent,
            limits=self.limits,
            now=self.clock(),
            by=Actor(name, "session", address),
        )
        return secret if begun else None

    def note_failure(self, name: str, address: str, detail: str) -> None:
        """Log a failed login; `name` is '' unless the account exists."""
        # what was typed as an unknown name is not stored: it may be a password in the wrong field
        actor = Actor(name, "none", address)
        record_alone(self.engine, actor, "login_failed", name, detail, now=self.clock())

    def knows_password(self, user: User, password: str, *, address: str) -> bool:
        """Whether a user proves with the password that it is still them; a failure is logged."""
        if verify_password(accounts.password_hash(self.engine, user.name), password):
            return True
        self.note_failure(user.name, address, "wrong password")
        return False

    def change_password(self, user: User, current: str, new: str, *, address: str) -> bool:
        """Change a user's own password; ends all other sessions and all tokens of the account.

        Returns False if `current` is wrong.

        Raises:
            WeakPassword: see `ops.web.security.passwords.check_password`.
        """
        if not self.knows_password(user, current, address=address):
            return False
        check_password(new, user.name)
        accounts.change_password(
            self.engine,
            user.name,
            hash_password(new),
            now=self.clock(),
            by=Actor(user.name, user.via, address),
            keep=user.digest,
        )
        return True

    def logout(self, user: User, *, address: str) -> None:
        """End a session."""
        by = Actor(user.name, user.via, address)
        sessions.close_session(self.engine, user.digest, now=self.clock(), by=by)
