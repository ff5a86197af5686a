"""Outages of a service: wait, log once, resume automatically."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Shortest and longest pause between attempts, in seconds. In between, the pause equals the time
#: the service has been down, so it doubles with each attempt.
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0


class Stopping(Exception):
    """The producer was asked to stop while it waited for a service."""


class Outage:
    """Whether one service answers. Shared by threads, so each change is logged once."""

    def __init__(
        self,
        service: str,
        error: type[Exception],
        on_return: Callable[[], None],
        check: Callable[[], None],
    ):
        """`error` is the exception of a failed attempt; `on_return` is called after recovery.

        `check` raises it unless the service really works: an attempt may succeed only because it
        needed less than the failed one, such as a read from a full disk.
        """
        self.service = service
        self._error = error
        self._on_return = on_return
        self._check = check
        self._lock = threading.Lock()
        self._since: float | None = None  # monotonic s

    @property
    def down(self) -> bool:
        """Whether the last attempt failed."""
        return self._since is not None

    def failed(self, error: Exception) -> float:
        """Note a failed attempt; return the seconds to wait before the next."""
        now = time.monotonic()
        with self._lock:
            began, since = self._since is None, self._since or now
            self._since = since
        if began:
            logger.warning(
                "%s does not answer; trying again until it does: %s", self.service, error
            )
        return min(max(now - since, FIRST_PAUSE_S), LONGEST_PAUSE_S)

    def answered(self) -> None:
        """Note a successful attempt; after an outage, confirm recovery with `check`.

        Raises what `check` raises.
        """
        if self.down:
            self._check()
        with self._lock:
            since, self._since = self._since, None
        if since is not None:
            logger.warning("%s is back after %.1f s", self.service, time.monotonic() - since)
            self._on_return()

    def outlast(self, action: Callable[[], T], stop: threading.Event) -> T:
        """Repeat `action` until the service answers; return its result.

        Raises:
            Stopping: `stop` was set during the outage.
        """
        while True:
            try:
                result = action()
                self.answered()
            except self._error as error:
                if stop.wait(self.failed(error)):
                    raise Stopping from error
            else:
                return result
