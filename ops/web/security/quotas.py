"""What one account, and all of them, may have in progress at a time.

In memory, because there is one server process. Everything runs on its event loop.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, TypeVar

from anyio import CapacityLimiter, to_thread

from ops.web.problems import Problem

T = TypeVar("T")

#: Images that are decoded or drawn at a time.
IMAGES_AT_ONCE: Final = 2
#: Seconds after which a client should try again.
RETRY_S: Final = 5


class Quota:
    """Counts what is in progress, such as "exports"."""

    def __init__(self, what: str, *, of_account: int, of_all: int) -> None:
        self._what = what
        self._of_account = of_account
        self._of_all = of_all
        self._numbers: Counter[str] = Counter()

    @property
    def in_progress(self) -> int:
        """How many there are, of all accounts."""
        return self._numbers.total()

    @contextmanager
    def slot(self, account: str) -> Iterator[None]:
        """Count one more of this account within the block.

        Raises:
            Problem: 429, there are too many already.
        """
        if self._numbers[account] >= self._of_account:
            raise self._refusal(f"{account} has {self._of_account}")
        if self.in_progress >= self._of_all:
            raise self._refusal(f"all accounts together have {self._of_all}")
        self._numbers[account] += 1
        try:
            yield
        finally:
            self._numbers[account] -= 1
            if not self._numbers[account]:
                del self._numbers[account]

    def _refusal(self, reached: str) -> Problem:
        return Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"{reached} {self._what} in progress; wait for one of them to end",
            {"Retry-After": str(RETRY_S)},
        )


class Lane:
    """Runs slow calls in threads of their own, so that they leave others to all other requests.

    While calls wait, a thread rests for `rest_s` seconds after each.
    """

    def __init__(self, what: str, *, at_once: int, waiting: int, rest_s: float = 0.0) -> None:
        self._what = what
        self._at_once = at_once
        self._waiting = waiting
        self._rest_s = rest_s
        self._limiter: CapacityLimiter | None = None  # made on the event loop
        self._entered = 0

    @property
    def in_progress(self) -> int:
        """How many calls run or wait."""
        return self._entered

    def check_room(self) -> None:
        """Check that one more call may wait.

        Raises:
            Problem: 503.
        """
        if self._entered >= self._at_once + self._waiting:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"too many {self._what} at once; try again in a few seconds",
                {"Retry-After": str(RETRY_S)},
            )

    async def run(self, call: Callable[..., T], *args: object) -> T:
        """The result of a call, in its turn.

        Raises:
            Problem: 503, too many are waiting.
        """
        self.check_room()
        if self._limiter is None:
            self._limiter = CapacityLimiter(self._at_once)
        self._entered += 1
        try:
            return await to_thread.run_sync(self._call, call, *args, limiter=self._limiter)
        finally:
            self._entered -= 1

    def _call(self, call: Callable[..., T], *args: object) -> T:
        try:
            return call(*args)
        finally:
            if self._entered > self._at_once:
                time.sleep(self._rest_s)


@dataclass(frozen=True)
class Quotas:
    """The limits of one server."""

    #: A paused CSV export keeps about 3 MB in memory.
    exports: Quota = field(default_factory=lambda: Quota("exports", of_account=2, of_all=20))
    #: One for each open page; a control room may share an account.
    streams: Quota = field(
        default_factory=lambda: Quota("live connections", of_account=100, of_all=500)
    )
    uploads: Quota = field(default_factory=lambda: Quota("uploads", of_account=8, of_all=32))
    #: Responses of up to `ops.web.matrices.MOST_PX` values, or with a whole uploaded file.
    matrices: Quota = field(
        default_factory=lambda: Quota("downloads of values", of_account=8, of_all=32)
    )


@dataclass(frozen=True)
class Lanes:
    """The slow calls of one server."""

    #: Each hash takes 64 MiB and a core for about 0.2 s; a crowd of logins must not take it all.
    logins: Lane = field(default_factory=lambda: Lane("logins", at_once=1, waiting=11, rest_s=0.6))
    #: An image of `limits.max_pixels` takes several hundred MB while it is decoded.
    images: Lane = field(
        default_factory=lambda: Lane("images", at_once=IMAGES_AT_ONCE, waiting=400)
    )
    #: Pages of CSV exports; a thread keeps several MB of each for the next one.
    pages: Lane = field(default_factory=lambda: Lane("CSV exports", at_once=2, waiting=100))
    files: Lane = field(default_factory=lambda: Lane("Parquet exports", at_once=2, waiting=8))
