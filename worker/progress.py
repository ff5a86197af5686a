"""Whether the work of a process goes on: what tells a slow batch from a stuck one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Counts the steps of a worker's batches. Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = 0
        self._interrupted = False  # in what was waited for last
        self.steps = 0  #: rises with every step; its value means nothing else

    def step(self) -> None:
        """Say that a part of the work is done."""
        with self._lock:
            self.steps += 1
            self._interrupted = False

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Do what depends on a disk or a service: if it sticks, no frame is to blame."""
        with self._lock:
            self._waiting += 1
        try:
            yield
        except BaseException:
            self._interrupted = True
            raise
        else:
            self.step()
        finally:
            with self._lock:
                self._waiting -= 1

    @property
    def is_waiting(self) -> bool:
        """Whether a thread waits for a disk or a service, or was interrupted while it did."""
        return self._waiting > 0 or self._interrupted
