"""Hashes of passwords: slow on purpose, so they must not slow down anything else."""

from __future__ import annotations

import os
import secrets
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

T = TypeVar("T")

#: Niceness of the threads that hash: a worker that waits for the processor comes first.
NICENESS: Final = 19

_hasher = PasswordHasher()  # argon2id with RFC 9106's second recommended parameters


def _be_nice() -> None:
    if sys.platform == "linux":  # elsewhere threads have no niceness of their own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


# A thread of its own, because only root may make a thread less nice again.
_thread = ThreadPoolExecutor(1, thread_name_prefix="hashing", initializer=_be_nice)


def hash_password(password: str) -> str:
    """Hash a password for storage (argon2id)."""
    return _hasher.hash(password)


@cache
def _nobodys_hash() -> str:
    """Hash to verify against if the account does not exist, so that it takes the same time."""
    return _hasher.hash(secrets.token_urlsafe(16))


def verify_password(stored: str | None, password: str) -> bool:
    """Whether the password matches. Takes the same time without a `stored` hash."""
    hashed = stored or _nobodys_hash()
    try:
        return in_its_thread(lambda: _hasher.verify(hashed, password)) and stored is not None
    except (VerifyMismatchError, InvalidHashError):
        return False


def in_its_thread(call: Callable[[], T]) -> T:
    """The result of a call in the thread that hashes."""
    return _thread.submit(call).result()
