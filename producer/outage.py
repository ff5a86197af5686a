"""A service that is away for a while: wait, say so once, go on by itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds between the first attempts, and at most. In between, the pause equals the time that the
#: service has been away, which doubles it from attempt to attempt.
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0


class Stopping(Exception):
    """The producer was asked to stop while it waited for a service."""


class Outage:
    """Whether one service answers. Threads share it: one log line tells of a change."""

    def __init__(
        self,
        service: str,
        error: type[Exception],
        on_return: Callable[[], None],
        check: Callable[[], None],
    ):
        """`error` is what the service's failures raise; `on_return` is called when it is back.

        `check` raises it unless the service is well: an attempt may succeed because it did less
        than the one that failed, reading from a disk that is full, say.
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
        """Note a successful attempt; if the last one had failed, check whether it tells enough.

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
        """Do `action`, again and again while the service is away; return what it returns.

        Raises:
            Stopping: `stop` was set while the service was away.
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
