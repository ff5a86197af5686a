"""Answers that many pages ask for at once, computed once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class BriefCache(Generic[T]):
    """Holds one value for `ttl_s`; who asks while it is computed waits for that one."""

    def __init__(
        self, compute: Callable[[], T], ttl_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._compute = compute
        self._ttl_s = ttl_s
        self._clock = clock
        self._lock = threading.Lock()
        self._value: T | None = None
        self._until = float("-inf")
        self._drops = 0
        self._dropped = 0  # how many drops there had been when the value was begun

    def get(self) -> T:
        """The value, at most `ttl_s` old."""
        with self._lock:
            value = self._value
            if value is None or self._clock() >= self._until or self._dropped != self._drops:
                self._dropped = self._drops
                value = self._compute()
                self._value = value
                self._until = self._clock() + self._ttl_s
            return value

    def drop(self) -> None:
        """Let no value count that was begun before now. Never waits."""
        self._drops += 1
