"""Rate-limits failed logins."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Final

from ops.web.security.proxies import client_of

#: Failed logins of one account from one address, within `WINDOW_S`, after which it must wait.
FAILURES_OF_PAIR: Final = 5
#: The same for one address and all accounts.
FAILURES_OF_ADDRESS: Final = 30
#: Seconds for which a failed login counts.
WINDOW_S: Final = 300.0
#: Most accounts and addresses remembered, so that guessing cannot fill the memory.
REMEMBERED: Final = 10_000


class LoginThrottle:
    """Recent failed logins. In memory, because there is one server process.

    Addresses of one IPv6 customer count as one (`ops.web.security.proxies.client_of`).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def wait_s(self, account: str, address: str) -> float:
        """Seconds until another attempt is allowed; 0 if it is allowed now."""
        address = client_of(address)
        now = self._clock()
        with self._lock:
            return max(
                self._wait_s((account, address), FAILURES_OF_PAIR, now),
                self._wait_s(address, FAILURES_OF_ADDRESS, now),
            )

    def failed(self, account: str, address: str) -> None:
        """Record an attempt. It counts as failed unless `succeeded` is called."""
        address = client_of(address)
        now = self._clock()
        with self._lock:
            for key in ((account, address), address):
                times = self._failures.setdefault(key, deque(maxlen=FAILURES_OF_ADDRESS))
                times.append(now)
                self._failures.move_to_end(key)
            while len(self._failures) > REMEMBERED:
                self._failures.popitem(last=False)

    def succeeded(self, account: str, address: str) -> None:
        """Remove the recorded attempt, and the account's failures from this address."""
        address = client_of(address)
        with self._lock:
            self._failures.pop((account, address), None)
            if times := self._failures.get(address):
                times.pop()

    def _wait_s(self, key: Hashable, limit: int, now: float) -> float:
        times = self._failures.get(key, deque())
        recent = [at for at in times if now - at < WINDOW_S]
        return WINDOW_S - (now - recent[-limit]) if len(recent) >= limit else 0.0
