"""Hashes of passwords: slow on purpose, so `ops.web.security.quotas` lets few be made at a time."""

from __future__ import annotations

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

_hasher = PasswordHasher()  # argon2id with RFC 9106's second recommended parameters


def hash_password(password: str) -> str:
    """Hash a password for storage (argon2id)."""
    return _hasher.hash(password)


@cache
def _nobodys_hash() -> str:
    """Hash to verify against if the account does not exist, so that it takes the same time."""
    return _hasher.hash(secrets.token_urlsafe(16))


def verify_password(stored: str | None, password: str) -> bool:
    """Whether the password matches. Takes the same time without a `stored` hash."""
    try:
        return _hasher.verify(stored or _nobodys_hash(), password) and stored is not None
    except (VerifyMismatchError, InvalidHashError):
        return False
