"""The producer's loops, one thread each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

#: A loop works until the event is set.
Loop = Callable[[threading.Event], None]

#: Seconds that the threads get to end; what they leave undone, the next start finds.
FAREWELL_S = 1.0


class Threads:
    """Runs loops while the ``with`` block lasts.

    A loop that raises is an error of the program. It is kept for `raise_failure`, and raised at
    the end of the block at the latest, so that no producer goes on with a part of it dead.
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
        """Raise what a loop raised, if one did."""
        if self._failure is not None:
            raise self._failure

    def _run(self, loop: Loop) -> None:
        try:
            loop(self._stop)
        except BaseException as error:  # also SystemExit: a loop has no business to end
            self._failure = error
