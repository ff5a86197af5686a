"""Caches one value for a short time, for requests that many pages send at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class BriefCache(Generic[T]):
    """Caches one value for `ttl_s` seconds. Callers wait while another thread computes it."""

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
        self._dropped = 0  # value of `_drops` when the computation started

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
        """Drop the value, also one whose computation has already started. Never blocks."""
        self._drops += 1
