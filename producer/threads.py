"""The producer's loops, one thread each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

#: A loop runs until the event is set.
Loop = Callable[[threading.Event], None]

#: Seconds to wait for the threads to end; the next start finds what they leave undone.
FAREWELL_S = 1.0


class Threads:
    """Runs loops during the ``with`` block.

    A loop that raises is a bug. Its exception is kept for `raise_failure` and raised at the end
    of the block at the latest, so that no producer keeps running with a dead thread.
    """

    def __init__(self, loops: Sequence[Loop]):
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._run, args=(loop,), daemon=True) for loop in loops
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        deadline = time.monotonic() + FAREWELL_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.raise_failure()

    def raise_failure(self) -> None:
        """Raise the exception that ended a loop, if there is one."""
        if self._failure is not None:
            raise self._failure

    def _run(self, loop: Loop) -> None:
        try:
            loop(self._stop)
        except BaseException as error:  # SystemExit too: no loop may end by itself
            self._failure = error
