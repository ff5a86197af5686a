"""Whether a worker makes progress, to tell a slow batch from a stuck one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Counts the steps of a worker's batches. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = 0
        self._interrupted = False  # the last wait ended with an exception
        self.steps = 0  #: increases with every step; only a change is meaningful

    def step(self) -> None:
        """Record progress."""
        with self._lock:
            self.steps += 1
            self._interrupted = False

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark a wait for a disk or a service: if it hangs, no frame is to blame."""
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
        """Whether a thread waits for a disk or a service, or its wait was interrupted."""
        return self._waiting > 0 or self._interrupted
